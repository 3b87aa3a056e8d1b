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
    # A path in a word ends where the word does, blanks and all, as one in quotes.
    words = [_PATH.sub(f"{_QUOTE}/", word, count=1) for word in sys.argv[1:]]
    said = [without_folders(f"{word}{_QUOTE}") for word in words]
    return " ".join(["scantrial", *said]).replace(_QUOTE, "")


_MARK, _QUOTE = "\0", "\1"
_QUOTES = {"'": "'", '"': '"', "`": "`", "\u2018": "\u2019", "\u201c": "\u201d", "<": ">", _QUOTE: _QUOTE}
_END = re.escape("".join({*_QUOTES, *_QUOTES.values()}))
_PATH = re.compile(rf"(?:\bfile://|(?<![\w./~*?)\]}}])|(?<=\s-[A-Za-z])|(?<=^-[A-Za-z])){_MARK}*/(?=[^\s/{_END}])")
"""The beginning of an absolute path: a slash after a word, a point or a bracket belongs to a relative one."""
_FOLDERS = re.compile(rf"[^\s{_END}]*/(?=[^\s{_END}])")


def without_folders(text: str, *own: Path) -> str:
    """Return a message without the folders of absolute paths: the last part of each stays.

    A path ends at a blank, but blanks in quotes and in the names of folders of this machine belong to it. A last part
    that is the user's name, as in the path of a home, becomes ``~``.

    Parameters
    ----------
    own : folders whose content is named from there
    """
    for folder in dict.fromkeys(form for one in own for form in (one.resolve(), one)):
        text = re.sub(rf"(?<![\w./~-]){re.escape(str(folder))}/(?=[^\s/])", "", text)
    for known in _known_folders():
        text = text.replace(known, f"{_MARK}{known}")  # begins a path, whatever stands before it
    user = _user_name()
    said, at = "", 0
    while found := _PATH.search(text, at):
        end = _last_part(text, found)
        name = user.match(text, end)
        said += text[at : found.end() if end == found.end() and name is None else found.start()] + "~" * bool(name)
        at = name.end() if name else end
    return (said + text[at:]).replace(_MARK, "")


def _last_part(text: str, found: re.Match[str]) -> int:
    """Return where the last part of the path begins whose root was found in a text."""
    at = found.end()
    closing = _QUOTES.get(text[: found.start()][-1:])
    if closing and (end := text.find(closing, at)) > 0:
        return at + text[at:end].rstrip("/").rfind("/") + 1
    root = at - 1
    while (slash := text.find("/", at)) > 0 and _FOLDERS.match(text, slash):
        if not os.path.isdir(text[root:slash]):  # noqa: PTH112 - `Path.is_dir` raises for a name that is too long
            break
        at = slash + 1
    rest = _FOLDERS.match(text, at)
    return rest.end() if rest else at


def _known_folders() -> Iterator[str]:
    """Yield the user's home and the working directory, unless they lie at the root."""
    for folder in (Path.home, lambda: Path.home().resolve(), Path.cwd):
        with suppress(OSError, RuntimeError):
            if len((known := folder()).parts) > 2:
                yield str(known)


def _user_name() -> re.Pattern[str]:
    """Match the user's name as the whole last part of a path."""
    names = {os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}
    with suppress(RuntimeError):
        names.add(Path.home().name)
    known = "|".join(re.escape(name) for name in sorted(names) if name)
    return re.compile(rf"(?:{known or '(?!)'})(?![\w-]|\.\w|/[^\s{_END}])")


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
    """Return about how many bytes this process has held in memory at most; on Linux without the pages of files.

    Those, such as mapped scans, exist once for all processes, and the system drops them when it is short of memory.
    Linux keeps no peak of the rest: this is the peak of all memory less the pages of files that are held now. It is
    exact if there were as many of them at the peak, too low by what was mapped since and too high by what was dropped
    since. So call it while the files are mapped that were at the peak, as at the end of an epoch.
    """
    status = Path("/proc/self/status")
    with suppress(OSError, StopIteration, ValueError):
        # getrusage also counts the memory of the process that started this one.
        return 1024 * (_number_in(status, "VmHWM:") - _number_in(status, "RssFile:"))
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
