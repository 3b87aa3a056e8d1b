"""What this process may use of the machine."""

from __future__ import annotations

import ctypes
import os
import platform


def n_cores() -> int:
    """Return the number of cores that this process may run on, at least 1.

    Not the machine's: a batch system or a container may have given this process fewer.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc, whose memory can be told what to keep; None elsewhere."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def return_freed_memory() -> None:
    """Give back what was kept of freed memory, where glibc keeps it; for the places between two parts of the work.

    What one part freed lies scattered between what is still in use, and the next part asks for blocks of other sizes.
    """
    libc = glibc()
    if libc is not None:
        libc.malloc_trim(0)
