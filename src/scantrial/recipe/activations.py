"""Activations by their `torch.nn` names, with their arguments, known without PyTorch.

Element-wise modules only: ``GLU``, ``Softmax`` and ``MultiheadAttention`` change shapes or mix
elements and are no activation of a hidden layer. A test holds this table against `torch.nn`.
"""

from __future__ import annotations

ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "CELU": ("alpha",),
    "ELU": ("alpha",),
    "GELU": ("approximate",),
    "Hardshrink": ("lambd",),
    "Hardsigmoid": (),
    "Hardswish": (),
    "Hardtanh": ("min_val", "max_val"),
    "Identity": (),
    "LeakyReLU": ("negative_slope",),
    "LogSigmoid": (),
    "Mish": (),
    "PReLU": ("num_parameters", "init"),
    "RReLU": ("lower", "upper"),
    "ReLU": (),
    "ReLU6": (),
    "SELU": (),
    "SiLU": (),
    "Sigmoid": (),
    "Softplus": ("beta", "threshold"),
    "Softshrink": ("lambd",),
    "Softsign": (),
    "Tanh": (),
    "Tanhshrink": (),
    "Threshold": ("threshold", "value"),
}

REQUIRED_ARGUMENTS: dict[str, tuple[str, ...]] = {"Threshold": ("threshold", "value")}
"""Arguments without a default in `torch.nn`."""
