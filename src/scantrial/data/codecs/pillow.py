"""JPEG, BMP, WebP and GIF, read by Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scantrial.data.codecs.base import (
    MAX_PIXELS,
    ORIENTATION_TAG,
    Claim,
    Codec,
    RefusedError,
    claim_pixels,
    no_claim,
    oriented,
    over_black,
    refuse_page,
    starts_with,
)
from scantrial.data.spec import ImageSpec

_START_OF_SCAN = b"\xff\xda"
_MAX_SCANNED = 20 * MAX_PIXELS
"""Pixels times scans of a progressive JPEG: each scan goes through the whole picture. A usual file has about ten."""

_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def array_of(image: Image.Image) -> NDArray[Any]:
    """Return a loaded Pillow image as uint8 or uint16, alpha composited.

    Raises
    ------
    RefusedError
        If a pixel has more than 16 bits.
    """
    if image.mode.startswith("I;16"):
        return _sixteen_bits(np.asarray(image), image.info.get("transparency"))
    if image.mode == "I" and image.format == "PNG":
        return _sixteen_bits(np.asarray(image), image.info.get("transparency"))
    if image.mode in ("I", "F"):
        raise RefusedError("more than 16 bits per pixel")
    is_gray = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return over_black(np.asarray(_as_mode(image, "LA" if is_gray else "RGBA")))
    return np.asarray(_as_mode(image, "L" if is_gray else "RGB"))


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert an image, unless it is of the mode already: a conversion copies it."""
    return image if image.mode == mode else image.convert(mode)


def _sixteen_bits(pixels: NDArray[Any], transparent: Any) -> NDArray[np.uint16]:
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise RefusedError("more than 16 bits per pixel")
    values = pixels.astype(np.uint16)
    if isinstance(transparent, int):
        values[values == transparent] = 0
    return values


Source = Path | io.BytesIO
"""A file, or what one holds."""


def content(source: Source) -> bytes:
    """Return all bytes of a file."""
    return source.read_bytes() if isinstance(source, Path) else source.getvalue()


def decode_by_pillow(source: Source, claim: Claim, image: ImageSpec, *, formats: Sequence[str]) -> NDArray[Any]:
    """Decode the first image of a file with Pillow, turned upright; an animation is refused unless it is a GIF."""
    refuse_page(image)
    with Image.open(source, formats=tuple(formats)) as picture:
        claim_pixels(claim, picture.width, picture.height)
        if picture.format != "GIF" and getattr(picture, "n_frames", 1) > 1:
            raise RefusedError("an animation, expected one image")
        if picture.info.get("progressive"):
            _refuse_many_scans(source, picture.width * picture.height)
        picture.load()
        orientation = picture.getexif().get(ORIENTATION_TAG, 1)
        return oriented(array_of(picture), orientation)


def _refuse_many_scans(source: Source, n_pixels: int) -> None:
    n_scans = content(source).count(_START_OF_SCAN)
    if n_scans * n_pixels > _MAX_SCANNED:
        raise RefusedError(f"{n_scans:,} scans of {n_pixels:,} pixels: refused as a possible decompression bomb")


def _decode_webp(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    with path.open("rb") as handle:
        claim_pixels(no_claim, *_webp_size(handle.read(30)))  # Pillow makes room for the whole picture when it opens it
    return decode_by_pillow(path, claim, image, formats=("WEBP",))


def _webp_size(head: bytes) -> tuple[int, int]:
    """Return (width, height) of a WebP file, from the header of its first part; (0, 0) where there is none."""
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


def _is_webp(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"


def _is_bmp(head: bytes) -> bool:
    """Whether this is a bitmap file, or only a bitmap's header, which begins with its own size."""
    return head.startswith(b"BM") or int.from_bytes(head[:4], "little") in _BITMAP_HEADERS


JPEG = Codec(
    title="JPEG",
    suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
    recognises=starts_with(b"\xff\xd8\xff"),
    decode=partial(decode_by_pillow, formats=("JPEG",)),
)
BMP = Codec(
    title="BMP",
    suffixes=(".bmp", ".dib"),
    recognises=_is_bmp,
    decode=partial(decode_by_pillow, formats=("BMP", "DIB")),
)
WEBP = Codec(title="WebP", suffixes=(".webp",), recognises=_is_webp, decode=_decode_webp)
GIF = Codec(
    title="GIF",
    suffixes=(".gif",),
    recognises=starts_with(b"GIF87a", b"GIF89a"),
    decode=partial(decode_by_pillow, formats=("GIF",)),
)
