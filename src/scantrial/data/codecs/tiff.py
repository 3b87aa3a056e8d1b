"""TIFF of 8 and 16 bits: 16-bit samples by tifffile, others by Pillow."""

from __future__ import annotations

import logging
import lzma
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scantrial.data.codecs.base import (
    MAX_BYTES,
    ORIENTATION_TAG,
    Claim,
    Codec,
    RefusedError,
    bomb,
    claim_pixels,
    oriented,
    over_black,
    starts_with,
)
from scantrial.data.codecs.pillow import array_of

if TYPE_CHECKING:
    import tifffile

_SAMPLE_KINDS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_UNASSOCIATED_ALPHA = 2
_MAX_PAGES = 1000
_PADDED = 4
"""How many times the largest image all strips or tiles may hold: those at the border are filled up."""

_DEFLATE, _LZMA, _PACKBITS = (8, 32946, 50013), (34925,), 32773
"""Compressions by number; 1 is none."""

_MAX_PACKBITS = 128 << 20
"""Bytes that a strip may unpack to with PackBits, whose decoder takes eight times as much while it works."""

# tifffile logs what it repairs; without its own handler, Python would print that on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def _decode(path: Path, claim: Claim) -> NDArray[Any]:
    import tifffile  # noqa: PLC0415 - a tenth of a second to load, and few studies have TIFF

    with tifffile.TiffFile(path) as tiff:
        page = _single_page(tiff)
        _refuse_samples(page)
        claim_pixels(claim, page.imagewidth, page.imagelength)
        _refuse_large_parts(page)
        if page.bitspersample == 16:
            return _sixteen_bit_page(page, path)
    return _tiff_by_pillow(path)


def _single_page(tiff: tifffile.TiffFile) -> Any:
    n_pages = next((n for n in range(_MAX_PAGES) if not _has_page(tiff, n)), _MAX_PAGES)
    if n_pages != 1:
        more = " or more" if n_pages == _MAX_PAGES else ""
        raise RefusedError(f"{n_pages}{more} pages: save each as a separate file")
    return tiff.pages[0]


def _has_page(tiff: tifffile.TiffFile, number: int) -> bool:
    """Whether there is a page of this number; to count all of them would take long in a file made for that."""
    try:
        return tiff.pages[number] is not None
    except IndexError:
        return False


def _refuse_samples(page: Any) -> None:
    if page.sampleformat in _SAMPLE_KINDS:
        raise RefusedError(f"{_SAMPLE_KINDS[page.sampleformat]} TIFF: scale it to unsigned integers of 8 or 16 bits")
    if page.bitspersample not in (1, 2, 4, 8, 16):
        raise RefusedError(f"{page.bitspersample} bits per sample, expected 8 or 16")
    if page.imagedepth != 1 or page.imagewidth < 1 or page.imagelength < 1:
        raise RefusedError(f"a volume or an empty image, of shape {page.shape}")


def _refuse_large_parts(page: Any) -> None:
    """Refuse strips or tiles that together hold far more than the image: a decoder unpacks all of each."""
    n_samples, n_bytes = page.samplesperpixel, max(1, page.bitspersample // 8)
    if page.imagewidth * page.imagelength * n_samples * n_bytes > MAX_BYTES:
        raise bomb()
    if math.prod(page.chunks) * n_bytes > MAX_BYTES:
        raise bomb()
    if len(page.dataoffsets) * math.prod(page.chunks) * n_bytes > _PADDED * MAX_BYTES:
        raise bomb()


def _tiff_by_pillow(path: Path) -> NDArray[Any]:
    # By handle, not by name: Pillow 13 maps an uncompressed file given by name and then scrambles a picture whose
    # orientation swaps height and width.
    with path.open("rb") as handle, Image.open(handle, formats=("TIFF",)) as image:
        image.load()  # applies the orientation too
        return array_of(image)


def _sixteen_bit_page(page: Any, path: Path) -> NDArray[Any]:
    """Decode with tifffile, since Pillow reduces 16-bit colour to 8 bits."""
    if page.photometric not in (0, 1, 2):
        raise RefusedError(f"a 16-bit TIFF of {getattr(page.photometric, 'name', page.photometric)} colours")
    _refuse_missing_strips(page, path)
    n_colours = 3 if page.photometric == 2 else 1
    if page.samplesperpixel not in (n_colours, n_colours + 1):
        raise RefusedError(f"{page.samplesperpixel} channels, expected 1 or 3, with or without alpha")
    if _has_decoder(page):
        _refuse_long_segments(page)
        pixels = page.asarray(maxworkers=1)  # so that one strip at a time is unpacked
        pixels = np.moveaxis(pixels, 0, -1) if page.axes.startswith("S") else pixels
        tag = page.tags.get(ORIENTATION_TAG)
        pixels = oriented(_without_extra(pixels, page, n_colours), 1 if tag is None else int(tag.value))
    elif page.samplesperpixel == 1:
        pixels = _tiff_by_pillow(path)
    else:
        raise RefusedError(f"16-bit colour TIFF with {page.compression.name} compression: save it with Deflate or none")
    return np.iinfo(np.uint16).max - pixels if page.photometric == 0 else pixels


def _has_decoder(page: Any) -> bool:
    """Whether tifffile can undo the compression without further packages."""
    import tifffile  # noqa: PLC0415 - as above

    if page.compression not in (1, _PACKBITS, *_DEFLATE, *_LZMA):
        return False
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except KeyError:
        return False
    return True


def _refuse_long_segments(page: Any) -> None:
    """Refuse strips or tiles that unpack to more than their size in the image: Python's decoders know no limit."""
    limit = math.prod(page.chunks) * 2
    handle = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        handle.seek(offset)
        if _unpacked_bytes(page.compression, handle.read(count), limit) > limit:
            raise bomb()
    if page.compression == _PACKBITS and limit > _MAX_PACKBITS:
        most = _MAX_PACKBITS >> 20
        raise RefusedError(f"a strip of more than {most} MB with PackBits compression: save it with Deflate or none")


def _unpacked_bytes(compression: int, packed: bytes, limit: int) -> int:
    """Return how many bytes a strip or tile unpacks to, or any larger number than the limit if it is above it."""
    if compression == _PACKBITS:
        return _packbits_bytes(packed, limit)
    if compression in _LZMA:
        return _lzma_bytes(packed, limit)
    return len(packed) if compression == 1 else len(zlib.decompressobj().decompress(packed, limit + 1))


def _packbits_bytes(packed: bytes, limit: int) -> int:
    total = place = 0
    while place < len(packed) and total <= limit:
        mark = packed[place]
        total += mark + 1 if mark < 128 else 257 - mark if mark > 128 else 0
        place += mark + 2 if mark < 128 else 2 if mark > 128 else 1
    return total


def _lzma_bytes(packed: bytes, limit: int) -> int:
    decoder = lzma.LZMADecompressor()
    found = len(decoder.decompress(packed, limit + 1))
    if decoder.unused_data.strip(b"\0"):  # tifffile would unpack a second stream too
        raise RefusedError("a strip with more than one stream of LZMA")
    return found


def _refuse_missing_strips(page: Any, path: Path) -> None:
    """Refuse a file whose strips go beyond its end, as tifffile would fill them with zeros, or lie over one another."""
    size = path.stat().st_size
    counts, offsets = page.databytecounts, page.dataoffsets
    ends = [offset + count for offset, count in zip(offsets, counts, strict=True)]
    stored_in_full = page.compression != 1 or sum(counts) >= page.nbytes
    if not counts or min(counts) < 1 or min(offsets) < 1 or max(ends) > size or not stored_in_full:
        raise RefusedError("truncated: some of its strips are missing")
    if sum(counts) > size:
        raise RefusedError("strips that overlap: refused as a possible decompression bomb")


def _without_extra(pixels: NDArray[Any], page: Any, n_colours: int) -> NDArray[Any]:
    """Remove a fourth (or second) channel: alpha is composited over black, other channels are dropped."""
    n_samples = page.samplesperpixel
    if n_samples == n_colours:
        return pixels[..., 0] if pixels.ndim == 3 and n_colours == 1 else pixels
    kind = page.extrasamples[0] if page.extrasamples else _UNASSOCIATED_ALPHA
    if kind == _UNASSOCIATED_ALPHA:
        return over_black(pixels)
    # Associated alpha is already multiplied in, so this is the image over black.
    return pixels[..., 0] if n_colours == 1 else pixels[..., :n_colours]


TIFF = Codec(
    title="TIFF",
    suffixes=(".tif", ".tiff"),
    recognises=starts_with(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    decode=_decode,
)
