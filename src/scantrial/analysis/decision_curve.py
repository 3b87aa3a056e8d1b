"""The decision curve: net benefit of acting on the model, over the probability at which one would act.

Acting above probability t says that a missed case weighs (1 - t)/t times as much as a false alarm. The net benefit is
the share of cases found minus the share of false alarms, weighted by t / (1 - t); a model is useful where it lies above
both acting on everybody and acting on nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.metrics import Undefined
from scantrial.analysis.rows import Rows, need_both_classes, probabilities
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain

Floats = NDArray[np.float64]

GRID: Floats = np.arange(1, 100) / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCurve(Plain):
    """Net benefit over the threshold probability.

    Parameters
    ----------
    threshold : shape (m,), probabilities above which one acts
    model, treat_all, treat_none : shape (m,), net benefit as a share of all cases; NaN where there is none
    prevalence : of class 1, as stated or as among the cases
    n : cases
    reason : why there is none, or None
    """

    threshold: Floats
    model: Floats
    treat_all: Floats
    treat_none: Floats
    prevalence: float
    n: int
    reason: str | None = None


def decision_curve(rows: Rows, *, prevalence: float | None = None, thresholds: Floats = GRID) -> DecisionCurve:
    """Compute the net benefit of rows of any split, and of acting on everybody and on nobody.

    Parameters
    ----------
    rows : two classes, logits or probabilities
    prevalence : default that of the cases; state it where the cases were picked by class
    thresholds : shape (m,), in (0, 1), default 0.01 to 0.99

    Notes
    -----
    Net benefit is ``se pi - (1 - sp)(1 - pi) t / (1 - t)``. Nothing is chosen here: a threshold that is read off the
    peak of a test set's curve is chosen on the test set.

    References
    ----------
    Vickers and Elkin (2006), Decision curve analysis, Medical Decision Making 26:565.
    """
    grid = _checked_grid(thresholds)
    if rows.n_classes != 2:
        raise InputError(f"a decision curve of {rows.n_classes} classes", expected="two classes")
    if prevalence is not None and not 0 < prevalence < 1:
        raise InputError(f"prevalence = {prevalence}", expected="a share above 0 and below 1")
    try:
        need_both_classes(rows)
        p = probabilities(rows)[:, 1]
    except Undefined as why:
        nothing = np.full(len(grid), np.nan)
        return DecisionCurve(
            threshold=grid,
            model=nothing,
            treat_all=nothing,
            treat_none=nothing,
            prevalence=np.nan if prevalence is None else prevalence,
            n=rows.n,
            reason=str(why),
        )
    share = float(rows.positive.mean()) if prevalence is None else prevalence
    price = grid / (1 - grid)
    return DecisionCurve(
        threshold=grid,
        model=_above(p[rows.positive], grid) * share - _above(p[~rows.positive], grid) * (1 - share) * price,
        treat_all=share - (1 - share) * price,
        treat_none=np.zeros(len(grid)),
        prevalence=share,
        n=rows.n,
    )


def _above(p: Floats, grid: Floats) -> Floats:
    """Return the share of `p` above each threshold."""
    return np.asarray(1 - np.searchsorted(np.sort(p), grid, side="right") / len(p), dtype=np.float64)


def _checked_grid(thresholds: Floats) -> Floats:
    grid = np.asarray(thresholds, dtype=np.float64)
    if grid.ndim != 1 or not ((grid > 0) & (grid < 1)).all():
        raise InputError(f"thresholds of shape {grid.shape}", expected="(m,), each above 0 and below 1")
    return grid
