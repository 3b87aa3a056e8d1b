"""Summaries over seeds."""

from __future__ import annotations

import math
import statistics

import pytest

from scantrial.analysis.summary import summarise


def test_mean_deviation_and_range_of_known_numbers():
    """The deviation divides by n - 1, as statistics.stdev does."""
    values = [0.72, 0.755, 0.7075, 0.75]
    found = summarise(values)
    assert found.n == 4
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.sd == pytest.approx(statistics.stdev(values))
    assert (found.minimum, found.maximum) == (0.7075, 0.755)


def test_one_run_has_no_deviation():
    """With one run there is a mean, and NaN for the deviation, which is null in JSON."""
    found = summarise([0.9])
    assert found.mean == 0.9
    assert math.isnan(found.sd)
    assert found.to_dict()["sd"] is None


def test_values_that_are_not_finite_are_counted_and_left_out():
    """NaN and infinity do not spoil the mean, and their number is told."""
    found = summarise([0.5, float("nan"), 0.7, float("inf")])
    assert (found.n, found.n_undefined) == (2, 2)
    assert found.mean == pytest.approx(0.6)


def test_no_run_gives_nan_without_a_warning():
    """An empty summary is all NaN with n = 0."""
    found = summarise([])
    assert found.n == 0
    assert all(math.isnan(value) for value in (found.mean, found.sd, found.minimum, found.maximum))
