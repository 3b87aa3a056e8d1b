"""How long tasks report their progress: one small callable, so that no part depends on a terminal."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as ``progress("decoding scans", n_done, n_total)`` from the calling thread."""


def silent(*_told: object) -> None:
    """Do nothing, whatever the arguments: the default of every callback."""
