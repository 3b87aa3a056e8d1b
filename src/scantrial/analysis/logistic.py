"""Logistic fits of an outcome on one score: a line by Newton's method, or an intercept alone.

Without perfect separation the likelihood has one finite maximum. Separation is found before the fit, exactly, and
reported as a reason instead of a large number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.metrics import Undefined

MAX_STEPS = 100
MAX_HALVINGS = 60
NOT_CONVERGED = "the logistic fit did not converge"
TOLERANCE = 1e-10
"""A Newton step is the last if it moves no parameter by more, relative to its size."""

SMALLEST_INFORMATION = 1e-8
"""Less Fisher information than this about an intercept (a standard error of 10,000) is none."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticLine:
    """The fit ``logit P(y = 1) = intercept + slope * z`` with standard errors."""

    intercept: float
    slope: float
    intercept_se: float
    slope_se: float


def fit_line(z: Floats, target: Floats) -> LogisticLine:
    """Fit intercept and slope by maximum likelihood.

    Parameters
    ----------
    z : shape (n,), scores
    target : shape (n,), in [0, 1]: outcomes, or smoothed ones

    Raises
    ------
    Undefined
        If the scores are all equal, or no finite slope fits best: the classes are separated, or one is absent.
    """
    centre, scale = float(z.mean()), float(z.std())
    if scale <= 1e-12 * max(1.0, abs(centre)):
        raise Undefined("all scores are equal")
    check_overlap(z, target)
    design = np.column_stack([np.ones(len(z)), (z - centre) / scale])
    beta = _newton(design, target)
    covariance = np.linalg.inv(_information(design, beta))
    back = np.array([[1.0, -centre / scale], [0.0, 1.0 / scale]])
    intercept, slope = back @ beta
    intercept_se, slope_se = np.sqrt(np.diag(back @ covariance @ back.T))
    return LogisticLine(
        intercept=float(intercept), slope=float(slope), intercept_se=float(intercept_se), slope_se=float(slope_se)
    )


def fit_intercept(z: Floats, target: Floats) -> tuple[float, float]:
    """Fit ``logit P(y = 1) = intercept + z`` with the slope held at 1; return intercept and standard error.

    Raises
    ------
    Undefined
        If a class is absent, or every probability is 0 or 1 to rounding.
    """
    total = float(target.sum())
    if total in {0.0, float(len(z))}:
        raise Undefined(f"every case is of class {int(total > 0)}")
    room = np.log(len(z)) + 1
    intercept = float(
        scipy.optimize.brentq(
            lambda a: float(scipy.special.expit(a + z).sum()) - total, -z.max() - room, -z.min() + room, xtol=1e-13
        )
    )
    p = scipy.special.expit(intercept + z)
    information = float((p * scipy.special.expit(-(intercept + z))).sum())
    if information < SMALLEST_INFORMATION:
        raise Undefined("every probability is 0 or 1 to rounding")
    return intercept, information**-0.5


def check_overlap(z: Floats, target: Floats) -> None:
    """Raise `Undefined` if a cut on the score separates the classes, ties at the cut included, or one is absent."""
    if ((target > 0) & (target < 1)).any():
        return
    zeros, ones = z[target == 0], z[target == 1]
    if not len(zeros) or not len(ones):
        raise Undefined(f"every case is of class {int(len(ones) > 0)}")
    if zeros.max() <= ones.min() or ones.max() <= zeros.min():
        raise Undefined("the score separates the two classes perfectly: no finite slope fits best")


def _newton(design: Floats, target: Floats) -> Floats:
    beta = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        gradient = design.T @ (target - scipy.special.expit(design @ beta))
        try:
            step = np.linalg.solve(_information(design, beta), gradient)
        except np.linalg.LinAlgError:
            break
        step = _shortened(design, target, beta, step)
        beta = beta + step
        if np.abs(step).max() <= TOLERANCE * (1 + np.abs(beta).max()):
            return beta
    raise Undefined(NOT_CONVERGED)


def _shortened(design: Floats, target: Floats, beta: Floats, step: Floats) -> Floats:
    """Halve the step until the loss does not rise by more than rounding."""
    limit = _loss(design, target, beta) * (1 + 1e-12)
    for _ in range(MAX_HALVINGS):
        if _loss(design, target, beta + step) <= limit:
            return step
        step = step / 2
    raise Undefined(NOT_CONVERGED)


def _information(design: Floats, beta: Floats) -> Floats:
    eta = design @ beta
    weight = scipy.special.expit(eta) * scipy.special.expit(-eta)
    return np.asarray(design.T @ (design * weight[:, None]))


def _loss(design: Floats, target: Floats, beta: Floats) -> float:
    eta = design @ beta
    return float((np.logaddexp(0, eta) - target * eta).sum())
