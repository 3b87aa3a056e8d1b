"""Contrast of single images: clipping at percentiles, and CLAHE against a plain loop."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from scantrial.core.errors import MissingExtraError
from scantrial.data.contrast import adaptive_equalize, clip_percentiles
from scantrial.data.preprocess import fit_preprocessing
from scantrial.recipe.image import Clahe

TYPES = [np.uint8, np.uint16]
GRAYS = 2**14 - 1
"""scikit-image counts in 14 bits."""


def some(dtype: type, shape: tuple[int, ...] = (3, 16, 24)) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (rng.beta(2, 5, shape) * np.iinfo(dtype).max * 0.8).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_clipping_stretches_what_is_between_the_percentiles(dtype):
    """Of 0, 10, ..., 100 the 10th percentile is 10 and the 90th 90: these become black and white, 50 the middle."""
    plane = np.arange(0, 101, 10, dtype=dtype)[None]
    largest = np.iinfo(dtype).max
    wanted = [0, 0, *(round((value - 10) / 80 * largest) for value in range(20, 90, 10)), largest, largest]
    np.testing.assert_array_equal(clip_percentiles(plane[None], (10, 90)), np.array([[wanted]], dtype=dtype))


def test_clipping_treats_each_channel_of_each_image_by_itself():
    """Neither another image nor another channel matters; a channel with equal percentiles stays as it is."""
    images = some(np.uint8, (2, 8, 8, 3))
    images[1, ..., 2] = 7
    clipped = clip_percentiles(images, (1, 99))
    np.testing.assert_array_equal(clipped[1, ..., 2], 7)
    np.testing.assert_array_equal(clipped[1, ..., 0], clip_percentiles(images[1:, ..., 0], (1, 99))[0])
    assert clipped[0, ..., 1].max() == 255 > images[0, ..., 1].max()


def tile_maps(levels: np.ndarray, side: tuple[int, int]) -> np.ndarray:
    """Return the map of each tile from bin to gray: its cumulative histogram, without any limit."""
    rows, columns = (n // k for n, k in zip(levels.shape, side, strict=True))
    maps = np.zeros((rows, columns, 256))
    for row in range(rows):
        for column in range(columns):
            tile = levels[row * side[0] : (row + 1) * side[0], column * side[1] : (column + 1) * side[1]]
            counts = np.array([(tile == level).sum() for level in range(256)])
            maps[row, column] = np.floor(counts.cumsum() * GRAYS / tile.size)
    return maps


def plainly_equalized(plane: np.ndarray, tiles: int) -> np.ndarray:
    """Equalise around each pixel as Zuiderveld describes, pixel by pixel, with tiles that divide the plane evenly."""
    side = plane.shape[0] // tiles, plane.shape[1] // tiles
    low, high = int(plane.min()), int(plane.max())
    levels = np.round((plane.astype(float) - low) / (high - low) * GRAYS).astype(int) // 65
    maps = tile_maps(levels, side)
    found = np.zeros(plane.shape)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            # The place among the centres of the tiles; beyond the outer ones, the nearest tile alone counts.
            row, column = (y - side[0] // 2) / side[0], (x - side[1] // 2) / side[1]
            for r, by_row in ((math.floor(row), 1 - row % 1), (math.floor(row) + 1, row % 1)):
                for c, by_column in ((math.floor(column), 1 - column % 1), (math.floor(column) + 1, column % 1)):
                    near = maps[min(max(r, 0), tiles - 1), min(max(c, 0), tiles - 1), levels[y, x]]
                    found[y, x] += by_row * by_column * near
    found = np.floor(found)
    return (found - found.min()) / (found.max() - found.min())


@pytest.mark.parametrize("dtype", TYPES)
def test_clahe_without_a_limit_is_that_of_a_plain_loop(dtype):
    """With the limit out of reach, each pixel is what tile by tile equalisation and interpolation by hand give."""
    plane = some(dtype, (16, 24))
    found = adaptive_equalize(plane[None], Clahe(clip_limit=256, tiles=2))[0]
    wanted = plainly_equalized(plane, 2) * np.iinfo(dtype).max
    np.testing.assert_allclose(found, wanted, atol=1 + np.iinfo(dtype).max / GRAYS)


def test_the_limit_of_clahe_bounds_the_contrast():
    """A limit of one mean height hardly changes an image; a higher one spreads its most frequent grays further."""
    plane = some(np.uint16, (64, 64))
    stretched = clip_percentiles(plane[None], (0, 100))
    moved = [
        np.abs(adaptive_equalize(plane[None], Clahe(clip_limit=limit, tiles=2)).astype(float) - stretched).mean()
        for limit in (1, 2, 8)
    ]
    assert moved[0] < 0.01 * 65535 < moved[1] < moved[2]


def test_clahe_gives_eight_and_sixteen_bits_the_same_picture():
    """A scan in 8 bits and the same one times 257 differ by rounding alone: the limit means the same for both."""
    narrow = some(np.uint8, (1, 40, 40))
    how = Clahe(clip_limit=2, tiles=4)
    wide = adaptive_equalize(narrow.astype(np.uint16) * np.uint16(257), how)
    np.testing.assert_allclose(wide / 257, adaptive_equalize(narrow, how), atol=0.51)


@pytest.mark.parametrize("shape", [(3, 16, 24), (3, 15, 9, 3), (2, 4, 4)])
def test_clahe_treats_each_channel_of_each_image_by_itself(shape):
    """One image alone gives the same as among others, whatever its size; a constant channel stays."""
    images = some(np.uint8, shape)
    images[1] = 9
    found = adaptive_equalize(images, Clahe())
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    np.testing.assert_array_equal(found[1], 9)
    np.testing.assert_array_equal(found[:1], adaptive_equalize(images[:1], Clahe()))
    if len(shape) == 4:
        np.testing.assert_array_equal(found[..., 2], adaptive_equalize(images[..., 2], Clahe()))


def test_moments_are_those_of_clipped_pixels():
    """`dataset` standardises what clipping gives, not the pixels before it."""
    images = some(np.uint8)
    cases = np.arange(3)
    fitted = fit_preprocessing(images, cases, "dataset", clip_percentiles=(5, 95))
    assert fitted.centre == (clip_percentiles(images, (5, 95)).mean(dtype=np.float64),)
    np.testing.assert_allclose(fitted.apply(images).mean(), 0, atol=1e-6)


def test_clahe_names_the_extra_that_it_needs(monkeypatch):
    """Without scikit-image the error says what to install."""
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingExtraError, match=r"scikit-image[^\n]*not installed[\s\S]*scantrial\[clahe\]"):
        adaptive_equalize(some(np.uint8), Clahe())
