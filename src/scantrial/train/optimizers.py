"""Optimisers by their specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn, optim

from scantrial.core.registry import Registry
from scantrial.recipe.optimizers import Optimizer

BUILDERS: Registry[Callable[..., optim.Optimizer]] = Registry(
    "optimizer", {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD}
)
"""The classes that build `scantrial.recipe.optimizers.OPTIMIZERS`; settings have PyTorch's names."""

_FUSED_DEVICES = ("cpu", "cuda")


def make_optimizer(spec: Optimizer, parameters: Iterable[nn.Parameter], *, device: str) -> optim.Optimizer:
    """Return a new `torch.optim` optimiser for the trainable parameters.

    The fused kernels make one pass over the parameters, the plain ones about twelve; they are used on devices that have
    them.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    fused = True if torch.device(device).type in _FUSED_DEVICES else None
    settings = spec.model_dump(exclude={"name"})
    return BUILDERS[spec.name](trained, **settings, fused=fused)
