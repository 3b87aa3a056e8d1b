"""JPEG 2000: by Pillow, and by imagecodecs where colour has more than 8 bits or there are more channels.

It is turned upright as its EXIF says.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scantrial.data.codecs.base import (
    ORIENTATION_TAG,
    Claim,
    Codec,
    RefusedError,
    claim_pixels,
    full_range,
    imagecodecs,
    oriented,
    over_black,
    refuse_page,
    starts_with,
)
from scantrial.data.codecs.pillow import decode_by_pillow
from scantrial.data.spec import ImageSpec

_BOXES, _STREAM = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
"""How a file of boxes begins, and the codestream in it or by itself: SOC and SIZ (ISO/IEC 15444-1, annexes A and I)."""

_EXIF = b"uuidJpgTiffExif->JP2"
"""How the box of EXIF begins, after its length: it holds a TIFF without an image."""

_MAX_EXIF = 1 << 16

_SYCC = b"colr\x01\0\0" + (18).to_bytes(4, "big")


class _Header(NamedTuple):
    """Width, height, bits of each channel, and whether all channels have a sample for each pixel."""

    width: int
    height: int
    bits: tuple[int, ...]
    is_whole: bool


def _decode(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    refuse_page(image)
    data = path.read_bytes()
    return oriented(_as_stored(path, data, claim, image), _orientation(data))


def _orientation(data: bytes) -> int:
    """Return the orientation of the EXIF, 1 where there is none; Pillow does not look for it in this kind of file."""
    start = data.find(_EXIF)
    if start < 4 or not data.startswith(_BOXES):
        return 1
    length = int.from_bytes(data[start - 4 : start], "big") or _MAX_EXIF
    exif = Image.Exif()
    exif.load(data[start + len(_EXIF) : start - 4 + min(length, _MAX_EXIF)])
    return int(exif.get(ORIENTATION_TAG, 1))


def _as_stored(path: Path, data: bytes, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    """Decode as if the EXIF said nothing."""
    header = _header_of(data)
    n_channels, bits = len(header.bits), max(header.bits)
    claim_pixels(claim, header.width, header.height, n_channels * (1 if bits <= 8 else 2))
    if n_channels == 1 and bits > 8:
        # Pillow moves the bits to the upper end of 16.
        return full_range(decode_by_pillow(path, claim, image, formats=("JPEG2000",)) >> (16 - bits), 2**bits - 1)
    if n_channels <= 4 and bits <= 8:
        return decode_by_pillow(path, claim, image, formats=("JPEG2000",))
    if not header.is_whole or len(set(header.bits)) > 1 or _SYCC in data:
        raise RefusedError("a JPEG 2000 file with channels of different sizes, depths or in YCC: save it as TIFF")
    values = imagecodecs("a JPEG 2000 file of more than 8 bits in colour").jpeg2k_decode(data)
    pixels = full_range(np.asarray(values), 2**bits - 1)
    return over_black(pixels) if n_channels in (2, 4) and not image.keeps_samples else pixels


def _header_of(data: bytes) -> _Header:
    """Read the marker SIZ: what the image holds, before anything is unpacked."""
    start = data.find(_STREAM)
    if start < 0:
        raise RefusedError("a JPEG 2000 file without a codestream")
    right, lower, left, upper = struct.unpack_from(">4I", data, start + 8)
    (n_channels,) = struct.unpack_from(">H", data, start + 40)
    parts = [struct.unpack_from(">3B", data, start + 42 + 3 * number) for number in range(n_channels)]
    if not parts or right <= left or lower <= upper:
        raise RefusedError("a JPEG 2000 file without pixels")
    if any(depth >= 128 for depth, _, _ in parts):
        raise RefusedError("a JPEG 2000 file of signed numbers: save it as TIFF")
    bits = tuple(depth + 1 for depth, _, _ in parts)
    if max(bits) > 16:
        raise RefusedError("more than 16 bits per pixel")
    is_whole = all(wide == high == 1 for _, wide, high in parts)
    return _Header(right - left, lower - upper, bits, is_whole)


JPEG_2000 = Codec(
    title="JPEG 2000",
    suffixes=(".jp2", ".j2k", ".jpx"),
    recognises=starts_with(_BOXES, _STREAM),
    decode=_decode,
)
