"""Residual networks, against their layers applied one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from scantrial.core.errors import ShapeError
from scantrial.nets.build import build_network, shapes_of
from scantrial.nets.groups import depth_of
from scantrial.recipe.networks import ModelSpec, network_of

SMALL = (4, 6, 8, 10)


def build(name: str = "resnet-10", shape: tuple[int, int, int] = (1, 32, 32), n_outputs: int = 2, **settings: object):
    return build_network(ModelSpec(name=name, **settings), image_shape=shape, n_outputs=n_outputs, seed=1)


def plain_logits(weights: dict[str, Tensor], x: Tensor, *, n_blocks: int, stem: str) -> Tensor:
    """The paper's network as functions of its weights, in training mode: batch statistics, no dropout."""

    def normed(x: Tensor, name: str) -> Tensor:
        mean = x.mean(dim=(0, 2, 3), keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        scale, shift = (weights[f"{name}.{part}"][None, :, None, None] for part in ("weight", "bias"))
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    side, stride = int(stem[0]), 1 if stem == "3x3" else 2
    x = functional.conv2d(x, weights["stem.conv.weight"], stride=stride, padding=side // 2)
    x = normed(x, "stem.norm").relu()
    if stem != "3x3":
        x = functional.max_pool2d(x, 3, 2, 1)
    for stage in range(4):
        for block in range(n_blocks):
            at, stride = f"stages.{stage}.{block}", 2 if stage and not block else 1
            inner = functional.conv2d(x, weights[f"{at}.conv1.weight"], stride=stride, padding=1)
            inner = normed(inner, f"{at}.norm1").relu()
            inner = normed(functional.conv2d(inner, weights[f"{at}.conv2.weight"], padding=1), f"{at}.norm2")
            if f"{at}.shortcut.conv.weight" in weights:
                x = functional.conv2d(x, weights[f"{at}.shortcut.conv.weight"], stride=stride)
                x = normed(x, f"{at}.shortcut.norm")
            x = (inner + x).relu()
    return x.mean(dim=(2, 3)) @ weights["head.weight"].T + weights["head.bias"]


@pytest.mark.parametrize(("name", "n_blocks", "stem"), [("resnet-10", 1, "5x5"), ("resnet-18", 2, "3x3")])
def test_outputs_and_gradients_are_those_of_the_papers_functions(name, n_blocks, stem):
    network = build(name, widths=SMALL, stem=stem).double().train()
    x = torch.randn(3, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = network(x)
    own = torch.autograd.grad(ours.square().sum(), list(network.parameters()))
    weights = {key: value.detach().requires_grad_() for key, value in network.named_parameters()}
    plain = plain_logits(weights, x, n_blocks=n_blocks, stem=stem)
    theirs = torch.autograd.grad(plain.square().sum(), list(weights.values()))
    torch.testing.assert_close(ours, plain)
    for mine, other in zip(own, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_resnet_18_has_as_many_parameters_as_torchvisions():
    """11,689,512 for RGB and 1000 classes (torchvision's table of models, ResNet18_Weights)."""
    shapes = shapes_of(ModelSpec(name="resnet-18", stem="7x7"), image_shape=(3, 224, 224), n_outputs=1000)
    assert shapes is not None
    counted = {name: shape for name, shape in shapes.items() if "running" not in name and "num_batches" not in name}
    assert sum(torch.Size(shape).numel() for shape in counted.values()) == 11_689_512


def test_defaults_stems_and_dropout():
    network = build("resnet-10", dropout=0.2)
    assert (network.stem.conv.kernel_size, network.stem.conv.stride, network.stem.conv.out_channels) == (
        (5, 5),
        (2, 2),
        32,
    )
    assert [stage[0].conv1.out_channels for stage in network.stages] == [32, 64, 128, 256]
    assert network.dropout.p == 0.2
    assert not hasattr(build(stem="3x3", widths=SMALL).stem, "pool")
    assert build(widths=SMALL, activation="SiLU").stages[0][0].activation2.__class__.__name__ == "SiLU"


def test_weights_pair_with_those_of_other_widths_where_names_and_shapes_agree():
    one, other = build(widths=SMALL).state_dict(), build(widths=(4, 6, 12, 10)).state_dict()
    same = [name for name in one if one[name].shape == other[name].shape and one[name].ndim > 1]
    assert "stages.1.0.conv2.weight" in same
    assert all(torch.equal(one[name], other[name]) for name in same)


@pytest.mark.parametrize(("stem", "smallest"), [("3x3", 8), ("5x5", 32), ("7x7", 32)])
def test_images_too_small_for_the_strides_are_refused(stem, smallest):
    with pytest.raises(ShapeError, match=f"at least {smallest}x{smallest}"):
        build(stem=stem, shape=(1, smallest, smallest - 1))
    build(stem=stem, shape=(1, smallest, smallest), widths=SMALL)


def test_blocks_count_from_the_input():
    spec = ModelSpec(name="resnet-18", widths=SMALL)
    found = depth_of(build_network(spec, image_shape=(1, 32, 32), n_outputs=2, seed=0), spec)
    assert found["stem.norm.weight"] == (0, False)
    assert [found[f"stages.{stage}.{block}.conv1.weight"][0] for stage in range(4) for block in (0, 1)] == [
        *range(1, 9)
    ]
    assert found["head.bias"] == (9, True)


def test_settings_that_it_does_not_have_are_refused():
    with pytest.raises(ValueError, match="cnn has no widths to set"):
        ModelSpec(name="cnn", widths=SMALL)
    with pytest.raises(ValueError, match="resnet-10 has no hidden sizes"):
        ModelSpec(name="resnet-10", hidden=(3,))
    with pytest.raises(ValueError, match="at least 4 items"):
        ModelSpec(name="resnet-10", widths=(1, 2, 3))


def test_a_batch_of_one_case_cannot_be_normalised():
    assert ModelSpec(name="resnet-10").norm_needs_two
    assert not ModelSpec(name="resnet-10", batch_norm=False).norm_needs_two


def test_the_methods_say_what_it_is():
    said = network_of("resnet-10").describe(ModelSpec(name="resnet-10", dropout=0.2))
    assert "5 × 5 convolution of stride 2 with max pooling" in said
    assert "32, 64, 128 and 256 channels" in said
    assert "[@resnet]" in said
    assert "dropout of 0.2" in said
