"""Smoothing and trends of short, noisy series."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scantrial.analysis.diagnosis.thresholds import SHORT_RUN, SHORT_WINDOW, WINDOW

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The trend of a stretch of a series.

    Parameters
    ----------
    change : Theil-Sen slope times the number of points, over the size of the stretch's median; in per cent
    p : two-sided, by Mann and Kendall's test; 1 where all values are the same
    """

    change: float
    p: float


def window_of(n: int) -> int:
    """Return the window of the running median for n epochs."""
    wanted = int(SHORT_WINDOW.value if n < SHORT_RUN.value else WINDOW.value)
    return min(wanted, n)


def running_median(values: Series) -> Series:
    """Smooth by a running median; at the ends the window is shifted, not shortened. Shape (n,) to (n,)."""
    return windowed_median(values, window_of(len(values)))


def windowed_median(values: Series, window: int) -> Series:
    """Return for each point the median of the window around it, shifted inwards at the ends."""
    return np.asarray(np.median(windows_of(values, window), axis=1))


def windows_of(values: Series, window: int) -> Series:
    """Return for each point the window around it, shifted inwards at the ends: shape (n, window)."""
    n = len(values)
    starts = np.clip(np.arange(n) - window // 2, 0, n - window)
    return np.asarray(sliding_window_view(values, window)[starts])


def trend(values: Series) -> Trend:
    """Compute the trend of a stretch, shape (n,), n at least 2.

    References
    ----------
    Theil (1950); Sen (1968); Mann (1945).
    """
    rise = theil_sen_rise(values)
    middle = abs(float(np.median(values)))
    change = 100 * rise / middle if middle > 0 else 0.0
    return Trend(change=change, p=mann_kendall_p(values))


def theil_sen_rise(values: Series) -> float:
    """Return the median slope over all pairs of points, times the number of points."""
    earlier, later, apart = _pairs(len(values))
    return float(np.median((values[later] - values[earlier]) / apart)) * len(values)


def mann_kendall_p(values: Series) -> float:
    """Return the two-sided p of no monotone trend, shape (n,).

    The same number as SciPy's `kendalltau` against time, in a tenth of its time: exact up to 33 points without ties,
    otherwise by the normal distribution with the variance for ties.
    """
    earlier, later, _ = _pairs(len(values))
    steps = np.sign(values[later] - values[earlier])
    n, total = len(values), len(steps)
    score = int(steps.sum())
    _, tied = np.unique(values, return_counts=True)
    if len(tied) == n and n <= _EXACT_UP_TO:
        discordant = (total - abs(score)) // 2
        return min(1.0, 2 * float(_inversions(n)[: discordant + 1].sum()))
    variance = (n * (n - 1) * (2 * n + 5) - float((tied * (tied - 1) * (2 * tied + 5)).sum())) / 18
    return 2 * float(scipy.special.ndtr(-abs(score) / np.sqrt(variance))) if variance > 0 else 1.0


_EXACT_UP_TO = 33


@lru_cache(maxsize=64)
def _inversions(n: int) -> Series:
    """Return the probability of each number of inversions among the orders of n things."""
    found = np.ones(1)
    for k in range(2, n + 1):
        found = np.convolve(found, np.full(k, 1 / k))
    return found


@lru_cache(maxsize=64)
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Series]:
    earlier, later = np.triu_indices(n, 1)
    return earlier, later, (later - earlier).astype(np.float64)


def turning_points(values: Series) -> Series:
    """Return the values at which a series turns, in order; equal neighbours count once, the ends do not count."""
    distinct = values[np.concatenate([[True], np.diff(values) != 0])]
    steps = np.sign(np.diff(distinct))
    return np.asarray(distinct[1:-1][steps[1:] != steps[:-1]])
