"""From pixels to a network's input."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import InputError, ShapeError
from scantrial.data import preprocess
from scantrial.data.preprocess import METHODS, Preprocessing, equalize, fit_preprocessing

SHAPES = {"gray": (12, 9, 7), "rgb": (12, 9, 7, 3)}
TRAIN = np.arange(3, 10)


def scans(kind: str = "gray", dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max, SHAPES[kind], endpoint=True).astype(dtype)


def first(images: np.ndarray) -> np.ndarray:
    """(n, channels, height, width) in float64."""
    return (images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", SHAPES)
def test_none_is_the_plain_division_to_the_last_bit(kind, dtype):
    """`none` gives exactly pixels / 255 (or 65535) in float32, channels first."""
    images = scans(kind, dtype)
    expected = first(images).astype(np.float32) / np.float32(np.iinfo(dtype).max)
    got = fit_preprocessing(images, TRAIN, "none").apply(images)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", SHAPES)
def test_dataset_gives_training_pixels_mean_zero_and_deviation_one(kind, dtype):
    """`dataset` standardises each channel over the training cases, however they fall into blocks."""
    images = scans(kind, dtype)
    fitted = fit_preprocessing(images, TRAIN, "dataset")
    train = first(images[TRAIN])
    np.testing.assert_allclose(fitted.centre, train.mean(axis=(0, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(fitted.width, train.std(axis=(0, 2, 3)), rtol=1e-12)
    made = fitted.apply(images[TRAIN]).astype(np.float64)
    np.testing.assert_allclose(made.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(made.std(axis=(0, 2, 3)), 1, atol=1e-6)


def test_dataset_sees_training_cases_only():
    """Pixels of other cases do not change the fitted numbers."""
    images = scans()
    other = images.copy()
    other[np.setdiff1d(np.arange(len(images)), TRAIN)] = 255
    assert fit_preprocessing(images, TRAIN, "dataset") == fit_preprocessing(other, TRAIN, "dataset")


def test_dataset_does_not_depend_on_blocks_or_order(monkeypatch):
    """The sums are whole numbers, so that block size and case order cannot change them."""
    images = scans("rgb", np.uint16)
    whole = fit_preprocessing(images, TRAIN, "dataset")
    monkeypatch.setattr(preprocess, "_BLOCK_PIXELS", 20)
    assert fit_preprocessing(images, TRAIN[::-1], "dataset") == whole


@pytest.mark.parametrize("kind", SHAPES)
def test_image_standardises_each_image_by_itself(kind):
    """`image` gives each channel of each image mean 0 and deviation 1, whatever else is in the array."""
    images = scans(kind)
    fitted = fit_preprocessing(images, TRAIN, "image")
    made = fitted.apply(images).astype(np.float64)
    np.testing.assert_allclose(made.mean(axis=(2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(made.std(axis=(2, 3)), 1, atol=1e-6)
    np.testing.assert_array_equal(fitted.apply(images[5:6])[0], fitted.apply(images)[5])


@pytest.mark.parametrize("method", ["image", "dataset"])
def test_what_is_constant_becomes_zero(method):
    """A constant image has no deviation to divide by and gives zeros."""
    images = np.full((4, 6, 6), 77, dtype=np.uint8)
    assert not fit_preprocessing(images, np.arange(4), method).apply(images).any()


def test_equalize_gives_the_textbook_example():
    """The worked 8x8 example of Wikipedia's article "Histogram equalization", to the last pixel."""
    image = """52 55 61 59 79 61 76 61  62 59 55 104 94 85 59 71  63 65 66 113 144 104 63 72  64 70 70 126 154 109 71 69
               67 73 68 106 122 88 68 68  68 79 60 70 77 66 58 75  69 85 64 58 55 61 65 83  70 87 69 68 65 73 78 90"""
    expected = """0 12 53 32 190 53 174 53  57 32 12 227 219 202 32 154  65 85 93 239 251 227 65 158
                  73 146 146 247 255 235 154 130  97 166 117 231 243 210 117 117  117 190 36 146 178 93 20 170
                  130 202 73 20 12 53 85 194  146 206 130 117 85 166 182 215"""
    made = equalize(np.array(image.split(), dtype=np.uint8).reshape(1, 8, 8))
    np.testing.assert_array_equal(made.ravel(), np.array(expected.split(), dtype=np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", SHAPES)
def test_equalize_keeps_type_and_order_and_works_by_plane(kind, dtype):
    """Integers in, the same integers out; darker stays darker; each channel of each image by itself."""
    images = scans(kind, dtype)
    before = images.copy()
    made = equalize(images)
    np.testing.assert_array_equal(images, before)
    assert made.dtype == dtype
    assert made.shape == images.shape
    plane, flat = images[2, ..., -1].ravel(), made[2, ..., -1].ravel()
    assert (np.diff(flat[np.argsort(plane)].astype(int)) >= 0).all()
    np.testing.assert_array_equal(equalize(images[2:3])[0], made[2])


def test_equalize_flattens_the_histogram():
    """On many pixels the cumulative histogram becomes a straight line."""
    image = (np.random.default_rng(2).beta(2, 5, (1, 512, 512)) * 65535).astype(np.uint16)
    made = np.sort(equalize(image).ravel() / 65535)
    assert np.abs(made - np.linspace(0, 1, made.size)).max() < 0.005


def test_equalize_leaves_a_constant_image():
    """An image of one value has nothing to flatten."""
    images = np.full((1, 4, 4), 9, dtype=np.uint8)
    np.testing.assert_array_equal(equalize(images), images)


def moments_for(method: str):
    """What pretrained weights take; nothing else needs it."""
    return ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if method == "pretrained" else None


def test_the_numbers_of_weights_are_needed_for_them_alone():
    """Without them `pretrained` is refused."""
    with pytest.raises(InputError, match="without pretrained weights"):
        fit_preprocessing(scans(), TRAIN, "pretrained")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", SHAPES)
def test_survives_its_dictionary(kind, method):
    """What goes to `run.json` comes back equal and does the same."""
    import json

    images = scans(kind)
    fitted = fit_preprocessing(images, TRAIN, method, moments=moments_for(method))
    back = Preprocessing.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert back == fitted
    np.testing.assert_array_equal(back.apply(images), fitted.apply(images))


def test_read_only_maps_are_enough(tmp_path):
    """A read-only memory map can be fitted and applied."""
    np.save(tmp_path / "x.npy", scans())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for method in METHODS:
        fitted = fit_preprocessing(mapped, TRAIN, method, moments=moments_for(method))
        assert np.isfinite(fitted.apply(mapped)).all()


def test_refuses_what_it_was_not_fitted_for():
    """Another pixel type, shape or method is refused, with what was expected."""
    fitted = fit_preprocessing(scans(), TRAIN, "none")
    with pytest.raises(InputError, match=r"pixels of type uint16\nexpected: uint8, as in training"):
        fitted.apply(scans(dtype=np.uint16))
    with pytest.raises(ShapeError, match=r"\(12, 9, 7, 3\)\nexpected: \(n, height, width\)"):
        fitted.apply(scans("rgb"))
    with pytest.raises(ShapeError, match=r"expected: \(n, height, width, 3\)"):
        fit_preprocessing(scans("rgb"), TRAIN, "none").apply(scans())
    with pytest.raises(InputError, match="no normalisation is called 'zscore'"):
        fit_preprocessing(scans(), TRAIN, "zscore")
    with pytest.raises(InputError, match="no training case"):
        fit_preprocessing(scans(), TRAIN[:0], "dataset")
    with pytest.raises(ShapeError, match="float64"):
        fit_preprocessing(scans().astype(float), TRAIN, "none")
