"""Optimisers by their specs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn, optim

from scantrial.recipe.spec import AdamSpec, Optimizer

_FUSED_DEVICES = ("cpu", "cuda")


def make_optimizer(spec: Optimizer, parameters: Iterable[nn.Parameter], *, device: str) -> optim.Optimizer:
    """Return a fresh `torch.optim` optimiser for those parameters that are trained.

    The fused kernels make one pass over the parameters where the plain ones make a dozen; they are used on the devices
    that have them.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    fused = True if torch.device(device).type in _FUSED_DEVICES else None
    if isinstance(spec, AdamSpec):
        kind = optim.Adam if spec.name == "adam" else optim.AdamW
        return kind(trained, lr=spec.lr, betas=spec.betas, eps=spec.eps, weight_decay=spec.weight_decay, fused=fused)
    return optim.SGD(
        trained,
        lr=spec.lr,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
        weight_decay=spec.weight_decay,
        fused=fused,
    )
