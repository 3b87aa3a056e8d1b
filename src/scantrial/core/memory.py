"""Memory that ran out, in words, whichever library noticed it."""

from __future__ import annotations

import re
import resource
from contextlib import suppress
from pathlib import Path

from scantrial.core.errors import ScantrialError

ADVICE = "use smaller batches, images or layers, or fewer workers"

LEAST_BYTES = 640 << 20
"""Addresses without which the libraries end the process, or hang, when they are loaded (measured on Linux)."""

_SAID = re.compile(
    r"out of memory|can.t allocate memory|cannot allocate memory|unable to allocate|bad_alloc|failed to map segment"
    r"|can.t start new thread|malloc of size",
    re.IGNORECASE,
)
_ASKED = re.compile(r"(?:tried to allocate|unable to allocate|malloc of size) ([\d.]+)(?: (\w+))?", re.IGNORECASE)
_FULL = 0.8
"""Share of the limit on the address space from which any failure is put down to it."""


def says_memory_ran_out(text: str) -> bool:
    """Return whether a message, or the last words of a process, mean that memory ran out."""
    return _SAID.search(text) is not None


def memory_ran_out(error: BaseException) -> str | None:
    """Return in words that memory ran out, with what was asked for and the limit; None if an error means another thing.

    Near a limit on the address space (``ulimit -v``) libraries fail in many ways, so every error means it there.
    """
    limit = address_space()
    asked = _ASKED.search(str(error))
    if asked is not None:
        what = f": {_size(*asked.groups())} more were asked for"
    elif isinstance(error, MemoryError) or says_memory_ran_out(str(error)):
        what = ""
    elif _is_nearly_full(limit):
        what = f" ({type(error).__name__}: {error})"
    else:
        return None
    return f"memory ran out{what}" + (f"; this process may use {gigabytes(limit)} (ulimit -v)" if limit else "")


def memory_error(error: BaseException) -> ScantrialError | None:
    """Return the same as an error that says what to do."""
    words = memory_ran_out(error)
    return None if words is None else ScantrialError(words, do=ADVICE)


def refuse_small_address_space() -> None:
    """Make sure that a limit on the address space leaves enough to load the libraries.

    Raises
    ------
    ScantrialError
        If it does not.
    """
    limit = address_space()
    if limit is not None and limit < LEAST_BYTES:
        raise ScantrialError(
            f"this process may use addresses for {gigabytes(limit)} (ulimit -v)",
            expected=f"at least {gigabytes(LEAST_BYTES)}",
            do="`ulimit -v unlimited`; a limit on memory itself, such as a container's, does no harm",
        )


def address_space() -> int | None:
    """Return the limit on this process's address space in bytes, or None if there is none."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def gigabytes(n_bytes: float) -> str:
    """Return a size for people: ``1.5 GB``."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:,.1f} MB"


def _size(number: str, unit: str | None) -> str:
    return gigabytes(float(number)) if unit in (None, "bytes", "failed") else f"{number} {unit}"


def _is_nearly_full(limit: int | None) -> bool:
    if limit is None:
        return False
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmPeak:")).split()[1]) > _FULL * limit
    return False
