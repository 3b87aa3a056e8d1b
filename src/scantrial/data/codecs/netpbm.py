"""PBM, PGM and PPM (PNM), plain and binary, up to 16 bits; Pillow would reduce colour of 16 bits to 8."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

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

_NO_NUMBER = re.compile(rb"\d{6}|[^\d\s]")
"""What no text of numbers up to 99,999 holds."""

_BLOCK = 1 << 18
"""Characters of the plain form that are made numbers at a time: each number takes ten times its text meanwhile."""


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
        values = _plain(handle, n, white) if kind < 4 else _binary(handle.read(2 * n), n, white)
    if len(values) < n:
        raise RefusedError(f"truncated: {len(values):,} of {n:,} numbers")
    return full_range(values.reshape((height, width, 3) if n_channels == 3 else (height, width)), white)


def _plain(handle: BinaryIO, n: int, white: int) -> NDArray[np.uint16]:
    """Read up to `n` numbers block by block, so that no more than a block of them is ever there as text."""
    n_bytes = os.fstat(handle.fileno()).st_size - handle.tell()
    if n_bytes > _SAMPLE_TEXT * n:
        raise RefusedError(f"a plain PNM file with more text than {n:,} numbers take")
    values = np.empty(min(n, n_bytes // 2 + 1), dtype=np.uint16)
    n_found, text, is_more = 0, b"", True
    while n_found < n and is_more:
        block = handle.read(_BLOCK)
        text += block
        wrong = _NO_NUMBER.search(text)
        is_more = bool(block) and wrong is None
        text = text if wrong is None else text[: wrong.start()]
        # The last number may go on in the next block, or be a part of what is wrong.
        whole = text.rstrip(b"0123456789") if is_more or wrong else text
        text = text[len(whole) :]
        numbers = np.array(whole.split(), dtype="S5")[: n - n_found].astype(np.uint32)
        values[n_found : n_found + len(numbers)] = np.minimum(numbers, white)
        n_found += len(numbers)
        if wrong and n_found < n:
            raise RefusedError("a plain PNM file with something else than numbers")
    return values[:n_found]


def _binary(data: bytes, n: int, white: int) -> NDArray[Any]:
    dtype = np.dtype(np.uint8 if white < 256 else ">u2")
    return np.frombuffer(data, dtype=dtype, count=min(n, len(data) // dtype.itemsize))


def _is_pnm(head: bytes) -> bool:
    return len(head) > 2 and head[:1] == b"P" and head[1:2] in b"123456" and (head[2:3].isspace() or head[2:3] == b"#")


PNM = Codec(title="PNM", suffixes=(".pgm", ".ppm", ".pbm", ".pnm"), recognises=_is_pnm, decode=_decode)
