"""ROC and precision-recall curves averaged over runs.

Curves of several seeds are averaged vertically (Fawcett 2006, An introduction to ROC analysis, Pattern Recognition
Letters 27:861, section 8): at each value of the horizontal axis, the mean of what the runs reach there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import InputError

Kind = Literal["roc", "precision-recall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragedCurve:
    """A curve over runs, at fixed values of its horizontal axis.

    Parameters
    ----------
    x : shape (m,): 1 - specificity (ROC), or sensitivity (precision-recall)
    mean, low, high : shape (m,): sensitivity, or precision; the mean, the smallest and the largest of the runs at x
    n_runs : runs that were averaged
    """

    kind: Kind
    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_runs: int


def averaged_curve(
    y_true: NDArray[np.bool_], scores: Sequence[NDArray[np.float64]], *, kind: Kind, n_points: int = 51
) -> AveragedCurve:
    """Average the curves of several runs on the same cases, vertically.

    Parameters
    ----------
    y_true : shape (n,), whether a case is positive
    scores : one array of shape (n,) for each run; the larger, the more likely positive
    n_points : of the horizontal axis, from 0 to 1

    Raises
    ------
    InputError
        If there is no run, or a class has no case: then there is no curve.

    Notes
    -----
    Between its points a ROC curve is joined by straight lines, as the area under it (AUROC) takes it. Precision is that
    of the fewest cases called positive that reach the sensitivity, as average precision takes it: nothing is
    interpolated, which would be too kind (Davis and Goadrich 2006).
    """
    if not scores or y_true.all() or not y_true.any():
        raise InputError(f"a {kind} curve of {len(scores)} runs", expected="a run, and cases of both classes")
    grid = np.linspace(0, 1, n_points)
    at = _sensitivity_at if kind == "roc" else _precision_at
    values = np.stack([at(y_true, one, grid) for one in scores])
    return AveragedCurve(
        kind=kind,
        x=grid,
        mean=values.mean(axis=0),
        low=values.min(axis=0),
        high=values.max(axis=0),
        n_runs=len(scores),
    )


def _sensitivity_at(
    y_true: NDArray[np.bool_], scores: NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    from sklearn.metrics import roc_curve  # noqa: PLC0415 - a second to load, and most commands need none

    fpr, tpr, _ = roc_curve(y_true, scores, drop_intermediate=False)
    before = np.searchsorted(fpr, grid, side="right") - 1
    after = np.minimum(before + 1, len(fpr) - 1)
    step = np.where(fpr[after] > fpr[before], fpr[after] - fpr[before], 1.0)
    found = tpr[before] + (tpr[after] - tpr[before]) * (grid - fpr[before]) / step
    return np.asarray(found, dtype=np.float64)


def _precision_at(
    y_true: NDArray[np.bool_], scores: NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    from sklearn.metrics import precision_recall_curve  # noqa: PLC0415 - as above

    precision, recall, _ = precision_recall_curve(y_true, scores)
    # The last point, sensitivity 0 at precision 1, is of no case called positive.
    rising, matching = recall[-2::-1], precision[-2::-1]
    # A hair of slack: k / n of a grid and of a count need not be one number.
    return np.asarray(matching[np.searchsorted(rising, grid - 1e-12, side="left")], dtype=np.float64)
