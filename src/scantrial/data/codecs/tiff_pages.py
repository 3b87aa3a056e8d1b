"""Which pages of a TIFF are looked at: of stacks, of channels, and of files with reduced copies of one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from scantrial.data.codecs.base import RefusedError
from scantrial.data.spec import MAX_PAGES, ImageSpec

if TYPE_CHECKING:
    import tifffile

_REDUCED_OR_MASK = 1 | 4
"""Bits of the tag NewSubfileType of pages that belong to another one."""

_MAX_TAGS = 64_000
"""Of all pages together: a damaged chain of pages that lie over one another has ten times as many."""

_MAX_XML = 16 << 20
"""Characters of the metadata of an OME-TIFF."""

_GRAY = (0, 1)
"""PhotometricInterpretation of pages that are not in colour."""

_ALPHA = (1, 2)
"""ExtraSamples that are opacity; 0 is a channel of which nothing is said."""

Axes = Sequence[tuple[str, int]]
"""Letters and lengths of what the pages of a file run over, the slowest first; C stands for channels."""


def full_pages(tiff: tifffile.TiffFile) -> list[int]:
    """Return the numbers of the pages that are no thumbnails, levels of a pyramid or masks of another page."""
    _refuse_many_tags(tiff)
    pages: list[Any] = []
    for number in range(MAX_PAGES):
        try:
            pages.append(tiff.pages[number])
        except IndexError:
            break
    else:
        raise RefusedError(f"{MAX_PAGES} or more pages: save each as a separate file")
    full = [number for number, page in enumerate(pages) if not int(page.subfiletype) & _REDUCED_OR_MASK]
    if not full:
        return list(range(len(pages)))
    return full[:1] if _are_levels([pages[number] for number in full]) else full


def _refuse_many_tags(tiff: tifffile.TiffFile) -> None:
    """Follow the chain of pages without reading their tags, and refuse it if these are too many."""
    kind, handle, place, n_tags = tiff.tiff, tiff.filehandle, tiff.pages.first.offset, 0
    order: Literal["little", "big"] = "little" if kind.byteorder == "<" else "big"
    for _ in range(MAX_PAGES):
        handle.seek(place)
        n = int.from_bytes(handle.read(kind.tagnosize), order)
        n_tags += n
        if n_tags > _MAX_TAGS:
            raise RefusedError(f"more than {_MAX_TAGS:,} tags in its pages: it is damaged")
        handle.seek(place + kind.tagnosize + n * kind.tagsize)
        place = int.from_bytes(handle.read(kind.offsetsize), order)
        if not place:
            return


def _are_levels(pages: Sequence[Any]) -> bool:
    """Whether every page after the first is the first one with fewer pixels, and smaller than the one before."""
    sides = [(page.imagewidth, page.imagelength) for page in pages]
    return all(max(level) < max(before) and _is_reduced(sides[0], level) for before, level in pairwise(sides))


def _is_reduced(full: tuple[int, int], level: tuple[int, int]) -> bool:
    """Whether both sides are those of the full page divided by one whole number, rounded up or down."""
    if min(level) < 1:
        return False
    times = round(max(full) / max(level))
    return times > 1 and all(abs(part * times - side) < times for side, part in zip(full, level, strict=True))


def page_table(tiff: tifffile.TiffFile, pages: Sequence[int], image: ImageSpec) -> NDArray[np.int64]:
    """Return the pages to decode, shape (n, channels): one row, or as many as the stack has for ``max`` and ``mean``.

    Raises
    ------
    RefusedError
        If there are several images and the spec does not say which.
    """
    numbers, axes = np.array(pages, dtype=np.int64), _axes_of(tiff, len(pages))
    letters = [letter for letter, _ in axes]
    if "C" in letters:
        stack = np.moveaxis(numbers.reshape([n for _, n in axes]), letters.index("C"), -1)
        table = stack.reshape(-1, stack.shape[-1])
    elif image.page is None and image.keeps_samples:
        table = numbers[None]
    else:
        table = numbers[:, None]
    if image.page is None and len(table) > 1:
        raise RefusedError(_which_page(len(table), n_channels=table.shape[1]))
    if isinstance(image.page, int):
        if image.page >= len(table):
            raise RefusedError(f"no page {image.page}: the stack has {len(table)}, which count from 0")
        return table[image.page : image.page + 1]
    return table


def _which_page(n: int, *, n_channels: int) -> str:
    """Return what to write into a study file for a stack."""
    stack = f"set data.image.page (0 to {n - 1}, max or mean)"
    if n_channels > 1:
        return f"a stack of {n} images of {n_channels} channels: {stack}"
    numbers = ", ".join(map(str, range(min(n, 3)))) + (", ..." if n > 3 else "")
    return f"{n} pages: {stack}, or data.image.channels: [{numbers}] where pages are channels"


def channel_names(path: Path) -> tuple[str, ...]:
    """Return the names of the channels of an OME-TIFF, in order; none for another TIFF."""
    import tifffile  # noqa: PLC0415 - loaded where it is first needed

    with tifffile.TiffFile(path) as tiff:
        pixels = _ome_pixels(tiff)
    if pixels is None:
        return ()
    return tuple(part.get("Name", "") for part in pixels if _plain(part.tag) == "Channel")


def tiff_stains(file: Path | IO[bytes]) -> tuple[int, int, int] | None:
    """Return (height, width, channels) of a TIFF whose channels are no colours, in pages or in one; None of another."""
    import tifffile  # noqa: PLC0415 - loaded where it is first needed

    with tifffile.TiffFile(file, name=None if isinstance(file, Path) else "scan.tif") as tiff:
        pages = full_pages(tiff)
        first: Any = tiff.pages[pages[0]]
        n = n_stains(first, dict(_axes_of(tiff, len(pages))).get("C", 1))
        return (first.imagelength, first.imagewidth, n) if n else None


def n_stains(page: Any, n_pages: int) -> int:
    """Return how many channels that are no colours lie in so many pages like this one; 0 where they are colours."""
    if n_pages == 1 and page.photometric not in _GRAY:
        return 0
    n_alpha = sum(int(kind) in _ALPHA for kind in page.extrasamples or ())
    n = n_pages * (page.samplesperpixel - n_alpha)
    return n if n > 1 else 0


def _axes_of(tiff: tifffile.TiffFile, n: int) -> Axes:
    """Return what the pages of a file run over, from its metadata; nothing for one page or where nothing is said."""
    if n == 1:
        return ()
    axes = _ome_axes(tiff) or _imagej_axes(tiff) or _shaped_axes(tiff)
    if axes and math.prod(length for _, length in axes) != n:
        said = " x ".join(f"{length} {letter}" for letter, length in axes)
        raise RefusedError(f"{n} pages, but the metadata speak of {said}: save one image in each file")
    return axes


def _ome_axes(tiff: tifffile.TiffFile) -> Axes:
    """Axes of OME-XML: the order of its dimensions has the fastest first; colours within a page count as channels."""
    pixels = _ome_pixels(tiff)
    if pixels is None:
        return ()
    order = pixels.get("DimensionOrder", "XYCZT")[:1:-1]
    lengths = {letter: _whole(pixels.get(f"Size{letter}")) for letter in order}
    if "C" in lengths:
        lengths["C"] = max(1, lengths["C"] // getattr(tiff.pages[0], "samplesperpixel", 1))
    return [(letter, length) for letter, length in lengths.items() if length > 1 or letter == "C"]


def _imagej_axes(tiff: tifffile.TiffFile) -> Axes:
    """Axes of an ImageJ hyperstack, whose channels run fastest."""
    said = tiff.imagej_metadata if tiff.is_imagej else None
    names = (("T", "frames"), ("Z", "slices"), ("C", "channels"))
    axes = [(letter, _whole(said.get(name, 1))) for letter, name in names] if said else []
    return [(letter, length) for letter, length in axes if length > 1]


def _shaped_axes(tiff: tifffile.TiffFile) -> Axes:
    """Axes that tifffile wrote, where they were named and every image is a page."""
    said = tiff.shaped_metadata if tiff.is_shaped else None
    first = said[0] if said else {}
    axes, shape = str(first.get("axes", "")), first.get("shape", ())
    ends = next((axes[: -len(end)] for end in ("YXS", "YX") if axes.endswith(end)), "")
    return [(letter, _whole(length)) for letter, length in zip(ends, shape, strict=False)]


def _ome_pixels(tiff: tifffile.TiffFile) -> ElementTree.Element | None:
    """Return the element that describes the first image of an OME-TIFF; None for another TIFF."""
    text = tiff.ome_metadata if tiff.is_ome else None
    if text is None:
        return None
    if len(text) > _MAX_XML or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise RefusedError("an OME-TIFF whose metadata are too long or declare entities")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise RefusedError(f"an OME-TIFF whose metadata are damaged ({error})") from error
    return next((part for part in root.iter() if _plain(part.tag) == "Pixels"), None)


def _plain(tag: str) -> str:
    """Return the name of an element without its namespace."""
    return tag.rpartition("}")[2]


def _whole(value: Any) -> int:
    try:
        return max(1, int(value))
    except (TypeError, ValueError):
        return 1
