"""How precisely one arm's metric is known: its variance over seeds and over cases, or patients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.clusters import Units, by_case, by_patient
from scantrial.analysis.contrasts import single_arm
from scantrial.analysis.estimates import Estimates
from scantrial.analysis.influence import Influence
from scantrial.analysis.mrmc import ContrastResult, analyse, t_quantile

ROUNDING = 1e-9
"""A share that is nearer to 0 or 1 than this is 0 or 1."""

ALIKE_WEIGHT = 0.5
"""What the design effect of cases that are all alike in a patient weighs, in patients with a wrong case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One arm's metric, or that of one class of it, with its standard error.

    Parameters
    ----------
    mean : over the seeds
    se, df : over seeds and cases; over cases alone with one seed, or where that gives the wider interval
    var_one_run : variance of one run's estimate over samples of independent cases, the mean over runs
    seeds_effect : the variance with independent cases over `var_one_run`; 1 where either is 0
    patients_effect : the variance with patients over that with independent cases; 1 where no patient has several
    sizes : cases of each stratum that the metric looks at
    n_off : cases that are decided wrongly, or that some case of the other class outranks: the mean over seeds, of the
        class with fewer; where most are, those that are not
    is_by_class : whether the cases of each class are a sample of their own, for a metric of all cases together
    """

    mean: float
    se: float
    df: float
    var_one_run: float
    seeds_effect: float
    patients_effect: float
    sizes: tuple[int, ...]
    n_off: float
    is_clustered: bool
    is_by_class: bool
    n_seeds: int

    @property
    def se_of_interval(self) -> float:
        """The standard error with the patients' effect as intervals take it."""
        variance = self.var_one_run * self.seeds_effect * self.patients_effect
        return math.sqrt(variance) if self.se > 0 and variance > 0 else self.se

    @property
    def is_plain(self) -> bool:
        """Whether cases are independent, one sample and of one run, so that their number is the size of the sample."""
        return self.n_seeds == 1 and not self.is_clustered and not self.is_by_class


def restricted(estimates: Estimates, arm: str) -> Estimates:
    """Return the estimates of one arm's runs."""
    return estimates.permuted(np.array(list(estimates.by_seed(arm).values())))


def spread_of(mine: Estimates, found: Influence | None = None, *, level: float = 0.95) -> Spread:
    """Give one arm's metric its variance.

    With seeds the variance is ``s2 / r + q`` of `scantrial.analysis.mrmc`, or that over the cases alone where this
    gives the wider interval: the true variance over seeds and cases is at least that over cases, but its estimate from
    a few seeds can be below. Where patients have several cases, q and the variance over cases are those of
    `scantrial.analysis.clusters`, never below those of as many independent cases, and the degrees of freedom count the
    patients as well (Satterthwaite 1946).

    Parameters
    ----------
    mine : of one arm alone, with its sample
    found : the part of one class; the whole metric where None
    level : of the interval
    """
    readings = (_over_seeds_and_cases, _over_cases) if len(mine.seeds) > 1 else (_over_cases,)
    return max(
        (_spread(mine, found, infer, level=level) for infer in readings),
        key=lambda spread: t_quantile(0.5 + level / 2, spread.df) * spread.se_of_interval,
    )


def _spread(mine: Estimates, found: Influence | None, infer: _Infer, *, level: float) -> Spread:
    assert mine.sample is not None
    found = mine.sample.found if found is None else found
    patients = mine.sample.patients
    used = found.strata >= 0
    independent = by_case(found)
    result = _analyse(mine, found, independent, level=level)
    # With one seed the variance is known from the mean, or the sample is taken to be large.
    se, df = infer(result, independent.df if len(mine.seeds) > 1 else math.inf)
    var_one_run = float(np.square(independent.values).sum(axis=1).mean())
    seeds_effect = se**2 / var_one_run if se > 0 and var_one_run > 0 else 1.0
    patients_effect = 1.0
    is_clustered = patients is not None and len(np.unique(patients[used])) < used.sum()
    if is_clustered:
        assert patients is not None
        units = by_patient(found, patients)
        wider, df_wider = infer(_analyse(mine, found, units, level=level), units.df)
        own = max((wider / se) ** 2, 1.0) if se > 0 else 1.0
        patients_effect = _patients_effect(found, patients, own, together=mine.by_class)
        se, df = max(se, wider), min(df_wider, units.df)
    return Spread(
        mean=float(result.effect * mine.sign),
        se=se,
        df=df,
        var_one_run=var_one_run,
        seeds_effect=seeds_effect,
        patients_effect=patients_effect,
        sizes=tuple(np.bincount(found.strata[used]).tolist()),
        n_off=_n_off(found, None, together=mine.by_class),
        is_clustered=is_clustered,
        is_by_class=mine.by_class,
        n_seeds=len(mine.seeds),
    )


def _patients_effect(found: Influence, patients: NDArray[np.int64], own: float, *, together: bool) -> float:
    """Draw a design effect that few patients stand behind towards that of patients whose cases are all alike.

    Where no patient has a wrong case, say, the variances are 0, and nothing is known of how alike the cases are.
    """
    cases = np.unique(patients[found.strata >= 0], return_counts=True)[1]
    alike = float(np.square(cases).sum() / cases.sum())
    n_off = _n_off(found, patients, together=together)
    return (n_off * own + ALIKE_WEIGHT * alike) / (n_off + ALIKE_WEIGHT)


def _n_off(found: Influence, patients: NDArray[np.int64] | None, *, together: bool) -> float:
    """Count the cases, or patients, with a part that is not the best possible (the worst, for a metric below 1/2).

    The mean over runs, of the class with fewer; of all classes `together` for a metric of all cases.
    """
    theta = found.theta[:, None]
    counts = []
    used = found.strata >= 0
    for stratum in range(1 if together else found.strata.max() + 1):
        inside = used if together else found.strata == stratum
        # A share of the cases of the other class; for a proportion, whether the case is decided rightly.
        share = found.values[:, inside] * inside.sum() + theta
        off = np.where(theta >= 0.5, share < 1 - ROUNDING, share > ROUNDING)
        if patients is not None:
            mine = np.unique(patients[inside], return_inverse=True)[1].reshape(-1)
            off = np.stack([np.bincount(mine, row) > 0 for row in off])
        counts.append(float(off.sum(axis=1).mean()))
    return min(counts)


def _analyse(mine: Estimates, found: Influence, units: Units, *, level: float) -> ContrastResult:
    return analyse(replace(mine, theta=found.theta, influence=units.values), single_arm(mine.arms[0]), level=level)


_Infer = Callable[[ContrastResult, float], tuple[float, float]]
"""Takes a result and the degrees of freedom of the cases; returns standard error and degrees of freedom."""


def _over_cases(result: ContrastResult, df_cases: float) -> tuple[float, float]:
    return result.cases_only.se, df_cases


def _over_seeds_and_cases(result: ContrastResult, df_cases: float) -> tuple[float, float]:
    """Return those over cases where the seeds have no spread."""
    both, r = result.both, result.n_seeds
    if both is None or both.se == 0:
        return _over_cases(result, df_cases)
    denominator = (result.s2 / r) ** 2 / (r - 1) + (result.q**2 / df_cases if math.isfinite(df_cases) else 0.0)
    return both.se, both.se**4 / denominator if denominator > 0 else math.inf


def correlation_of(mine: Estimates, *, unknown: float) -> NDArray[np.float64]:
    """Return the correlation of the parts of one arm's metric over seeds and cases, shape (n_parts, n_parts).

    Parameters
    ----------
    unknown : the correlation with a part that does not vary
    """
    assert mine.sample is not None
    parts, patients = mine.sample.found.parts, mine.sample.patients
    r = len(mine.seeds)
    # What each case, or patient, adds to each part's estimate at each seed.
    units = np.stack([_per_unit(part.values, patients) for part in parts])
    covariance = np.tensordot(units, units, axes=([1, 2], [1, 2])) / r
    if r > 1:
        total = units.sum(axis=1)
        shared = (total @ total.T - r * covariance) / (r * (r - 1))
        np.fill_diagonal(shared, np.maximum(np.diag(shared), 0.0))
        theta = np.stack([part.theta for part in parts])
        covariance = shared + np.cov(theta) / r
    variance = np.diag(covariance)
    size = np.sqrt(np.where(variance > 0, variance, np.inf))
    found = np.clip(covariance / size[:, None] / size[None, :], -1.0, 1.0)
    found[variance <= 0] = found[:, variance <= 0] = unknown
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)


def _per_unit(values: NDArray[np.float64], patients: NDArray[np.int64] | None) -> NDArray[np.float64]:
    if patients is None:
        return values
    return np.stack([np.bincount(patients, row) for row in values])
