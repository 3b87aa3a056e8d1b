"""PNG, JPEG and BMP, read by Pillow."""

from __future__ import annotations

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
    oriented,
    over_black,
    starts_with,
)

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
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


def _decode(path: Path, claim: Claim, *formats: str) -> NDArray[Any]:
    with Image.open(path, formats=formats) as image:
        claim_pixels(claim, image.width, image.height)
        if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
            raise RefusedError("an animation, expected one image")
        if image.info.get("progressive"):
            _refuse_many_scans(path, image.width * image.height)
        image.load()
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
        return oriented(array_of(image), orientation)


def _refuse_many_scans(path: Path, n_pixels: int) -> None:
    n_scans = path.read_bytes().count(_START_OF_SCAN)
    if n_scans * n_pixels > _MAX_SCANNED:
        raise RefusedError(f"{n_scans:,} scans of {n_pixels:,} pixels: refused as a possible decompression bomb")


def _decode_png(path: Path, claim: Claim) -> NDArray[Any]:
    with path.open("rb") as handle:
        header = handle.read(26)
    is_deep_colour = len(header) > 25 and header[24] == 16 and header[25] != 0
    if is_deep_colour:  # Pillow would drop the low byte
        raise RefusedError("a 16-bit PNG with colour or alpha would lose its low bits: save it as TIFF")
    return _decode(path, claim, "PNG")


def _decode_jpeg(path: Path, claim: Claim) -> NDArray[Any]:
    return _decode(path, claim, "JPEG")


def _decode_bmp(path: Path, claim: Claim) -> NDArray[Any]:
    return _decode(path, claim, "BMP", "DIB")


def _is_bmp(head: bytes) -> bool:
    """Whether this is a bitmap file, or only a bitmap's header, which begins with its own size."""
    return head.startswith(b"BM") or int.from_bytes(head[:4], "little") in _BITMAP_HEADERS


PNG = Codec(title="PNG", suffixes=(".png",), recognises=starts_with(_PNG_MAGIC), decode=_decode_png)
JPEG = Codec(
    title="JPEG",
    suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
    recognises=starts_with(b"\xff\xd8\xff"),
    decode=_decode_jpeg,
)
BMP = Codec(title="BMP", suffixes=(".bmp", ".dib"), recognises=_is_bmp, decode=_decode_bmp)
