"""Multilayer perceptrons: Flatten, then hidden layers, then one linear layer out."""

from __future__ import annotations

import math

from torch import nn

from scantrial.nets.layers import make_activation, make_dropout, named_sequence
from scantrial.recipe.spec import ModelSpec


def build_mlp(spec: ModelSpec, image_shape: tuple[int, int, int], n_outputs: int) -> nn.Module:
    """Build Flatten, [Linear, (BatchNorm1d), activation, (Dropout)] for each hidden size, Linear.

    Parameters
    ----------
    spec : with `hidden`, `activation`, `batch_norm`, `dropout`; ``mlp-256``, ``mlp-64x3``, ``mlp-32x3`` are presets
    image_shape : (channels, height, width)
    n_outputs : logits

    Notes
    -----
    Parameters are called ``hidden.0.linear.weight``, ``hidden.0.norm.weight``, ..., ``head.weight``.
    Cost: nearly all of it is the first layer, channels x height x width x hidden[0].
    """
    hidden = nn.Sequential()
    n_in = math.prod(image_shape)
    for n_units in spec.hidden or ():
        hidden.append(
            named_sequence(
                linear=nn.Linear(n_in, n_units),
                norm=nn.BatchNorm1d(n_units) if spec.batch_norm else None,
                activation=make_activation(spec.activation),
                dropout=make_dropout(spec.dropout),
            )
        )
        n_in = n_units
    return named_sequence(flatten=nn.Flatten(), hidden=hidden, head=nn.Linear(n_in, n_outputs))
