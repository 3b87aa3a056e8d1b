"""Calibration error over bins of probability: of equal width (ECE), or of equal mass and debiased.

With p the probability of class 1 and y the outcome, a bin's gap is mean p - mean y. The plain error is never 0 on a
finite set, however well calibrated the model; the debiased square is 0 on average for a calibrated model, and so it
is negative about half the time there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.metrics import Undefined
from scantrial.core.rng import stream

N_BINS = 15
N_BINS_FEW = 10
FEW_CASES = 300
"""With fewer cases than this, there are 10 bins of equal mass, not 15 (our choice)."""

N_DRAWS = 1000
CHUNK = 4_000_000
"""Random numbers held at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """Counts and means of the bins that hold a case.

    Parameters
    ----------
    n : shape (n_bins,), cases of each bin
    mean_prob, mean_true : shape (n_bins,), mean probability and share of class 1
    """

    n: NDArray[np.int64]
    mean_prob: NDArray[np.float64]
    mean_true: NDArray[np.float64]

    @property
    def gap(self) -> NDArray[np.float64]:
        """Mean probability minus share of class 1."""
        return self.mean_prob - self.mean_true

    @property
    def weight(self) -> NDArray[np.float64]:
        """Share of the cases."""
        return np.asarray(self.n / self.n.sum(), dtype=np.float64)

    @property
    def mean_absolute(self) -> float:
        """Weighted mean of the absolute gaps: the ECE."""
        return float(self.weight @ np.abs(self.gap))

    @property
    def root_mean_square(self) -> float:
        """Weighted root mean square of the gaps; biased upwards as the ECE is."""
        return float(np.sqrt(self.weight @ self.gap**2))

    @property
    def maximum(self) -> float:
        """Largest absolute gap."""
        return float(np.abs(self.gap).max())

    @property
    def debiased_square(self) -> float:
        """Weighted mean of ``gap^2 - m (1 - m) / (n - 1)``, m the share of class 1: unbiased, may be negative.

        A bin of one case contributes 0: one case does not tell its own variance.

        References
        ----------
        Kumar, Liang and Ma (2019), Verified uncertainty calibration, NeurIPS.
        """
        noise = self.mean_true * (1 - self.mean_true) / np.maximum(self.n - 1, 1)
        return float(self.weight @ np.where(self.n > 1, self.gap**2 - noise, 0.0))


def mass_bin_count(n_cases: int) -> int:
    """Return how many bins of equal mass there are for so many cases; raise `Undefined` below two cases a bin."""
    wanted = N_BINS_FEW if n_cases < FEW_CASES else N_BINS
    if n_cases < 2 * wanted:
        raise Undefined(f"bins of equal mass need at least {2 * wanted} cases, and there are {n_cases}")
    return wanted


def equal_mass(p: NDArray[np.float64], *, n_bins: int) -> NDArray[np.int64]:
    """Return the bin of each case, shape (n,): bins of equal counts by rank; equal p share a bin, the lower one."""
    parts = np.array_split(np.sort(p), n_bins)
    upper = np.unique([part[-1] for part in parts if len(part)])
    return np.searchsorted(upper, p, side="left").astype(np.int64)


def equal_width(p: NDArray[np.float64], *, n_bins: int) -> NDArray[np.int64]:
    """Return the bin of each case, shape (n,): ((b - 1)/B, b/B], and 0 in the first (Guo et al. 2017)."""
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    return np.searchsorted(inner, p, side="left").astype(np.int64)


def fill(y_true: NDArray[np.int64], p: NDArray[np.float64], bins: NDArray[np.int64]) -> Bins:
    """Count and average the cases of each bin; bins without a case are left out."""
    n = np.bincount(bins)
    held = n > 0
    return Bins(
        n=n[held],
        mean_prob=np.bincount(bins, weights=p)[held] / n[held],
        mean_true=np.bincount(bins, weights=y_true)[held] / n[held],
    )


def noise_of_ece(
    p: NDArray[np.float64], *, seed: int, n_bins: int = N_BINS, n_draws: int = N_DRAWS
) -> NDArray[np.float64]:
    """Draw the ECE that a perfectly calibrated model with these probabilities would show: shape (n_draws,).

    Outcomes are drawn as class 1 with probability p, in bins of equal width.

    References
    ----------
    Bröcker and Smith (2007), Increasing the reliability of reliability diagrams, Weather and Forecasting.
    """
    bins = equal_width(p, n_bins=n_bins)
    order = np.argsort(bins, kind="stable")
    sorted_p, starts = p[order], np.unique(bins[order], return_index=True)[1]
    sums = np.add.reduceat(sorted_p, starts)
    rng = stream(seed, "calibration", "ece-noise")
    found = [
        np.abs(sums - np.add.reduceat(rng.random((k, len(p))) < sorted_p, starts, axis=1, dtype=np.float64)).sum(axis=1)
        for k in chunks(n_draws, len(p))
    ]
    return np.concatenate(found) / len(p)


def chunks(n_draws: int, n_cases: int) -> list[int]:
    """Split draws of so many cases into numbers of draws that are held at once."""
    size = max(1, CHUNK // max(n_cases, 1))
    return [min(size, n_draws - start) for start in range(0, n_draws, size)]
