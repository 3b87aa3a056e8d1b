"""Predictive values at a stated prevalence, with intervals on the logit scale.

A positive predictive value read off a test set of half sick, half healthy says nothing about a clinic where one in a
hundred is sick. It follows from sensitivity, specificity and the prevalence, which has to be stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import scipy

from scantrial.analysis.thresholds import OperatingPoint
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain

PREVALENCES: tuple[float, ...] = (0.01, 0.05, 0.10, 0.50)
"""What is shown unless a study states its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveValue(Plain):
    """A proportion with its interval; NaN where a class is absent."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveValues(Plain):
    """Positive and negative predictive value at one prevalence.

    Parameters
    ----------
    prevalence : stated, in (0, 1)
    ppv : of the cases that are called positive, the share that is of class 1
    npv : of the cases that are not, the share that is of class 0
    level : of the intervals
    adjusted : whether a count was 0, so that value and interval rest on
        (count + z^2/2) / (n + z^2) instead of the shares themselves
    reason : why there is none, or None
    """

    prevalence: float
    ppv: PredictiveValue
    npv: PredictiveValue
    level: float
    adjusted: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitShare:
    """A sensitivity or specificity in (0, 1) with the standard error of its logit.

    From several seeds: the mean over the seeds, and the standard error that carries seeds and images, divided by
    share (1 - share).
    """

    share: float
    logit_se: float

    def __post_init__(self) -> None:
        if not (0 < self.share < 1 and 0 <= self.logit_se < math.inf):
            raise InputError(
                f"a share of {self.share} with a standard error of {self.logit_se} on the logit scale",
                expected="a share above 0 and below 1, and a finite standard error",
            )


def predictive_values(
    point: OperatingPoint, *, prevalences: Sequence[float] = PREVALENCES, level: float = 0.95
) -> tuple[PredictiveValues, ...]:
    """Compute predictive values of one run at each prevalence, from its counts on independent cases.

    References
    ----------
    Mercaldo, Lau and Zhou (2007), Confidence intervals for predictive values with an emphasis to case-control
    studies, Statistics in Medicine 26:2170; where a count is 0, their adjusted shares on n + z^2 cases.
    """
    _check_level(level)
    counts = (point.n_tp, point.n_fn, point.n_fp, point.n_tn)
    absent = [str(index) for index, n in ((0, counts[2] + counts[3]), (1, counts[0] + counts[1])) if n == 0]
    if absent:
        reason = f"no case is of class {' or '.join(absent)}"
        return tuple(_none(prevalence, level, reason) for prevalence in prevalences)
    extra = scipy.stats.norm.ppf((1 + level) / 2) ** 2 if 0 in counts else 0.0
    sensitivity = _binomial(point.n_tp, point.n_tp + point.n_fn, extra)
    specificity = _binomial(point.n_tn, point.n_tn + point.n_fp, extra)
    return tuple(
        _at(prevalence, sensitivity, specificity, level=level, df=math.inf, adjusted=0 in counts)
        for prevalence in prevalences
    )


def predictive_values_over_seeds(
    sensitivity: LogitShare,
    specificity: LogitShare,
    *,
    prevalences: Sequence[float] = PREVALENCES,
    level: float = 0.95,
    df: float = math.inf,
) -> tuple[PredictiveValues, ...]:
    """Compute predictive values of an arm at each prevalence, from shares whose standard errors carry the seeds.

    Parameters
    ----------
    df : degrees of freedom of the quantile, the smaller of the two shares' own

    Notes
    -----
    The variance of logit PPV is ``(1 - se)^2 Var(logit se) + sp^2 Var(logit sp)``, that of logit NPV
    ``se^2 Var(logit se) + (1 - sp)^2 Var(logit sp)``: with binomial variances these are Mercaldo's. A seed that is
    more sensitive is as a rule less specific; leaving this out makes the intervals rather too wide.
    """
    _check_level(level)
    return tuple(
        _at(prevalence, sensitivity, specificity, level=level, df=df, adjusted=False) for prevalence in prevalences
    )


def _binomial(n_right: int, n: int, extra: float) -> LogitShare:
    total = n + extra
    share = (n_right + extra / 2) / total
    return LogitShare(share=share, logit_se=1 / math.sqrt(total * share * (1 - share)))


def _at(
    prevalence: float, sensitivity: LogitShare, specificity: LogitShare, *, level: float, df: float, adjusted: bool
) -> PredictiveValues:
    _check_prevalence(prevalence)
    se, sp, odds = sensitivity.share, specificity.share, float(scipy.special.logit(prevalence))
    var_se, var_sp = sensitivity.logit_se**2, specificity.logit_se**2
    quantile = float(scipy.stats.t.ppf((1 + level) / 2, df))
    ppv = math.log(se) - math.log1p(-sp) + odds
    npv = math.log(sp) - math.log1p(-se) - odds
    return PredictiveValues(
        prevalence=prevalence,
        ppv=_interval(ppv, quantile * math.sqrt((1 - se) ** 2 * var_se + sp**2 * var_sp)),
        npv=_interval(npv, quantile * math.sqrt(se**2 * var_se + (1 - sp) ** 2 * var_sp)),
        level=level,
        adjusted=adjusted,
    )


def _interval(middle: float, half: float) -> PredictiveValue:
    return PredictiveValue(
        value=float(scipy.special.expit(middle)),
        low=float(scipy.special.expit(middle - half)),
        high=float(scipy.special.expit(middle + half)),
    )


def _none(prevalence: float, level: float, reason: str) -> PredictiveValues:
    _check_prevalence(prevalence)
    nothing = PredictiveValue(value=math.nan, low=math.nan, high=math.nan)
    return PredictiveValues(prevalence=prevalence, ppv=nothing, npv=nothing, level=level, reason=reason)


def _check_prevalence(prevalence: float) -> None:
    if not 0 < prevalence < 1:
        raise InputError(f"prevalence = {prevalence}", expected="a share above 0 and below 1")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level = {level}", expected="above 0 and below 1")
