"""What every built-in network promises."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from scantrial.nets.build import build_network
from scantrial.recipe.activations import ACTIVATIONS, REQUIRED_ARGUMENTS
from scantrial.recipe.networks import CUSTOM, NETWORKS, ModelSpec, is_custom, network_of

SHAPES = [(1, 16, 16), (3, 9, 12)]


def build(name: str, shape=(1, 16, 16), n_outputs: int = 2, seed: int = 0, **options) -> nn.Module:
    small = {"widths": (4, 6, 8, 10), "stem": "3x3"} if name.startswith("resnet") else {}
    return build_network(ModelSpec(name=name, **small, **options), image_shape=shape, n_outputs=n_outputs, seed=seed)


def test_each_row_says_what_the_network_is():
    """A builder by its text, settings that a recipe can have, words that name it; another name has no row."""
    for name, row in NETWORKS.items():
        assert row.name == name == ModelSpec(name=name).name
        assert set(row.defaults) <= {"hidden", "activation", "batch_norm", "dropout", "widths", "stem"}
        assert row.describe(ModelSpec(name=name)).startswith("a ")
        assert not is_custom(name)
    assert network_of("my.nets:Net") is CUSTOM
    assert is_custom(CUSTOM.name)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_tell_the_engines_the_truth(name):
    """Linear on pixels, convolutional, batch normalisation that cannot train on one case: as the network that is built."""
    network, row = build(name, batch_norm=True), NETWORKS[name]
    first = next(layer for layer in network.modules() if list(layer.parameters(recurse=False)))
    assert row.is_linear_on_pixels == isinstance(first, nn.Linear)
    assert row.is_convolutional == any(isinstance(layer, nn.Conv2d) for layer in network.modules())
    one_case = build(name, (1, 8, 8), batch_norm=True).train()
    with pytest.raises(ValueError, match="more than 1 value") if row.norm_needs_two else nullcontext():
        one_case(torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_outputs", [1, 2, 5])
@pytest.mark.parametrize("name", NETWORKS)
def test_gives_one_row_of_logits_for_each_image(name, n_outputs, shape):
    """(batch, channels, height, width) in, (batch, n_outputs) out, and every parameter gets a gradient."""
    network = build(name, shape, n_outputs)
    logits = network(torch.rand(4, *shape))
    assert logits.shape == (4, n_outputs)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_same_seed_same_weights(name):
    """The seed fixes the initial weights; another seed gives others."""
    once, again, other = (build(name, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(once[key], again[key]) for key in once)
    assert not torch.equal(once["head.weight"], other["head.weight"])


@pytest.mark.parametrize("name", NETWORKS)
def test_building_leaves_the_global_generator_alone(name):
    """Neither is PyTorch's generator moved, nor do the weights depend on where it stood."""
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = build(name)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(999)
    second = build(name)
    assert torch.equal(first.state_dict()["head.weight"], second.state_dict()["head.weight"])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_does_not_change_the_other_layers(name):
    """One output or two: every layer but the last starts from the same numbers, and the last bias from the same draw."""
    one, two = build(name, n_outputs=1).state_dict(), build(name, n_outputs=2).state_dict()
    shared = [key for key in one if not key.startswith("head.")]
    assert shared
    assert all(torch.equal(one[key], two[key]) for key in shared)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_takes_every_activation(activation):
    """Each activation that a recipe may name can be built with its defaults (0 where it has none) and trained through."""
    needed = dict.fromkeys(REQUIRED_ARGUMENTS.get(activation, ()), 0)
    network = build("mlp-32x3", activation={"name": activation, **needed})
    logits = network.train()(torch.rand(3, 1, 16, 16))
    assert logits.isfinite().all()
    assert type(network.hidden[0].activation) is getattr(nn, activation)


@pytest.mark.parametrize("activation", REQUIRED_ARGUMENTS)
def test_an_activation_without_its_needed_arguments_is_refused(activation):
    """What torch.nn could not build is refused when the recipe is read."""
    with pytest.raises(ValidationError, match=f"{activation} needs"):
        ModelSpec(name="mlp", activation=activation)


@pytest.mark.parametrize("name", NETWORKS)
def test_batch_norm_and_dropout_are_where_the_recipe_says(name):
    """Switched on they are there, switched off they are not."""
    on = [type(layer) for layer in build(name, batch_norm=True, dropout=0.3).modules()]
    off = [type(layer) for layer in build(name, batch_norm=False, dropout=0.0).modules()]
    norms = {nn.BatchNorm1d, nn.BatchNorm2d}
    assert norms & set(on)
    assert nn.Dropout in on
    assert not (norms | {nn.Dropout}) & set(off)
