"""Optimisers by their specs, and the groups of weights that they treat alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn, optim

from scantrial.core.registry import Registry
from scantrial.nets.groups import depth_of
from scantrial.recipe.networks import ModelSpec
from scantrial.recipe.optimizers import Optimizer, has_groups

BUILDERS: Registry[Callable[..., optim.Optimizer]] = Registry(
    "optimizer", {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD}
)
"""The classes that build `scantrial.recipe.optimizers.OPTIMIZERS`; settings have PyTorch's names."""

Group = dict[str, Any]
"""Weights that are treated alike, as `torch.optim` takes them; `lr_factor` multiplies the learning rate."""

_FUSED_DEVICES = ("cpu", "cuda")
_OF_GROUPS = ("weight_decay_on", "head_lr_factor", "layer_decay")


def make_optimizer(
    spec: Optimizer, parameters: Iterable[nn.Parameter] | Iterable[Group], *, device: str
) -> optim.Optimizer:
    """Return a new `torch.optim` optimiser for the trainable parameters, or for groups of them.

    The fused kernels make one pass over the parameters, the plain ones about twelve; they are used on devices that have
    them.
    """
    trained = [item for item in parameters if isinstance(item, dict) or item.requires_grad]
    fused = True if torch.device(device).type in _FUSED_DEVICES else None
    settings = spec.model_dump(exclude={"name", *_OF_GROUPS})
    return BUILDERS[spec.name](trained, **settings, fused=fused)


def grouped(network: nn.Module, model: ModelSpec, spec: Optimizer) -> list[nn.Parameter] | list[Group]:
    """Return the trainable parameters of a network, in groups where the optimiser does not treat all alike.

    The learning rate of a parameter with k layers between its own and the last is ``lr x layer_decay^(k + 1)``, of the
    last layer itself ``lr x head_lr_factor``. With ``weight_decay_on: weights`` those of fewer than two dimensions
    have no weight decay.
    """
    if not has_groups(spec):
        return [parameter for parameter in network.parameters() if parameter.requires_grad]
    depths = depth_of(network, model)
    deepest = max(depth.depth for depth in depths.values())
    groups: dict[tuple[float, float], Group] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        depth, is_head = depths[name]
        factor = spec.layer_decay ** (deepest - depth) * (spec.head_lr_factor if is_head else 1.0)
        decay = 0.0 if spec.weight_decay_on == "weights" and parameter.ndim < 2 else spec.weight_decay
        group = groups.setdefault((factor, decay), {"params": [], "weight_decay": decay, "lr_factor": factor})
        group["params"].append(parameter)
    return list(groups.values())


def set_rate(optimizer: optim.Optimizer, lr: float) -> None:
    """Set the learning rate of the next move: each group's factor times `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)


def group_of(optimizer: optim.Optimizer, weight: torch.Tensor) -> Group:
    """Return the group of the optimiser that holds a weight."""
    return next(group for group in optimizer.param_groups if any(item is weight for item in group["params"]))
