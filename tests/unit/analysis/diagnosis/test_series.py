"""Smoothing and trends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, theilslopes

from scantrial.analysis.diagnosis.series import (
    mann_kendall_p,
    running_median,
    theil_sen_rise,
    trend,
    turning_points,
    window_of,
)


@pytest.mark.parametrize(("n", "window"), [(1, 1), (2, 2), (3, 3), (19, 3), (20, 5), (100, 5)])
def test_short_runs_are_smoothed_less(n, window):
    """The window is 5 epochs, 3 below 20, and never longer than the series."""
    assert window_of(n) == window


def test_the_window_is_shifted_at_the_ends():
    """The first and the last values are the medians of the first and the last whole window."""
    found = running_median(np.array([9.0, 1, 2, 3, 4, 0] + [5.0] * 20))
    assert found[:4].tolist() == [3, 3, 3, 2]
    assert found[-2:].tolist() == [5, 5]


@pytest.mark.parametrize("n", [2, 5, 8, 20, 33, 34, 60])
@pytest.mark.parametrize("decimals", [12, 0])
def test_p_and_slope_are_scipys(n, decimals):
    """With ties and without, short and long, with a trend and without."""
    rng = np.random.default_rng(n)
    for slope in (0.0, 0.05, -0.3):
        values = np.round(rng.normal(size=n) + slope * np.arange(n), decimals)
        if len(np.unique(values)) > 1:
            assert mann_kendall_p(values) == pytest.approx(kendalltau(np.arange(n), values).pvalue, abs=1e-12)
        assert theil_sen_rise(values) == pytest.approx(n * theilslopes(values).slope, abs=1e-12)


def test_a_constant_series_has_no_trend():
    """Its change is 0 and its p is 1; so it is around 0."""
    for value in (0.0, 0.3):
        found = trend(np.full(6, value))
        assert (found.change, found.p) == (0.0, 1.0)


def test_a_change_is_in_per_cent_of_the_median():
    """0.1 an epoch over 5 epochs around 2 is 25 %."""
    assert trend(np.array([1.8, 1.9, 2.0, 2.1, 2.2])).change == pytest.approx(25)


def test_turning_points_leave_out_the_ends_and_count_a_level_stretch_once():
    """Up, level, down, up turns at the top and at the bottom."""
    assert turning_points(np.array([1.0, 3, 3, 2, 5])).tolist() == [3, 2]
    assert turning_points(np.array([1.0, 2, 3])).tolist() == []
    assert turning_points(np.array([1.0])).tolist() == []
