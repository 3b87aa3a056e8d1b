"""One process at a time writes to a study folder.

A lock of the operating system (`flock`) on ``DIR/.lock``: it ends with the last process that
holds the open file, so it cannot be left behind by a crash. Worker processes receive the open
file: the folder stays locked until the last worker is gone, even if its parent was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scantrial.core.errors import LockedError, StoreError
from scantrial.core.files import NO_LOCKS, clear_os_errors, open_own
from scantrial.core.machine import command_line


class StudyLock:
    """Hold a study folder for writing, as a context manager.

    Parameters
    ----------
    folder : the study folder; created if it does not exist
    wait_s : seconds to wait if the holder's main process has ended and its workers are still ending

    Raises
    ------
    LockedError
        If another process holds the folder; the message says which.
    StoreError
        If the folder cannot be written to, its file system has no locks, or its ``.lock`` is a file of several names.
    """

    def __init__(self, folder: Path, *, wait_s: float = 30.0) -> None:
        self.path = folder / ".lock"
        self.wait_s = wait_s
        self._handle: int | None = None

    def fileno(self) -> int:
        """Return the open file to hand to workers."""
        if self._handle is None:
            raise RuntimeError("the lock is not held")
        return self._handle

    def __enter__(self) -> StudyLock:
        with clear_os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = open_own(self.path)
        try:
            with clear_os_errors(self.path):
                try:
                    self._acquire(handle)
                except OSError as error:
                    _refuse_no_locks(self.path.parent, error)
                    raise
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(_ourselves()).encode(), 0)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return self

    def __exit__(self, *error: object) -> None:
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def _acquire(self, handle: int) -> None:
        start = time.monotonic()
        while not _try_lock(handle, fcntl.LOCK_EX):
            holder = _read_holder(handle)
            # Half a second even for a living holder: `holder_of` takes the lock for an instant to look.
            patience = 0.5 if _is_alive(holder) else self.wait_s
            if time.monotonic() - start > patience:
                raise LockedError(
                    f"{self.path.parent} is held by {_describe(holder)}",
                    do="wait until it has ended, or stop it; then run the same command again",
                )
            time.sleep(0.05)


def holder_of(folder: Path) -> dict[str, Any] | None:
    """Return who holds the folder (pid, host, since, command), or None if nobody does or it is unknown."""
    try:
        handle = os.open(folder / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # Shared, so that two processes that look at the same time do not mistake each other for a holder.
        if _try_lock(handle, fcntl.LOCK_SH):
            return None
        return _read_holder(handle) or None
    except OSError:
        return None
    finally:
        os.close(handle)


def refuse_removed(folder: Path) -> None:
    """Make sure that the study that is being carried out is still there, before something is written into its folder.

    Raises
    ------
    StoreError
        If it was deleted or moved meanwhile.
    """
    if not (folder / "plan.json").is_file():
        raise StoreError(
            f"{folder} was deleted or moved while its study was being carried out",
            expected="the folder to stay until the command has ended",
            do="run the same command again; the runs start anew, or go on if you put the folder back",
        )


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refuse_no_locks(folder: Path, error: OSError) -> None:
    if error.errno in NO_LOCKS:
        raise StoreError(
            f"{folder} cannot be locked: {os.strerror(error.errno or 0)}",
            expected="a file system with file locks (flock), so that two processes never write into one folder",
            do="choose a folder on a local disk (--out DIR) and copy it afterwards, or have the network disk mounted "
            "with locks",
        ) from error


def _ourselves() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line()[:200],
    }


def _read_holder(handle: int) -> dict[str, Any]:
    """Return what the holder wrote of itself, or nothing where it is something else."""
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
    except (ValueError, RecursionError):
        return {}
    texts = isinstance(holder, dict) and all(isinstance(holder.get(key), str) for key in ("host", "since", "command"))
    return holder if texts and type(holder.get("pid")) is int and 0 < holder["pid"] < 2**31 else {}


def _is_alive(holder: dict[str, Any]) -> bool:
    pid = holder.get("pid")
    if not isinstance(pid, int) or holder.get("host") != platform.node():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _describe(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    state = "" if _is_alive(holder) else " (that process has ended; its workers are still ending)"
    return f"process {holder['pid']} on {holder['host']} since {holder['since']}: {holder['command']}{state}"
