"""TIFF: 8-bit gray and colour by Pillow, everything else by tifffile.

Stacks, pages that are channels, and pages that are reduced: `scantrial.data.codecs.tiff_pages`.
"""

from __future__ import annotations

import logging
import lzma
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

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
    imagecodecs,
    oriented,
    over_black,
    starts_with,
)
from scantrial.data.codecs.pillow import array_of
from scantrial.data.codecs.tiff_pages import channel_names, full_pages, n_stains, page_table, tiff_stains
from scantrial.data.spec import ImageSpec

_UNSIGNED, _SIGNED, _FLOATING = 1, 2, 3
_BITS = {_UNSIGNED: (1, 2, 4, 8, 16, 32, 64), _SIGNED: (8, 16, 32, 64), _FLOATING: (16, 32, 64)}
"""Bits of a sample that are read, by the format of samples."""

_UNASSOCIATED_ALPHA = 2
_PADDED = 4
"""How many times the largest image all strips or tiles may hold: those at the border are filled up."""

_MAX_STACK = 8 * MAX_BYTES
"""What all pages of a stack that are looked at may unpack to, one after the other."""

_DEFLATE, _LZMA, _PACKBITS, _LZW = (8, 32946, 50013), (34925,), 32773, 5
"""Compressions by number; 1 is none."""

_MAX_PACKBITS = 128 << 20
"""Bytes that a strip may unpack to with PackBits, whose decoder takes eight times as much while it works."""

# tifffile logs what it repairs; without its own handler, Python would print that on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def _decode(path: Path, claim: Claim, image: ImageSpec) -> NDArray[Any]:
    import tifffile  # noqa: PLC0415 - a tenth of a second to load, and few studies have TIFF

    with tifffile.TiffFile(path) as tiff, path.open("rb") as handle:
        pages = full_pages(tiff)
        table = page_table(tiff, pages, image)
        used = [tiff.pages[number] for number in table.ravel().tolist()]
        _refuse_mixing(n_stains(used[0], table.shape[1]), path, image)
        for page in used:
            _refuse_samples(page)
            _refuse_large_parts(page)
        _claim(used, table.shape[1], claim)
        read = partial(_page, path=path, by_pillow=_ByPillow(handle), raw=image.keeps_samples)
        planes = (_with_channels([read(tiff.pages[number]) for number in channels]) for channels in table.tolist())
        return next(planes) if len(table) == 1 else _folded(planes, image)


def _refuse_mixing(n: int, path: Path, image: ImageSpec) -> None:
    """Refuse to make one gray channel of stains: as red, green and blue they would be weighed, which means nothing."""
    if image.channels == 1 and n == 3:
        names = [name for name in channel_names(path) if name]
        said = f" ({', '.join(names)})" if names else ""
        pick = names[0] if names else "0"
        raise RefusedError(f"3 channels{said} that are no colours: pick one, such as channels: [{pick}], or take all")


def _claim(used: Sequence[Any], n_channels: int, claim: Claim) -> None:
    first = used[0]
    if any((page.imagewidth, page.imagelength) != (first.imagewidth, first.imagelength) for page in used):
        raise RefusedError(f"{len(used)} pages of different sizes: save each as a separate file")
    n_bytes = n_channels * first.samplesperpixel * max(1, first.bitspersample // 8)
    claim_pixels(claim, first.imagewidth, first.imagelength, n_bytes)
    if sum(page.imagewidth * page.imagelength * n_bytes for page in used) > _MAX_STACK * n_channels:
        raise bomb()


def _with_channels(planes: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join the pages of all channels: shape (height, width) where there is one gray page."""
    if len(planes) == 1:
        return planes[0]
    if len({(plane.shape, plane.dtype) for plane in planes}) > 1:
        raise RefusedError("pages of different shapes or types: save each as a separate file")
    return np.dstack(planes)


def _folded(planes: Iterator[NDArray[Any]], image: ImageSpec) -> NDArray[Any]:
    """Return the maximum or the mean over a stack, one page at a time; a mean of whole numbers is rounded."""
    first = next(planes)
    folded, n = first.astype(np.float64) if image.page == "mean" else first, 1
    for plane in planes:
        if plane.shape != first.shape or plane.dtype != first.dtype:
            raise RefusedError("pages of different shapes or types: save each as a separate file")
        folded = folded + plane if image.page == "mean" else np.maximum(folded, plane)
        n += 1
    if image.page == "max":
        return folded
    mean = folded / n
    return mean if image.range is not None or first.dtype.kind == "f" else np.rint(mean).astype(first.dtype)


def _page(page: Any, *, path: Path, by_pillow: Callable[[int], Image.Image], raw: bool) -> NDArray[Any]:
    """Decode one page, turned upright.

    Parameters
    ----------
    by_pillow : from the number of the page to what Pillow makes of it
    raw : keep all channels as they are stored; otherwise alpha goes over black
    """
    bits, n_samples = page.bitspersample, page.samplesperpixel
    has_channels = page.photometric in (0, 1, 2) and bits in (8, 16) and n_samples > 1
    most = 4 if page.photometric == 2 else 2
    # Pillow would lay the last of two or four channels over black.
    is_raw = raw and (_has_decoder(page) or (page.compression == _LZW and n_samples == most))
    if _kind(page) != _UNSIGNED or bits > 16 or (has_channels and (n_samples > most or is_raw)):
        return _stored_samples(page, path, by_pillow)
    return _sixteen_bit_page(page, path, by_pillow) if bits == 16 else array_of(by_pillow(page.index))


def _kind(page: Any) -> int:
    return int(page.sampleformat or _UNSIGNED)


def _samples(page: Any) -> NDArray[Any]:
    """Unpack a page with tifffile, channels last, turned upright."""
    _refuse_long_segments(page)
    pixels = page.asarray(maxworkers=1)  # so that one strip at a time is unpacked
    pixels = np.moveaxis(pixels, 0, -1) if page.axes.startswith("S") else pixels
    tag = page.tags.get(ORIENTATION_TAG)
    return oriented(pixels, 1 if tag is None else int(tag.value))


class _ByPillow:
    """Loads pages of a file with Pillow, which opens it once, and only where it is needed."""

    # By handle, not by name: Pillow 13 maps an uncompressed file given by name and then scrambles a picture whose
    # orientation swaps height and width.
    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._image: Image.Image | None = None

    def __call__(self, number: int) -> Image.Image:
        """Return a page, loaded, which applies its orientation too."""
        if self._image is None:
            self._image = Image.open(self._handle, formats=("TIFF",))
        self._image.seek(number)
        self._image.load()
        return self._image


def _stored_samples(page: Any, path: Path, by_pillow: Callable[[int], Image.Image]) -> NDArray[Any]:
    """Decode a page with all its channels, of any type of numbers."""
    _refuse_missing_strips(page, path)
    if not _has_decoder(page) and page.samplesperpixel == 1 and page.bitspersample <= 32:
        return np.asarray(by_pillow(page.index))
    if not (_has_decoder(page) or _has_lzw(page)):
        what = f"a TIFF of {page.samplesperpixel} channels of {page.bitspersample} bits"
        raise RefusedError(f"{what} with {page.compression.name} compression: save it with Deflate or none")
    pixels = _samples(page)
    is_inverted = page.photometric == 0 and pixels.dtype.kind == "u"
    return np.iinfo(pixels.dtype).max - pixels if is_inverted else pixels


def _refuse_samples(page: Any) -> None:
    kind = _kind(page)
    if kind not in _BITS:
        raise RefusedError(f"a TIFF of complex or undefined numbers (sample format {kind}), expected whole or decimal")
    if page.bitspersample not in _BITS[kind]:
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


def _sixteen_bit_page(page: Any, path: Path, by_pillow: Callable[[int], Image.Image]) -> NDArray[Any]:
    """Decode with tifffile, since Pillow reduces 16-bit colour to 8 bits."""
    if page.photometric not in (0, 1, 2):
        raise RefusedError(f"a 16-bit TIFF of {getattr(page.photometric, 'name', page.photometric)} colours")
    _refuse_missing_strips(page, path)
    n_colours = 3 if page.photometric == 2 else 1
    if page.samplesperpixel not in (n_colours, n_colours + 1):
        raise RefusedError(f"{page.samplesperpixel} channels, expected 1 or 3, with or without alpha")
    if not _has_decoder(page) and page.samplesperpixel == 1:
        pixels = array_of(by_pillow(page.index))
    elif _has_decoder(page) or _has_lzw(page):
        pixels = _without_extra(_samples(page), page, n_colours)
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


def _has_lzw(page: Any) -> bool:
    """Whether the compression is LZW, which needs a further package where Pillow does not keep all that is stored.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    if page.compression != _LZW or page.fillorder != 1:
        return False
    imagecodecs(f"a TIFF of {page.bitspersample} bits in {page.samplesperpixel} channels with LZW compression")
    return True


def _refuse_long_segments(page: Any) -> None:
    """Refuse strips or tiles that unpack to more than their size in the image: Python's decoders know no limit."""
    limit = math.prod(page.chunks) * max(1, page.bitspersample // 8)
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
    if compression == _LZW:
        return len(imagecodecs("LZW").lzw_decode(packed, out=limit + 1))
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
    channel_names=channel_names,
    stained_shape=tiff_stains,
)
