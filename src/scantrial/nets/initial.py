"""Initial weights: PyTorch's default distribution or He's, each parameter from its own stream."""

from __future__ import annotations

import math

import torch
from torch import nn

from scantrial.core.rng import derive_seed

_DRAWN = (nn.Linear, nn.Conv2d)


@torch.no_grad()
def initialise(network: nn.Module, *, seed: int, only: str | None = None, he: bool = False) -> None:
    """Draw new weights and biases for all linear and convolutional layers, or for the one called `only`, in place.

    Parameters
    ----------
    he : draw convolutions, which have no bias then, from a normal distribution of mean 0 and variance 2/fan_out
        (He et al. 2015, as torchvision does in its residual networks)

    Notes
    -----
    Uniform within +-1/sqrt(fan_in), as in `torch.nn.Linear.reset_parameters`. Each parameter has its
    own stream, keyed by seed and name: where two networks agree in a parameter's name and shape, they start from the
    same numbers, whatever else differs. Other layers (batch normalisation, PReLU) keep their constants.
    """
    for name, layer in network.named_modules():
        if isinstance(layer, _DRAWN) and only in (None, name):
            bound = 1.0 / math.sqrt(layer.weight[0].numel())
            for part, parameter in layer.named_parameters(recurse=False):
                own = derive_seed(seed, "weights", f"{name}.{part}")
                if he and isinstance(layer, nn.Conv2d):
                    fan_out = layer.weight.shape[0] * layer.weight[0, 0].numel()
                    _draw_normal(parameter, math.sqrt(2.0 / fan_out), seed=own)
                else:
                    _draw_uniform(parameter, bound, seed=own)


def _draw_uniform(parameter: nn.Parameter, bound: float, *, seed: int) -> None:
    """Draw from the unit interval, then scale: what is drawn depends on name and shape, not on the bound."""
    generator = torch.Generator().manual_seed(seed)
    unit = torch.empty(parameter.shape, dtype=parameter.dtype).uniform_(-1.0, 1.0, generator=generator)
    parameter.copy_(unit.mul_(bound))


def _draw_normal(parameter: nn.Parameter, deviation: float, *, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    unit = torch.empty(parameter.shape, dtype=parameter.dtype).normal_(generator=generator)
    parameter.copy_(unit.mul_(deviation))
