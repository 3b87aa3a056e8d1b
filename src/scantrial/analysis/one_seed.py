"""One seed per arm: how two trained networks differ on new cases.

Statements about these two networks only. Networks trained with other seeds may differ, so they give no verdict on arms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.core.errors import InputError, ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedProportions:
    """Two classifiers, right or wrong on the same cases.

    Parameters
    ----------
    n : cases
    only_first, only_second : cases that one of them alone decides rightly
    p : McNemar's test, exact with mid-p
    difference : share right of the first minus that of the second
    low, high : interval of Bonett and Price (2012)
    """

    n: int
    only_first: int
    only_second: int
    p: float
    difference: float
    low: float
    high: float
    level: float


def mcnemar_midp(b: int, c: int) -> float:
    """Return the mid-p of McNemar's exact test for discordant counts (Fagerland, Lydersen and Laake 2013).

    1 where nothing is discordant.
    """
    if b < 0 or c < 0:
        raise InputError(f"discordant counts {b} and {c}", expected="0 or more")
    m = b + c
    if m == 0:
        return 1.0
    if b == c:
        return float(1 - scipy.stats.binom.pmf(b, m, 0.5) / 2)
    fewer = min(b, c)
    return float(2 * scipy.stats.binom.cdf(fewer, m, 0.5) - scipy.stats.binom.pmf(fewer, m, 0.5))


def bonett_price(b: int, c: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return an interval for the difference ``(b - c) / n`` of two paired proportions (Bonett and Price 2012, eq. 3).

    `b` cases are right with the first only, `c` with the second only, of `n`. The interval is cut at -1 and 1.
    """
    p12, p21 = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = float(scipy.special.ndtri((1 + level) / 2)) * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    return max(p12 - p21 - half, -1.0), min(p12 - p21 + half, 1.0)


def paired_proportions(
    first: NDArray[np.bool_], second: NDArray[np.bool_], *, level: float = 0.95
) -> PairedProportions:
    """Compare two classifiers that are right (True) or wrong on the same cases, shape (n,) each."""
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ShapeError(f"shapes {first.shape} and {second.shape}", expected="(n,) for both, n of 1 or more")
    b, c, n = int((first & ~second).sum()), int((~first & second).sum()), len(first)
    low, high = bonett_price(b, c, n, level=level)
    return PairedProportions(
        n=n,
        only_first=b,
        only_second=c,
        p=mcnemar_midp(b, c),
        difference=(b - c) / n,
        low=low,
        high=high,
        level=level,
    )
