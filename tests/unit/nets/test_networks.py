"""The networks layer by layer, their initial weights, and a user's own class."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from scantrial.core.custom_code import allowed, find_class
from scantrial.core.errors import InputError, ShapeError, TrainingError
from scantrial.nets.build import build_network
from scantrial.nets.generators import borrowed_generators, generator_states, restore_generators
from scantrial.recipe.networks import NETWORKS, ModelSpec

GRAY = (1, 256, 256)


def build(name: str, shape=(1, 16, 16), n_outputs: int = 2, seed: int = 0, **options) -> nn.Module:
    with allowed([find_class(name, sys.path)] if ":" in name else []):
        return build_network(ModelSpec(name=name, **options), image_shape=shape, n_outputs=n_outputs, seed=seed)


def leaves(network: nn.Module) -> list[str]:
    """Each layer without layers of its own, by its representation."""
    return [repr(layer) for layer in network.modules() if not list(layer.children())]


def linear(n_in: int, n_out: int) -> str:
    return repr(nn.Linear(n_in, n_out))


def test_mlp_256_is_the_courses():
    """Flatten, Linear(65536, 256), ReLU, Linear(256, 1)."""
    expected = ["Flatten(start_dim=1, end_dim=-1)", linear(65536, 256), "ReLU()", linear(256, 1)]
    assert leaves(build("mlp-256", GRAY, 1)) == expected


def test_mlp_64x3_is_the_courses():
    """Flatten, 3 x [Linear(., 64), BatchNorm, ReLU, Dropout 0.5], Linear(64, 2)."""
    block = [repr(nn.BatchNorm1d(64)), "ReLU()", "Dropout(p=0.5, inplace=False)"]
    expected = [
        "Flatten(start_dim=1, end_dim=-1)",
        *(linear(65536, 64), *block),
        *(linear(64, 64), *block) * 2,
        linear(64, 2),
    ]
    assert leaves(build("mlp-64x3", GRAY)) == expected


def test_mlp_32x3_is_the_courses():
    """Flatten, 3 x [Linear(., 32), ReLU], Linear(32, 2)."""
    expected = ["Flatten(start_dim=1, end_dim=-1)", linear(65536, 32), "ReLU()"]
    expected += [linear(32, 32), "ReLU()"] * 2 + [linear(32, 2)]
    assert leaves(build("mlp-32x3", GRAY)) == expected


def test_cnn_is_as_documented():
    """Three 3x3 convolutions of 32 with ReLU and 2x2 pooling, flatten, 32 hidden units, out."""
    pool = repr(nn.MaxPool2d(2))
    expected = []
    for n_in in (1, 32, 32):
        expected += [repr(nn.Conv2d(n_in, 32, 3, padding=1)), "ReLU()", pool]
    expected += ["Flatten(start_dim=1, end_dim=-1)", linear(32 * 2 * 2, 32), "ReLU()", linear(32, 2)]
    assert leaves(build("cnn")) == expected


def test_cnn_gap_is_as_documented():
    """64, 128, 256 channels with batch norm, ReLU and pooling; global average pooling, dropout 0.5, linear."""
    expected = []
    for n_in, n_out in ((3, 64), (64, 128), (128, 256)):
        expected += [repr(nn.Conv2d(n_in, n_out, 3, padding=1)), repr(nn.BatchNorm2d(n_out)), "ReLU()"]
        expected.append(repr(nn.MaxPool2d(2)))
    expected += ["AdaptiveAvgPool2d(output_size=1)", "Flatten(start_dim=1, end_dim=-1)"]
    expected += ["Dropout(p=0.5, inplace=False)", linear(256, 2)]
    assert leaves(build("cnn-gap", (3, 16, 16))) == expected


def test_parameter_names_are_stable():
    """Names that stored weights and paired streams rest on."""
    assert list(build("mlp-256").state_dict()) == [
        "hidden.0.linear.weight",
        "hidden.0.linear.bias",
        "head.weight",
        "head.bias",
    ]
    assert {"hidden.2.linear.weight", "hidden.0.norm.running_mean"} <= set(build("mlp-64x3").state_dict())
    assert {"features.0.conv.weight", "hidden.0.linear.weight"} <= set(build("cnn").state_dict())
    assert {"features.2.norm.bias", "head.weight"} <= set(build("cnn-gap").state_dict())


def test_activation_arguments_arrive():
    """The recipe's arguments reach the module."""
    network = build("mlp-32x3", activation={"name": "LeakyReLU", "negative_slope": 0.25})
    assert network.hidden[2].activation.negative_slope == 0.25


@pytest.mark.parametrize(("name", "shape"), [("cnn", (1, 7, 64)), ("cnn-gap", (3, 64, 4))])
def test_images_too_small_for_the_poolings_are_refused(name, shape):
    """The message gives the size that is needed."""
    with pytest.raises(ShapeError, match="at least 8x8"):
        build(name, shape)


def test_arguments_that_an_activation_refuses_are_named():
    """PReLU with a number of parameters that no layer has ends in a clear error."""
    with pytest.raises(TrainingError, match="mlp-256 failed on a batch"):
        build("mlp-256", activation={"name": "PReLU", "num_parameters": 3})


def test_an_unknown_network_is_refused_with_the_nearest_name():
    """The table names the nearest network."""
    with pytest.raises(InputError, match="did you mean 'mlp-256'"):
        NETWORKS["mlp256"]


# Initial weights


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("layer", [nn.Linear(300, 400), nn.Conv2d(16, 400, 3)], ids=["linear", "conv"])
def test_initial_weights_have_pytorchs_distribution(layer, part):
    """Kolmogorov-Smirnov against U(+-1/sqrt(fan_in)), which PyTorch's own default also passes."""
    from scantrial.nets.initial import initialise

    bound = 1 / np.sqrt(layer.weight[0].numel())
    torch.manual_seed(0)
    layer.reset_parameters()
    default = getattr(layer, part).detach().numpy().ravel().copy()
    initialise(layer, seed=1)
    drawn = getattr(layer, part).detach().numpy().ravel()
    uniform = (-bound, 2 * bound)
    assert kstest(default, "uniform", args=uniform).pvalue > 1e-3
    assert kstest(drawn, "uniform", args=uniform).pvalue > 1e-3
    assert not np.array_equal(default, drawn)


def test_arms_that_differ_in_depth_share_the_layers_that_agree():
    """The first layers of a shallow and a deep network start from the same numbers."""
    shallow = build("mlp", hidden=(32,)).state_dict()
    deep = build("mlp-32x3").state_dict()
    agree = [name for name in shallow if name in deep and shallow[name].shape == deep[name].shape]
    assert set(agree) == {"hidden.0.linear.weight", "hidden.0.linear.bias", "head.weight", "head.bias"}
    assert all(torch.equal(shallow[name], deep[name]) for name in agree)


def test_a_bias_is_drawn_alike_whatever_its_layer_reads():
    """The draw depends on name and shape alone; the bound follows fan_in."""
    narrow, wide = build("mlp-256", (1, 8, 8)).hidden[0].linear, build("mlp-256", (1, 32, 32)).hidden[0].linear
    torch.testing.assert_close(narrow.bias * 8, wide.bias * 32, rtol=1e-6, atol=1e-9)


def test_weights_of_one_network_are_not_alike():
    """Layers of one shape have streams of their own."""
    network = build("mlp-32x3")
    assert not torch.equal(network.hidden[1].linear.weight, network.hidden[2].linear.weight)


def test_16_million_weights_take_well_under_a_second():
    """Building mlp-256 for 256x256 is quick (half a second is allowed on a busy machine)."""
    build("mlp-256", GRAY, 1)
    times = []
    for _ in range(3):
        begun = time.process_time()
        build("mlp-256", GRAY, 1)
        times.append(time.process_time() - begun)
    assert min(times) < 0.6


# A user's own class

OWN = '''
import torch
from torch import nn

class Tiny(nn.Module):
    def __init__(self, n_outputs, image_shape, width=4):
        super().__init__()
        channels, height, width_px = image_shape
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width_px, width), nn.Dropout(0.2),
                                 nn.Linear(width, n_outputs))
    def forward(self, x):
        return self.net(x)

class Fixed(nn.Module):
    """Names neither image_shape nor n_outputs."""
    def __init__(self, width):
        super().__init__()
        self.out = nn.Linear(256, width)
    def forward(self, x):
        return self.out(x.flatten(1))

class Flat(nn.Module):
    def forward(self, x):
        return x.mean(dim=(1, 2, 3))

class Breaks(nn.Module):
    def __init__(self):
        raise KeyError("no such table")

class Falls(nn.Module):
    def forward(self, x):
        return x @ torch.zeros(3, 3)

def make(n_outputs):
    return Tiny(n_outputs, (1, 16, 16))

NUMBER = 5
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The import path of a module of the user's own."""
    name = f"own_networks_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    (tmp_path / f"{name}_broken.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_a_class_of_ones_own_is_given_what_it_names(own):
    """`image_shape` and `n_outputs` where the signature names them, `args` always."""
    assert build(f"{own}:Tiny", n_outputs=3, args={"width": 7}).net[1].out_features == 7
    assert build(f"{own}:Fixed", n_outputs=2, args={"width": 2}).out.out_features == 2


def test_a_class_of_ones_own_initialises_itself_and_nothing_leaks(own):
    """Its weights follow from the replicate's seed; PyTorch's generator is neither read nor moved."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build(f"{own}:Tiny", seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = build(f"{own}:Tiny", seed=5), build(f"{own}:Tiny", seed=6)
    assert torch.equal(first.net[1].weight, again.net[1].weight)
    assert not torch.equal(first.net[1].weight, other.net[1].weight)
    assert first.training


@pytest.mark.parametrize(
    ("path", "args", "error", "message"),
    [
        ("{own}:Fixed", {"width": 5}, ShapeError, r"returned \(2, 5\) for a batch of 2 images\nexpected: \(2, 2\)"),
        ("{own}:Flat", None, ShapeError, r"returned \(2,\)"),
        ("{own}:Breaks", None, TrainingError, "could not be constructed with no arguments: KeyError: 'no such table'"),
        ("{own}:Tiny", {"depth": 2}, TrainingError, "unexpected keyword argument 'depth'"),
        ("{own}:Falls", None, TrainingError, r"failed on a batch of shape \(2, 1, 16, 16\)"),
        ("{own}:make", None, TrainingError, ":make is no class of networks"),
        ("{own}:Tinny", None, TrainingError, r"no class 'Tinny' \(did you mean 'Tiny'\?\)"),
        ("{own}:NUMBER", None, TrainingError, ":NUMBER is no class of networks"),
        ("{own}_broken:Tiny", None, TrainingError, "a_package_that_is_not_there"),
        ("nowhere.at_all:Tiny", None, InputError, "there is no nowhere/at_all.py"),
    ],
)
def test_what_is_wrong_with_a_class_of_ones_own_is_named(own, path, args, error, message):
    """Import, look-up, construction, forward pass and output shape: each fault says its cause."""
    with pytest.raises(error, match=message):
        build(path.format(own=own), args=args)


# Generators


def test_borrowed_generators_are_given_back_even_after_an_error():
    """State before is state after; inside, the seed decides."""
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first: list[torch.Tensor] = []

    def draw_and_fail() -> None:
        with borrowed_generators(7):
            first.append(torch.rand(3))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        draw_and_fail()
    assert torch.equal(torch.get_rng_state(), before)
    with borrowed_generators(7):
        assert torch.equal(torch.rand(3), first[0])


def test_generator_states_can_be_taken_up():
    """Restoring a state gives the same draws again."""
    with borrowed_generators(7):
        states = generator_states("cpu")
        first = torch.rand(3)
        restore_generators(states, "cpu")
        assert torch.equal(torch.rand(3), first)
