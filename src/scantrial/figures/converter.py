"""The program that draws charts, once there is room for it."""

from __future__ import annotations

from types import ModuleType

import vl_convert

from scantrial.core.errors import ScantrialError
from scantrial.core.memory import address_space, gigabytes

RESERVED_BYTES = 128 << 30
"""Addresses that its engine, V8, reserves at its first use, nearly all without using memory. With fewer it ends the
whole process: of the limits tried on Linux, 64 GiB did not suffice and 128 GiB did."""


def chart_converter() -> ModuleType:
    """Return `vl_convert`.

    Raises
    ------
    ScantrialError
        If a limit on the address space is too low for it.
    """
    limit = address_space()
    if limit is not None and limit < RESERVED_BYTES:
        raise ScantrialError(
            f"the figures cannot be drawn: this process may use addresses for {gigabytes(limit)} (ulimit -v)",
            expected=f"{gigabytes(RESERVED_BYTES)}, nearly all of which is reserved and never used as memory",
            do="`ulimit -v unlimited`, then `scantrial report DIR`; finished runs are kept. A limit on memory itself, "
            "such as a container's, does no harm",
        )
    return vl_convert
