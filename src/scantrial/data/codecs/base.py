"""What a codec is, and what several codecs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 89_478_485
"""Pillow's own limit (a quarter of a GiB of RGB): a larger file is refused as a possible decompression bomb."""

ORIENTATION_TAG = 274
"""Of EXIF and of TIFF."""


class RefusedError(Exception):
    """A file that is not read, with the reason in a few words; the caller adds the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One kind of image file.

    Parameters
    ----------
    title : its usual name, such as ``JPEG 2000``
    suffixes : endings of file names of this kind, in lower case, such as ``.png``
    recognises : whether the first `HEAD_BYTES` bytes of a file (or fewer, of a short file) are of this kind
    decode : from a path to shape (height, width) or (height, width, 3), uint8 or uint16. Raises `RefusedError` with
        the reason, or whatever a library raises on a damaged file. None for a kind that is not read
    way_out : for a kind that is not read, what to do with the file; None if there is no advice except which kinds
        are read
    """

    title: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    decode: Callable[[Path], NDArray[Any]] | None = None
    way_out: str | None = None


HEAD_BYTES = 132
"""How many bytes of a file a codec sees to recognise it: the mark of DICOM comes after 128 bytes."""


def starts_with(*marks: bytes) -> Callable[[bytes], bool]:
    """Return a test for a file's first bytes."""
    return lambda head: head.startswith(marks)


def bomb() -> RefusedError:
    """Return the refusal of a file that unpacks to more than `MAX_PIXELS` pixels."""
    return RefusedError(f"more than {MAX_PIXELS:,} pixels: refused as a possible decompression bomb")


def over_black(image: NDArray[Any]) -> NDArray[Any]:
    """Composite over black: shape (height, width, 2 or 4) with alpha last loses the alpha, correctly rounded."""
    colour, alpha = image[..., :-1], image[..., -1:]
    full = int(np.iinfo(image.dtype).max)
    if bool((alpha == full).all()):
        blended = colour
    else:
        blended = ((colour.astype(np.uint32) * alpha + full // 2) // full).astype(image.dtype)
    return blended[..., 0] if blended.shape[-1] == 1 else blended


def oriented(pixels: NDArray[Any], orientation: Any) -> NDArray[Any]:
    """Apply the EXIF orientation, 1 to 8; anything else means upright."""
    if orientation not in range(2, 9):
        return pixels
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
