"""`data.ignore`: which files of a source the study says are no scans."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from fnmatch import translate
from functools import lru_cache

from scantrial.core.errors import DataError
from scantrial.core.names import listed

MAX_PATTERNS, MAX_LENGTH = 100, 1000
"""Of `data.ignore`, and of each pattern in characters."""


def pattern_faults(patterns: Sequence[str]) -> list[str]:
    """Return what is wrong with patterns, without looking at any file."""
    faults = ["got an empty list; expected a pattern such as '*_mask*.png'"] if not patterns else []
    if len(patterns) > MAX_PATTERNS:
        faults.append(f"got {len(patterns):,} patterns; expected at most {MAX_PATTERNS}")
    for pattern in patterns:
        if not pattern.strip() or len(pattern) > MAX_LENGTH:
            faults.append(f"got a pattern of {len(pattern):,} characters; expected 1 to {MAX_LENGTH:,}")
        elif pattern.startswith("/") or ".." in pattern.split("/"):
            faults.append(f"got {pattern!r}; expected a file name, or a path relative to the source")
    return faults


def matcher_of(patterns: Sequence[str]) -> Callable[[str], str | None]:
    """Return a function from a path relative to the source to the first pattern that matches it, or None.

    A pattern without ``/`` is compared with the name of the file and of each folder that it is in, a pattern with
    ``/`` with the path and with the path of each of these folders. ``*`` stands for any text, ``?`` for a character.
    """
    compiled = [
        (pattern, "/" in pattern.strip("/"), re.compile(translate(pattern.rstrip("/")))) for pattern in patterns
    ]

    def of_one(path: str) -> str | None:
        name = path.rpartition("/")[2]
        return next((given for given, is_path, one in compiled if one.match(path if is_path else name)), None)

    @lru_cache(maxsize=1 << 14)
    def of_folder(folder: str) -> str | None:
        return (of_folder(folder.rpartition("/")[0]) or of_one(folder)) if folder else None

    return lambda path: of_folder(path.rpartition("/")[0]) or of_one(path)


def ignored_by(pattern: str) -> str:
    """Return the words under which files that a pattern matches are counted."""
    return f"files of the pattern {pattern}"


def refuse_idle_patterns(patterns: Sequence[str], counted: Collection[str]) -> None:
    """Refuse patterns that match nothing.

    Parameters
    ----------
    counted : the words of what was left out
    """
    idle = [pattern for pattern in patterns if ignored_by(pattern) not in counted]
    if idle:
        raise DataError(
            f"ignore: {listed(map(repr, idle))} matches no file",
            expected="patterns for file names, or for paths relative to the source, such as '*_mask*.png' or 'masks/*'",
            do="correct or remove what matches nothing",
        )
