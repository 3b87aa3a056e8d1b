"""Networks, normalisation, augmentation and pictures of scans that are neither gray nor RGB."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from scantrial.core.errors import InputError
from scantrial.recipe.augment import AugmentSpec, colour_fault
from scantrial.train.batches import batches_of
from scantrial.train.contact_sheet import contact_sheet
from scantrial.train.predictor import load_predictor
from scantrial.train.reference import train_run
from scantrial.train.saliency import explain

MODELS = ({"name": "mlp", "hidden": [8]}, "cnn-gap", {"name": "resnet-10", "stem": "3x3", "widths": [4, 4, 8, 8]})


def stack_of(make_task, n_channels: int, **recipe):
    """A task on scans of so many channels, of which the last one alone tells the class."""
    gray = make_task(pixel_type="uint16").images
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 65536, (*gray.shape, n_channels - 1), dtype=np.uint16)
    images = np.concatenate([noise, gray[..., None]], axis=3)
    return make_task(task={"images": images}, normalize="dataset", **recipe)


@pytest.mark.parametrize("n_channels", [2, 5])
@pytest.mark.parametrize("model", MODELS, ids=["mlp", "cnn", "resnet"])
def test_networks_take_any_number_of_channels(make_task, model, n_channels):
    """A run is trained, its stored weights give its predictions again, and both maps have the shape of the scan."""
    task = stack_of(make_task, n_channels, model=model, epochs=1)
    result = train_run(task, lambda *_: None)
    assert result.facts.image_shape == (n_channels, 12, 10)
    assert len(result.facts.preprocessing["centre"]) == n_channels
    predictor = load_predictor(result.facts, result.weights)
    of_test = next(part for part in result.predictions if part.split == "test")
    found = predictor(task.images[task.cases["test"]])
    np.testing.assert_allclose(found.y_prob, of_test.y_prob, atol=1e-6)
    maps = explain(predictor, task.images[0])
    assert maps.gradient.shape == maps.occlusion.shape == (12, 10)


def test_each_channel_has_its_own_mean_and_deviation(make_task):
    """`normalize: dataset` counts for each channel of the training scans by itself."""
    task = stack_of(make_task, 5)
    batches = batches_of(task.recipe, task.images, task.labels, task.cases["train"], seed=task.seed)
    values = task.images[task.cases["train"]].reshape(-1, 5).astype(float)
    inputs = batches.pixels.batch(slice(0, None)).permute(0, 2, 3, 1).reshape(-1, 5).numpy()
    np.testing.assert_allclose(inputs, (values - values.mean(axis=0)) / values.std(axis=0), atol=1e-4)


@pytest.mark.parametrize("n_channels", [2, 5])
def test_augmentation_and_its_sheet(make_task, n_channels):
    """All changes but those of colour apply to all channels alike; the sheet shows the first three, or the first."""
    augment = {"rotate": 90, "blur": 1, "noise": 0.05, "erasing": 0.5, "gamma": 0.2, "low_resolution": 0.5}
    task = stack_of(make_task, n_channels, augment=augment)
    batches = batches_of(task.recipe, task.images, task.labels, task.cases["train"], seed=task.seed)
    rows = np.array([0, 1])
    assert batches.pictures(rows, 1).shape == (2, n_channels, 12, 10)
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(batches, rows, (1,)))))
    first = sheet[40:100, 20:80].astype(int)
    is_gray = bool((first == first[..., :1]).all())
    assert is_gray == (n_channels == 2)


def test_colours_are_those_of_rgb(make_task):
    """A change of hue is refused for scans without red, green and blue, before anything is trained."""
    with pytest.raises(InputError, match="the scans have 5 channels, not red, green and blue; set hue: 0"):
        train_run(stack_of(make_task, 5, augment={"hue": 0.1}), lambda *_: None)
    hue = AugmentSpec.model_validate({"hue": 0.1})
    assert "the scans are gray" in (colour_fault(hue, n_channels=1) or "")
    assert colour_fault(hue, n_channels=3) is None
    assert colour_fault(hue, n_channels=None) is None
