"""Markdown tables, and numbers in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from replicating.measures import DECIMALS, Unit
from scantrial.analysis.summary import summarise

ABSENT = "–"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, n_words: int = 1) -> list[str]:
    """Return the lines of a table; the first `n_words` columns hold words and stand left, the others right."""
    align = ["---"] * n_words + ["---:"] * (len(header) - n_words)
    return [_line(header), _line(align), *map(_line, rows), ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def printed(value: float, unit: Unit) -> str:
    """Show a printed number with the decimals of its unit, or with all it was printed with where these are more."""
    usual = f"{value:.{DECIMALS[unit]}f}"
    return usual if math.isclose(float(usual), value) else f"{value:g}"


def difference(value: float, unit: Unit) -> str:
    """Show a difference with its sign."""
    return f"{value:+.{DECIMALS[unit]}f}" if math.isfinite(value) else ABSENT


def spread(values: Iterable[float], unit: Unit) -> str:
    """Show the mean over seeds, and the smallest and largest where there is more than one."""
    found = summarise(values)
    if found.n == 0:
        return ABSENT
    decimals = DECIMALS[unit]
    if found.n == 1:
        return f"{found.mean:.{decimals}f}"
    mean = f"{found.mean:.{max(decimals, 1)}f}"
    return f"{mean} ({found.minimum:.{decimals}f} to {found.maximum:.{decimals}f})"


def duration(seconds: float) -> str:
    """Show seconds as ``41 s`` or ``12 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
