"""How deep each parameter of a network lies, for learning rates that depend on it."""

from __future__ import annotations

import re
from typing import NamedTuple

from torch import nn

from scantrial.recipe.networks import ModelSpec, is_timm

_UNIT = re.compile(r".*\.\d+(?=\.)|[^.]+")
"""The part of a parameter's name that names its layer or block: ``stages.0.1`` of ``stages.0.1.conv1.weight``."""


class Depth(NamedTuple):
    """Where a parameter lies.

    Parameters
    ----------
    depth : layers or blocks before its own, counting from 0 at the input
    is_head : whether it belongs to the last layer, which turns features into logits
    """

    depth: int
    is_head: bool


def depth_of(network: nn.Module, spec: ModelSpec) -> dict[str, Depth]:
    """Return the depth of every parameter by name, in the network's order.

    Parameters
    ----------
    network : as `scantrial.nets.build.build_network` returned it for `spec`

    Notes
    -----
    A built-in network is divided into its layers or residual blocks, one of timm into the groups that timm names for
    layer-wise rates (`group_matcher`); where it names none, its backbone is one group. Of a custom class nothing is
    known: all its parameters have depth 0, and none belongs to a head.
    """
    names = [name for name, _ in network.named_parameters()]
    if spec.is_custom:
        return {name: Depth(depth=0, is_head=False) for name in names}
    if is_timm(spec.name):
        from scantrial.nets.timm_network import backbone_as_one, backbone_depths  # noqa: PLC0415 - timm is an extra

        inside = backbone_depths(network) if hasattr(network.backbone, "group_matcher") else backbone_as_one(network)
        last = 1 + max(inside.values())
        return {name: Depth(inside.get(name, last), name not in inside) for name in names}
    units = [_UNIT.match(name)[0] for name in names]  # type: ignore[index] # a name is never empty
    order = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    return {name: Depth(order[unit], unit == "head") for name, unit in zip(names, units, strict=True)}
