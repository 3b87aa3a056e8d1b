"""PNG: by Pillow, and by imagecodecs where there are 16 bits with colour or alpha: Pillow drops their low byte."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scantrial.data.codecs.base import (
    ORIENTATION_TAG,
    Claim,
    Codec,
    RefusedError,
    claim_pixels,
    imagecodecs,
    oriented,
    over_black,
    refuse_page,
    starts_with,
)
from scantrial.data.codecs.pillow import Source, content, decode_by_pillow
from scantrial.data.spec import ImageSpec

_MAGIC = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"IDAT", b"IEND")
"""The chunks that change what is decoded; the others hold texts, colour profiles and times."""


def _decode(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    with path.open("rb") as handle:
        header = handle.read(26)
    is_deep_colour = len(header) > 25 and header[24] == 16 and header[25] != 0
    decode = _deep_colour if is_deep_colour else _by_pillow
    try:
        return decode(path, claim, image)
    except ValueError:  # Pillow refuses a file for a long text or colour profile
        return decode(io.BytesIO(b"".join(_needed_chunks(path.read_bytes()))), claim, image)


def _by_pillow(source: Source, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    return decode_by_pillow(source, claim, image, formats=("PNG",))


def _needed_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the parts of a PNG file without the chunks that do not matter here."""
    yield data[: len(_MAGIC)]
    place = len(_MAGIC)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] in _NEEDED:
            yield data[place:end]
        place = end


def _deep_colour(source: Source, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    refuse_page(image)
    library = imagecodecs("a 16-bit PNG with colour or alpha")
    with Image.open(source, formats=("PNG",)) as header:
        claim_pixels(claim, header.width, header.height)
        if getattr(header, "n_frames", 1) > 1:
            raise RefusedError("an animation, expected one image")
        orientation = header.getexif().get(ORIENTATION_TAG, 1)
    pixels = library.png_decode(content(source))
    return oriented(over_black(pixels) if pixels.shape[2] in (2, 4) else np.asarray(pixels), orientation)


PNG = Codec(title="PNG", suffixes=(".png",), recognises=starts_with(_MAGIC), decode=_decode)
