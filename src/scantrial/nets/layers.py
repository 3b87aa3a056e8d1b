"""What the built-in networks share: an activation by name, and a sequence with names."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from scantrial.recipe.spec import ActivationSpec


def named_sequence(**layers: nn.Module | None) -> nn.Sequential:
    """Chain layers under their names; those that are None are left out."""
    return nn.Sequential(OrderedDict((name, layer) for name, layer in layers.items() if layer is not None))


def make_activation(spec: ActivationSpec | None) -> nn.Module:
    """Return a new activation module, ReLU if none is named."""
    if spec is None:
        return nn.ReLU()
    layer: nn.Module = getattr(nn, spec.name)(**spec.arguments)
    return layer


def make_dropout(p: float | None) -> nn.Module | None:
    """Return dropout of probability `p`, or None where there is none."""
    return nn.Dropout(p) if p else None
