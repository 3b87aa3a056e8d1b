"""One image to the shape that all images of a data set have."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scantrial.core.errors import DataError, ShapeError
from scantrial.core.format import counted
from scantrial.data.codecs.base import row_blocks
from scantrial.data.decode import ImageError
from scantrial.data.scanset import Pixels
from scantrial.data.spec import ArmImageSpec, ImageSpec

_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)  # 0.299, 0.587, 0.114 in 16-bit fixed point, as in Pillow
_DEPTH_RATIO = 257  # 65535 / 255: black stays black and white stays white
_SMALL = 64  # Sides up to which many images are scaled sooner together.


def fit_image(image: Pixels, spec: ImageSpec) -> Pixels:
    """Give an image the channels and the size that `spec` asks for.

    What an arm cuts off at the borders goes first, so that resizing takes no pixel from there.
    RGB to gray is the luma of ITU-R BT.601, rounded as in Pillow's ``convert("L")``; gray to RGB repeats the
    channel; other numbers of channels stay as they are. Resizing is bilinear interpolation whose support grows with the
    scale, so that scaling down averages pixels and skips none; sums are kept in floating point and rounded once. With
    ``fit: pad`` the image keeps its proportions, centred on black.

    Parameters
    ----------
    image : shape (height, width) or (height, width, channels), uint8 or uint16
    spec : the wanted shape; the result keeps the type; it is the image itself if nothing changes

    Raises
    ------
    ShapeError
        If `image` has a different shape or type.
    ImageError
        If it has other channels than `spec` asks for.
    """
    if image.ndim not in (2, 3) or image.dtype not in (np.uint8, np.uint16) or image.shape[2:] == (1,):
        raise ShapeError(
            f"an image of shape {image.shape} and type {image.dtype}", expected="(height, width[, channels])"
        )
    image = _with_channels(cropped(image, spec), spec.n_channels)
    if spec.shape is None or image.shape[:2] == spec.shape:
        return image
    return _padded(image, spec.shape) if spec.fit == "pad" else resize(image, spec.shape)


def cropped(image: Pixels, spec: ImageSpec) -> Pixels:
    """Cut off the same whole number of rows, and of columns, at opposite borders: the share asked for, rounded down."""
    if not isinstance(spec, ArmImageSpec) or not spec.crop_border:
        return image
    rows, columns = (_whole(spec.crop_border * side) for side in image.shape[:2])
    return image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]


def _whole(number: float) -> int:
    """Round down, but not by a rounding error: 0.29 x 100 is 29."""
    return math.floor(number + 1e-9)


def is_enlarged(image: Pixels, spec: ImageSpec) -> bool:
    """Return whether fitting gives an image more rows or columns than it has: these hold no further detail."""
    if spec.shape is None:
        return False
    sides = cropped(image, spec).shape[:2]
    scales = [wanted / side for wanted, side in zip(spec.shape, sides, strict=True)]
    return bool((min(scales) if spec.fit == "pad" else max(scales)) > 1)


def resize(image: Pixels, shape: tuple[int, int]) -> Pixels:
    """Resize to `shape` = (height, width) by bilinear interpolation with antialiasing, rounded once, type kept."""
    if image.ndim == 3:
        planes = [resize(image[..., number], shape) for number in range(image.shape[2])]
        return _pixels(np.stack(planes, axis=-1))
    return _pixels(resize_all(_pixels(image[None]), shape)[0])


def resize_all(images: Pixels, shape: tuple[int, int]) -> Pixels:
    """Resize images of shape (n, height, width) as `resize` does one; many small squares take half the time."""
    # Mode F, because Pillow rounds its 8- and 16-bit images twice: after the rows and after the columns.
    values = images.astype(np.float32)
    if len(images) > 1 and images.shape[1] == images.shape[2] <= _SMALL and shape[0] == shape[1]:
        values = _scaled_squares(values, shape[0])
    else:
        values = np.stack([_scaled(image, shape) for image in values])
    scaled = np.rint(values, out=values).clip(0, np.iinfo(images.dtype).max, out=values)
    return _pixels(scaled.astype(images.dtype))


def _scaled(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR))


def _scaled_squares(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Scale squares together: one below the other across, then side by side down.

    Pillow scales squares in this order too, so the values are the same; for other shapes it chooses the order.
    """
    n, old, _ = images.shape
    across = _scaled(images.reshape(n * old, old), (n * old, side))
    beside = across.reshape(n, old, side).transpose(1, 0, 2).reshape(old, n * side)
    down = _scaled(beside, (side, n * side)).reshape(side, n, side)
    return np.ascontiguousarray(down.transpose(1, 0, 2))


def match_depth(image: Pixels, dtype: np.dtype[Any] | str) -> Pixels:
    """Bring an image to the pixel type of a data set: 8 bits times 257 become 16; 16 bits never become 8.

    Raises
    ------
    DataError
        If 16 bits are to become 8.
    """
    wanted = np.dtype(dtype)
    if image.dtype == wanted:
        return image
    if wanted == np.uint16:
        return _pixels(image.astype(np.uint16) * np.uint16(_DEPTH_RATIO))
    raise DataError(f"an image of type {image.dtype}", expected=f"{wanted}; a conversion would lose the low bits")


def _with_channels(image: Pixels, channels: int | None) -> Pixels:
    n = n_channels(image)
    if channels in (None, n):
        return image
    if (n, channels) not in ((1, 3), (3, 1)):
        hint = f"; pick some of them by a list of numbers from 0 to {n - 1}" if n > 1 else ""
        raise ImageError("an image", f"{counted(n, 'channel')}, but data.image.channels asks for {channels}{hint}")
    if channels == 1 and image.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))
    if channels == 1:
        luma = np.empty(image.shape[:2], dtype=image.dtype)
        for rows in row_blocks(image):
            luma[rows] = (image[rows].astype(np.uint32) @ _LUMA + np.uint32(1 << 15)) >> np.uint32(16)
        return _pixels(luma)
    return _pixels(np.repeat(image[..., None], 3, axis=2))


def n_channels(image: Pixels) -> int:
    """Return how many channels an image has."""
    return 1 if image.ndim == 2 else int(image.shape[2])


def gray_of(image: Pixels, *, in_colour: bool = True) -> Pixels:
    """Return an image in gray: the luma of RGB, the mean of any other channels, rounded.

    Parameters
    ----------
    in_colour : whether three channels are RGB
    """
    if n_channels(image) == 1 or (n_channels(image) == 3 and in_colour):
        return _with_channels(image, 1)
    return _pixels(np.rint(image.mean(axis=2)).astype(image.dtype))


def pictured(image: Pixels) -> Pixels:
    """Return what a picture shows of an image: gray, or RGB; of more channels the first three, of two the first."""
    n = n_channels(image)
    if n in (1, 3):
        return image
    return _pixels(image[..., :3] if n > 3 else image[..., 0])


def _padded(image: Pixels, shape: tuple[int, int]) -> Pixels:
    """Scale within `shape`, then fill with black: padding first would make a long, thin image very large."""
    scale = min(shape[0] / image.shape[0], shape[1] / image.shape[1])
    height, width = (min(side, max(1, round(n * scale))) for side, n in zip(shape, image.shape[:2], strict=True))
    canvas = np.zeros((*shape, *image.shape[2:]), dtype=image.dtype)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    canvas[top : top + height, left : left + width] = resize(image, (height, width))
    return canvas


def _pixels(image: NDArray[Any]) -> Pixels:
    """Tell the type checker that the image has 8 or 16 bits, which the callers ensure."""
    return cast("Pixels", image)
