"""Facts from the headers of the image files: size, channels, format, bytes. Nothing is decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scantrial.core.files import open_regular
from scantrial.core.machine import n_cores
from scantrial.data.codecs.table import stains_of
from scantrial.data.scanset import CaseList, ScanSet

_Header = tuple[int, int, int, str, str]
"""Width, height, bytes, mode and format."""

_CHANNELS = " channels"
"""What follows their number where they are no colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Facts about the files of n cases.

    Parameters
    ----------
    width, height, n_bytes : shape (n,), before any resizing
    mode : n texts, channels and depth in one word, such as ``L`` or ``RGB``, or ``3 channels`` of stains
    format : n texts, such as ``JPEG``
    """

    width: NDArray[np.int64]
    height: NDArray[np.int64]
    n_bytes: NDArray[np.int64]
    mode: tuple[str, ...]
    format: tuple[str, ...]

    @property
    def has_stains(self) -> bool:
        """Whether the channels of any file are no colours."""
        return any(mode.endswith(_CHANNELS) for mode in self.mode)


def file_facts(scans: ScanSet, cases: NDArray[np.int64]) -> FileFacts | None:
    """Read the headers of the cases' files; None where a case is not a separate file, or a file cannot be read."""
    return _table(_headers(scans, cases))


def header_shapes(listed: CaseList) -> Counter[tuple[int, ...]]:
    """Count the shapes of files: (height, width) of gray ones, and with the number of channels of all others.

    Files whose header cannot be read here are not counted.
    """
    headers = _headers(listed, np.arange(len(listed)))
    return Counter(_shape(*header) for header in headers if header is not None)


def _shape(width: int, height: int, _n_bytes: int, mode: str, _format: str) -> tuple[int, ...]:
    if mode.endswith(_CHANNELS):
        return height, width, int(mode.removesuffix(_CHANNELS))
    is_gray = mode in ("1", "L", "LA", "La", "F") or mode.startswith("I")
    return (height, width) if is_gray else (height, width, 3)


def _headers(scans: ScanSet | CaseList, cases: NDArray[np.int64]) -> list[_Header | None]:
    """Return a header for each case; none at all where cases are not separate files."""
    place = scans.origin.get("path")
    if place is None or not len(cases):
        return []
    root = Path(str(place))
    root = root if root.is_dir() else root.parent
    files = [root / scans.sources[case] for case in cases]
    if not files[0].is_file():
        return []
    with ThreadPoolExecutor(n_cores()) as pool:
        return list(pool.map(_header, files))


def _header(file: Path) -> _Header | None:
    try:
        with open_regular(file) as handle, BufferedReader(handle) as buffered:
            n_bytes = os.fstat(handle.fileno()).st_size
            stained = stains_of(buffered)
            if stained is not None:
                kind, (height, width, n) = stained
                return width, height, n_bytes, f"{n}{_CHANNELS}", kind
            buffered.seek(0)
            with Image.open(buffered) as picture:
                return picture.width, picture.height, n_bytes, picture.mode, str(picture.format)
    except Exception:  # libraries raise nearly anything on a header they do not know; the scan was read by another way
        return None


def _table(headers: Sequence[_Header | None]) -> FileFacts | None:
    rows = [header for header in headers if header is not None]
    if not rows or len(rows) < len(headers):
        return None
    width, height, n_bytes, mode, kind = zip(*rows, strict=True)
    return FileFacts(
        width=np.array(width, dtype=np.int64),
        height=np.array(height, dtype=np.int64),
        n_bytes=np.array(n_bytes, dtype=np.int64),
        mode=mode,
        format=kind,
    )
