"""Every error a user can meet, in one tree.

    ScantrialError                 exit code 1
    ├── InputError                 exit code 2: what was given cannot be used
    │   ├── StudyFileError         the study file, every fault at once
    │   ├── DataError              the scans
    │   │   ├── UnreadableScansError   files that cannot be read
    │   │   └── SeveralShapesError     scans that differ in size or channels
    │   └── ShapeError             arrays whose shapes do not match
    ├── StoreError                 the study folder cannot be read or written
    │   ├── DamagedError           a file in it is not what was written
    │   ├── LockedError            another process holds it
    │   └── StudyConflictError     exit code 2: the study differs from what the folder holds
    ├── DownloadError              a public data set could not be fetched
    ├── TrainingError              a run could not be carried out
    └── MissingExtraError          an optional part is not installed

A message has three parts: what was got, what was expected, what to do. It may name files, classes and patients of any
kind: what cannot be seen of a name is written as its escape, and a list in a message has its items on lines of their
own, each after two blanks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from scantrial.core.text import printable


class ScantrialError(Exception):
    """The root of all errors that scantrial raises on purpose.

    Parameters
    ----------
    got : what was found, with its value, shape, file or path
    expected : what would have been right, or None where `got` says it
    do : the next step for the user, or None where it is obvious
    """

    exit_code = 1

    def __init__(self, got: str, *, expected: str | None = None, do: str | None = None) -> None:
        self.got = _shown(got)
        self.expected = None if expected is None else _shown(expected)
        self.do = None if do is None else _shown(do)
        super().__init__(self.got, self.expected, self.do)

    def __str__(self) -> str:
        lines = [self.got]
        if self.expected:
            lines.append(f"expected: {self.expected}")
        if self.do:
            lines.append(f"do this: {self.do}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, str | None]:
        """Return plain data from which `error_from_dict` builds an error like this one, in another process."""
        return {"type": type(self).__name__, "got": self.got, "expected": self.expected, "do": self.do}


def _shown(message: str) -> str:
    """Return a message with what cannot be seen in it written out; a newline that begins no item is a name's own."""
    return printable(re.sub(r"\n(?!  )", r"\\u000a", message), keep="\n")


MOST_OF_A_KIND, MOST_LISTED = 10, 50
"""Items of one kind, and of all kinds, that a message lists; it counts the rest."""

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PLAIN_WORD = re.compile(r"(?<!\S)[a-z]+[,;.]?(?!\S)")
_KIND_WORDS = 3


def itemised(items: Iterable[object], *, alike: bool = False, kind: Callable[[str], str] | None = None) -> str:
    """Return the items of a list in a message as `first_of_a_kind`, each on a line of its own whatever it holds."""
    return "\n".join(f"  {printable(line)}" for line in first_of_a_kind(items, alike=alike, kind=kind))


def first_of_a_kind(
    items: Iterable[object], *, alike: bool = False, kind: Callable[[str], str] | None = None
) -> list[str]:
    """Return the first `MOST_OF_A_KIND` items of each kind in their order, then how many more there are.

    Items are of one kind if they begin with the same words, but for what is quoted, and for numbers, keys and paths.

    Parameters
    ----------
    alike : all items are of one kind, such as names
    kind : tells of which kind an item is; ``str`` where each is of its own
    """
    kind_of = kind or ((lambda _: "") if alike else _kind_of)
    shown: list[str] = []
    left, seen = 0, Counter[str]()
    for item in items:
        line = str(item)
        own = kind_of(line)
        seen[own] += 1
        if seen[own] <= MOST_OF_A_KIND and len(shown) < MOST_LISTED:
            shown.append(line)
        else:
            left += 1
    return [*shown, f"and {left:,} more"] if left else shown


def _kind_of(line: str) -> str:
    return " ".join(_PLAIN_WORD.findall(_QUOTED.sub("", line))[:_KIND_WORDS])


class InputError(ScantrialError):
    """What the user gave cannot be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong in a study file.

    Parameters
    ----------
    path : dotted key, such as ``recipe.optimizer.lr``; empty for the file as a whole
    message : what was got and what was expected, in one line
    line : line in the file counting from 1, or None where the file has no lines (``--set``)
    suggestion : the nearest right name, or None
    origin : where it was given if not in the file, such as ``--set recipe.epochs=0``, or None
    """

    path: str
    message: str
    line: int | None = None
    suggestion: str | None = None
    origin: str | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        if self.origin is not None:
            where = f"{self.origin}: "
        key = f"{self.path}: " if self.path else ""
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{where}{key}{self.message}{hint}"


class StudyFileError(InputError):
    """A study file with faults; `faults` has all of them, and the message the first of each kind, see `itemised`."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(
            f"{source} has {count}:\n{itemised(self.faults)}",
            do="fix these, then run the same command again; `scantrial schema` prints every key",
        )


class DataError(InputError):
    """The scans cannot be used as they are."""


class UnreadableScansError(DataError):
    """Files that cannot be read; `problems` has all of them, and the message the first of each kind, see `itemised`.

    Parameters
    ----------
    problems : pairs of (path, reason)
    do : the next step for the user; default: fix them or continue without them
    values : the smallest and the largest number of all files, where they are no pixels without a range
    """

    def __init__(
        self,
        problems: Sequence[tuple[str, str]],
        *,
        values: tuple[float, float] | None = None,
        do: str = "fix or remove them, or continue without them with --skip-unreadable",
    ) -> None:
        self.problems, self.values = tuple(problems), values
        count = "1 file" if len(self.problems) == 1 else f"{len(self.problems)} files"
        listing = itemised(f"{path}: {reason}" for path, reason in self.problems)
        super().__init__(
            f"{count} cannot be used:\n{listing}",
            expected="every scan readable",
            do=do,
        )


class SeveralShapesError(DataError):
    """Scans that were to keep their own size and channels, and differ in them; who raises it sets their `shapes`."""

    shapes: Mapping[tuple[int, ...], int] = MappingProxyType({})


class ShapeError(InputError):
    """Arrays whose shapes do not match."""


class StoreError(ScantrialError):
    """The study folder cannot be read or written."""


class DamagedError(StoreError):
    """A file of a study folder is not what was written."""


class LockedError(StoreError):
    """Another process holds the study folder."""


class StudyConflictError(StoreError):
    """The study differs from the one that the folder holds."""

    exit_code = 2


class DownloadError(ScantrialError):
    """A public data set could not be fetched."""


class TrainingError(ScantrialError):
    """A run could not be carried out."""


class MissingExtraError(ScantrialError):
    """An optional part of scantrial is not installed."""

    def __init__(self, *, extra: str, package: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs {package}, which is not installed",
            do=f'pip install "scantrial[{extra}]"',
        )


class NotLoggedWarning(UserWarning):
    """A reading of test rows could not be logged, because the study folder is read-only."""


def error_from_dict(data: Mapping[str, str | None]) -> ScantrialError:
    """Build the error that `ScantrialError.to_dict` described: the same words, and the same exit code.

    A class whose constructor takes other arguments comes back as its nearest parent that takes these three.
    """
    found = globals().get(data["type"] or "", TrainingError)
    of_their_own = (StudyFileError, UnreadableScansError, MissingExtraError)
    kind = next(parent for parent in found.__mro__ if parent not in of_their_own)
    error: ScantrialError = kind(data["got"] or "", expected=data["expected"], do=data["do"])
    return error
