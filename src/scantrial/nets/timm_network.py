"""A network of timm: its backbone without the classifier, and a linear layer of our own behind it."""

from __future__ import annotations

from torch import nn

_BACKBONE = "backbone."


def backbone_depths(network: nn.Module, *, coarse: bool = False) -> dict[str, int]:
    """Return the group of each of the backbone's parameters, from 0 at the input, by its name in the whole network.

    Parameters
    ----------
    coarse : whether to count stages instead of the blocks in them
    """
    from timm.models import group_parameters  # noqa: PLC0415 - timm is an extra

    backbone: nn.Module = network.get_submodule(_BACKBONE[:-1])
    matcher = backbone.group_matcher(coarse=coarse)  # type: ignore[operator]
    groups = group_parameters(backbone, matcher, reverse=True)
    return {f"{_BACKBONE}{name}": int(group) for name, group in groups.items()}
