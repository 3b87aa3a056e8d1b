"""Sums of probabilities: what rounding explains, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantrial.core.probabilities import MOST, SUM_TOLERANCE, rescaled, sum_tolerance

ROWS = st.tuples(st.integers(0, 2**32 - 1), st.integers(2, 9)).map(
    lambda drawn: np.random.default_rng(drawn[0]).dirichlet(np.ones(drawn[1]), size=20)
)


def bfloat16(values):
    """Round to the nearest value with eight bits, as bfloat16 does."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)


ROUNDINGS = {
    "2 decimals": lambda values: np.round(values, 2),
    "3 decimals": lambda values: np.round(values, 3),
    "4 decimals": lambda values: np.round(values, 4),
    "float16": lambda values: values.astype(np.float16).astype(np.float64),
    "bfloat16": bfloat16,
    "float32": lambda values: values.astype(np.float32).astype(np.float64),
}


@pytest.mark.parametrize("name", ROUNDINGS)
@given(ROWS)
@settings(max_examples=30)
def test_what_was_rounded_is_within_the_tolerance(name, rows):
    """Probabilities of two to nine classes that were rounded by any of these are never refused for it."""
    rounded = ROUNDINGS[name](rows)
    assert (np.abs(rounded.sum(axis=1) - 1) <= sum_tolerance(rounded)).all()


@given(ROWS)
@settings(max_examples=30)
def test_a_scaled_row_sums_to_one_and_keeps_its_ratios(rows):
    """Rows that rounding has moved sum to 1 afterwards; those of full precision stay bit for bit."""
    same, none = rescaled(rows)
    assert none is None
    assert same is rows
    rounded = np.round(rows, 4)
    scaled, moved = rescaled(rounded)
    misses = np.abs(rounded.sum(axis=1) - 1)
    assert (0 if moved is None else moved.n_rows) == (misses > 1e-6).sum()
    assert np.abs(scaled.sum(axis=1) - 1).max() <= 1e-6
    assert scaled[:, 0] * rounded[:, 1] == pytest.approx(scaled[:, 1] * rounded[:, 0])


def test_more_than_rounding_is_not_tolerated():
    """Values with many digits may miss 1 by 0.0001; four decimals of two classes by as much, of nine by 0.00045."""
    rows = np.array([[0.123456, 0.876544], [0.1234, 0.8765], [0.33, 0.66]])
    # Each row by itself: one arm's file may be rounded and another's not.
    assert sum_tolerance(rows) == pytest.approx([SUM_TOLERANCE, 1e-4, 0.01], abs=2e-9)
    assert sum_tolerance(np.full((1, 9), 0.1111)) == pytest.approx([4.5e-4], abs=2e-9)
    assert sum_tolerance(np.zeros((0, 2))).shape == (0,)
    assert sum_tolerance(np.zeros((1, 200))) == [MOST]


def test_the_words():
    """How many rows, and by how much at most."""
    row = [0.3333, 0.3333, 0.3333]
    assert rescaled(np.array([row]))[1].to_text() == (
        "1 row of probabilities missed a sum of 1 by 0.0001 (rounding) and was scaled to it"
    )
    assert rescaled(np.array([row, row]))[1].to_text() == (
        "2 rows of probabilities missed a sum of 1 by up to 0.0001 (rounding) and were scaled to it"
    )
