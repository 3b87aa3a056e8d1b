"""Intervals for one arm's metric over seeds and cases.

Never the best seed, and never a binomial interval on the pooled predictions of several seeds: those are not independent
(such intervals cover the truth in 46 to 92 % of simulated studies instead of 95 %).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.clusters import FEW_CASES
from scantrial.analysis.estimates import Estimates
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import t_quantile
from scantrial.analysis.single_arm import Spread, correlation_of, restricted, spread_of
from scantrial.core.plain import LEFT_OUT, Plain

NEAR_ONE = 0.97
"""An area takes the score interval above this, and below 1 minus this."""

MODEL_WEIGHT = 20.0
"""What the variance of Hanley and McNeil weighs beside a smaller one of DeLong's, in cases out of order."""

_WITHIN_RANGE = {
    "macro_f1": "logit",
    "weighted_f1": "logit",
    "quadratic_weighted_kappa": "Fisher's z",
    "mean_absolute_error": "log odds of the share of the largest error",
}
"""Metrics whose interval is symmetric on the logit scale of their range, and what that scale is called."""

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEstimate(Plain):
    """One arm's metric with its interval.

    Parameters
    ----------
    mean : over the seeds, in the metric's own unit and direction
    by_seed : the value of each run
    se, df : over seeds and cases, or over cases alone with one seed
    low, high : interval at `level`; `high` is 1 where only a lower bound can be given
    method : how the interval was found
    n_effective : cases that would give this standard error if they were independent; None except for Wilson's
    is_by_patient : whether patients with several cases are the units that vary
    """

    arm: str
    metric: str
    mean: float
    by_seed: dict[int, float]
    sd: float
    se: float
    df: float
    low: float
    high: float
    level: float
    method: str
    n_effective: float | None = None
    is_by_patient: bool = field(default=False, metadata=LEFT_OUT)


def wilson_bounds(p: float, n: float, *, quantile: float) -> tuple[float, float]:
    """Return Wilson's score interval for a proportion `p` of `n` cases; `n` need not be whole.

    `quantile` is that of the normal, or of Student's t where `n` is an effective number (Korn and Graubard 1998).
    """
    if math.isinf(n):
        return p, p
    z2 = quantile**2
    centre, half = p + z2 / (2 * n), quantile * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max((centre - half) / (1 + z2 / n), 0.0), min((centre + half) / (1 + z2 / n), 1.0)


def area_variance(area: float, n_positive: float, n_negative: float) -> float:
    """Return the variance of an area under the ROC curve by Hanley and McNeil (1982), made symmetric in the classes.

    ``A (1 - A) / (m n) * (1 + h ((1 - A) / (2 - A) + A / (1 + A)))`` with ``h = (m + n) / 2 - 1`` (Newcombe 2006).
    """
    h = max((n_positive + n_negative) / 2 - 1, 0.0)
    return area * (1 - area) / (n_positive * n_negative) * (1 + h * ((1 - area) / (2 - area) + area / (1 + area)))


def area_bounds(area: float, n_positive: float, n_negative: float, *, quantile: float) -> Bounds:
    """Return Newcombe's score interval for an area under the ROC curve, his method 5; it gives 1 and 0 an interval too.

    The bounds are the areas t with ``|area - t| = quantile * sqrt(V(t))``, V being `area_variance`.

    Parameters
    ----------
    n_positive, n_negative : m and n, above 0; they need not be whole

    References
    ----------
    Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2,
    Stat Med 25:559.
    """

    def outside(t: float) -> bool:
        return (area - t) ** 2 > quantile**2 * area_variance(t, n_positive, n_negative)

    return _edge(0.0, area, outside), _edge(1.0, area, outside)


def _edge(far: float, near: float, outside: Callable[[float], bool]) -> float:
    """Bisect for the point between `far` and `near` where `outside` ends; `far` itself if it is not outside."""
    if not outside(far):
        return far
    for _ in range(60):
        middle = (far + near) / 2
        far, near = (middle, near) if outside(middle) else (far, middle)
    return far


def mover(
    values: Sequence[float], bounds: Sequence[Bounds], *, correlation: NDArray[np.float64] | None = None
) -> Bounds:
    """Return the interval of a mean of proportions or areas from the interval of each (MOVER).

    With k values p, their bounds l and u, and r their correlations: the mean less ``sqrt(sum r (p - l) (p' - l')) / k``
    to the mean plus ``sqrt(sum r (u - p) (u' - p')) / k``.

    Parameters
    ----------
    correlation : shape (k, k), of the estimates; independent where None

    References
    ----------
    Zou and Donner (2008), Construction of confidence limits about effect measures, Stat Med 27:1693.
    """
    k = len(values)
    r = np.eye(k) if correlation is None else correlation
    below = np.array([value - low for value, (low, _) in zip(values, bounds, strict=True)])
    above = np.array([high - value for value, (_, high) in zip(values, bounds, strict=True)])
    mean = sum(values) / k
    low, high = (math.sqrt(max(float(part @ r @ part), 0.0)) / k for part in (below, above))
    return max(mean - low, 0.0), min(mean + high, 1.0)


def arm_estimate(estimates: Estimates, arm: str, *, level: float = 0.95) -> ArmEstimate:
    """Estimate one arm's metric.

    The standard error is that of `scantrial.analysis.single_arm`. The interval is Wilson's with an effective number of
    cases for proportions (Brown, Cai and DasGupta 2001; Korn and Graubard 1998); MOVER on those of each class's recall
    for balanced accuracy (Zou and Donner 2008); for AUROC symmetric on the logit (Qin and Hotilovac 2008), or the score
    interval of Newcombe (2006) where the rarer class has fewer than 40 effective cases, or the area is above 0.97 or
    below 0.03, and MOVER on the areas of each class against the rest beyond two; on the logit for average precision
    (Boyd et al. 2013); on the logit of the range for macro and weighted F1, kappa (Fisher's z) and the mean absolute
    error; and on the metric's own scale for the rest.
    """
    mine = restricted(estimates, arm)
    found = spread_of(mine, level=level)
    bounds, method, n_effective = _INTERVALS.get(estimates.metric, _own_scale)(mine, found, level)
    values = dict(zip(mine.seeds, mine.theta.tolist(), strict=True))
    return ArmEstimate(
        arm=arm,
        metric=estimates.metric,
        mean=found.mean,
        by_seed=values,
        sd=float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else float("nan"),
        se=found.se,
        df=found.df,
        low=bounds[0],
        high=bounds[1],
        level=level,
        method=method,
        n_effective=n_effective,
        is_by_patient=found.is_clustered,
    )


_Found = tuple[Bounds, str, float | None]


def _quantile(found: Spread, level: float) -> float:
    return t_quantile((1 + level) / 2, found.df)


def _own_scale(mine: Estimates, found: Spread, level: float) -> _Found:
    lowest, highest = METRICS[mine.metric].bounds
    half, mean = _quantile(found, level) * found.se, found.mean
    if mine.metric == "brier" and len(mine.n_by_class) == 2:
        highest = 1.0
    method = _on("", found).removeprefix(", ")
    return (max(mean - half, min(lowest, mean)), min(mean + half, max(highest, mean))), method, None


def _on(scale: str, found: Spread) -> str:
    return f"{scale}, {'normal' if math.isinf(found.df) and found.n_seeds == 1 else 't'}"


# ---------------------------------------------------------------------- proportions


def _proportion(found: Spread, level: float) -> _Found:
    n = _n_effective(found)
    method = "Wilson" if found.is_plain else "Wilson, effective number of cases"
    return wilson_bounds(found.mean, n, quantile=_quantile(found, level)), method, n


def _n_effective(found: Spread) -> float:
    """Return the number of independent cases that would give this variance."""
    n, mean = float(sum(found.sizes)), found.mean
    if found.is_plain:
        return n
    if mean in (0.0, 1.0):
        return n / found.patients_effect
    variance = found.var_one_run * found.seeds_effect * found.patients_effect
    # A run that decides whole classes has no spread within them: cases are counted as if they were one sample.
    return mean * (1 - mean) / variance if variance > 0 else n if found.is_by_class else math.inf


def _balanced_accuracy(mine: Estimates, found: Spread, level: float) -> _Found:
    """Combine the recalls of all classes, each on its own effective number of cases."""
    parts, correlation = _parts(mine, level, unknown=0.0)
    bounds = [_proportion(part, level)[0] for part in parts]
    method = "MOVER on Wilson limits of each recall" + ("" if found.is_plain else ", effective numbers of cases")
    return mover([part.mean for part in parts], bounds, correlation=correlation), method, None


def _parts(mine: Estimates, level: float, *, unknown: float) -> tuple[list[Spread], NDArray[np.float64]]:
    """Return the spread of each class's part of a metric, and the correlation of the parts."""
    assert mine.sample is not None
    found = mine.sample.found.parts
    return [spread_of(mine, part, level=level) for part in found], correlation_of(mine, unknown=unknown)


# ---------------------------------------------------------------------- areas


def _area(mine: Estimates, found: Spread, level: float) -> _Found:
    """Take the logit for an area that many cases of either class stand behind, else Newcombe's score interval."""
    assert mine.sample is not None
    if mine.sample.found.parts:
        # Areas against the rest share all cases: a perfect one is taken to go with the others.
        parts, correlation = _parts(mine, level, unknown=1.0)
        each = [_area_bounds(part, level) for part in parts]
        bounds = mover([part.mean for part in parts], [one for one, _ in each], correlation=correlation)
        return bounds, "MOVER on the areas of each class against the rest", None
    return (*_area_bounds(found, level), None)


def _area_bounds(found: Spread, level: float) -> tuple[Bounds, str]:
    quantile, effect = _quantile(found, level), found.seeds_effect * found.patients_effect
    if min(found.sizes) / effect >= FEW_CASES and 1 - NEAR_ONE <= found.mean <= NEAR_ONE:
        return _logit_bounds(found, quantile), _on("logit", found)
    negative, positive = (size / (effect * _shape(found)) for size in found.sizes)
    bounds = area_bounds(found.mean, positive, negative, quantile=quantile)
    return bounds, "score (Newcombe 2006), effective numbers of cases"


def _shape(found: Spread) -> float:
    """Return the variance to use over `area_variance`: DeLong's where it is larger, else drawn towards it.

    DeLong's knows the shape of the distributions, but is often far too small where few cases are out of order.
    """
    negative, positive = found.sizes
    model = area_variance(found.mean, positive, negative)
    ratio = found.var_one_run / model if model > 0 else 1.0
    return max(ratio, (found.n_off * ratio + MODEL_WEIGHT) / (found.n_off + MODEL_WEIGHT))


def _logit_bounds(found: Spread, quantile: float, tau: float | None = None) -> Bounds:
    tau = found.se / (found.mean * (1 - found.mean)) if tau is None else tau
    eta = scipy.special.logit(found.mean)
    return float(scipy.special.expit(eta - quantile * tau)), float(scipy.special.expit(eta + quantile * tau))


def _average_precision(mine: Estimates, found: Spread, level: float) -> _Found:
    """Return an interval symmetric on the logit scale; at 1 or 0 only one bound can be given."""
    quantile, mean = _quantile(found, level), found.mean
    if mean in (0.0, 1.0):
        # Rank statistics of a perfect order have no spread: bound it as a proportion of the rarer class.
        n = min(n for n in mine.n_by_class if n) / found.patients_effect
        bounds = wilson_bounds(mean, n, quantile=quantile)
        return bounds, "one-sided: Wilson on the cases of the rarer class", None
    if found.is_plain and len(mine.n_by_class) == 2:
        tau = 1 / math.sqrt(mine.n_by_class[-1] * mean * (1 - mean))
        return _logit_bounds(found, quantile, tau), "logit (Boyd et al. 2013)", None
    return _logit_bounds(found, quantile), _on("logit", found), None


def _within_range(mine: Estimates, found: Spread, level: float) -> _Found:
    """Return an interval symmetric on the logit scale of the metric's range; at an end only one bound can be given.

    The logit of ``(1 + kappa) / 2`` is twice Fisher's z of kappa. The largest error is that between the outer grades.
    """
    quantile = _quantile(found, level)
    lowest, highest = METRICS[mine.metric].bounds
    highest = min(highest, len(mine.n_by_class) - 1)
    width = highest - lowest
    share = (found.mean - lowest) / width
    if share <= 0 or share >= 1:
        # As a proportion of all cases where a case weighs as any other, else of the cases of the rarest class.
        alike = mine.metric in ("weighted_f1", "mean_absolute_error")
        n = (mine.n_used if alike else min(n for n in mine.n_by_class if n)) / found.patients_effect
        low, high = wilson_bounds(min(max(share, 0.0), 1.0), n, quantile=quantile)
        method = f"one-sided: Wilson on {'all cases' if alike else 'the cases of the rarest class'}"
    else:
        eta, half = scipy.special.logit(share), quantile * found.se / width / (share * (1 - share))
        low, high = float(scipy.special.expit(eta - half)), float(scipy.special.expit(eta + half))
        method = _on(_WITHIN_RANGE[mine.metric], found)
    return (lowest + width * low, lowest + width * high), method, None


_INTERVALS: dict[str, Callable[[Estimates, Spread, float], _Found]] = {
    "accuracy": lambda _, found, level: _proportion(found, level),
    "sensitivity": lambda _, found, level: _proportion(found, level),
    "specificity": lambda _, found, level: _proportion(found, level),
    "balanced_accuracy": _balanced_accuracy,
    "auroc": _area,
    "average_precision": _average_precision,
    **dict.fromkeys(_WITHIN_RANGE, _within_range),
}
"""The interval of each metric that has no interval on its own scale."""
