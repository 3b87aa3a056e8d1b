"""What every reader returns (`Listing`), and its description (`Format`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import DataError, itemised
from scantrial.core.names import listed, nearest
from scantrial.core.records import SPLITS, Split
from scantrial.data.codecs.base import MAX_BYTES, Claim, no_claim, over_black
from scantrial.data.scanset import Pixels

SPLIT_OF_WORD: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "validation": "val",
    "valid": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""The words for a split, in lower case."""

MAX_IMAGES = 5_000_000
"""Of one array."""

Decode = Callable[[Claim], Pixels]
"""Decodes one case; raises `scantrial.data.decode.ImageError` if that fails. May run in any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All cases of a source, before any of them is decoded.

    Parameters
    ----------
    sources : n texts, where each case comes from, unique
    labels : shape (n,), class indices
    class_names : in the order of the indices
    has_class_names : False if the source has only numbers and `class_names` are those numbers
    split : shape (n,), "train", "val", "test" or ""
    patients : n texts, or None
    files : every file whose bytes make the pixels, in a fixed order
    decoders : gives one `Decode` for each case, in the order of the cases
    ignored : what was skipped, and how often
    """

    sources: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: NDArray[np.str_]
    files: tuple[Path, ...]
    decoders: Callable[[], Iterator[Decode]]
    patients: tuple[str, ...] | None = None
    has_class_names: bool = True
    ignored: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One key that a format takes beside the source's name.

    Parameters
    ----------
    kind : text, or a list of names
    meaning : one line for the documentation
    """

    kind: Literal["text", "names"]
    meaning: str

    def accepts(self, value: Any) -> bool:
        """Whether `value` is of the right kind."""
        if self.kind == "text":
            return isinstance(value, str) and value != ""
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        return is_list and len(value) > 0 and all(isinstance(item, str) and item for item in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way in which scans are stored on disk.

    Parameters
    ----------
    name : its key in the table of formats
    looks_like : one line for the documentation and for messages
    options : the keys it takes
    matches : whether a path looks like this format; opens no scan
    read : lists the cases of a path; raises `DataError` with all faults at once
    """

    name: str
    looks_like: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, Mapping[str, Any]], Listing]
    options: Mapping[str, Option] = field(default_factory=dict)

    def faults_of(self, options: Mapping[str, Any]) -> list[str]:
        """Messages for options that this format does not take, or with a value of the wrong kind."""
        return [message for key, value in options.items() if (message := self._fault_of(key, value))]

    def _fault_of(self, key: str, value: Any) -> str | None:
        if key not in self.options:
            guess = nearest(key, self.options)
            hint = f" (did you mean {guess!r}?)" if guess else ""
            known = listed(self.options) or "none"
            return f"{key}: {self.looks_like} takes no option {key!r}{hint}; it takes: {known}"
        if not self.options[key].accepts(value):
            wanted = "text" if self.options[key].kind == "text" else "a list of names"
            return f"{key}: got {value!r}, expected {wanted}"
        return None


def split_rank(split: str) -> int:
    """Position of a split in the order of the cases: train, val, test, then none."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is hidden."""
    return path.name.startswith(".") or path.name == "__MACOSX"


def refuse(where: Path, faults: Sequence[str], *, expected: str) -> DataError:
    """Build one error from all faults of a source."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return DataError(f"{where} has {count}:\n{itemised(faults)}", expected=expected)


def clashing_names(names: Iterable[str]) -> list[str]:
    """Messages for class names that differ in case only."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(name.casefold(), []).append(name)
    return [
        f"the class names {listed(map(repr, group))} differ only in upper and lower case: use one spelling"
        for group in groups.values()
        if len(group) > 1
    ]


def row_decoder(rows: NDArray[Any], number: int, claim: Claim = no_claim) -> Pixels:
    """Take one image out of an array of shape (n, height, width[, 1, 3 or 4])."""
    return without_alpha(rows[number], claim)


def without_alpha(row: NDArray[Any], claim: Claim = no_claim) -> Pixels:
    """Make one row of an array (height, width[, 1, 3 or 4]) an image in native byte order; alpha goes over black."""
    claim(2 * row.nbytes)
    row = np.ascontiguousarray(row, dtype=row.dtype.newbyteorder("="))
    if row.ndim == 3 and row.shape[2] == 4:
        return np.ascontiguousarray(over_black(row))
    return row[..., 0] if row.ndim == 3 and row.shape[2] == 1 else row


def array_fault(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
    """Return why an array is not n images, or None."""
    if dtype.kind != "u" or dtype.itemsize > 2:
        return f"type {dtype}, expected uint8 or uint16"
    if len(shape) not in (3, 4) or shape[3:] not in ((), (1,), (3,), (4,)):
        return f"shape {shape}, expected (n, height, width) or (n, height, width, 3 or 4)"
    if 0 in shape:
        return f"shape {shape} holds no pixels"
    if math.prod(shape[1:]) * dtype.itemsize > MAX_BYTES:
        return f"shape {shape}: an image of more than {MAX_BYTES >> 20:,} MB"
    return f"shape {shape}: more than {MAX_IMAGES:,} images" if shape[0] > MAX_IMAGES else None
