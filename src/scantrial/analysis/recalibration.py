"""Recalibration: a map from a run's scores to better calibrated probabilities, fitted on its validation cases.

Temperature scaling is the default: it has one parameter and keeps the ranking, so that AUROC and the decision at
p = 0.5 stay as they are. Platt scaling also shifts; isotonic regression is flexible and needs many cases. Every map is
fitted on `ValidationRows` and applied to other rows by a function of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.logistic import fit_intercept, fit_line
from scantrial.analysis.metrics import Undefined
from scantrial.analysis.rows import (
    Rows,
    Scores,
    ValidationRows,
    check_choosable,
    need_both_classes,
    probabilities_of_logits,
)
from scantrial.core.errors import InputError
from scantrial.core.format import signed
from scantrial.core.plain import Plain

Method = Literal["temperature", "platt", "isotonic"]
METHODS: tuple[Method, ...] = ("temperature", "platt", "isotonic")
DEFAULT_METHOD: Method = "temperature"
WHY_DEFAULT = "the default: one parameter, and the ranking and the decision at p = 0.5 stay as they are"

LOG_T_BOUND = 5.0
"""Temperatures are looked for from exp(-5) to exp(5)."""

MIN_CASES_ISOTONIC = 1000
"""Fewer validation cases than this are too few for isotonic regression (Niculescu-Mizil and Caruana 2005)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration(Plain):
    """A fitted map from logits to probabilities, or the reason why there is none.

    Parameters
    ----------
    method : temperature, platt or isotonic
    why : why this method
    n_validation : cases that it was fitted on
    n_classes : of the rows that it was fitted on, and may be applied to
    reason : why it cannot be estimated, or None
    advice : what this temperature does not correct on the validation cases, or None; it changes nothing
    temperature : logits are divided by it (temperature only, otherwise NaN); above 1: the model was over-confident
    slope, intercept : p = 1 / (1 + exp(-(slope z + intercept))) (platt only, otherwise NaN)
    knots, values : shape (m,), p is interpolated between them and constant beyond (isotonic only, otherwise empty)
    """

    method: Method
    why: str
    n_validation: int
    n_classes: int
    reason: str | None = None
    advice: str | None = None
    temperature: float = math.nan
    slope: float = math.nan
    intercept: float = math.nan
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def is_defined(self) -> bool:
        """Whether there is a map."""
        return self.reason is None


def fit_recalibration(rows: ValidationRows, *, method: Method | None = None) -> Recalibration:
    """Fit a map on validation cases.

    Parameters
    ----------
    rows : logits of the validation split; platt and isotonic need two classes
    method : default temperature

    Raises
    ------
    InputError
        If the rows are not validation rows or no logits, the method is unknown, or it does not suit the classes.

    Notes
    -----
    What cannot be estimated comes back without a map and with the reason: one class only, equal logits, a temperature
    at its bound (the validation classes are separated perfectly, or the logits say nothing), or too few cases for
    isotonic regression.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML. Platt (1999), with the smoothed targets
    ``(n1 + 1)/(n1 + 2)`` and ``1/(n0 + 2)``; Lin, Lin and Weng (2007). Zadrozny and Elkan (2002) for isotonic.
    """
    check_choosable(rows)
    chosen = method or DEFAULT_METHOD
    _check_method(rows, chosen)
    common: dict[str, Any] = {
        "method": chosen,
        "why": WHY_DEFAULT if method is None else "asked for",
        "n_validation": rows.n,
        "n_classes": rows.n_classes,
    }
    try:
        need_both_classes(rows)
        return Recalibration(**common, **_FITS[chosen](rows))
    except Undefined as why:
        return Recalibration(**common, reason=str(why))


def apply_recalibration(fitted: Recalibration, rows: Rows) -> NDArray[np.float64]:
    """Return the recalibrated probabilities of rows of any split: shape (n, n_classes).

    Raises
    ------
    InputError
        If there is no map, or the rows are no logits of as many classes as it was fitted on.
    """
    _check_applicable(fitted, rows)
    if fitted.method == "isotonic":
        p = np.interp(rows.scores, fitted.knots, fitted.values)
        return np.column_stack([1 - p, p])
    return probabilities_of_logits(recalibrated_logits(fitted, rows))


def recalibrated_logits(fitted: Recalibration, rows: Rows) -> Scores:
    """Return the recalibrated logits of rows of any split, in their shape; isotonic regression has none."""
    _check_applicable(fitted, rows)
    if fitted.method == "isotonic":
        raise InputError("logits after isotonic regression", expected="temperature or platt: isotonic gives p itself")
    if fitted.method == "platt":
        return fitted.slope * rows.scores + fitted.intercept
    cooled = rows.scores / fitted.temperature
    assert _keeps_order(rows.scores, cooled), "division by a positive number keeps the order"
    return cooled


def fit_temperature(rows: Rows) -> float:
    """Return the T that minimises the log loss of ``logits / T``, log T in [-5, 5]; raise `Undefined` at a bound.

    In 1/T the loss is convex; its slope, the mean over cases of (expected logit - logit of the true class), has one
    root, which is found by Brent's method.
    """
    columns = rows.scores if rows.scores.ndim == 2 else np.column_stack([np.zeros(rows.n), rows.scores])
    shifted = columns - columns.max(axis=1, keepdims=True)
    if not shifted.any():
        raise Undefined("all logits are equal")
    of_true = shifted[np.arange(rows.n), rows.y_true]

    def steepness(log_t: float) -> float:
        expected = (scipy.special.softmax(shifted / math.exp(log_t), axis=1) * shifted).sum(axis=1)
        return float((expected - of_true).mean())

    if steepness(-LOG_T_BOUND) <= 0:
        raise Undefined(
            f"T runs to its lower bound {math.exp(-LOG_T_BOUND):.4f}: "
            "the logits separate the validation classes perfectly, or almost so"
        )
    if steepness(LOG_T_BOUND) >= 0:
        raise Undefined(
            f"T runs to its upper bound {math.exp(LOG_T_BOUND):.1f}: the logits say nothing about the class"
        )
    return math.exp(float(scipy.optimize.brentq(steepness, -LOG_T_BOUND, LOG_T_BOUND, xtol=1e-14)))


def _temperature(rows: Rows) -> dict[str, Any]:
    temperature = fit_temperature(rows)
    return {"temperature": temperature, "advice": _advice(rows, temperature)}


def _advice(rows: Rows, temperature: float) -> str | None:
    """Say where calibration-in-the-large is off by more than 1.96 standard errors under this temperature."""
    if rows.n_classes != 2:
        return None
    try:
        off, se = fit_intercept(rows.scores / temperature, rows.positive.astype(np.float64))
    except Undefined:
        return None
    if abs(off) <= 1.96 * se:
        return None
    return (
        f"calibration-in-the-large is {signed(off, 2)} (standard error {se:.2f}) on the validation cases: "
        "Platt scaling (platt) corrects this, a temperature cannot"
    )


def _platt(rows: Rows) -> dict[str, Any]:
    n_positive = int(rows.positive.sum())
    high, low = (n_positive + 1) / (n_positive + 2), 1 / (rows.n - n_positive + 2)
    line = fit_line(rows.scores, np.where(rows.positive, high, low))
    return {"slope": line.slope, "intercept": line.intercept}


def _isotonic(rows: Rows) -> dict[str, Any]:
    if rows.n < MIN_CASES_ISOTONIC:
        raise Undefined(f"isotonic regression needs {MIN_CASES_ISOTONIC} validation cases, and there are {rows.n}")
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - a second to load, and most commands need none

    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(rows.scores, rows.y_true)
    return {"knots": tuple(fit.X_thresholds_.tolist()), "values": tuple(fit.y_thresholds_.tolist())}


_FITS = {"temperature": _temperature, "platt": _platt, "isotonic": _isotonic}


def _check_method(rows: Rows, method: Method) -> None:
    if method not in METHODS:
        raise InputError(f"method = {method!r}", expected="temperature, platt or isotonic")
    if rows.scale != "logit":
        raise InputError(f"scores of the scale {rows.scale!r}", expected="logits: recalibration works on them")
    if method != "temperature" and rows.n_classes != 2:
        raise InputError(f"{method} for {rows.n_classes} classes", expected="two classes", do="use temperature")


def _check_applicable(fitted: Recalibration, rows: Rows) -> None:
    if fitted.reason is not None:
        raise InputError(f"a {fitted.method} map that cannot be estimated: {fitted.reason}", expected="a fitted map")
    if rows.scale != "logit" or rows.n_classes != fitted.n_classes:
        raise InputError(
            f"scores of the scale {rows.scale!r} of {rows.n_classes} classes",
            expected=f"logits of {fitted.n_classes} classes, as the map was fitted on",
        )


def _keeps_order(before: Scores, after: Scores) -> bool:
    """Whether no pair of scores changed its order and none its sign; rounding may make equal what was not."""
    order = np.argsort(before, axis=-1)
    rises = np.diff(np.take_along_axis(after, order, axis=-1), axis=-1) >= 0
    return bool(rises.all() and (np.sign(before) * np.sign(after) >= 0).all())
