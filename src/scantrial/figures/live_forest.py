"""A small forest plot for a page: one drawing for each comparison, on one axis; colours come from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scantrial.core.format import minus
from scantrial.figures.live_curves import Tick, nice_step

FOREST_WIDTH, FOREST_HEIGHT = 160, 24
_EDGE = 6


class _Compared(Protocol):
    @property
    def effect(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestMark:
    """One comparison: where its effect and the ends of its interval stand; None without an interval."""

    at: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveForest:
    """The marks of all comparisons, the ticks of their axis, where 0 stands, and the band of the margin."""

    marks: tuple[ForestMark, ...]
    ticks: tuple[Tick, ...]
    zero: float
    band: tuple[float, float] | None


def live_forest(compared: Sequence[_Compared], *, margin: float | None, is_proportion: bool) -> LiveForest | None:
    """Place comparisons on an axis that shows 0, the margin and all intervals; None without a comparison."""
    if not compared:
        return None
    scale = 100.0 if is_proportion else 1.0
    ends = [0.0, *(() if margin is None else (-margin, margin))]
    ends += [value for item in compared for value in (item.effect, item.low, item.high) if math.isfinite(value)]
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        share: float = (value - low) / span
        return round(_EDGE + share * (FOREST_WIDTH - 2 * _EDGE), 1)

    step = nice_step(scale * span / 4)
    numbers = [step * i for i in range(math.ceil(scale * low / step), math.floor(scale * high / step) + 1)]
    return LiveForest(
        marks=tuple(
            ForestMark(
                at=place(item.effect if math.isfinite(item.effect) else 0.0),
                low=place(item.low) if math.isfinite(item.low) else None,
                high=place(item.high) if math.isfinite(item.high) else None,
            )
            for item in compared
        ),
        ticks=tuple(Tick(at=place(number / scale), text=minus(f"{number:.4g}")) for number in numbers),
        zero=place(0.0),
        band=None if margin is None else (place(-margin), place(margin)),
    )
