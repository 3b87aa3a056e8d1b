"""What this process may use of the machine."""

from __future__ import annotations

import os


def n_cores() -> int:
    """Return the number of cores that this process may run on, at least 1.

    Not the machine's: a batch system or a container may have given this process fewer.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
