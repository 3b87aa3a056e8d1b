"""Many comparisons at once, by hand."""

from __future__ import annotations

import math

import pytest

from scantrial.analysis.multiplicity import holm, simultaneous_level


def test_no_comparison_has_no_p():
    """A family of none is adjusted to none."""
    assert holm([]) == ()


def test_holm_steps_from_the_smallest():
    """Three times the smallest, twice the second, and never below the one before; the order given is kept."""
    assert holm([0.04, 0.01, 0.015]) == pytest.approx((0.04, 0.03, 0.03))
    assert holm([0.5, 0.5]) == (1, 1)


def test_an_unknown_p_counts_as_a_comparison_that_shows_nothing():
    """It is 1, and the others are multiplied as if it were there."""
    assert holm([math.nan, 0.02]) == pytest.approx((1, 0.04))


def test_levels_that_hold_together():
    """Bonferroni: 5 % are shared; of one comparison, or none, the level stays."""
    assert simultaneous_level(0.95, 5) == pytest.approx(0.99)
    assert simultaneous_level(0.9, 1) == simultaneous_level(0.9, 0) == pytest.approx(0.9)
