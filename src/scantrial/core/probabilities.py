"""Rows of class probabilities: how far rounding may move their sums from 1, and rows that are scaled back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUM_TOLERANCE = 1e-4
"""How far the sum of a row may be from 1 where the values do not look rounded."""

MOST = 0.1
"""A sum that is farther from 1 is refused, however many classes were rounded."""

UNTOUCHED = 1e-6
"""Sums nearer to 1, as single precision leaves them, stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescaled:
    """Rows of probabilities whose sums rounding had moved.

    Parameters
    ----------
    n_rows : rows that were scaled
    largest_miss : of their sums from 1
    """

    n_rows: int
    largest_miss: float

    def to_text(self) -> str:
        """Say it in a sentence without its stop."""
        by = f"{self.largest_miss:.2g} (rounding)"
        if self.n_rows == 1:
            return f"1 row of probabilities missed a sum of 1 by {by} and was scaled to it"
        return f"{self.n_rows:,} rows of probabilities missed a sum of 1 by up to {by} and were scaled to it"


def sum_tolerance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far rounding can have moved the sum of each row from 1, shape (n,), at least `SUM_TOLERANCE`.

    A row of multiples of 0.01, 0.001 or 0.0001 was rounded to so many decimals, each value by at most half a unit. A
    row that half precision (float16) or bfloat16 holds exactly was rounded by at most half a unit of its last place.
    Never more than `MOST`.

    Parameters
    ----------
    values : shape (n, n_classes), between 0 and 1
    """
    found = np.full(len(values), SUM_TOLERANCE)
    n_classes = values.shape[-1]
    single = values.astype(np.float32)
    is_bfloat = (values == single) & ((single.view(np.uint32) & 0xFFFF) == 0)
    # Half a unit of the last place, relative to a sum of 1; from fine to coarse.
    for held, tolerance in (
        (values == values.astype(np.float16), 2.0**-11 + n_classes * 2.0**-25),
        (is_bfloat, 2.0**-8),
        *((_has_decimals(values, decimals), n_classes * 0.5 * 10.0**-decimals + 1e-9) for decimals in (4, 3, 2)),
    ):
        found = np.where(held.all(axis=-1), np.maximum(found, tolerance), found)
    return np.asarray(np.minimum(found, MOST))


def _has_decimals(values: NDArray[np.float64], decimals: int) -> NDArray[np.bool_]:
    scaled = values * 10**decimals
    return np.asarray(np.abs(scaled - np.round(scaled)) < 1e-7)


def rescaled(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], Rescaled | None]:
    """Scale rows whose sums rounding has moved to a sum of 1; the others stay as they are.

    Parameters
    ----------
    values : shape (..., n_classes), sums within `sum_tolerance` of 1
    """
    sums: NDArray[Any] = values.sum(axis=-1)
    misses = np.abs(sums - 1)
    moved = misses > UNTOUCHED
    if not moved.any():
        return values, None
    scaled = np.where(moved[..., None], values / np.where(moved, sums, 1.0)[..., None], values)
    return scaled, Rescaled(n_rows=int(moved.sum()), largest_miss=float(misses.max()))
