"""Numbers and values as a reader sees them. Rounding happens here and nowhere before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # scikit-learn behind it takes a second to load, which one case shown does not need
    from scantrial.analysis.metrics import Metric

NONE = "–"
"""Stands where there is no number."""


def proportion(value: float | None, digits: int = 1) -> str:
    """Show a proportion in per cent, without the sign: ``0.934`` as ``93.4``."""
    return NONE if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f}"


def decimal(value: float | None, digits: int = 3) -> str:
    """Show a number with a fixed count of decimals."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def metric_number(metric: Metric, value: float | None, *, fine: bool = False) -> str:
    """Show a metric's value: per cent for a proportion, decimals otherwise; `fine` shows one digit more."""
    if metric.unit == "proportion":
        return proportion(value, 2 if fine else 1)
    return decimal(value, 4 if fine else 3)


def metric_heading(metric: Metric) -> str:
    """Title of a metric's column, with its unit where it has one."""
    return f"{metric.title}, %" if metric.unit == "proportion" else metric.title


def difference(metric: Metric, value: float | None, *, fine: bool = False) -> str:
    """Show a difference of a metric: points for a proportion, with its sign."""
    if value is None or not math.isfinite(value):
        return NONE
    scale, digits = (100, 2 if fine else 1) if metric.unit == "proportion" else (1, 4 if fine else 3)
    text = f"{scale * value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def percent(level: float) -> str:
    """Show a confidence level: ``95 %``."""
    return f"{100 * level:.4g}\u00a0%"


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
    """Show a time of the store's logs as a person writes it: ``2026-11-24 23:59 UTC``; another text as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if at.tzinfo is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def cell(value: Any) -> str:
    """Show a value in the table behind a figure: six digits, nothing where there is no number."""
    if value is None:
        return NONE
    if isinstance(value, float):
        return f"{value:.6g}"
    return "yes" if value is True else "" if value is False else str(value)
