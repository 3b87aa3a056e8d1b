"""What this process may use of the machine."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def command_line() -> str:
    """Return the command of this process without the folders of absolute paths, which are nobody else's business."""
    words = [re.sub(r"(?<![^\s={\[,:'\"])/.*/(?=.)", "", word) for word in sys.argv[1:]]
    return " ".join(["scantrial", *words])


def without_folders(text: str, own: Path) -> str:
    """Return a message without the folders of absolute paths; what lies in the folder `own` is named from there."""
    for folder in (own.resolve(), own):
        text = text.replace(f"{folder}/", "")
    return re.sub(r"(?<![^\s={\[(,:'\"])/(?!/)[^\s'\"]*/(?=[^\s'\"])", "", text)


def n_cores() -> int:
    """Return the number of cores that this process may run on, at least 1.

    This may be fewer than the machine has: a batch system or a container can restrict a process.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def glibc() -> ctypes.CDLL | None:
    """Return the C library if it is glibc, whose allocator can be configured; None elsewhere."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def return_freed_memory() -> None:
    """Return freed memory to the system where glibc keeps it; to be called between two parts of the work.

    The memory that one part freed is fragmented, and the next part needs blocks of other sizes.
    """
    libc = glibc()
    if libc is not None:
        libc.malloc_trim(0)


def available_memory() -> int | None:
    """Return how many bytes more this process and its children may use, or None where that is unknown.

    On Linux the machine's free memory, or the rest of the container's limit if that is less.
    """
    left = [*_of_machine(), *_of_container()]
    return min(left) if left else None


def processor_name() -> str:
    """Return the processor's model as the system reports it, such as ``AMD EPYC 7B13``; empty if unknown."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor()


def peak_memory() -> int:
    """Return the most bytes that this process has held in memory so far."""
    with suppress(OSError, StopIteration, ValueError):
        # On Linux, getrusage also counts the memory of the process that started this one.
        return 1024 * _number_in(Path("/proc/self/status"), "VmHWM:")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else 1024 * used


def _number_in(path: Path, name: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def _of_machine() -> Iterator[int]:
    with suppress(OSError, StopIteration, ValueError):
        yield 1024 * _number_in(Path("/proc/meminfo"), "MemAvailable:")


def _of_container() -> Iterator[int]:
    folder = Path("/sys/fs/cgroup")
    with suppress(OSError, StopIteration, ValueError):
        limit = int((folder / "memory.max").read_text(encoding="ascii"))  # "max", where there is none
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        yield max(0, limit - used + _number_in(folder / "memory.stat", "inactive_file "))
