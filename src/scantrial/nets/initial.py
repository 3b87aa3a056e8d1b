"""Initial weights: PyTorch's default distribution, each parameter from its own stream."""

from __future__ import annotations

import math

import torch
from torch import nn

from scantrial.core.rng import derive_seed

_DRAWN = (nn.Linear, nn.Conv2d)


@torch.no_grad()
def initialise(network: nn.Module, *, seed: int, only: str | None = None) -> None:
    """Draw new weights and biases for all linear and convolutional layers, or for the one called `only`, in place.

    Uniform within +-1/sqrt(fan_in), as in `torch.nn.Linear.reset_parameters`. Each parameter has its
    own stream, keyed by seed and name: where two networks agree in a parameter's name and shape, they start from the
    same numbers, whatever else differs. Other layers (batch normalisation, PReLU) keep their constants.
    """
    for name, layer in network.named_modules():
        if isinstance(layer, _DRAWN) and only in (None, name):
            bound = 1.0 / math.sqrt(layer.weight[0].numel())
            for part, parameter in layer.named_parameters(recurse=False):
                _draw_uniform(parameter, bound, seed=derive_seed(seed, "weights", f"{name}.{part}"))


def _draw_uniform(parameter: nn.Parameter, bound: float, *, seed: int) -> None:
    """Draw from the unit interval, then scale: what is drawn depends on name and shape, not on the bound."""
    generator = torch.Generator().manual_seed(seed)
    unit = torch.empty(parameter.shape, dtype=parameter.dtype).uniform_(-1.0, 1.0, generator=generator)
    parameter.copy_(unit.mul_(bound))
