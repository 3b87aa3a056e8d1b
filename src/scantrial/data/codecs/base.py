"""What a codec is, and what several codecs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import MissingExtraError
from scantrial.core.format import counted
from scantrial.data.spec import ImageSpec

MAX_PIXELS = 89_478_485
"""Pillow's own limit (a quarter of a GiB of RGB): a larger file is refused as a possible decompression bomb."""

MAX_BYTES = 4 * MAX_PIXELS
"""What an image may unpack to."""

MAX_FRAMES = 100_000
"""Of one file."""

_WORK_BYTES = 16
"""Bytes that a pixel takes while it is decoded: the library's own picture, its bytes, and the array made of them."""

Claim = Callable[[int], None]
"""Told how many bytes the decoding of an image takes, before it begins; it may wait until there is room for them."""

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
    decode : from a path to shape (height, width) or (height, width, channels) of whole or floating-point numbers;
        `scantrial.data.decode` scales them and picks the channels that the spec asks for. It makes its claim before it
        unpacks. Raises `RefusedError` with the reason, or whatever a library raises on a damaged file. None for a kind
        that is not read
    channel_names : the names that a file gives its channels, in order; None for a kind that has none
    stained_shape : (height, width, channels) of an open file whose channels are no colours, such as stains; None where
        it is gray or in colour. None for a kind that has none
    frames : the numbers of the frames or slices of a file, in the order that reads them soonest; None for a kind with
        one image in a file
    way_out : for a kind that is not read, what to do with the file; None if there is no advice except which kinds
        are read
    """

    title: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    decode: Callable[[Path, Claim, ImageSpec], NDArray[Any]] | None = None
    channel_names: Callable[[Path], Sequence[str]] | None = None
    stained_shape: Callable[[IO[bytes]], tuple[int, int, int] | None] | None = None
    frames: Callable[[Path], range] | None = None
    way_out: str | None = None


_BLOCK_PIXELS = 1 << 20

_TWO_PARTS = ".nii.gz"

HEAD_BYTES = 132
"""How many bytes of a file a codec sees to recognise it: the mark of DICOM comes after 128 bytes."""


def starts_with(*marks: bytes) -> Callable[[bytes], bool]:
    """Return a test for a file's first bytes."""
    return lambda head: head.startswith(marks)


def split_suffix(name: str) -> tuple[str, str]:
    """Return the name of a file without its suffix, and the suffix; ``.nii.gz`` is one."""
    suffix = name[-len(_TWO_PARTS) :] if name.lower().endswith(_TWO_PARTS) else PurePath(name).suffix
    return name.removesuffix(suffix), suffix


def bomb() -> RefusedError:
    """Return the refusal of a file that unpacks to more than `MAX_PIXELS` pixels."""
    return RefusedError(f"more than {MAX_PIXELS:,} pixels: refused as a possible decompression bomb")


def no_claim(n_bytes: int) -> None:
    """Claim nothing: for an image that is decoded alone."""


def claim_pixels(claim: Claim, width: int, height: int, n_bytes: int = 1) -> None:
    """Claim the bytes that an image of this size takes, unless it is too large.

    Parameters
    ----------
    n_bytes : of one pixel, of all channels together

    Raises
    ------
    RefusedError
        If it has more than `MAX_PIXELS` pixels, or they unpack to more than `MAX_BYTES`.
    """
    if width * height > MAX_PIXELS or width * height * n_bytes > MAX_BYTES:
        raise bomb()
    claim(width * height * max(_WORK_BYTES, 4 * n_bytes))


def refuse_page(image: ImageSpec) -> None:
    """Refuse to look for a page in a kind of file that has only one image."""
    if image.page not in (None, 0):
        raise RefusedError(f"one image, but data.image.page is {image.page}, which is for stacks of TIFF pages")


def imagecodecs(needed_for: str) -> Any:
    """Return the library that keeps all bits of what Pillow reduces to 8.

    Parameters
    ----------
    needed_for : the kind of image, for the words of the error

    Raises
    ------
    MissingExtraError
        If it is not installed: then nothing is wrong with the file, and it is not left out as one that cannot be read.
    """
    if find_spec("imagecodecs") is None:
        raise MissingExtraError(extra="codecs", package="imagecodecs", needed_for=needed_for)
    return import_module("imagecodecs")


def full_range(values: NDArray[Any], white: int) -> NDArray[Any]:
    """Scale whole numbers whose white the file declares so that it becomes 255, or 65535 where it is above 255.

    Parameters
    ----------
    values : shape (height, width) or (height, width, channels)
    """
    dtype, largest = (np.uint8, 255) if white < 256 else (np.uint16, 65535)
    if white == largest:
        return values.astype(dtype, copy=False)
    scaled = np.empty(values.shape, dtype=dtype)
    for rows in row_blocks(values):
        scaled[rows] = (np.minimum(values[rows], white).astype(np.uint32) * largest + white // 2) // white
    return scaled


def over_black(image: NDArray[Any]) -> NDArray[Any]:
    """Composite over black: shape (height, width, 2 or 4) with alpha last loses the alpha, correctly rounded."""
    colour, alpha = image[..., :-1], image[..., -1:]
    full = int(np.iinfo(image.dtype).max)
    if bool((alpha == full).all()):
        blended = colour
    else:
        blended = np.empty_like(colour, order="C")
        for rows in row_blocks(image):
            blended[rows] = (colour[rows].astype(np.uint32) * alpha[rows] + full // 2) // full
    return blended[..., 0] if blended.shape[-1] == 1 else blended


def row_blocks(image: NDArray[Any]) -> Iterator[slice]:
    """Yield the rows of an image in blocks of about a million pixels, for work that needs several times their bytes."""
    step = max(1, _BLOCK_PIXELS // max(1, image.shape[1]))
    return (slice(start, start + step) for start in range(0, len(image), step))


def refuse_not_finite(values: NDArray[Any]) -> None:
    """Refuse floating-point numbers of which some are NaN or infinite."""
    n_bad = int((~np.isfinite(values)).sum()) if values.dtype.kind == "f" else 0
    if n_bad:
        raise RefusedError(f"{counted(n_bad, 'value')} of {values.size:,} not finite (NaN or infinite)")


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
