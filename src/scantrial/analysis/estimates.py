"""Estimates of one metric for every run, with the covariance that comes from the sample of cases.

Every run of a trial is scored on the same cases, so the errors of two runs go together. A metric hands over its
*influence values*, how much each case moves each run's estimate; their products, summed over cases or over patients,
are the covariance matrix that a comparison needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.class_mix import is_weighted, within_classes
from scantrial.analysis.influence import INFLUENCES, Influence, jackknife_auroc
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError

CovarianceMethod = Literal["default", "jackknife"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The cases behind an estimate, one by one.

    Parameters
    ----------
    found : how much each case moves each run's estimate
    patients : shape (n_cases,), a number for each patient, or None where patients are not known
    """

    found: Influence
    patients: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """One metric of every run on the same cases.

    Parameters
    ----------
    metric : its name in `METRICS`
    arms, seeds : length n_runs
    theta : shape (n_runs,), the metric in its own unit and direction
    covariance : shape (n_runs, n_runs): covariance of the estimates over samples of cases
    influence : shape (n_runs, n_units), whose products make the covariance
    n_cases, n_patients : `n_patients` is None where patients are not known
    n_by_class, patients_by_class : cases of each class, and patients with such a case, or None
    n_used : cases the metric is a mean over: those of one class for sensitivity and specificity
    n_patients_used : patients of those cases, or None
    method : how the covariance was found
    n_clipped : probabilities that were clipped, over all runs (log loss only)
    by_class : whether the cases of each class count as a sample of their own, for a metric of all cases together
    sample : each case's part in every run, and whose case it is; None where only sums are known
    class_names : as those of `RunScores`
    """

    metric: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    theta: NDArray[np.float64]
    covariance: NDArray[np.float64]
    influence: NDArray[np.float64]
    n_cases: int
    n_patients: int | None
    n_by_class: tuple[int, ...]
    n_used: int
    n_patients_used: int | None = None
    patients_by_class: tuple[int, ...] | None = None
    method: str
    n_clipped: int = 0
    by_class: bool = False
    sample: Sample | None = None
    class_names: tuple[str, ...] = ()

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The arms, in the order in which they first occur."""
        return tuple(dict.fromkeys(self.arms))

    @property
    def sign(self) -> int:
        """1 where a higher value is better, -1 where a lower one is."""
        return 1 if METRICS[self.metric].higher_is_better else -1

    def by_seed(self, arm: str) -> dict[int, int]:
        """Return the position of each of an arm's runs, by seed."""
        return {seed: run for run, (name, seed) in enumerate(zip(self.arms, self.seeds, strict=True)) if name == arm}

    def permuted(self, order: NDArray[Any]) -> Estimates:
        """Return the same estimates with the runs in another order."""
        names = [int(run) for run in order]
        return replace(
            self,
            arms=tuple(self.arms[run] for run in names),
            seeds=tuple(self.seeds[run] for run in names),
            theta=self.theta[order],
            covariance=self.covariance[np.ix_(order, order)],
            influence=self.influence[order],
            sample=None
            if self.sample is None
            else Sample(found=self.sample.found.of_runs(order), patients=self.sample.patients),
        )


def estimate(runs: RunScores, metric: str, *, covariance: CovarianceMethod = "default") -> Estimates:
    """Estimate a metric for every run, with the covariance over samples of cases.

    Means of per-case scores: covariance of the mean, over the cases of the class for sensitivity and specificity
    (Gallas et al. 2007; Chen et al. 2014). AUROC: DeLong et al. (1988) with midranks (Sun and Xu 2014). Average
    precision, F1 of any kind, MCC, kappa: jackknife over cases. Where patients are known, influence values are summed
    over each patient's cases first (Obuchowski 1997; Rao and Scott 1992). Where the runs say that the class counts are
    fixed, cases are a sample of each class by itself, for every metric (`within_classes`): values are centred class by
    class, and then summed over each patient's cases, of whatever classes these are.

    Parameters
    ----------
    covariance : ``jackknife`` takes the jackknife for AUROC as well; it changes no other metric

    Raises
    ------
    InputError
        If the metric is unknown, needs what these runs do not have, or is undefined for some run; the message names
        the run.
    """
    if metric not in INFLUENCES:
        METRICS[metric]  # an unknown name is refused with the nearest right one
    jackknifed = covariance == "jackknife" and metric == "auroc"
    pooled = (jackknife_auroc if jackknifed else INFLUENCES[metric])(runs)
    found = within_classes(pooled, runs.y_true) if runs.class_counts_fixed else pooled
    matrix, units = covariance_of(found, runs.patients)
    used = found.strata >= 0
    return Estimates(
        metric=metric,
        arms=runs.arms,
        seeds=runs.seeds,
        theta=found.theta,
        covariance=matrix,
        influence=units,
        n_cases=runs.n_cases,
        n_patients=None if runs.patients is None else len(np.unique(runs.patients)),
        n_by_class=tuple(np.bincount(runs.y_true, minlength=runs.n_classes).tolist()),
        n_used=int(used.sum()),
        n_patients_used=None if runs.patients is None else len(np.unique(runs.patients[used])),
        patients_by_class=runs.patients_by_class,
        method=found.method + (", summed over patients" if runs.patients is not None else ""),
        n_clipped=found.n_clipped,
        by_class=found is not pooled or (runs.mix is not None and is_weighted(metric)),
        sample=Sample(found=found, patients=runs.patients),
        class_names=runs.class_names,
    )


def covariance_of(found: Influence, patients: NDArray[np.int64] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the covariance matrix and the scaled influence values whose products make it."""
    parts = [found.values[:, found.strata == stratum] for stratum in range(found.strata.max() + 1)]
    sizes = [part.shape[1] for part in parts]
    if min(sizes) < 2:
        raise InputError(
            f"{min(sizes)} case of a class", expected="at least two cases of each class that the metric is about"
        )
    if patients is None:
        centred = [part - part.mean(axis=1, keepdims=True) for part in parts]
        units = np.concatenate([part * np.sqrt(n / (n - 1)) for part, n in zip(centred, sizes, strict=True)], axis=1)
        return units @ units.T, units
    return _clustered(found, patients)


def _clustered(found: Influence, patients: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    values = found.values.copy()
    for stratum in range(found.strata.max() + 1):
        values[:, found.strata == stratum] -= values[:, found.strata == stratum].mean(axis=1, keepdims=True)
    used = found.strata >= 0
    numbers, positions = np.unique(patients[used], return_inverse=True)
    if len(numbers) < 2:
        raise InputError("all cases are of one patient", expected="at least two patients")
    sums = np.stack([np.bincount(positions.reshape(-1), row, minlength=len(numbers)) for row in values[:, used]])
    units = sums * np.sqrt(len(numbers) / (len(numbers) - 1))
    return units @ units.T, units
