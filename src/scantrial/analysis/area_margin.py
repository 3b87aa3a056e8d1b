"""The spread of a difference of areas under the ROC curve as it would be if the difference were just the margin.

The nearer an area is to 1, the less it varies. An area that came out high by luck so has too small a standard error,
and an arm that is worse by the margin is called equivalent too often. A score test takes the standard error under the
hypothesis that it tests, as Farrington and Manning (1990) do for proportions: here the arm whose area would be lower
gets the spread of that lower area. No arm's spread is made
smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.estimates import Estimates
from scantrial.analysis.mrmc import (
    ContrastResult,
    Inference,
    Scope,
    infer,
    largest_effect,
    mean_off_diagonal,
    unpaired_covariance,
)

Values = NDArray[np.float64]


def training_spread(area: Values | float) -> Values:
    """Return how an area moves with the luck of training, up to a factor: the normal density at the area's quantile.

    Luck moves the distance between the classes' scores, and the area is the normal distribution function of it (the
    binormal model; Pepe 2003).
    """
    return np.asarray(np.exp(-(scipy.special.ndtri(area) ** 2) / 2))


def case_spread(area: Values | float) -> Values:
    """Return the standard error over many cases, up to a factor, by Hanley and McNeil (1982)."""
    return np.asarray(np.sqrt(area * (1 - area) * ((1 - area) / (2 - area) + area / (1 + area))))


def widening(area: float, fall: Values | float) -> tuple[Values, Values]:
    """Return by how much the spread over trainings, and that over cases, grow where an area falls; at least 1.

    An area falls to 0.5 at most, below which no spread grows. One of 1 has no spread that could grow.
    """
    if not 0 < area < 1:
        return np.ones_like(fall), np.ones_like(fall)
    lower = np.maximum(area - fall, min(area, 0.5))
    return (
        np.maximum(training_spread(lower) / training_spread(area), 1.0),
        np.maximum(case_spread(lower) / case_spread(area), 1.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """Parts of the variance of a contrast: as in `scantrial.analysis.mrmc`."""

    over_cases: float
    seeds_term: float = 0.0
    seeds_df_term: float = 0.0
    q: float = 0.0

    def of(self, scope: Scope) -> tuple[float, float]:
        """Return the standard error and the degrees of freedom of an inference."""
        if scope == "cases only":
            return float(np.sqrt(self.over_cases)), float("inf")
        variance = self.seeds_term + (self.q if scope == "seeds and cases" else 0.0)
        return float(np.sqrt(variance)), variance**2 / self.seeds_df_term if self.seeds_df_term > 0 else float("inf")


def with_area_spread(result: ContrastResult, estimates: Estimates) -> ContrastResult:
    """Return a comparison of areas whose equivalence is tested with the spread that each margin implies.

    Other metrics are returned as they are.
    """
    if result.metric != "auroc" or result.contrast.kind == "arm":
        return result
    runs = _Runs(estimates, result)
    largest = largest_effect(result.contrast, result.metric)

    def tested(item: Inference) -> Inference:
        def null_spread(null: float) -> tuple[float, float]:
            return runs.spread(null).of(item.scope)

        fixed: dict[str, Any] = {"scope": item.scope, "level": item.level, "largest": largest}
        return infer(item.effect, item.se, item.df, null_spread=null_spread, **fixed)

    return replace(
        result,
        both=None if result.both is None else tested(result.both),
        seeds_only=None if result.seeds_only is None else tested(result.seeds_only),
        cases_only=tested(result.cases_only),
    )


class _Runs:
    """The runs of a contrast of areas, whose spread can be asked for at any value of the contrast."""

    def __init__(self, estimates: Estimates, result: ContrastResult) -> None:
        runs = {arm: estimates.by_seed(arm) for arm in result.contrast.arms}
        self._pairing, self._effect, self._weights = result.pairing, result.effect, result.contrast.weights
        seeds = {arm: list(found) if self._pairing == "unpaired" else result.seeds for arm, found in runs.items()}
        self._at = {arm: np.array([runs[arm][seed] for seed in seeds[arm]]) for arm in runs}
        self._theta = {arm: estimates.theta[at] for arm, at in self._at.items()}
        self._all = estimates.covariance
        positions = np.concatenate(list(self._at.values()))
        self._covariance = self._all[np.ix_(positions, positions)]

    def spread(self, null: float) -> _Spread:
        """Return the spread that the contrast would have if it were `null`."""
        growth = self._growth(null)
        seeds = {arm: self._weights[arm] * growth[arm][0] for arm in self._at}
        cases = {arm: self._weights[arm] * growth[arm][1] for arm in self._at}
        share = np.concatenate([np.full(len(at), cases[arm] / len(at)) for arm, at in self._at.items()])
        over_cases = max(float(share @ self._covariance @ share), 0.0)
        if self._pairing == "one seed":
            return _Spread(over_cases=over_cases)
        if self._pairing == "unpaired":
            q = unpaired_covariance(self._all, self._at, cases)
            terms = [seeds[arm] ** 2 * float(theta.var(ddof=1)) / len(theta) for arm, theta in self._theta.items()]
        else:
            gram, per_seed = self._paired(seeds, cases)
            q, terms = mean_off_diagonal(gram), [float(per_seed.var(ddof=1)) / len(per_seed)]
        sizes = [len(at) for at in self._at.values()]
        return _Spread(
            seeds_term=sum(terms),
            seeds_df_term=sum(term**2 / (n - 1) for term, n in zip(terms, sizes, strict=False)),
            q=max(q, 0.0),
            over_cases=over_cases,
        )

    def _paired(self, seeds: Mapping[str, float], cases: Mapping[str, float]) -> tuple[Values, Values]:
        """Return the covariance over cases of the contrast at two seeds, shape (r, r), and the contrast at each."""
        t, r = len(self._at), len(next(iter(self._at.values())))
        weights = np.array(list(cases.values()))
        gram = np.einsum("a,b,ajbk->jk", weights, weights, self._covariance.reshape(t, r, t, r))
        return gram, np.array(list(seeds.values())) @ np.array(list(self._theta.values()))

    def _growth(self, null: float) -> dict[str, tuple[float, float]]:
        """Return by how much each arm's spreads grow: those of the arms whose areas would be lower."""
        sign = 1.0 if null < self._effect else -1.0
        falling = sum(sign * weight for weight in self._weights.values() if sign * weight > 0)
        fall = abs(null - self._effect) / falling
        grown = {
            arm: widening(float(self._theta[arm].mean()), fall)
            for arm, weight in self._weights.items()
            if sign * weight > 0
        }
        return {
            arm: (float(grown[arm][0]), float(grown[arm][1])) if arm in grown else (1.0, 1.0) for arm in self._weights
        }
