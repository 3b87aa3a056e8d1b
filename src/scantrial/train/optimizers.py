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
"""What builds each of `scantrial.recipe.optimizers.OPTIMIZERS`; settings go by PyTorch's own names."""

_FUSED_DEVICES = ("cpu", "cuda")


def make_optimizer(spec: Optimizer, parameters: Iterable[nn.Parameter], *, device: str) -> optim.Optimizer:
    """Return a fresh `torch.optim` optimiser for those parameters that are trained.

    The fused kernels make one pass over the parameters where the plain ones make a dozen; they are used on the devices
    that have them.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    fused = True if torch.device(device).type in _FUSED_DEVICES else None
    settings = spec.model_dump(exclude={"name"})
    return BUILDERS[spec.name](trained, **settings, fused=fused)
