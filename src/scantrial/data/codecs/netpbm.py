"""PBM, PGM and PPM (PNM), plain and binary, up to 16 bits; Pillow would reduce colour of 16 bits to 8."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.data.codecs.base import Claim, Codec, RefusedError, claim_pixels, full_range, refuse_page
from scantrial.data.codecs.pillow import decode_by_pillow
from scantrial.data.spec import ImageSpec

_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([2356])" + 3 * (_SPACE + rb"(\d{1,9})") + rb"\s")
_HEADER_BYTES = 1 << 16
"""Within which a header ends, comments and all."""

_SAMPLE_TEXT = 16
"""Characters that a number of the plain form takes at most, with what separates it from the next."""


def _decode(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    with path.open("rb") as handle:
        head = handle.read(_HEADER_BYTES)
        if head[1:2] in b"14":
            return decode_by_pillow(path, claim, image, formats=("PPM",))
        refuse_page(image)
        found = _HEADER.match(head)
        if found is None:
            raise RefusedError("a PNM file whose header is damaged")
        kind, width, height, white = (int(number) for number in found.groups())
        if not (width and height and 0 < white < 65536):
            raise RefusedError(f"a PNM file of {width} x {height} pixels with white at {white:,}, expected 1 to 65,535")
        n_channels = 3 if kind in (3, 6) else 1
        claim_pixels(claim, width, height, 2 * n_channels)
        handle.seek(found.end())
        n = width * height * n_channels
        values = _plain(handle.read(_SAMPLE_TEXT * n + 1), n) if kind < 4 else _binary(handle.read(2 * n), n, white)
    if len(values) < n:
        raise RefusedError(f"truncated: {len(values):,} of {n:,} numbers")
    pixels = full_range(values, white)
    return pixels.reshape((height, width, 3) if n_channels == 3 else (height, width))


def _plain(text: bytes, n: int) -> NDArray[np.uint32]:
    if len(text) > _SAMPLE_TEXT * n:
        raise RefusedError(f"a plain PNM file with more text than {n:,} numbers take")
    words = text.split(None, n)[:n]
    if not all(word.isdigit() and len(word) < 6 for word in words):
        raise RefusedError("a plain PNM file with something else than numbers")
    return np.array(list(map(int, words)), dtype=np.uint32)


def _binary(data: bytes, n: int, white: int) -> NDArray[Any]:
    dtype = np.dtype(np.uint8 if white < 256 else ">u2")
    return np.frombuffer(data, dtype=dtype, count=min(n, len(data) // dtype.itemsize))


def _is_pnm(head: bytes) -> bool:
    return len(head) > 2 and head[:1] == b"P" and head[1:2] in b"123456" and (head[2:3].isspace() or head[2:3] == b"#")


PNM = Codec(title="PNM", suffixes=(".pgm", ".ppm", ".pbm", ".pnm"), recognises=_is_pnm, decode=_decode)
