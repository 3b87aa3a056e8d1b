"""What every reader returns (`Listing`), and its description (`Format`)."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import MOST_OF_A_KIND, DataError, itemised
from scantrial.core.names import listed, nearest
from scantrial.core.records import SPLITS, Split
from scantrial.data.codecs.base import MAX_BYTES, Claim, RefusedError, no_claim, over_black, refuse_page
from scantrial.data.decode import ImageError
from scantrial.data.samples import picked, scaled
from scantrial.data.scanset import Pixels
from scantrial.data.spec import MAX_CHANNELS, USUAL, ImageSpec

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

MAX_RATIO, MAX_UNPACKED = 200, 1 << 30
"""How many times its size an archive of more than so many bytes may hold; scans are packed to a half or a tenth."""

Decode = Callable[[Claim, ImageSpec], Pixels]
"""Decodes one case, with the page, the channels and the range of a spec; raises `scantrial.data.decode.ImageError` if
that fails. May run in any thread."""


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
    folders : n texts, the folder that may be the patient's, empty where a case is in none; None where none is known
    files : every file whose bytes make the pixels, in a fixed order
    decoders : gives one `Decode` for each case, in the order of the cases
    ignored : what was skipped because it is no scan at all, and how often
    left_out : what was left out although it may be a scan, in the words of `scantrial.data.left_out`, and how often
    notes : sentences for the report on how the source was read
    spelling : other texts that the source has for class names, such as ``0.0`` for ``0``, with these names
    like_patients : the column of a table that looks like patients, where none is named
    shown : what a refusal calls the cases, where their sources do not say which files they are; nothing stores it
    """

    sources: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: NDArray[np.str_]
    files: tuple[Path, ...]
    decoders: Callable[[], Iterator[Decode]]
    patients: tuple[str, ...] | None = None
    folders: tuple[str, ...] | None = None
    has_class_names: bool = True
    ignored: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    spelling: Mapping[str, str] = field(default_factory=dict)
    like_patients: str | None = None
    shown: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What a refusal calls the cases."""
        return self.sources if self.shown is None else self.shown

    def where(self, kept: NDArray[np.bool_]) -> Listing:
        """Return the cases for which `kept`, of shape (n,), is true."""

        def some(texts: Sequence[Any] | None) -> Any:
            return None if texts is None else tuple(compress(texts, kept))

        # An array holds many cases, and all its bytes belong to the key of the cache.
        has_own_files = len(self.files) == len(self.sources)
        return replace(
            self,
            sources=some(self.sources),
            labels=self.labels[kept],
            split=self.split[kept],
            patients=some(self.patients),
            folders=some(self.folders),
            files=some(self.files) if has_own_files else self.files,
            decoders=lambda: compress(self.decoders(), kept),
            shown=some(self.shown),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """What a study says about its source that a reader has to know while it lists.

    Parameters
    ----------
    ignore : patterns of files that are no scans, see `scantrial.data.ignore`
    classes : the source's own class names that the study names; empty if it names none
    picks_classes : whether cases of other classes are to be left out
    skip_unreadable : whether cases without a file or without a label are left out; otherwise they are faults
    """

    ignore: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    picks_classes: bool = False
    skip_unreadable: bool = False


PLAIN = ReadSettings()
"""The settings of a study that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One key that a format takes beside the source's name.

    Parameters
    ----------
    kind : text, a list of names, or either of them
    meaning : one line for the documentation
    """

    kind: Literal["text", "names", "text or names"]
    meaning: str

    @property
    def wanted(self) -> str:
        """What it takes, for messages."""
        return {"text": "text", "names": "a list of names"}.get(self.kind, "text or a list of names")

    def accepts(self, value: Any) -> bool:
        """Whether `value` is of the right kind."""
        if isinstance(value, str):
            return self.kind != "names" and value != ""
        if self.kind == "text" or not isinstance(value, Sequence):
            return False
        return len(value) > 0 and all(isinstance(item, str) and item for item in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way in which scans are stored on disk.

    Parameters
    ----------
    name : its key in the table of formats
    looks_like : one line for the documentation and for messages
    options : the keys it takes
    matches : whether a path looks like this format; opens no scan
    read : lists the cases of a path, with its options and what the study says; raises `DataError` with all faults at
        once
    """

    name: str
    looks_like: str
    matches: Callable[[Path], bool]
    read: Callable[[Path, Mapping[str, Any], ReadSettings], Listing]
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
            return f"{key}: got {value!r}, expected {self.options[key].wanted}"
        return None


def split_rank(split: str) -> int:
    """Position of a split in the order of the cases: train, val, test, then none."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is hidden."""
    return path.name.startswith(".") or path.name == "__MACOSX"


class Faults:
    """The faults of a source: the first ten of each kind, and how many there are of it."""

    def __init__(self, *texts: str) -> None:
        self._n: Counter[str] = Counter()
        self._shown: dict[str, list[str]] = {}
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return sum(self._n.values())

    def n_of(self, kind: str) -> int:
        """Return how many there are of a kind."""
        return self._n[kind]

    def add(self, text: str, *, kind: str | None = None) -> None:
        """Add a fault; one without a kind is always shown."""
        kind = text if kind is None else kind
        self._n[kind] += 1
        shown = self._shown.setdefault(kind, [])
        if len(shown) < MOST_OF_A_KIND:
            shown.append(text)

    def lines(self) -> Iterator[str]:
        """Yield the faults by kind, in the order in which the kinds came up, and how many of each are not shown."""
        for kind, shown in self._shown.items():
            yield from shown
            if self._n[kind] > len(shown):
                yield f"and {self._n[kind] - len(shown):,} more of this kind: {kind}"


def refuse(where: Path, faults: Sequence[str] | Faults, *, expected: str, do: str | None = None) -> DataError:
    """Build one error from all faults of a source."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults):,} faults"
    listed_ones = itemised(faults.lines(), kind=str) if isinstance(faults, Faults) else itemised(faults)
    return DataError(f"{where} has {count}:\n{listed_ones}", expected=expected, do=do)


def clashing_names(names: Iterable[str]) -> list[str]:
    """Messages for class names that differ in case, spaces or the form of their accents only."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(plain_name(name), []).append(name)
    return [
        f"the class names {listed(map(repr, group))} differ only in {_difference(group)}: use one spelling"
        for group in groups.values()
        if len(group) > 1
    ]


def plain_name(name: str) -> str:
    """Return a class name without what names of two classes may not differ in alone: case, spaces, form of accents."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _difference(names: Sequence[str]) -> str:
    if len({name.casefold() for name in names}) == 1:
        return "upper and lower case"
    if len({" ".join(name.split()) for name in names}) == 1:
        return "spaces"
    if len({unicodedata.normalize("NFC", name) for name in names}) == 1:
        return "how an accent is stored"
    return "case, spaces or accents"


def row_decoder(rows: NDArray[Any], number: int, claim: Claim = no_claim, image: ImageSpec = USUAL) -> Pixels:
    """Take one image out of an array of shape (n, height, width[, channels])."""
    return image_of_row(rows[number], claim, image)


def image_of_row(row: NDArray[Any], claim: Claim = no_claim, image: ImageSpec = USUAL) -> Pixels:
    """Make one row of an array (height, width[, channels]) an image in native byte order.

    Of four channels of 8 or 16 bits the last is alpha, and goes over black, unless the spec asks for them as they are.

    Raises
    ------
    ImageError
        If it has no such channels, or its values do not fit the range that is asked for.
    """
    claim(2 * row.nbytes)
    row = np.ascontiguousarray(row, dtype=row.dtype.newbyteorder("="))
    try:
        refuse_page(image)
        if isinstance(image.channels, tuple):
            row = picked(row, image.channels)
        elif row.ndim == 3 and row.shape[2] == 4 and row.dtype in (np.uint8, np.uint16) and not image.keeps_samples:
            row = over_black(row)
        row = scaled(row, image.range)
    except RefusedError as error:
        measured = getattr(error, "measured", None)
        raise ImageError("an image of an array", str(error), measured=measured) from error
    return cast("Pixels", np.ascontiguousarray(row[..., 0] if row.ndim == 3 and row.shape[2] == 1 else row))


def _has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether the second axis of four looks like that of channels, and the last does not."""
    _, first, second, last = shape
    return last not in (1, 3, 4) and (first in (1, 3, 4) or second == last != first)


def array_fault(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
    """Return why an array is not n images, or None."""
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        return f"type {dtype}, expected whole or floating-point numbers of up to 64 bits"
    is_volume = len(shape) == 4 and shape[1] == shape[2] == shape[3] > 4
    if len(shape) not in (3, 4) or is_volume or (shape[3:] and shape[3] > MAX_CHANNELS):
        return f"shape {shape}, expected (n, height, width) or (n, height, width, channels)"
    if shape[3:] and _has_channels_first(shape):
        return f"shape {shape}, which looks like (n, channels, height, width); expected channels last (np.moveaxis)"
    if 0 in shape:
        return f"shape {shape} holds no pixels"
    if math.prod(shape[1:]) * dtype.itemsize > MAX_BYTES:
        return f"shape {shape}: an image of more than {MAX_BYTES >> 20:,} MB"
    return f"shape {shape}: more than {MAX_IMAGES:,} images" if shape[0] > MAX_IMAGES else None
