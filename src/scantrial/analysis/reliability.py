"""The reliability curve and the score decomposition of CORP: isotonic regression of the outcome on p.

There are no bins to choose. The pool-adjacent-violators fit is the best calibrated version of the probabilities that
keeps their order; how far p is from it is miscalibration, how far it is from a constant is discrimination.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.ece import N_DRAWS
from scantrial.core.plain import Plain
from scantrial.core.rng import stream

LEVEL = 0.90
N_HISTOGRAM = 20
MAX_POINTS = 2000
"""More different probabilities than this are thinned out in a curve."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityCurve(Plain):
    """What a reliability diagram shows.

    Parameters
    ----------
    p : shape (m,), the different probabilities of class 1 among the cases, rising; where there are more than 2,000,
        2,000 of them evenly spaced by rank
    observed : shape (m,), the share of class 1 that the isotonic fit gives each
    low, high : shape (m,), where that fit would lie, point by point, if the model were perfectly calibrated
    histogram_edges, histogram_counts : shape (h + 1,) and (h,), of p over all cases
    level : of that consistency band
    n_draws : drawn sets of outcomes behind the band
    """

    p: Floats
    observed: Floats
    low: Floats
    high: Floats
    histogram_edges: Floats
    histogram_counts: Counts
    level: float
    n_draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDecomposition:
    """Brier score = miscalibration - discrimination + uncertainty; each is at least 0.

    Parameters
    ----------
    brier : mean of (p - y)^2
    miscalibration : what isotonic recalibration on these same cases would gain
    discrimination : what the recalibrated probabilities gain over the constant share of class 1
    uncertainty : the Brier score of that constant
    """

    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def isotonic_fit(y_true: Counts, p: Floats) -> Floats:
    """Return the isotonic fit of the outcome at each case's p: shape (n,); cases of equal p get one value."""
    _, index, n = np.unique(p, return_inverse=True, return_counts=True)
    return _pool(np.bincount(index, weights=y_true) / n, n)[index]


def decompose_brier(y_true: Counts, p: Floats) -> ScoreDecomposition:
    """Split the Brier score into miscalibration, discrimination and uncertainty; at least one case.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for probabilistic classifiers, PNAS.
    """
    brier = float(((p - y_true) ** 2).mean())
    recalibrated = float(((isotonic_fit(y_true, p) - y_true) ** 2).mean())
    constant = float(((y_true.mean() - y_true) ** 2).mean())
    return ScoreDecomposition(
        brier=brier,
        miscalibration=brier - recalibrated,
        discrimination=constant - recalibrated,
        uncertainty=constant,
    )


def reliability_curve(
    y_true: Counts, p: Floats, *, seed: int, level: float = LEVEL, n_draws: int = N_DRAWS
) -> ReliabilityCurve:
    """Compute the CORP reliability curve with its consistency band; without a case its arrays are empty.

    The band: outcomes are drawn as class 1 with probability p and fitted anew, `n_draws` times; at each p it reaches
    from the (1 - level)/2 to the (1 + level)/2 quantile. It is pointwise: even a perfectly calibrated model leaves it
    somewhere. No draws, no band: it is NaN.
    """
    grid, index, n = np.unique(p, return_inverse=True, return_counts=True)
    shown = np.unique(np.linspace(0, len(grid) - 1, min(len(grid), MAX_POINTS)).round().astype(np.int64))
    observed = low = high = np.zeros(0)
    if len(grid):
        observed = _pool(np.bincount(index, weights=y_true) / n, n)[shown]
        low, high = _band(grid, n, shown, seed=seed, level=level, n_draws=n_draws)
    counts, edges = np.histogram(p, bins=N_HISTOGRAM, range=(0.0, 1.0))
    return ReliabilityCurve(
        p=grid[shown],
        observed=observed,
        low=low,
        high=high,
        level=level,
        histogram_edges=edges,
        histogram_counts=counts.astype(np.int64),
        n_draws=n_draws,
    )


def _band(grid: Floats, n: Counts, shown: Counts, *, seed: int, level: float, n_draws: int) -> tuple[Floats, Floats]:
    if not n_draws:
        return np.full(len(shown), np.nan), np.full(len(shown), np.nan)
    rng = stream(seed, "calibration", "consistency-band")
    fits = np.array([_pool(rng.binomial(n, grid) / n, n)[shown] for _ in range(n_draws)])
    low, high = np.quantile(fits, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _pool(mean: Floats, weight: Counts) -> Floats:
    return np.asarray(np.clip(scipy.optimize.isotonic_regression(mean, weights=weight).x, 0.0, 1.0), dtype=np.float64)
