"""Intervals that count both seed-to-seed variation and the finite set of cases.

The multi-reader multi-case analysis of Obuchowski and Rockette (1995) with the degrees of freedom of Hillis (2007),
with trained networks in place of readers: seeds and cases are both samples. It is written per contrast, which for
two arms is the published test to rounding and lets one unstable arm spoil no other comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.contrasts import Contrast
from scantrial.analysis.estimates import Estimates
from scantrial.analysis.metrics import METRICS
from scantrial.core.errors import InputError
from scantrial.core.plain import LEFT_OUT, Plain

Pairing = Literal["paired", "unpaired", "one seed"]
Scope = Literal["seeds and cases", "cases only", "seeds only", "training sets and cases"]
NullSpread = Callable[[float], tuple[float, float]]
"""Standard error and degrees of freedom as they would be if the effect had some value."""

ROUNDING = 1e-13
"""A spread below this share of the numbers that it is the spread of is rounding, and counts as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference(Plain):
    """One estimate under one reading of what is random.

    Parameters
    ----------
    effect : the estimate; positive is better, also for losses
    se : standard error; 0 where nothing varies
    df : degrees of freedom, infinite for a normal reference
    statistic : effect / se; NaN where `se` is 0
    p : two-sided, for an effect of 0; 1 where effect and `se` are 0, NaN where `se` alone is
    low, high : interval at `level`
    equivalence_low, equivalence_high : interval at ``1 - 2 alpha``, alpha being ``1 - level``; inside the margin it
        shows equivalence
    null_spread : what equivalence is tested with, where the spread depends on the effect; None: `se` and `df`
    """

    scope: Scope
    effect: float
    se: float
    df: float
    statistic: float
    p: float
    level: float
    low: float
    high: float
    equivalence_low: float
    equivalence_high: float
    null_spread: NullSpread | None = field(default=None, compare=False, repr=False, metadata=LEFT_OUT)

    def p_equivalence(self, margin: float) -> float:
        """Return the larger of the two one-sided p of TOST (Schuirmann 1987) for a margin; NaN where `se` is 0."""
        if self.se == 0:
            return float("nan")
        (se_low, df_low), (se_high, df_high) = map(self.null_spread or self._as_found, (-margin, margin))
        return max(
            upper_tail((self.effect + margin) / se_low, df_low), upper_tail((margin - self.effect) / se_high, df_high)
        )

    def _as_found(self, _: float) -> tuple[float, float]:
        return self.se, self.df


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastResult:
    """A contrast of arms with its three inferences.

    Parameters
    ----------
    pairing : ``paired`` seeds are analysed as differences; ``unpaired`` where arms share too few seeds
    seeds : those that were used; of the arms together where unpaired
    dropped_seeds : seeds that some arm lacks and that were left out
    n_seeds : the smallest number of seeds of an arm
    per_seed : the contrast at each seed, where paired
    s2 : variance over seeds of the paired contrast; of the arms' own sums where unpaired (NaN with one seed)
    q, q_untruncated : covariance over cases that is common to different seeds, at least 0 and as estimated
    both, cases_only, seeds_only : None with one seed, except `cases_only`
    identical : whether every run of one side gives the same scores as its partner, so that nothing can differ
    """

    contrast: Contrast
    metric: str
    pairing: Pairing
    seeds: tuple[int, ...]
    dropped_seeds: tuple[int, ...]
    n_seeds: int
    effect: float
    per_seed: tuple[float, ...]
    s2: float
    q: float
    q_untruncated: float
    both: Inference | None
    cases_only: Inference
    seeds_only: Inference | None
    identical: bool


def upper_tail(t: float, df: float) -> float:
    """Return P(T > t) for Student's t, or for the normal where `df` is infinite."""
    return float(scipy.special.ndtr(-t) if math.isinf(df) else scipy.special.stdtr(df, -t))


def t_quantile(p: float, df: float) -> float:
    """Return the quantile of Student's t, or of the normal where `df` is infinite."""
    return float(scipy.special.ndtri(p) if math.isinf(df) else scipy.special.stdtrit(df, p))


def infer(
    effect: float,
    se: float,
    df: float,
    *,
    scope: Scope,
    level: float,
    largest: float = math.inf,
    null_spread: NullSpread | None = None,
) -> Inference:
    """Make an inference from an estimate, its standard error and its degrees of freedom.

    Intervals are cut at an effect of `largest` in either direction, which the metric cannot exceed. With `null_spread`
    the interval of equivalence holds the effects that a test with the spread of that effect does not refuse.
    """
    alpha = 1 - level
    wide, narrow = t_quantile(1 - alpha / 2, df) * se, t_quantile(1 - alpha, df) * se
    inside = (effect - narrow, effect + narrow)
    if null_spread is not None and se > 0:
        inside = (
            _far_from(effect, -largest, null_spread, alpha=alpha),
            _far_from(effect, largest, null_spread, alpha=alpha),
        )
    statistic = effect / se if se > 0 else float("nan")
    if se > 0:
        p = 2 * upper_tail(abs(statistic), df)
    else:
        # An effect that only rounding keeps from 0 is 0.
        p = 1.0 if abs(effect) < ROUNDING else float("nan")
    return Inference(
        scope=scope,
        effect=effect,
        se=se,
        df=df,
        statistic=statistic,
        p=p,
        level=level,
        low=max(effect - wide, -largest),
        high=min(effect + wide, largest),
        equivalence_low=max(inside[0], -largest),
        equivalence_high=min(inside[1], largest),
        null_spread=null_spread,
    )


def _far_from(effect: float, end: float, null_spread: NullSpread, *, alpha: float) -> float:
    """Return the value between an effect and `end` from which on a one-sided test refuses it; `end` where none does."""

    def room(null: float) -> float:
        se, df = null_spread(null)
        return abs(effect - null) - t_quantile(1 - alpha, df) * se

    return end if room(end) <= 0 else float(scipy.optimize.brentq(room, effect, end, xtol=1e-12))


def largest_effect(contrast: Contrast, metric: str) -> float:
    """Return the largest effect that a metric's bounds allow: for two accuracies 1; infinite for one arm alone.

    The weights of a contrast sum to 0, so its effect is largest where arms of positive weight have the best value and
    the others the worst.
    """
    if contrast.kind == "arm":
        return math.inf
    low, high = METRICS[metric].bounds
    return (high - low) * sum(weight for weight in contrast.weights.values() if weight > 0)


def analyse(estimates: Estimates, contrast: Contrast, *, level: float = 0.95, pairing: str = "auto") -> ContrastResult:
    """Give a contrast of arms its standard errors, intervals and p.

    With ``l_j`` the contrast at seed j, ``s2`` their variance and ``q`` the mean covariance over cases of two
    different seeds: ``SE^2 = s2 / r + q`` and ``df = (s2 + r q)^2 / (s2^2 / (r - 1))`` (Hillis 2007, 2014). Seeds that
    an arm lacks are left out; if more than one would be, the arms are analysed as unpaired (readers nested in tests).

    Parameters
    ----------
    level : confidence level, default 0.95
    pairing : ``auto`` as above, or ``unpaired``

    Raises
    ------
    InputError
        If an arm of the contrast has no run, or unpaired arms have one seed only and the others more.
    """
    if pairing not in ("auto", "unpaired"):
        raise InputError(f"pairing {pairing!r}", expected="auto or unpaired")
    runs = {arm: estimates.by_seed(arm) for arm in contrast.arms}
    absent = [arm for arm, found in runs.items() if not found]
    if absent:
        raise InputError(f"arm {absent[0]} has no run", expected=f"runs of {', '.join(contrast.arms)}")
    common = sorted(set.intersection(*(set(found) for found in runs.values())))
    dropped = sorted(set.union(*(set(found) for found in runs.values())) - set(common))
    if pairing == "auto" and common and (len(dropped) <= 1 or min(map(len, runs.values())) < 2):
        return _paired(estimates, contrast, runs, common, dropped, level=level)
    return _unpaired(estimates, contrast, runs, level=level)


def _paired(
    estimates: Estimates,
    contrast: Contrast,
    runs: dict[str, dict[int, int]],
    seeds: list[int],
    dropped: list[int],
    *,
    level: float,
) -> ContrastResult:
    r, sign = len(seeds), estimates.sign
    weights = sign * np.array([contrast.weights[arm] for arm in contrast.arms])
    at = np.array([[runs[arm][seed] for seed in seeds] for arm in contrast.arms])
    sizes = np.abs(weights) @ np.abs(estimates.theta[at])
    per_seed = weights @ estimates.theta[at]
    per_seed[np.abs(per_seed) <= ROUNDING * sizes] = 0.0
    effect = float(per_seed.mean())
    # Influence values of the contrast at each seed: their products over cases are G[j, j'].
    moved = np.einsum("a,ajk->jk", weights, estimates.influence[at])
    gram = moved @ moved.T
    if not _is_beyond_rounding(np.trace(gram), np.abs(weights) @ np.linalg.norm(estimates.influence[at], axis=2)):
        gram = np.zeros_like(gram)
    s2 = _variance(per_seed, sizes) if r > 1 else float("nan")
    off = mean_off_diagonal(gram) if r > 1 else float("nan")
    q = max(off, 0.0)
    identical = bool((gram == 0).all() and (per_seed == 0).all())
    shape = {"seeds_term": s2 / r, "seeds_df_term": (s2 / r) ** 2 / (r - 1) if r > 1 else float("nan"), "q": q}
    largest = largest_effect(contrast, estimates.metric)
    both, seeds_only = _with_seeds(effect, **shape, level=level, largest=largest) if r > 1 else (None, None)
    se_cases = math.sqrt(max(gram.mean(), 0.0))
    return ContrastResult(
        contrast=contrast,
        metric=estimates.metric,
        pairing="paired" if r > 1 else "one seed",
        seeds=tuple(seeds),
        dropped_seeds=tuple(dropped),
        n_seeds=r,
        effect=effect,
        per_seed=tuple(per_seed.tolist()),
        s2=s2,
        q=q,
        q_untruncated=off,
        both=both,
        cases_only=infer(effect, se_cases, math.inf, scope="cases only", level=level, largest=largest),
        seeds_only=seeds_only,
        identical=identical,
    )


def _unpaired(
    estimates: Estimates, contrast: Contrast, runs: dict[str, dict[int, int]], *, level: float
) -> ContrastResult:
    """Analyse arms whose seeds are not the same: readers nested in tests (Hillis 2014)."""
    few = [arm for arm, found in runs.items() if len(found) < 2]
    if few:
        raise InputError(
            f"arm {few[0]} has one seed, and shares none with the others",
            expected="the same seeds in every arm, or two seeds and more in each",
        )
    at = {arm: np.array(list(found.values())) for arm, found in runs.items()}
    weights = {arm: estimates.sign * weight for arm, weight in contrast.weights.items()}
    effect = float(sum(weights[arm] * estimates.theta[at[arm]].mean() for arm in at))
    theta = {arm: estimates.theta[at[arm]] for arm in at}
    terms = [weights[arm] ** 2 * _variance(theta[arm], np.abs(theta[arm])) / len(at[arm]) for arm in at]
    df_terms = [term**2 / (len(at[arm]) - 1) for term, arm in zip(terms, at, strict=True)]
    off = unpaired_covariance(estimates.covariance, at, weights)
    mean_influence = sum(weights[arm] * estimates.influence[at[arm]].mean(axis=0) for arm in at)
    se_cases = math.sqrt(float(np.sum(np.square(mean_influence))))
    largest = largest_effect(contrast, estimates.metric)
    both, seeds_only = _with_seeds(
        effect,
        seeds_term=float(sum(terms)),
        seeds_df_term=float(sum(df_terms)),
        q=max(off, 0.0),
        level=level,
        largest=largest,
    )
    return ContrastResult(
        contrast=contrast,
        metric=estimates.metric,
        pairing="unpaired",
        seeds=tuple(sorted({seed for found in runs.values() for seed in found})),
        dropped_seeds=(),
        n_seeds=min(len(found) for found in runs.values()),
        effect=effect,
        per_seed=(),
        s2=float(sum(terms)) * min(len(found) for found in runs.values()),
        q=max(off, 0.0),
        q_untruncated=off,
        both=both,
        cases_only=infer(effect, se_cases, math.inf, scope="cases only", level=level, largest=largest),
        seeds_only=seeds_only,
        identical=False,
    )


def _is_beyond_rounding(squares: float, sizes: NDArray[np.float64]) -> bool:
    """Whether a sum of squares of differences is more than rounding of numbers of these sizes."""
    return bool(squares > (ROUNDING * sizes.max()) ** 2 * sizes.size)


def _variance(values: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """Return the variance over seeds of `values` that were summed from numbers of these sizes."""
    variance = float(values.var(ddof=1))
    return variance if _is_beyond_rounding(variance, sizes) else 0.0


def mean_off_diagonal(gram: NDArray[np.float64]) -> float:
    """Return the mean of the elements beside the diagonal; 0 where it is rounding."""
    r, trace = len(gram), float(np.trace(gram))
    off = float(gram.sum()) - trace
    return off / (r * (r - 1)) if abs(off) > ROUNDING * r * trace else 0.0


def unpaired_covariance(
    covariance: NDArray[np.float64], at: Mapping[str, NDArray[Any]], weights: Mapping[str, float]
) -> float:
    """Return the mean covariance over cases of runs that share neither training: within arms and across them."""
    total = 0.0
    for arm, runs in at.items():
        for other, others in at.items():
            block = covariance[np.ix_(runs, others)]
            if arm == other:
                r = len(runs)
                total += weights[arm] ** 2 * float((block.sum() - np.trace(block)) / (r * (r - 1)))
            else:
                total += weights[arm] * weights[other] * float(block.mean())
    return total


def _with_seeds(
    effect: float, *, seeds_term: float, seeds_df_term: float, q: float, level: float, largest: float
) -> tuple[Inference, Inference]:
    """Return the inference over seeds and cases, and that over seeds alone.

    `seeds_term` is the seeds' part of SE^2, `seeds_df_term` the denominator of the degrees of freedom.
    """
    variance = seeds_term + q
    df = variance**2 / seeds_df_term if seeds_df_term > 0 else math.inf
    df_seeds = seeds_term**2 / seeds_df_term if seeds_df_term > 0 else math.inf
    both = infer(effect, math.sqrt(variance), df, scope="seeds and cases", level=level, largest=largest)
    seeds_only = infer(effect, math.sqrt(seeds_term), df_seeds, scope="seeds only", level=level, largest=largest)
    return both, seeds_only


# ---------------------------------------------------------------------- all arms together


@dataclass(frozen=True, slots=True, kw_only=True)
class Components(Plain):
    """Variance components of a complete layout of arms by seeds, untruncated: they may be negative.

    Parameters
    ----------
    ms_arm, ms_seed, ms_arm_seed : mean squares of arms, seeds and their interaction
    var_error : variance of one run's estimate over samples of cases
    cov1 : covariance of two arms at one seed; cov2 : of one arm at two seeds; cov3 : of two arms at two seeds
    var_seed, var_arm_seed : of the seeds, and of the seeds' effect on the difference between arms
    """

    n_arms: int
    n_seeds: int
    n_cases: int
    ms_arm: float
    ms_seed: float
    ms_arm_seed: float
    var_error: float
    cov1: float
    cov2: float
    cov3: float
    var_seed: float
    var_arm_seed: float

    @property
    def excess(self) -> float:
        """``max(Cov2 - Cov3, 0)``: what two trainings of one arm share over cases, beyond what two arms share."""
        return max(self.cov2 - self.cov3, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalTest(Plain):
    """Test that all arms are alike: F over seeds and cases, chi-squared for these trained networks alone.

    Parameters
    ----------
    statistic, df1, df2, p : F and its degrees of freedom by Hillis (2007); NaN where nothing varies
    chi2, chi2_p : with fixed seeds, on `df1` degrees of freedom
    """

    statistic: float
    df1: int
    df2: float
    p: float
    chi2: float
    chi2_p: float


def components(estimates: Estimates, arms: tuple[str, ...] | None = None) -> Components | None:
    """Return the variance components of two arms or more over the seeds that all of them have.

    None where fewer than two arms or two common seeds are left.
    """
    names = estimates.arm_names if arms is None else arms
    runs = [estimates.by_seed(arm) for arm in names]
    seeds = sorted(set.intersection(*(set(found) for found in runs))) if runs else []
    t, r = len(names), len(seeds)
    if t < 2 or r < 2:
        return None
    at = np.array([[found[seed] for seed in seeds] for found in runs])
    theta = estimates.theta[at]
    matrix = estimates.covariance[np.ix_(at.ravel(), at.ravel())].reshape(t, r, t, r)
    grand, by_arm, by_seed = theta.mean(), theta.mean(axis=1), theta.mean(axis=0)
    ms_arm = float(r * ((by_arm - grand) ** 2).sum() / (t - 1))
    ms_seed = float(t * ((by_seed - grand) ** 2).sum() / (r - 1))
    residual = theta - by_arm[:, None] - by_seed[None, :] + grand
    squares = float((residual**2).sum())
    ms_arm_seed = squares / ((t - 1) * (r - 1)) if _is_beyond_rounding(squares, np.abs(theta)) else 0.0
    error, cov1, cov2, cov3 = _covariances(matrix)
    return Components(
        n_arms=t,
        n_seeds=r,
        n_cases=estimates.n_cases,
        ms_arm=ms_arm,
        ms_seed=ms_seed,
        ms_arm_seed=ms_arm_seed,
        var_error=error,
        cov1=cov1,
        cov2=cov2,
        cov3=cov3,
        var_seed=(ms_seed - ms_arm_seed) / t - cov1 + cov3,
        var_arm_seed=ms_arm_seed - error + cov1 + (cov2 - cov3),
    )


def _covariances(matrix: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the mean variance and Cov1, Cov2, Cov3 of a matrix of shape (arms, seeds, arms, seeds)."""
    t, r = matrix.shape[:2]
    same_arm = np.einsum("ijik->", matrix)
    same_seed = np.einsum("ijkj->", matrix)
    same_run = np.einsum("ijij->", matrix)
    total = matrix.sum()
    return (
        float(same_run / (t * r)),
        float((same_seed - same_run) / (t * (t - 1) * r)),
        float((same_arm - same_run) / (t * r * (r - 1))),
        float((total - same_arm - same_seed + same_run) / (t * (t - 1) * r * (r - 1))),
    )


def global_test(found: Components) -> GlobalTest:
    """Test that all arms are alike, seeds and cases both random (pooled; Hillis 2007), and for fixed seeds."""
    t, r = found.n_arms, found.n_seeds
    denominator = found.ms_arm_seed + r * found.excess
    df2 = denominator**2 / (found.ms_arm_seed**2 / ((t - 1) * (r - 1))) if found.ms_arm_seed > 0 else math.inf
    statistic = found.ms_arm / denominator if denominator > 0 else float("nan")
    fixed = found.var_error - found.cov1 + (r - 1) * (found.cov2 - found.cov3)
    chi2 = (t - 1) * found.ms_arm / fixed if fixed > 0 else float("nan")
    p = (
        scipy.stats.f.sf(statistic, t - 1, df2)
        if math.isfinite(df2)
        else scipy.stats.chi2.sf((t - 1) * statistic, t - 1)
    )
    return GlobalTest(
        statistic=statistic,
        df1=t - 1,
        df2=df2,
        p=float(p),
        chi2=chi2,
        chi2_p=float(scipy.stats.chi2.sf(chi2, t - 1)),
    )
