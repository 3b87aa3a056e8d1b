"""Contrast of single images, pixels to pixels of the same type: clipping at percentiles, and CLAHE.

Each channel of each image is changed by itself, so that neither other images nor their order matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import MissingExtraError
from scantrial.data.scanset import Pixels
from scantrial.recipe.image import Clahe

N_BINS = 256
"""Bins of a tile's histogram, whatever the pixel type."""


def clip_percentiles(images: Pixels, percentiles: tuple[float, float]) -> Pixels:
    """Clip each channel of each image at two of its percentiles, and stretch what is between to the full range.

    A pixel of value v becomes ``round((v - low) / (high - low) x max)``, within 0 and max, with the percentiles
    interpolated linearly. A channel whose two percentiles are equal stays as it is.

    Parameters
    ----------
    images : shape (n, height, width) or (n, height, width, channels), uint8 or uint16
    percentiles : of the lower and the upper limit, from 0 to 100
    """

    def clip(plane: NDArray[Any]) -> NDArray[Any]:
        low, high = np.percentile(plane, percentiles)
        if low == high:
            return plane
        largest = np.iinfo(plane.dtype).max
        levels = np.rint((np.arange(largest + 1) - low) * (largest / (high - low))).clip(0, largest)
        clipped: NDArray[Any] = levels.astype(plane.dtype)[plane]
        return clipped

    return by_plane(images, clip)


def adaptive_equalize(images: Pixels, how: Clahe) -> Pixels:
    """Equalise the histogram around each pixel, with limited contrast (CLAHE; Zuiderveld 1994), by scikit-image.

    Each channel is first stretched to its full range. Histograms have `N_BINS` bins, also of 16-bit pixels, so that the
    limit means the same for both types. A constant channel stays as it is.

    Parameters
    ----------
    images : shape (n, height, width) or (n, height, width, channels), uint8 or uint16

    Raises
    ------
    MissingExtraError
        If scikit-image is not installed.
    """
    require_clahe()
    equalized: Callable[..., NDArray[np.float64]] = import_module("skimage.exposure").equalize_adapthist

    def equalize(plane: NDArray[Any]) -> NDArray[Any]:
        if plane.min() == plane.max():
            return plane
        tile = tuple(math.ceil(side / how.tiles) for side in plane.shape)
        found = equalized(plane, kernel_size=tile, clip_limit=how.clip_limit / N_BINS, nbins=N_BINS)
        whole: NDArray[Any] = np.rint(found * np.iinfo(plane.dtype).max).astype(plane.dtype)
        return whole

    return by_plane(images, equalize)


def require_clahe() -> None:
    """Refuse CLAHE where scikit-image is not installed, naming the extra."""
    if find_spec("skimage") is None:
        raise MissingExtraError(extra="clahe", package="scikit-image", needed_for="normalize: clahe")


def by_plane(images: Pixels, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Pixels:
    """Return the images with each channel of each image changed; shape and type stay."""
    changed = np.empty_like(images)
    source, target = with_channels(images), with_channels(changed)
    for image in range(len(images)):
        for channel in range(source.shape[3]):
            target[image, :, :, channel] = change(source[image, :, :, channel])
    return changed


def with_channels(images: NDArray[Any]) -> NDArray[Any]:
    """Return images of shape (n, height, width, channels), a view."""
    return images[..., None] if images.ndim == 3 else images
