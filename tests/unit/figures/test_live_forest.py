"""The forest plot of a page."""

from __future__ import annotations

import math

import pytest

from scantrial.figures.live_forest import FOREST_WIDTH, live_forest
from scantrial.web.table_records import ComparisonLine


def line(effect: float, low: float, high: float) -> ComparisonLine:
    return ComparisonLine(title="a − b", effect=effect, low=low, high=high, p_adjusted=0.5, verdict="inconclusive")


def test_effects_intervals_and_margin_stand_on_one_axis():
    """Zero, the margin and both ends lie in the drawing, in their order; the margin is symmetric about zero."""
    found = live_forest([line(0.03, -0.01, 0.07), line(-0.05, -0.09, -0.01)], margin=0.02, is_proportion=True)
    first, second = found.marks
    assert 0 <= second.low < second.at < second.high < found.zero < first.at < first.high
    assert second.high == first.low
    assert first.high <= FOREST_WIDTH
    low, high = found.band
    assert found.zero - low == pytest.approx(high - found.zero, abs=0.11)
    assert [tick.text for tick in found.ticks] == ["−5", "0", "5"]
    assert next(tick.at for tick in found.ticks if tick.text == "0") == found.zero


def test_an_effect_without_an_interval_has_its_point_alone():
    """As with two seeds; without a comparison there is no plot, and equal arms are one."""
    (mark,) = live_forest([line(0.1, math.nan, math.nan)], margin=None, is_proportion=False).marks
    assert (mark.low, mark.high) == (None, None)
    assert live_forest([], margin=0.1, is_proportion=True) is None
    assert live_forest([line(0.0, 0.0, 0.0)], margin=None, is_proportion=True).marks[0].at >= 0
