"""How much each case moves a run's estimate of a metric.

One function for each metric, from `RunScores` to `Influence`. Written so that cases of a stratum (all of them, or those
of one class) give ``covariance = sum over strata of n / (n - 1) * sum of products of centred values``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis import confusion
from scantrial.analysis.delong import delong
from scantrial.analysis.metrics import CLIP, METRICS, POSITIVE
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError
from scantrial.core.registry import Registry

Values = NDArray[np.float64]

JACKKNIFE = "jackknife over cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """One metric of every run, and each case's part in it.

    Parameters
    ----------
    theta : shape (n_runs,)
    values : shape (n_runs, n_cases); zero for cases that the metric does not look at
    strata : shape (n_cases,): which cases were sampled together, from 0; -1 for cases that are not looked at
    method : where the values are from
    parts : where the metric is the mean of metrics of one class each, these: recalls, or areas against the rest
    """

    theta: Values
    values: Values
    strata: NDArray[np.int64]
    method: str
    n_clipped: int = 0
    parts: tuple[Influence, ...] = ()

    def of_runs(self, runs: NDArray[Any]) -> Influence:
        """Return some of the runs, by their positions, in that order."""
        parts = tuple(part.of_runs(runs) for part in self.parts)
        return replace(self, theta=self.theta[runs], values=self.values[runs], parts=parts)


# ---------------------------------------------------------------------- means of per-case scores


def _mean_over(
    per_case: Values, strata: NDArray[np.int64], *, weights: Values, method: str, n_clipped: int = 0
) -> Influence:
    """Average per-case scores within strata, then over strata with `weights` (one a stratum, summing to 1)."""
    theta = np.zeros(len(per_case))
    values = np.zeros(per_case.shape)
    for stratum, weight in enumerate(weights):
        inside = strata == stratum
        mean = per_case[:, inside].mean(axis=1)
        theta += weight * mean
        values[:, inside] = weight * (per_case[:, inside] - mean[:, None]) / inside.sum()
    return Influence(theta=theta, values=values, strata=strata, method=method, n_clipped=n_clipped)


def _over_all(per_case: Values, runs: RunScores, *, n_clipped: int = 0) -> Influence:
    if runs.mix is not None:
        return _at_mix(per_case, runs, np.array(runs.mix), n_clipped=n_clipped)
    strata = np.zeros(runs.n_cases, dtype=np.int64)
    return _mean_over(per_case, strata, weights=np.ones(1), method="mean over cases", n_clipped=n_clipped)


def _at_mix(per_case: Values, runs: RunScores, mix: Values, *, n_clipped: int) -> Influence:
    """Average over the cases of each class, then over the classes with the shares of `mix`: directly standardised."""
    weighed = np.flatnonzero(mix > 0)
    _need_classes(runs, weighed)
    strata = np.where(mix > 0, np.cumsum(mix > 0) - 1, -1)[runs.y_true]
    method = "mean over the cases of each class, at a given class mix"
    return _mean_over(per_case, strata, weights=mix[weighed], method=method, n_clipped=n_clipped)


def _right(runs: RunScores) -> Values:
    return np.asarray(runs.y_pred == runs.y_true, dtype=np.float64)


def accuracy(runs: RunScores) -> Influence:
    """Share of cases decided rightly."""
    return _over_all(_right(runs), runs)


def balanced_accuracy(runs: RunScores) -> Influence:
    """Mean of the recalls of all classes; cases were sampled by class."""
    _need_classes(runs, range(runs.n_classes))
    weights = np.full(runs.n_classes, 1 / runs.n_classes)
    found = _mean_over(_right(runs), runs.y_true, weights=weights, method="mean over the cases of each class")
    return replace(found, parts=tuple(_recall(runs, index) for index in range(runs.n_classes)))


def _recall(runs: RunScores, index: int) -> Influence:
    _need_classes(runs, (index,))
    strata = np.where(runs.y_true == index, 0, -1)
    return _mean_over(_right(runs), strata, weights=np.ones(1), method="mean over the cases of the class")


def sensitivity(runs: RunScores) -> Influence:
    """Share of the positive cases decided positive."""
    _need_two(runs, "sensitivity")
    return _recall(runs, POSITIVE)


def specificity(runs: RunScores) -> Influence:
    """Share of the negative cases decided negative."""
    _need_two(runs, "specificity")
    return _recall(runs, 1 - POSITIVE)


def mean_absolute_error(runs: RunScores) -> Influence:
    """Mean distance of the decided from the true grade; the classes are grades in their order."""
    return _over_all(np.abs(runs.y_pred - runs.y_true).astype(np.float64), runs)


def brier(runs: RunScores) -> Influence:
    """Mean squared error of the probabilities."""
    y_prob = _probabilities(runs, "brier")
    squares = (y_prob - np.eye(runs.n_classes)[runs.y_true]) ** 2
    return _over_all(squares[:, :, POSITIVE] if runs.n_classes == 2 else squares.sum(axis=2), runs)


def log_loss(runs: RunScores) -> Influence:
    """Mean negative logarithm of the probability of the true class, which is clipped."""
    y_prob = _probabilities(runs, "log_loss")
    of_true = y_prob[:, np.arange(runs.n_cases), runs.y_true]
    clipped = np.clip(of_true, CLIP, 1 - CLIP)
    return _over_all(-np.log(clipped), runs, n_clipped=int((clipped != of_true).sum()))


# ---------------------------------------------------------------------- ranking


def auroc(runs: RunScores) -> Influence:
    """Area under the ROC curve by DeLong et al. (1988); beyond two classes the mean over one-vs-rest areas.

    A positive case's value is the share of negatives it outranks, a negative's the share of positives that outrank
    it, each less the area and divided by the number of cases of its kind. With more than two classes the values of
    the classes are averaged, and the cases count as sampled by class.
    """
    _need_classes(runs, range(runs.n_classes))
    classes = _ranked_classes(runs)
    parts = tuple(_area(runs.ranking[:, :, column], runs.y_true == index) for column, index in enumerate(classes))
    if len(parts) == 1:
        return parts[0]
    theta = np.mean([part.theta for part in parts], axis=0)
    values = np.mean([part.values for part in parts], axis=0)
    return Influence(theta=theta, values=values, strata=runs.y_true, method="DeLong", parts=parts)


def _area(scores: Values, positive: NDArray[np.bool_]) -> Influence:
    area, values = delong(scores, positive)
    return Influence(theta=area, values=values, strata=positive.astype(np.int64), method="DeLong")


def jackknife_auroc(runs: RunScores) -> Influence:
    """Area under the ROC curve with the jackknife over cases, as in analyses of readers before DeLong's was common."""
    _need_two(runs, "auroc")
    found = auroc(runs)
    positive = runs.y_true == POSITIVE
    counts = np.where(positive, positive.sum(), (~positive).sum())
    if counts.min() < 2:
        raise InputError("1 case of a class", expected="at least two cases of each class that the metric is about")
    # Without one of n cases of its class the area is area - value * n / (n - 1), the value being DeLong's.
    without = found.theta[:, None] - found.values * counts / (counts - 1)
    return _left_out(found.theta, without)


def average_precision(runs: RunScores) -> Influence:
    """Average precision, step sum without interpolation; beyond two classes the mean over the classes."""
    classes = _ranked_classes(runs)
    _need_classes(runs, classes)
    found = [
        _average_precision(runs.ranking[:, :, column], runs.y_true == index) for column, index in enumerate(classes)
    ]
    return _left_out(np.mean([theta for theta, _ in found], axis=0), np.mean([part for _, part in found], axis=0))


def _average_precision(scores: Values, positive: NDArray[np.bool_]) -> tuple[Values, Values]:
    if positive.sum() < 2:
        raise InputError("one case of the positive class", expected="two or more: the jackknife leaves one out")
    rows = [_average_precision_of_run(row, positive) for row in scores]
    return np.array([theta for theta, _ in rows]), np.array([without for _, without in rows])


def _average_precision_of_run(scores: Values, positive: NDArray[np.bool_]) -> tuple[float, Values]:
    """Return one run's average precision, and that without each case, in O(n log n).

    With cases in falling order, a positive at a threshold has precision ``TP / N`` over all cases at or above it.
    Leaving out a case takes 1 from N, and its label from TP, of every positive at or below it.
    """
    order = np.argsort(-scores, kind="stable")
    label, sorted_scores = positive[order].astype(np.float64), scores[order]
    last = np.searchsorted(-sorted_scores, -sorted_scores, side="right") - 1
    n_above, true_above = last + 1.0, label.cumsum()[last]
    n_positive = label.sum()
    precision = label * true_above / n_above
    # What a positive's precision becomes when a negative, or another positive, at or above it is left out.
    fewer = np.maximum(n_above - 1, 1)
    without_negative, without_positive = label * true_above / fewer, label * (true_above - 1) / fewer
    first = np.searchsorted(-sorted_scores, -sorted_scores, side="left")
    unmoved = np.concatenate([[0.0], precision.cumsum()])[first]
    below_negative = np.concatenate([without_negative[::-1].cumsum()[::-1], [0.0]])[first]
    below_positive = np.concatenate([without_positive[::-1].cumsum()[::-1], [0.0]])[first]
    leave_negative = (unmoved + below_negative) / n_positive
    leave_positive = (unmoved + below_positive - without_positive) / (n_positive - 1)
    without = np.empty(len(scores))
    without[order] = np.where(label == 1, leave_positive, leave_negative)
    return float(precision.sum() / n_positive), without


# ---------------------------------------------------------------------- counts


def _by_counts(runs: RunScores, metric: str, formula: Callable[[Values], Values]) -> Influence:
    """Jackknife a function of the four counts: leaving out a case takes 1 from one of them."""
    _need_two(runs, metric)
    cell = 2 * runs.y_true + runs.y_pred  # true negative, false positive, false negative, true positive
    counts = np.stack([(cell == kind).sum(axis=1) for kind in range(4)], axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        theta = formula(counts)
        without = np.stack([formula(counts - np.eye(4)[kind]) for kind in range(4)], axis=1)
    found = np.take_along_axis(without, cell, axis=1)
    _refuse_undefined(runs, metric, np.isfinite(theta) & np.isfinite(found).all(axis=1))
    return _left_out(theta, found)


def _f1(counts: Values) -> Values:
    _, false_positive, false_negative, true_positive = counts.T
    return np.asarray(2 * true_positive / (2 * true_positive + false_positive + false_negative))


def _mcc(counts: Values) -> Values:
    tn, fp, fn, tp = counts.T
    return np.asarray((tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def f1(runs: RunScores) -> Influence:
    """Harmonic mean of precision and sensitivity."""
    return _by_counts(runs, "f1", _f1)


def mcc(runs: RunScores) -> Influence:
    """Matthews' correlation of decision and truth."""
    return _by_counts(runs, "mcc", _mcc)


def _by_matrix(runs: RunScores, formula: Callable[[confusion.Counts], tuple[Values, Values]]) -> tuple[Values, Values]:
    """Return a metric of each run's confusion matrix, and that without each case: shape (n_runs, n_cases)."""
    k = runs.n_classes
    cell = k * runs.y_true + runs.y_pred
    counts = np.stack([np.bincount(row, minlength=k * k) for row in cell]).reshape(-1, k, k)
    theta, without = formula(counts)
    return theta, np.take_along_axis(without.reshape(-1, k * k), cell, axis=1)


def macro_f1(runs: RunScores) -> Influence:
    """Plain mean of the F1 of every class."""
    _need_classes(runs, range(runs.n_classes))
    if np.bincount(runs.y_true).min() < 2:
        raise InputError("one case of a class", expected="two or more: the jackknife leaves one out")
    return _left_out(*_by_matrix(runs, confusion.macro_f1_of_counts))


def weighted_f1(runs: RunScores) -> Influence:
    """Mean of the F1 of every class, weighted by its cases."""
    return _left_out(*_by_matrix(runs, confusion.weighted_f1_of_counts))


def quadratic_weighted_kappa(runs: RunScores) -> Influence:
    """Agreement of decision and truth beyond chance; the classes are grades in their order."""
    theta, without = _by_matrix(runs, confusion.quadratic_weighted_kappa_of_counts)
    defined = np.isfinite(theta) & np.isfinite(without).all(axis=1)
    _refuse_undefined(runs, "quadratic_weighted_kappa", defined, where="cases and decisions are of one class")
    return _left_out(theta, without)


def _left_out(theta: Values, without: Values) -> Influence:
    """Turn leave-one-out estimates, shape (n_runs, n_cases), into influence values."""
    n = without.shape[1]
    values = (without.mean(axis=1, keepdims=True) - without) * (n - 1) / n
    return Influence(theta=theta, values=values, strata=np.zeros(n, dtype=np.int64), method=JACKKNIFE)


# ---------------------------------------------------------------------- what a metric needs


def _ranked_classes(runs: RunScores) -> tuple[int, ...]:
    return (POSITIVE,) if runs.n_classes == 2 else tuple(range(runs.n_classes))


def _probabilities(runs: RunScores, metric: str) -> NDArray[np.float64]:
    if runs.y_prob is None:
        raise InputError(
            f"{METRICS[metric].title} of scores outside [0, 1]",
            expected="probabilities",
            do="give one column of probabilities for each class, or choose another metric",
        )
    return runs.y_prob


def _need_two(runs: RunScores, metric: str) -> None:
    if runs.n_classes != 2:
        raise InputError(
            f"{METRICS[metric].title} of {runs.n_classes} classes",
            expected="two classes",
            do="take accuracy, balanced_accuracy, auroc, macro_f1, log_loss or brier",
        )


def _need_classes(runs: RunScores, wanted: Any) -> None:
    names = runs.class_names or tuple(map(str, range(runs.n_classes)))
    absent = [names[index] for index in wanted if not (runs.y_true == index).any()]
    if absent:
        raise InputError(f"no case is of class {' or '.join(absent)}", expected="cases of every class the metric needs")


def _refuse_undefined(
    runs: RunScores,
    metric: str,
    defined: NDArray[np.bool_],
    *,
    where: str = "cases or its decisions are of one class",
) -> None:
    if not defined.all():
        run = int(np.argmin(defined))
        raise InputError(
            f"{METRICS[metric].title} is undefined for arm {runs.arms[run]}, seed {runs.seeds[run]}: "
            f"all, or all but one, of its {where}",
            expected="both classes among the cases and among the decisions",
            do="choose another metric",
        )


INFLUENCES: Registry[Callable[[RunScores], Influence]] = Registry(
    "metric",
    {
        "accuracy": accuracy,
        "balanced_accuracy": balanced_accuracy,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "auroc": auroc,
        "average_precision": average_precision,
        "f1": f1,
        "mcc": mcc,
        "macro_f1": macro_f1,
        "weighted_f1": weighted_f1,
        "quadratic_weighted_kappa": quadratic_weighted_kappa,
        "mean_absolute_error": mean_absolute_error,
        "log_loss": log_loss,
        "brier": brier,
    },
)
"""Every metric that arms can be compared on."""
