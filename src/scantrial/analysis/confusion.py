"""Metrics of a confusion matrix, and what each becomes without one case.

Each function takes counts of shape (..., n_classes, n_classes), cases by true class (rows) and decision (columns). It
returns the metric, shape (...), and for each cell the metric without one of its cases, the shape of the counts. That
takes as many steps as there are cells, however many cases they hold. Values of empty cells mean nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[Any]
Values = NDArray[np.float64]


def quadratic_weighted_kappa_of_counts(counts: Counts) -> tuple[Values, Values]:
    """Return the agreement of decision and truth beyond chance, weighted by the squared distance (Cohen 1968).

    ``1 - n sum(w C) / sum(w a b)`` with ``w = (i - j)^2``, rows summing to a and columns to b; classes are grades in
    their order. NaN where all cases and all decisions are of one and the same class.
    """
    grades = np.arange(counts.shape[-1], dtype=np.float64)
    weights = (grades[:, None] - grades) ** 2
    rows, columns = counts.sum(axis=-1), counts.sum(axis=-2)
    n = rows.sum(axis=-1)
    observed = (weights * counts).sum(axis=(-2, -1))
    of_row, of_column = columns @ weights, rows @ weights
    expected = (rows * of_row).sum(axis=-1)
    fewer = expected[..., None, None] - of_row[..., :, None] - of_column[..., None, :] + weights
    with np.errstate(invalid="ignore", divide="ignore"):
        theta = 1 - n * observed / expected
        without = 1 - (n - 1)[..., None, None] * (observed[..., None, None] - weights) / fewer
    return np.asarray(theta), np.asarray(without)


def macro_f1_of_counts(counts: Counts) -> tuple[Values, Values]:
    """Return the plain mean of the F1 of every class; a class that is never decided has an F1 of 0."""
    ones = np.ones(counts.shape[:-1])
    total, without = _weighted_sum(counts, ones, ones)
    n_classes = counts.shape[-1]
    return total / n_classes, without / n_classes


def weighted_f1_of_counts(counts: Counts) -> tuple[Values, Values]:
    """Return the mean of the F1 of every class, weighted by its cases."""
    rows = counts.sum(axis=-1)
    n = rows.sum(axis=-1)
    total, without = _weighted_sum(counts, rows, rows - 1)
    return total / n, without / np.maximum(n - 1, 1)[..., None, None]


def _weighted_sum(counts: Counts, weights: NDArray[Any], fewer: NDArray[Any]) -> tuple[Values, Values]:
    """Return the sum over classes of weight times F1, and that without one case of each cell.

    Parameters
    ----------
    weights : shape (..., n_classes)
    fewer : the weight of each class without one of its cases
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    sizes = counts.sum(axis=-1) + counts.sum(axis=-2)
    f1, miss, hit = _ratio(2 * hits, sizes), _ratio(2 * hits, sizes - 1), _ratio(2 * (hits - 1), sizes - 2)
    total = (weights * f1).sum(axis=-1)
    # A wrong case counts in its true class, which loses a case, and in the class that was decided.
    in_row, in_column = fewer * miss - weights * f1, weights * (miss - f1)
    without = total[..., None, None] + in_row[..., :, None] + in_column[..., None, :]
    index = np.arange(counts.shape[-1])
    without[..., index, index] = total[..., None] + fewer * hit - weights * f1
    return total, without


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Values:
    """Divide; 0 where there is nothing to divide by."""
    return np.asarray(np.divide(above, below, out=np.zeros(above.shape), where=below > 0))
