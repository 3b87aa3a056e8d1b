"""The header of a DICOM file: the tags that pictures need, and nothing else, within a bounded time and memory."""

from __future__ import annotations

import io
import logging
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from scantrial.core.errors import MissingExtraError
from scantrial.core.files import open_regular
from scantrial.data.codecs.base import HEAD_BYTES, MAX_FRAMES, RefusedError
from scantrial.data.quiet import quiet_decoders

_MAX_READS = 150_000
"""How often a header may be read from: each element and each item of a sequence takes one or two readings."""

_MAX_SEQUENCE = 8 << 20
"""Bytes of one sequence of tables or of frames: each item of it becomes an object."""

_MAX_ITEMS = 50_000
"""Items of one sequence."""

_MAX_INFLATED = 256 << 20
"""Bytes that a deflated data set may unpack to."""

_DEFLATED, _EXPLICIT = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1\0\0\0"
_META_START = 144
"""Where the file's meta information goes on after the element that says how long it is."""

TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID", "BurnedInAnnotation"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth"),
    *("VOILUTFunction", "PresentationLUTShape", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData"),
    *("GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData"),
    *("BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
"""The elements that are read. Names, dates, places and comments are not among them."""

_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
_LEVELS = ("RescaleIntercept", "RescaleSlope", "WindowCenter", "WindowWidth", "VOILUTFunction")
_OF_FRAMES = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
"""Groups of an enhanced file that hold, for all frames or for one, what other files have at the top."""

# pydicom tells what it repairs, with the values: names of patients must not enter the log of a program.
_logger = logging.getLogger("pydicom")
_logger.addHandler(logging.NullHandler())
_logger.propagate = False


def is_dicom(head: bytes) -> bool:
    """Whether the first `HEAD_BYTES` bytes of a file have the mark of DICOM."""
    return head[128:HEAD_BYTES] == b"DICM"


def holds_dicom(file: Path) -> bool:
    """Whether a file is DICOM by its content; False if it cannot be read."""
    try:
        with open_regular(file) as handle:
            return is_dicom(handle.read(HEAD_BYTES))
    except OSError:
        return False


def needs_pydicom() -> Any:
    """Return the module pydicom.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import pydicom  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError(extra="dicom", package="pydicom", needed_for="a DICOM file") from error
    return pydicom


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says.

    Parameters
    ----------
    tags : a data set of pydicom with the elements of `TAGS`
    syntax : the UID of the transfer syntax; None if the file does not name it
    stream : the file, or the bytes that it was inflated to, open at the element of the pixels
    size : bytes of the stream
    """

    tags: Any
    syntax: Any
    stream: Any
    size: int

    @property
    def n_frames(self) -> int:
        """The number of frames, at least 1.

        Raises
        ------
        RefusedError
            If the file can hold no so many.
        """
        number = int(self.tags.get("NumberOfFrames") or 1)
        if number > min(MAX_FRAMES, self.size):
            raise RefusedError(f"says that it has {number:,} frames, in {self.size:,} bytes")
        return max(1, number)

    def text(self, keyword: str) -> str:
        """Return the value of an element as text without blanks at its ends; empty if there is none."""
        value = self.tags.get(keyword)
        return "" if value is None else str(value).strip("\0 ")

    def of_frame(self, frame: int) -> dict[str, Any]:
        """Return the elements that turn stored values into gray levels, by keyword: of the file, or of one frame.

        A sequence of tables is returned as its items.
        """
        found = {key: self.tags.get(key) for key in TAGS if not key.endswith("Sequence")}
        found |= {key: _items(self.tags, key) for key in _TABLES}
        shared = _items(self.tags, "SharedFunctionalGroupsSequence")
        own = _items(self.tags, "PerFrameFunctionalGroupsSequence")
        for group in [*shared[:1], *own[frame : frame + 1]]:
            for item in (item for keyword in _OF_FRAMES for item in _items(group, keyword)[:1]):
                found |= {key: item.get(key) for key in _LEVELS if key in item}
        return {key: value for key, value in found.items() if value not in (None, "", [])}


class _Measured:
    """A stream that ends a header which is read from too often, and never asks for more bytes than there are."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._size, self._left = stream, size, _MAX_READS
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, n_bytes: int = -1) -> Any:
        self._left -= 1
        if self._left < 0:
            raise RefusedError(f"more than {_MAX_READS // 2:,} elements in its header")
        rest = max(0, self._size - self._stream.tell())
        return self._stream.read(rest if n_bytes < 0 else min(n_bytes, rest))


_lock = threading.Lock()
_last: dict[tuple[str, int, int, int], tuple[Any, int]] = {}
"""Of the last file that says something of each frame: path, size, time and number, to its tags and where they end.

All frames of a file are decoded one after the other, and each would read what is said of all others."""


@contextmanager
def open_dicom(path: Path) -> Iterator[Header]:
    """Read the header of a DICOM file, and close the file in the end.

    Raises
    ------
    RefusedError
        If it would take too much time or memory.
    MissingExtraError
        If pydicom is not installed.
    """
    pydicom = needs_pydicom()
    with quiet_decoders, cast(BinaryIO, io.BufferedReader(open_regular(path))) as handle:
        inflated = _inflated(handle)
        found = os.fstat(handle.fileno())
        size = found.st_size if inflated is None else len(inflated)
        stream = _Measured(handle if inflated is None else io.BytesIO(inflated), size)
        key = str(path), found.st_size, found.st_mtime_ns, found.st_ino
        with _lock:
            tags, end = _last.get(key, (None, 0))
        if tags is not None:
            stream.seek(end)
        else:
            tags = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(TAGS))
            if "PerFrameFunctionalGroupsSequence" in tags and inflated is None:
                with _lock:
                    _last.clear()
                    _last[key] = tags, stream.tell()
        yield Header(tags=tags, syntax=tags.file_meta.get("TransferSyntaxUID"), stream=stream, size=size)


def dicom_frames(path: Path) -> range:
    """Return the numbers of the frames of a DICOM file; of a damaged one 0, whose decoding says what is wrong."""
    try:
        with open_dicom(path) as header:
            return range(header.n_frames)
    except MissingExtraError:
        raise
    except Exception:  # pydicom raises nearly anything
        return range(1)


def uids_of(path: Path) -> tuple[str, str]:
    """Return SOPInstanceUID and StudyInstanceUID of a DICOM file; empty texts for any other, or a damaged one."""
    if not holds_dicom(path):
        return "", ""
    try:
        with open_dicom(path) as header:
            return header.text("SOPInstanceUID"), header.text("StudyInstanceUID")
    except MissingExtraError:
        raise
    except Exception:  # pydicom raises nearly anything
        return "", ""


def _inflated(handle: BinaryIO) -> bytes | None:
    """Return a deflated file as one that is not; None for any other. The stream is at its start again."""
    head = handle.read(1 << 12)
    handle.seek(0)
    if _DEFLATED not in head:
        return None
    start = _META_START + int.from_bytes(head[_META_START - 4 : _META_START], "little")
    meta = handle.read(min(start, len(head)))
    content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(handle.read(), _MAX_INFLATED + 1)
    if len(content) > _MAX_INFLATED:
        raise RefusedError(f"unpacks to more than {_MAX_INFLATED >> 20} MB: refused as a possible decompression bomb")
    return meta.replace(_DEFLATED, _EXPLICIT) + content


def _items(group: Any, keyword: str) -> list[Any]:
    """Return the items of a sequence, none if it is not there; a very long one is refused before it is unpacked."""
    if keyword not in group:
        return []
    raw = getattr(group.get_item(keyword), "value", None)
    if isinstance(raw, bytes) and (len(raw) > _MAX_SEQUENCE or raw.count(b"\xfe\xff\x00\xe0") > _MAX_ITEMS):
        raise RefusedError(f"a sequence of {len(raw):,} bytes in its header")
    value = group[keyword].value
    return list(value) if value else []
