"""How deep each parameter lies."""

from __future__ import annotations

from torch import nn

from scantrial.nets.build import build_network
from scantrial.nets.groups import depth_of
from scantrial.recipe.networks import ModelSpec


def depths(name: str, **settings: object) -> dict[str, tuple[int, bool]]:
    spec = ModelSpec(name=name, **settings)
    return depth_of(build_network(spec, image_shape=(1, 32, 32), n_outputs=2, seed=0), spec)


def test_layers_of_a_perceptron_count_from_the_input():
    found = depths("mlp-64x3")
    assert found["hidden.0.linear.weight"] == found["hidden.0.norm.bias"] == (0, False)
    assert found["hidden.2.linear.bias"] == (2, False)
    assert found["head.weight"] == found["head.bias"] == (3, True)


def test_blocks_of_a_convolutional_network_come_before_its_hidden_layer():
    found = depths("cnn", activation={"name": "PReLU"})
    assert [found[name][0] for name in ("features.0.conv.weight", "features.2.activation.weight")] == [0, 2]
    assert found["hidden.0.linear.weight"] == (3, False)
    assert found["head.weight"] == (4, True)


def test_nothing_is_known_of_a_custom_class():
    spec = ModelSpec(name="mine.nets:Small")
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    assert set(depth_of(network, spec).values()) == {(0, False)}
    assert len(depth_of(network, spec)) == 4
