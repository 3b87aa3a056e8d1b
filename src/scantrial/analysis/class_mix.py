"""What the mix of classes among the cases means for a metric: fixed class counts, and cases taken away.

Where a design fixes how many cases of each class there are, chance only decides which cases of a class they are. A
covariance that lets the counts vary is then too wide: it adds the spread between classes to the spread within them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.influence import JACKKNIFE, Influence

FIXED = "class counts fixed"
"""Part of the name of a covariance that takes class counts as fixed."""

ByMix = Literal["weighted", "the same", "another"]
"""What happens to a metric when cases are taken away and the mix changes: see `by_mix`."""

_MEANS = ("accuracy", "log_loss", "brier", "mean_absolute_error")
_OF_EACH_CLASS = ("balanced_accuracy", "sensitivity", "specificity")


def is_weighted(metric: str) -> bool:
    """Whether a metric is a plain mean over cases, which can be taken at any class mix."""
    return metric in _MEANS


def by_mix(metric: str, *, n_classes: int) -> ByMix:
    """Say how a metric is compared between two sets of cases whose class mixes differ.

    ``weighted``: a plain mean over cases, taken at one mix on both; ``the same``: it does not depend on the mix;
    ``another``: it does, and is taken at either set's own.
    """
    if is_weighted(metric):
        return "weighted"
    # Beyond two classes an area is one class's against a mixture of the others.
    free = metric in _OF_EACH_CLASS or (metric == "auroc" and n_classes == 2)
    return "the same" if free else "another"


def within_classes(found: Influence, y_true: NDArray[Any]) -> Influence:
    """Take the cases of each class as a sample of their own, where all cases were taken as one.

    The covariance becomes ``sum over classes of n_c / (n_c - 1) * sum of products`` of values less their class's mean
    (stratified sampling; Cochran 1977, chapter 5). `found` is returned as it is where it is by class already, where a
    class has one case, which shows no spread, and where two runs differ by whole classes alone (one decides the first
    class everywhere, the other the second): the spread within classes then says nothing about their difference.

    Parameters
    ----------
    y_true : shape (n_cases,), class indices
    """
    if found.strata.any():
        return found
    strata = np.unique(y_true, return_inverse=True)[1].reshape(-1).astype(np.int64)
    counts = np.bincount(strata)
    if len(counts) < 2 or counts.min() < 2:
        return found
    values = found.values
    if found.method == JACKKNIFE:
        # Leaving out a case moves the mean of its class by 1 / (n_c - 1), not that of all cases by 1 / (n - 1).
        n = len(strata)
        values = values * ((counts - 1) / counts * n / (n - 1))[strata]
    by_class = replace(found, values=values, strata=strata, method=f"{found.method}, {FIXED}")
    return found if _differ_by_whole_classes(by_class) else by_class


def _differ_by_whole_classes(found: Influence) -> bool:
    """Whether two runs differ in their values, but not in their values less the mean of the class."""
    size = float(np.abs(found.values).max())
    if size == 0:
        return False
    centred = found.values.copy()
    for stratum in range(int(found.strata.max()) + 1):
        inside = found.strata == stratum
        centred[:, inside] -= centred[:, inside].mean(axis=1, keepdims=True)
    return _n_distinct(centred / size) < _n_distinct(found.values / size)


def _n_distinct(values: NDArray[np.float64]) -> int:
    # 0.0 is added because -0.0 has other bytes.
    return len({row.tobytes() for row in np.round(values, 9) + 0.0})
