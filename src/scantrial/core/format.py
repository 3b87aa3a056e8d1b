"""Numbers and values as a reader sees them. Rounding happens here and nowhere before."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

NONE = "–"
"""Shown where there is no number."""

SPLIT_WORDS = {"train": "training", "val": "validation", "test": "test"}
"""A split in words."""


def proportion(value: float | None, digits: int = 1) -> str:
    """Show a proportion in per cent, without the sign: ``0.934`` as ``93.4``."""
    return decimal(None if value is None else 100 * value, digits)


def decimal(value: float | None, digits: int = 3) -> str:
    """Show a number with a fixed count of decimals."""
    return NONE if value is None or not math.isfinite(value) else _without_minus_zero(f"{value:.{digits}f}")


def percent(share: float | None, digits: int | None = None) -> str:
    """Show a share in per cent: ``12.3 %`` with one digit; as short as it is, such as ``95 %``, without `digits`."""
    if share is None or not math.isfinite(share):
        return NONE
    return minus(f"{100 * share:.4g} %" if digits is None else f"{100 * share:.{digits}f} %")


def signed(value: float | None, digits: int = 1) -> str:
    """Show a difference with its sign: ``+1.2``, ``−1.2``; one that rounds to zero has none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:+.{digits}f}"
    return minus(text) if float(text) else text.lstrip("+-")


def _without_minus_zero(text: str) -> str:
    return minus(text) if float(text) else text.lstrip("-")


def minus(text: str) -> str:
    """Write the minus of a number, such as ``-1.5``, as the minus sign that people read."""
    return text.replace("-", "−")


def interval(low: str, high: str, level: float | None = None) -> str:
    """Join the ends of an interval as shown: ``0.4 to 3.8``; with its level ``95 % CI 0.4 to 3.8``; a dash for none."""
    if low == high == NONE:
        return NONE
    return f"{low} to {high}" if level is None else f"{percent(level)} CI {low} to {high}"


def glued(text: str) -> str:
    """Put no-break spaces between a number, its per cent sign and ``CI``, for renderers that break lines."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\d[ \u00a0]%) (?=CI\b)", "\u00a0", text)


def p_value(p: float | None) -> str:
    """Show a p; a very small one as a bound."""
    if p is None or not math.isfinite(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def finite(values: Iterable[float | None]) -> list[float]:
    """Keep the values that are numbers."""
    return [value for value in values if value is not None and math.isfinite(value)]


def count(n: int) -> str:
    """Show a whole number with thousands apart: ``1,600``."""
    return f"{n:,}"


def counted(n: int, one: str, many: str | None = None) -> str:
    """Show a number with its noun: ``1 run``, ``20 runs``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def spread_words(*n_seeds: int) -> str:
    """Name what intervals count as random, by the seeds behind each: ``seeds and cases``, with one ``cases alone``."""
    if max(n_seeds) < 2:
        return "cases alone"
    return "seeds and cases" if min(n_seeds) > 1 else "seeds and cases, or cases alone where there is one seed"


def joined(parts: Sequence[str]) -> str:
    """Join words as a sentence does: ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def plain(value: Any) -> str:
    """Show a setting as a study file would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return str(value)


def moment(text: str) -> str:
    """Show a time of the store's logs as people write it: ``2026-11-24 23:59 UTC``; any other text unchanged."""
    try:
        at = datetime.fromisoformat(text)
        return text if at.tzinfo is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return text


def cell(value: Any) -> str:
    """Show a value in the table behind a figure, numbers with six digits."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return NONE
    if isinstance(value, float):
        return minus(f"{value:.6g}")
    return "yes" if value is True else "" if value is False else str(value)


def p_equals(p: float) -> str:
    """Show a p-value with its sign: ``p = 0.012``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
