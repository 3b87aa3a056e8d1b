"""Metrics: how good one run's predictions are on one split.

Arrays in, records out. A value that cannot be computed (a class is absent) is NaN with a reason;
arrays that do not belong together are refused, never broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis import confusion
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.plain import Plain
from scantrial.core.probabilities import sum_tolerance
from scantrial.core.registry import Registry

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]

CLIP = 1e-7
"""Log loss takes probabilities of the true class no nearer to 0 and 1 than this."""

POSITIVE = 1
"""Index of the positive class where there are two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue(Plain):
    """One metric of one set of predictions.

    Parameters
    ----------
    name : the metric's name in `METRICS`
    value : NaN where it is undefined
    n : cases it was computed from
    reason : why it is undefined, or None
    n_clipped : cases whose probability was clipped (log loss only)
    """

    name: str
    value: float
    n: int
    reason: str | None = None
    n_clipped: int = 0

    @property
    def is_defined(self) -> bool:
        """Whether there is a value."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Checked arrays that every metric is computed from.

    Parameters
    ----------
    y_true, y_pred : shape (n,), class indices
    y_prob : shape (n, n_classes), rows summing to 1
    """

    y_true: Labels
    y_pred: Labels
    y_prob: Probabilities

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.y_true)

    @property
    def n_classes(self) -> int:
        """Number of classes, by the columns of `y_prob`."""
        return int(self.y_prob.shape[1])


class Undefined(Exception):
    """Raised inside a metric that these cases cannot give; `measure` turns it into NaN with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a metric is.

    Parameters
    ----------
    unit : ``proportion`` (of cases, shown in per cent), ``area``, ``coefficient``, ``nats``, ``squared error`` or
        ``grades``
    needs : whether it looks at decisions (``labels``) or at ``probabilities``
    reference : where its definition is from
    compute : from checked cases to the value and the number of clipped cases
    bounds : smallest and largest possible value; infinite where it depends on the number of classes
    binary_only : defined for two classes only; the positive class has index 1
    multiclass : what it becomes beyond two classes
    is_ordinal : whether it takes the classes as grades, in their order
    listed_from : from how many classes on every report lists it; None: only where it decides or is asked for
    """

    name: str
    title: str
    unit: Literal["proportion", "area", "coefficient", "nats", "squared error", "grades"]
    needs: Literal["labels", "probabilities"]
    reference: str
    compute: Callable[[Cases], tuple[float, int]]
    higher_is_better: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    binary_only: bool = False
    multiclass: str = "the same"
    is_ordinal: bool = False
    listed_from: int | None = 2


def check_labels(labels: NDArray[Any], *, n_classes: int, name: str) -> Labels:
    """Return class indices as int64, shape (n,); refuse another shape, fractions, or an index out of range."""
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ShapeError(f"{name} of shape {array.shape}", expected="(n,): one class index for each case")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} of type {array.dtype}", expected="whole numbers: class indices")
    if array.size and (array.min() < 0 or array.max() >= n_classes):
        raise InputError(f"{name} from {array.min()} to {array.max()}", expected=f"class indices 0 to {n_classes - 1}")
    return array.astype(np.int64)


def check_probabilities(y_prob: NDArray[Any], *, n: int) -> Probabilities:
    """Return probabilities as float64, shape (n, n_classes); refuse another shape or sums unlike 1 but for rounding."""
    array = np.asarray(y_prob, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != n or array.shape[1] < 2:
        raise ShapeError(f"y_prob of shape {array.shape} for {n} cases", expected=f"({n}, n_classes)")
    usable = ((array >= 0) & (array < np.inf)).all(axis=1)
    if not usable.all():
        row = int(np.argmin(usable))
        raise InputError(f"y_prob row {row} is {array[row].tolist()}", expected="probabilities; not logits")
    misses = np.abs(array.sum(axis=1) - 1)
    excess = misses - sum_tolerance(array)
    if excess.size and not excess.max() <= 0:
        row = int(np.argmax(excess))
        raise InputError(
            f"y_prob row {row} is {array[row].tolist()}: its sum misses 1 by {misses[row]:.3g}, too much for rounding",
            expected="probabilities that sum to 1, but for rounding; not logits",
        )
    return array


def checked(y_true: NDArray[Any], y_prob: NDArray[Any], *, y_pred: NDArray[Any] | None = None) -> Cases:
    """Check arrays once, for any number of metrics.

    `y_true` has shape (n,), class indices; `y_prob` (n, n_classes), rows summing to 1 but for rounding; `y_pred` (n,),
    decisions, by default the most probable class (the lower index where two are equal).

    Raises
    ------
    ShapeError
        If the shapes do not belong together; nothing is broadcast.
    InputError
        If there are values that are no class indices or no probabilities.
    """
    probabilities = check_probabilities(y_prob, n=len(np.atleast_1d(y_true)))
    n_classes = probabilities.shape[1]
    truth = check_labels(y_true, n_classes=n_classes, name="y_true")
    decisions = probabilities.argmax(axis=1) if y_pred is None else y_pred
    decided = check_labels(decisions, n_classes=n_classes, name="y_pred")
    if decided.shape != truth.shape:
        raise ShapeError(f"y_true of shape {truth.shape}, y_pred of shape {decided.shape}", expected="the same shape")
    return Cases(y_true=truth, y_pred=decided, y_prob=probabilities)


def measure(
    metric: str, y_true: NDArray[Any], y_prob: NDArray[Any], *, y_pred: NDArray[Any] | None = None
) -> MetricValue:
    """Compute one metric by its name; arrays as in `checked`."""
    return measure_cases(metric, checked(y_true, y_prob, y_pred=y_pred))


def measure_cases(metric: str, cases: Cases) -> MetricValue:
    """Compute one metric by its name from arrays that are checked already."""
    entry = METRICS[metric]
    try:
        if cases.n == 0:
            raise Undefined("there are no cases")
        if entry.binary_only and cases.n_classes != 2:
            raise Undefined(f"it is for two classes, and there are {cases.n_classes}")
        value, n_clipped = entry.compute(cases)
    except Undefined as why:
        return MetricValue(name=metric, value=float("nan"), n=cases.n, reason=str(why))
    return MetricValue(name=metric, value=value, n=cases.n, n_clipped=n_clipped)


def measure_all(
    y_true: NDArray[Any], y_prob: NDArray[Any], *, names: tuple[str, ...] | None = None
) -> tuple[MetricValue, ...]:
    """Compute these metrics; by default all that apply to this number of classes, in the order of `METRICS`."""
    cases = checked(y_true, y_prob)
    return tuple(measure_cases(name, cases) for name in names or metrics_for(cases.n_classes))


def metrics_for(n_classes: int) -> tuple[str, ...]:
    """Name the metrics that apply to this number of classes."""
    return tuple(name for name, metric in METRICS.items() if n_classes == 2 or not metric.binary_only)


def listed_metrics(n_classes: int, *, primary: str) -> tuple[str, ...]:
    """Name the metrics that a report lists: those that every report of so many classes has, and the primary one."""
    least = {name: METRICS[name].listed_from for name in metrics_for(n_classes)}
    return tuple(
        name for name, number in least.items() if name == primary or (number is not None and n_classes >= number)
    )


def confusion_matrix(y_true: NDArray[Any], y_pred: NDArray[Any], *, n_classes: int) -> NDArray[np.int64]:
    """Count cases by true class (rows) and decision (columns): shape (n_classes, n_classes)."""
    truth = check_labels(y_true, n_classes=n_classes, name="y_true")
    decided = check_labels(y_pred, n_classes=n_classes, name="y_pred")
    if truth.shape != decided.shape:
        raise ShapeError(f"y_true of shape {truth.shape}, y_pred of shape {decided.shape}", expected="the same shape")
    counts = np.bincount(truth * n_classes + decided, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def _matrix(cases: Cases) -> NDArray[np.int64]:
    return confusion_matrix(cases.y_true, cases.y_pred, n_classes=cases.n_classes)


def _recalls(cases: Cases) -> NDArray[np.float64]:
    matrix = _matrix(cases)
    _need_classes(cases)
    return np.asarray(matrix.diagonal() / matrix.sum(axis=1), dtype=np.float64)


def _need_classes(cases: Cases, wanted: tuple[int, ...] | None = None) -> None:
    needed = range(cases.n_classes) if wanted is None else wanted
    absent = [str(index) for index in needed if not (cases.y_true == index).any()]
    if absent:
        raise Undefined(f"no case is of class {' or '.join(absent)}")


def _one_vs_rest(score: Callable[..., Any], cases: Cases) -> float:
    """Score the positive class of two; average over classes, each against the rest, beyond."""
    indices = (POSITIVE,) if cases.n_classes == 2 else range(cases.n_classes)
    return float(np.mean([score(cases.y_true == index, log_odds_of_class(cases.y_prob, index)) for index in indices]))


def log_odds_of_class(y_prob: Probabilities, index: int) -> NDArray[np.float64]:
    """Return log p - log (1 - p) of one class: the order of p, kept where p itself rounds to 1.

    `y_prob` has shape (..., n_classes); the result has one dimension fewer.
    """
    smallest = np.finfo(np.float64).tiny
    p = y_prob[..., index]
    # A sum over the other classes depends on their order in its last bit, which would part cases of one p: it stands
    # for 1 - p only where p is too near to 1 to tell, and of two classes, where it is no sum.
    near = (p >= 1 - 1e-6) | (y_prob.shape[-1] == 2)
    rest = 1 - p
    rest[near] = np.delete(y_prob[near], index, axis=-1).sum(axis=-1)
    return np.asarray(np.log(np.maximum(p, smallest)) - np.log(np.maximum(rest, smallest)))


def _accuracy(cases: Cases) -> tuple[float, int]:
    return float((cases.y_true == cases.y_pred).mean()), 0


def _balanced_accuracy(cases: Cases) -> tuple[float, int]:
    return float(_recalls(cases).mean()), 0


def _recall_of(cases: Cases, index: int) -> float:
    _need_classes(cases, (index,))
    return float((cases.y_pred[cases.y_true == index] == index).mean())


def _sensitivity(cases: Cases) -> tuple[float, int]:
    return _recall_of(cases, POSITIVE), 0


def _specificity(cases: Cases) -> tuple[float, int]:
    return _recall_of(cases, 1 - POSITIVE), 0


def _auroc(cases: Cases) -> tuple[float, int]:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - a second to load, and most commands need none

    _need_classes(cases)
    return _one_vs_rest(roc_auc_score, cases), 0


def _average_precision(cases: Cases) -> tuple[float, int]:
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 - as above

    _need_classes(cases, (POSITIVE,) if cases.n_classes == 2 else None)
    return _one_vs_rest(average_precision_score, cases), 0


def _counts(cases: Cases) -> tuple[int, int, int, int]:
    tn, fp, fn, tp = _matrix(cases).ravel().tolist()
    return tn, fp, fn, tp


def _f1(cases: Cases) -> tuple[float, int]:
    _, fp, fn, tp = _counts(cases)
    if tp + fp + fn == 0:
        raise Undefined("no case is positive, and none is decided positive")
    return 2 * tp / (2 * tp + fp + fn), 0


def _mcc(cases: Cases) -> tuple[float, int]:
    tn, fp, fn, tp = _counts(cases)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    if product == 0:
        raise Undefined("all cases, or all decisions, are of one class")
    return (tp * tn - fp * fn) / math.sqrt(product), 0


def _log_loss(cases: Cases) -> tuple[float, int]:
    of_true = cases.y_prob[np.arange(cases.n), cases.y_true]
    clipped = np.clip(of_true, CLIP, 1 - CLIP)
    return float(-np.log(clipped).mean()), int((clipped != of_true).sum())


def _brier(cases: Cases) -> tuple[float, int]:
    target = np.eye(cases.n_classes)[cases.y_true]
    squares = (cases.y_prob - target) ** 2
    per_case = squares[:, POSITIVE] if cases.n_classes == 2 else squares.sum(axis=1)
    return float(per_case.mean()), 0


def _quadratic_weighted_kappa(cases: Cases) -> tuple[float, int]:
    value, _ = confusion.quadratic_weighted_kappa_of_counts(_matrix(cases))
    if not np.isfinite(value):
        raise Undefined("all cases and all decisions are of one class")
    return float(value), 0


def _mean_absolute_error(cases: Cases) -> tuple[float, int]:
    return float(np.abs(cases.y_pred - cases.y_true).mean()), 0


def _macro_f1(cases: Cases) -> tuple[float, int]:
    _need_classes(cases)
    return float(confusion.macro_f1_of_counts(_matrix(cases))[0]), 0


def _weighted_f1(cases: Cases) -> tuple[float, int]:
    return float(confusion.weighted_f1_of_counts(_matrix(cases))[0]), 0


_MACRO = "mean over the classes, each against the rest"

_TABLE = (
    Metric(
        name="accuracy",
        title="Accuracy",
        unit="proportion",
        needs="labels",
        reference="share of cases decided rightly",
        compute=_accuracy,
    ),
    Metric(
        name="balanced_accuracy",
        title="Balanced accuracy",
        unit="proportion",
        needs="labels",
        multiclass="mean of the recalls of all classes",
        reference="Brodersen et al. (2010), The balanced accuracy and its posterior distribution",
        compute=_balanced_accuracy,
    ),
    Metric(
        name="sensitivity",
        title="Sensitivity",
        unit="proportion",
        needs="labels",
        binary_only=True,
        multiclass="not defined",
        reference="share of the positive cases (class index 1) that are decided positive",
        compute=_sensitivity,
    ),
    Metric(
        name="specificity",
        title="Specificity",
        unit="proportion",
        needs="labels",
        binary_only=True,
        multiclass="not defined",
        reference="share of the negative cases (class index 0) that are decided negative",
        compute=_specificity,
    ),
    Metric(
        name="auroc",
        title="AUROC",
        unit="area",
        needs="probabilities",
        multiclass=_MACRO,
        reference="Hanley and McNeil (1982); ties count one half; scikit-learn roc_auc_score",
        compute=_auroc,
    ),
    Metric(
        name="average_precision",
        title="Average precision",
        unit="area",
        needs="probabilities",
        multiclass=_MACRO,
        reference="step sum without interpolation; scikit-learn average_precision_score",
        compute=_average_precision,
    ),
    Metric(
        name="f1",
        title="F1",
        unit="coefficient",
        needs="labels",
        binary_only=True,
        multiclass="not defined",
        reference="van Rijsbergen (1979): harmonic mean of precision and sensitivity, class 1 being positive",
        compute=_f1,
    ),
    Metric(
        name="mcc",
        title="MCC",
        unit="coefficient",
        needs="labels",
        bounds=(-1.0, 1.0),
        binary_only=True,
        multiclass="not defined",
        reference="Matthews (1975): correlation of decision and truth; undefined where one of them does not vary",
        compute=_mcc,
    ),
    Metric(
        name="macro_f1",
        title="Macro F1",
        unit="coefficient",
        needs="labels",
        listed_from=3,
        reference="plain mean of the F1 of every class, 0 for a class that is never decided; Opitz and Burst (2019), "
        'Macro F1 and Macro F1; scikit-learn f1_score with average="macro"',
        compute=_macro_f1,
    ),
    Metric(
        name="weighted_f1",
        title="Weighted F1",
        unit="coefficient",
        needs="labels",
        listed_from=3,
        reference="mean of the F1 of every class, weighted by its cases, 0 for a class that is never decided; "
        'scikit-learn f1_score with average="weighted"',
        compute=_weighted_f1,
    ),
    Metric(
        name="quadratic_weighted_kappa",
        title="Quadratic weighted kappa",
        unit="coefficient",
        needs="labels",
        bounds=(-1.0, 1.0),
        is_ordinal=True,
        listed_from=None,
        reference="Cohen (1968), Weighted kappa, with the squared distance between grades as the weight; undefined "
        'where all cases and all decisions are of one class; scikit-learn cohen_kappa_score with weights="quadratic"',
        compute=_quadratic_weighted_kappa,
    ),
    Metric(
        name="mean_absolute_error",
        title="Mean absolute error",
        unit="grades",
        needs="labels",
        higher_is_better=False,
        bounds=(0.0, math.inf),
        is_ordinal=True,
        listed_from=None,
        reference="mean distance of the decided from the true grade; Baccianella, Esuli and Sebastiani (2009), "
        "Evaluation measures for ordinal regression; scikit-learn mean_absolute_error",
        compute=_mean_absolute_error,
    ),
    Metric(
        name="log_loss",
        title="Log loss",
        unit="nats",
        needs="probabilities",
        higher_is_better=False,
        bounds=(float(-np.log(1 - CLIP)), float(-np.log(CLIP))),
        reference=f"Good (1952), Rational decisions; p of the true class is clipped to [{CLIP:g}, 1 - {CLIP:g}]",
        compute=_log_loss,
    ),
    Metric(
        name="brier",
        title="Brier score",
        unit="squared error",
        needs="probabilities",
        higher_is_better=False,
        bounds=(0.0, 2.0),
        multiclass="summed over the classes, from 0 to 2; for two classes it is that of class 1 alone, from 0 to 1",
        reference="Brier (1950), Verification of forecasts expressed in terms of probability",
        compute=_brier,
    ),
)

METRICS: Registry[Metric] = Registry("metric", {metric.name: metric for metric in _TABLE})
"""Every metric by name, in the order in which a report shows them."""
