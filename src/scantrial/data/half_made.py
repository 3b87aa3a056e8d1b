"""Entries of the cache that are being made: one that a killed process left goes on, by whoever needs the same entry.

    CACHE/scans/.KEY.NUMBER.tmp/images.npy       the pixels so far
    CACHE/scans/.KEY.NUMBER.tmp/journal.jsonl    locked while somebody makes the entry; a line for each block of scans

A line of the journal has the SHA-256 of its block's pixels, so that what a killed process, a full disk or a damaged one
left half-written is noticed: the blocks before it count, and all others are decoded anew.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scantrial.core.files import NO_LOCKS

JOURNAL = "journal.jsonl"

_STALE_AFTER_S = 24 * 3600
_DECODING = ("scantrial", "numpy", "pillow", "tifffile", "imagecodecs", "pydicom", "python-gdcm")
"""The packages that pixels depend on: no entry mixes two versions of them."""


class JournalHead(BaseModel):
    """The first line of a journal.

    Parameters
    ----------
    decoders : `scantrial.data.cache.DECODERS` of who began it
    versions : of the packages that decode
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    decoders: int
    versions: dict[str, str]


class JournalBlock(BaseModel):
    """One block of cases that are decoded and written.

    Parameters
    ----------
    stop : the first case after it; it begins where the one before it stops
    n_rows, n_narrow : rows of the file up to its end, and how many of them had 8 bits
    shape, dtype : of a row; empty while there is none
    sha256 : over its rows
    problems : pairs of (case, reason), those that could not be read
    measured : values found in files whose range is not given
    odd : pairs of (case, shape), those of another shape than the first one, which are not in the file
    enlarged : cases that had fewer pixels than the shape asks for
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stop: int
    n_rows: int
    n_narrow: int
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    problems: tuple[tuple[int, str], ...] = ()
    measured: tuple[float, ...] = ()
    odd: tuple[tuple[int, tuple[int, ...]], ...] = ()
    enlarged: tuple[int, ...] = ()


def decoding_versions() -> dict[str, str]:
    """Return the versions of the packages that pixels depend on, of those that are installed."""
    found = {}
    for name in _DECODING:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


class Journal:
    """The journal of an entry that is being made.

    Parameters
    ----------
    path : need not exist
    decoders : of this version
    """

    def __init__(self, path: Path, *, decoders: int) -> None:
        self.path = path
        self._head = JournalHead(decoders=decoders, versions=decoding_versions())

    def blocks(self) -> list[JournalBlock]:
        """Return the blocks of an entry that this version began, up to a line that was not written to its end."""
        try:
            head, *lines = self.path.read_bytes().splitlines()
            if JournalHead.model_validate_json(head) != self._head:
                return []
        except (OSError, ValueError, ValidationError):  # none yet, or an empty one
            return []
        found: list[JournalBlock] = []
        with suppress(ValidationError):
            for line in lines:
                found.append(JournalBlock.model_validate_json(line))
        return found

    def rewrite(self, blocks: list[JournalBlock]) -> None:
        """Begin anew, with some blocks that are there."""
        with self.path.open("wb"):  # empties the same file, which is locked
            pass
        for block in blocks:
            self.add(block)

    def add(self, block: JournalBlock) -> None:
        """Append a block whose rows are written."""
        with self.path.open("ab") as handle:
            handle.write(_line(block) if handle.tell() else _line(self._head) + _line(block))


def _line(record: BaseModel) -> bytes:
    return record.model_dump_json(exclude_defaults=True).encode() + b"\n"


@contextmanager
def half_made(folder: Path) -> Iterator[Path]:
    """Yield a folder beside an entry's, to make it in and then to rename: one that a killed process left, or a new one.

    No other process has it. What was made so far stays if the process is killed or interrupted. After any other
    exception it is removed, and so is what other killed processes left of the same entry.

    Parameters
    ----------
    folder : of the entry; its parent is made if it is not there
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    place, handle = _taken(folder)
    try:
        yield place
    except Exception:
        shutil.rmtree(place, ignore_errors=True)
        raise
    except BaseException:
        if not _size(place / JOURNAL):
            shutil.rmtree(place, ignore_errors=True)
        raise
    else:
        shutil.rmtree(place, ignore_errors=True)  # where another process was first
    finally:
        os.close(handle)


def _taken(folder: Path) -> tuple[Path, int]:
    """Return a folder for this process alone, and its open journal, which is locked."""
    left = sorted(folder.parent.glob(f".{folder.name}.*.tmp"), key=lambda place: _size(place / JOURNAL), reverse=True)
    found = [(place, handle) for place in left if (handle := _locked(place / JOURNAL)) is not None]
    for place, handle in found[1:]:
        shutil.rmtree(place, ignore_errors=True)
        os.close(handle)
    if found:
        return found[0]
    place = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    place.mkdir()
    handle = os.open(place / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # somebody else has taken it for one that was left
        os.close(handle)
        return _taken(folder)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return place, handle


def _locked(journal: Path) -> int | None:
    """Return the open journal if nobody held it and this process holds it now."""
    try:
        handle = os.open(journal, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), journal.stat()):  # not moved into its place meanwhile
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def remove_stale(parent: Path) -> None:
    """Remove what killed processes left behind a day ago, and nobody needs."""
    for leftover in parent.glob(".*.tmp"):
        if _age_s(leftover) <= _STALE_AFTER_S:
            continue
        handle = _locked(leftover / JOURNAL) if (leftover / JOURNAL).exists() else None
        if handle is not None or not (leftover / JOURNAL).exists():
            shutil.rmtree(leftover, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _age_s(folder: Path) -> float:
    """Return how long nobody has written to a folder or its journal, in seconds; 0 where it is gone."""
    times = []
    for path in (folder, folder / JOURNAL):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return time.time() - max(times, default=time.time())
