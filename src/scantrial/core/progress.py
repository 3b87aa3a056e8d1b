"""How long work tells where it is: one small callable, so that no part depends on a terminal."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as ``progress("decoding scans", n_done, n_total)`` from the calling thread."""


def silent(*_told: object) -> None:
    """Tell nobody: for whatever is called on the way, and takes any arguments."""
