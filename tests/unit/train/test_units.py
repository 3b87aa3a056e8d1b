"""Which hidden units still tell cases apart, and the norm of the last gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scantrial.train.run import grad_norm
from scantrial.train.units import MAP_CASES, watched_units


def dead_after(network: nn.Module, *batches: torch.Tensor) -> float | None:
    with watched_units(network) as units, torch.inference_mode():
        for batch in batches:
            network(batch)
    return units.dead_share()


def linear(bias: list[float]) -> nn.Linear:
    layer = nn.Linear(2, len(bias))
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.copy_(torch.tensor(bias))
    return layer


def test_a_unit_that_is_always_nought_is_dead():
    """Of four rectified units on inputs between 0 and 2, two have biases that keep them below 0."""
    network = nn.Sequential(linear([0.0, -0.5, -9.0, -9.0]), nn.ReLU(), nn.Linear(4, 1))
    assert dead_after(network, torch.rand(20, 2)) == 0.5


def test_batches_are_taken_together():
    """A unit that is silent on one batch and speaks on another is alive; so is one that is constant within each."""
    network = nn.Sequential(linear([-2.5]), nn.ReLU())
    low, high = torch.zeros(4, 2), torch.full((4, 2), 3.0)
    assert dead_after(network, low) == 1.0
    assert dead_after(network, low, high) == 0.0
    assert dead_after(network, high, low) == 0.0


def test_an_activation_that_is_used_twice_counts_twice():
    """Units are told apart by their place in the forward pass, not by the module."""
    shared = nn.ReLU()
    network = nn.Sequential(linear([-9.0]), shared, nn.Linear(1, 3), nn.Identity(), shared)
    found = dead_after(network, torch.rand(8, 2))
    assert found == 1.0  # the first unit is dead, so all that follow are constant
    network = nn.Sequential(linear([0.0, 0.0]), shared, linear([-99.0, 0.0]), shared)
    assert dead_after(network, torch.rand(8, 2), torch.rand(8, 2)) == 0.25


def test_a_channel_is_a_unit_and_is_watched_on_the_first_cases():
    """A channel is alive if any pixel of any watched case differs; cases after the first 64 are not watched."""
    network = nn.Sequential(nn.ReLU())
    maps = torch.full((MAP_CASES + 10, 3, 4, 4), -1.0)
    maps[3, 0, 2, 1] = 1.0
    maps[MAP_CASES + 5, 1] = 1.0
    assert dead_after(network, maps) == pytest.approx(2 / 3)
    assert dead_after(network, maps[:40], maps[40:]) == pytest.approx(2 / 3)


def test_nothing_is_left_on_the_network():
    """Hooks go with the block, and a network without activations of `torch.nn` has no share."""
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    dead_after(network, torch.rand(3, 2))
    assert not network._forward_pre_hooks
    assert not network[1]._forward_hooks
    assert dead_after(nn.Linear(2, 2), torch.rand(3, 2)) is None


def test_the_gradients_norm_is_that_of_all_parameters_together():
    """3 and 4 make 5; without a step there is none."""
    network = nn.Linear(1, 1)
    assert grad_norm(network) is None
    network.weight.grad, network.bias.grad = torch.tensor([[3.0]]), torch.tensor([-4.0])
    assert grad_norm(network) == pytest.approx(5.0)
    network.weight.grad = torch.tensor([[math.inf]])
    assert grad_norm(network) == math.inf
