"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scantrial.core.errors import StoreError

_ADVICE = {
    errno.ENOSPC: "free some space, then run the same command again; finished work is kept",
    errno.EDQUOT: "free some of your quota, then run the same command again; finished work is kept",
    errno.EROFS: "choose a folder that can be written (--out DIR)",
    errno.EACCES: "choose a folder that you may write to (--out DIR), or fix its permissions",
    errno.EPERM: "choose a folder that you may write to (--out DIR), or fix its permissions",
    errno.ELOOP: "it is a link, and links are not followed here: put the file itself in its place",
    errno.ENOLCK: "copy the folder to a disk of this machine: its file system offers no locks",
}

_BLOCK = 1 << 20

_FOLDERS_NOT_SYNCED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""Errors of file systems that cannot flush a folder, such as some network file systems."""

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of a file system that has no locks, or whose server refuses them."""


@contextmanager
def clear_os_errors(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` under this block into a `StoreError` that names the path and says what to do."""
    try:
        yield
    except OSError as error:
        where = path if is_aside(error.filename) else error.filename or path
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(f"{where}: {reason}", do=_ADVICE.get(error.errno or 0)) from error


def aside(path: Path) -> Path:
    """Return a fresh neighbour of `path` to write to before the rename."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def is_aside(name: object) -> bool:
    """Return whether a path is one that `aside` made."""
    return name is not None and re.search(r"\.[0-9a-f]{8}\.tmp$", os.fsdecode(str(name))) is not None


def encoded(text: str) -> bytes:
    """Encode as UTF-8; a byte that is not UTF-8 in a file name, which Python keeps as a surrogate, is escaped."""
    return text.encode(errors="backslashreplace")


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _FOLDERS_NOT_SYNCED:
            raise
    finally:
        os.close(handle)


@contextmanager
def written_aside(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a path to write one file to; flush it and rename it to `path` at the end.

    On any exception the half-written file is removed and `path` stays as it was. Without `sync` nothing waits for the
    disk: readers still see the old file or the new one, but a crash of the machine may leave it empty.
    """
    temporary = aside(path)
    try:
        yield temporary
        if sync:
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.replace(path)
        if sync:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def make_within(folder: Path, path: Path) -> None:
    """Make a folder that lies in another one, which has to be there: if it was deleted, it does not come back.

    Raises
    ------
    OSError
        If it cannot be made, or `folder` is not there.
    """
    for name in path.relative_to(folder).parts:
        folder /= name
        folder.mkdir(exist_ok=True)


def write_atomic(path: Path, content: bytes | str, *, sync: bool = True, parents: bool = False) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    sync : whether it is on the disk when this returns
    parents : whether folders that are not there are made
    """
    data = encoded(content) if isinstance(content, str) else content
    with clear_os_errors(path):
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path, sync=sync) as temporary:
            temporary.write_bytes(data)


def open_own(path: Path, flags: int = 0) -> int:
    """Open a file to read and write, made if it is not there; what it holds stays.

    Neither a link is followed nor a file opened that has another name too (a hard link): what is written would change
    a file elsewhere, for an archive can hold links to any file of the user's.

    Parameters
    ----------
    flags : further flags of `os.open`

    Raises
    ------
    StoreError
        If it is a file of several names, or no file.
    OSError
        If it cannot be opened, or is a link.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o644)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path} is no regular file", do="remove it")
        if found.st_nlink > 1:
            raise StoreError(
                f"{path} has other names (hard links): a file elsewhere would be changed with it",
                expected="a file of its own",
                do="copy the file and put the copy in its place, if the links are yours, such as those of a backup; if "
                "the folder was given to you, ask where it comes from",
            )
    except BaseException:
        os.close(handle)
        raise
    return handle


def append_line(path: Path, line: str | Callable[[int], str], *, sync: bool = True) -> None:
    """Append one line with one write, so that lines of several processes never mix.

    If a crash left the last line incomplete, that line is ended first, so that the new one is intact. With
    `sync` the line is on the disk before this returns. Where the file system has no locks, two processes that append at
    once may both follow the same line.

    Parameters
    ----------
    line : the line, or a function that makes it from the open file; no other process appends meanwhile

    Raises
    ------
    StoreError
        If it cannot be written, or is a link or a file of several names.
    """
    with clear_os_errors(path):
        handle = open_own(path, os.O_APPEND)
        try:
            _lock_if_possible(handle)
            size = os.fstat(handle).st_size
            if size > 0 and os.pread(handle, 1, size - 1) != b"\n":
                os.write(handle, b"\n")
            text = line if isinstance(line, str) else line(handle)
            data = encoded(text.rstrip("\n")) + b"\n"
            # A full disk takes only a part of a line, without an error; the rest of it then fails with the reason.
            while data:
                n_written = os.write(handle, data)
                if n_written == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
                data = data[n_written:]
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)


def _lock_if_possible(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return the paths below a folder that match, sorted; where one vanishes while we look, we look again."""
    while True:
        with suppress(FileNotFoundError):
            return sorted(folder.glob(pattern))


def open_regular(path: Path) -> io.FileIO:
    """Open a file to read, without buffer; reading never waits.

    Raises
    ------
    OSError
        If it is a pipe, a device or anything else than a regular file.
    """
    handle = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise OSError(f"{path} is not a regular file")
    return handle


def blocks_of(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, as many as it says it has: a file of the system may go on for ever.

    Raises
    ------
    OSError
        If it is not a regular file, or holds more than its size.
    """
    with open_regular(path) as handle:
        size = left = os.fstat(handle.fileno()).st_size
        while block := handle.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise OSError(f"{path} holds more than its size, {size:,} bytes")
            yield block


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits; errors as those of `blocks_of`."""
    digest = hashlib.sha256()
    for block in blocks_of(path):
        digest.update(block)
    return digest.hexdigest()
