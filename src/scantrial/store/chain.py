"""Logs whose lines are chained: each line holds a hash of itself and one of the line before it.

A line is a JSON object on one line. Its last two keys are ``previous``, the SHA-256 of all bytes from the start of the
last chained line (or of the file) to the start of this one, and ``sha256``, that of its own bytes before this key. A
line that is changed, removed, inserted or moved no longer fits its neighbours. Lines cut off at the end leave no
trace, and whoever writes the whole log anew can make it fit: `head` is what to keep elsewhere, or to sign.

Earlier versions wrote lines without these keys. The first chained line binds them all. A crash may leave a line
without its end; the next line binds what is left of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantrial.core.errors import StoreError
from scantrial.core.files import append_line, clear_os_errors
from scantrial.store.hashed import sha256_hex
from scantrial.store.schema import SCHEMA_VERSION, check_version, dump_json, fault_in, parse_json

_CHAINED = re.compile(rb'(\{.*"previous": "([0-9a-f]{64})"), "sha256": "([0-9a-f]{64})"\}')
_COMPLETE = re.compile(rb'"sha256": "[0-9a-f]{64}"[^\n]')
_TAIL_BYTES = 1 << 16
MAX_LINES, MAX_BYTES = 200_000, 64 << 20
"""What a log may hold at most. A study of 100 runs that was read 10,000 times has less than half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log as it was read.

    Parameters
    ----------
    lines : every line that can be read, without `previous` and `sha256`
    faults : what is wrong with the chain, in words, line by line
    notes : lines that a crash or an earlier version explains
    head : hash of the last chained line; it depends on every line before it. None where no line is chained
    n_before : lines before the first chained one, by an earlier version; all of them where none is chained
    """

    lines: tuple[dict[str, Any], ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    head: str | None = None
    n_before: int = 0

    @property
    def is_chained(self) -> bool:
        """Whether any line is chained; none is in the log of an earlier version."""
        return self.head is not None


def append_chained(path: Path, record: Mapping[str, Any], *, sync: bool = True) -> None:
    """Append a record as a chained line; processes that append at the same time wait for each other.

    Raises
    ------
    StoreError
        If the log cannot be written or locked.
    """

    def compose(handle: int) -> str:
        previous = sha256_hex(_tail(handle))
        text = dump_json({"schema_version": SCHEMA_VERSION, **record, "previous": previous}, indent=None)[:-1]
        return f'{text}, "sha256": "{sha256_hex(text.encode(errors="backslashreplace"))}"}}'

    append_line(path, compose, sync=sync)


def read_log(path: Path, kind: Any) -> Log:
    """Read a log and follow its chain; a log that does not exist is empty.

    Parameters
    ----------
    kind : what a line holds, a type of `scantrial.store.contents`; another line counts as one that cannot be read

    Raises
    ------
    StoreError
        If it cannot be read, is of another schema version, or is longer than the log of any study.
    """
    if not path.is_file():
        return Log()
    with clear_os_errors(path), path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    n_lines = content.count(b"\n")
    if len(content) > MAX_BYTES or n_lines > MAX_LINES:
        size = f"more than {MAX_BYTES >> 20} MB" if len(content) > MAX_BYTES else f"{n_lines:,} lines"
        raise StoreError(
            f"{path} is too long for the log of a study: {size}",
            expected=f"at most {MAX_LINES:,} lines and {MAX_BYTES >> 20} MB",
            do="restore it from a copy; if the folder was given to you, ask where it comes from",
        )
    reader = _Reader(content, kind)
    for number, line in enumerate(_lines(content), 1):
        reader.take(number, line)
    for record in reader.lines:
        check_version(record.pop("schema_version", None), path)
    return Log(
        lines=tuple(reader.lines),
        faults=tuple(reader.faults),
        notes=tuple(reader.notes),
        head=reader.head,
        n_before=reader.n_before,
    )


class _Reader:
    """Takes the lines of a log one after the other."""

    def __init__(self, content: bytes, kind: Any) -> None:
        self._content = content
        self._kind = kind
        self._at = 0
        self._bound_from = 0
        self._is_broken = False
        self.lines: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.head: str | None = None
        self.n_before = 0

    def take(self, number: int, line: bytes) -> None:
        start, self._at = self._at, self._at + len(line)
        bare = line.removesuffix(b"\n")
        record = _record(bare, self._kind)
        found = _CHAINED.fullmatch(bare)
        if found is None:
            self._take_loose(number, line, record)
        elif sha256_hex(found[1]) != found[3].decode():
            self.faults.append(f"line {number} has changed since it was written")
            self._is_broken = True
            record = record if record is not None and record.get("schema_version") == SCHEMA_VERSION else None
        else:
            if sha256_hex(self._content[self._bound_from : start]) != found[2].decode() and not self._is_broken:
                self.faults.append(f"line {number} does not follow the line before it: lines are missing or moved")
            if record is None:
                self.faults.append(f"line {number} cannot be read")
            self._bound_from, self._is_broken, self.head = start, False, found[3].decode()
        if record is not None:
            self.n_before += self.head is None
            self.lines.append({key: value for key, value in record.items() if key not in ("previous", "sha256")})

    def _take_loose(self, number: int, line: bytes, record: Mapping[str, Any] | None) -> None:
        """Take a line that is not chained: of an earlier version, torn by a crash, or damaged."""
        if record is not None:
            if self.head is not None:
                self.faults.append(f"line {number} is not chained: an earlier version wrote it, or somebody added it")
        elif line.startswith(b"{") and not line.rstrip(b"\n").endswith(b"}") and not _COMPLETE.search(line):
            self.notes.append(f"line {number} has no end: writing it was interrupted")
        elif line.strip():
            self.faults.append(f"line {number} cannot be read")
            self._is_broken = True


def _lines(content: bytes) -> list[bytes]:
    """Split at line feeds only."""
    return re.findall(rb"[^\n]*\n|[^\n]+", content)


def _record(line: bytes, kind: Any) -> dict[str, Any] | None:
    try:
        found = parse_json(line)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    is_other_version = found.get("schema_version") != SCHEMA_VERSION  # which `read_log` refuses
    return found if is_other_version or fault_in(found, kind) is None else None


def _tail(handle: int) -> bytes:
    """Return the bytes from the start of the last chained line, or of the file, to the end."""
    size, n = os.fstat(handle).st_size, _TAIL_BYTES
    while True:
        start = max(0, size - n)
        block = os.pread(handle, size - start, start)
        at = 0 if start == 0 else block.find(b"\n") + 1
        starts = []
        for line in _lines(block[at:]):
            found = _CHAINED.fullmatch(line.removesuffix(b"\n"))
            if found is not None and sha256_hex(found[1]) == found[3].decode():
                starts.append(at)
            at += len(line)
        if starts or start == 0:
            return block[starts[-1] if starts else 0 :]
        n *= 4
