"""Rows of class probabilities: how far rounding may move their sums from 1, and rows that are scaled back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUM_TOLERANCE = 1e-4
"""How far the sum of a row may be from 1 where the values do not look rounded."""

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


def sum_tolerance(values: NDArray[np.float64]) -> float:
    """Return how far rounding can move the sum of a row from 1, at least `SUM_TOLERANCE`.

    Values that are all multiples of 0.01, 0.001 or 0.0001 were rounded to so many decimals, each by at most half a
    unit. Values that half precision (float16) or bfloat16 holds exactly were rounded by at most half a unit of its last
    place.

    Parameters
    ----------
    values : shape (n, n_classes), between 0 and 1
    """
    if not values.size:
        return SUM_TOLERANCE
    n_classes = values.shape[-1]
    for decimals in (2, 3, 4):
        if (np.abs(values * 10**decimals - np.round(values * 10**decimals)) < 1e-7).all():
            return float(max(n_classes * 0.5 * 10.0**-decimals + 1e-9, SUM_TOLERANCE))
    single = values.astype(np.float32)
    if (values == single).all() and not (single.view(np.uint32) & 0xFFFF).any():
        return 2.0**-8  # half a unit of bfloat16's last place, relative to a sum of 1
    if (values == values.astype(np.float16)).all():
        return float(max(2.0**-11 + n_classes * 2.0**-25, SUM_TOLERANCE))
    return SUM_TOLERANCE


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
