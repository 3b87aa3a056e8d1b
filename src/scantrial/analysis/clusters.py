"""The variance over patients of one arm's estimate where patients are few, and its degrees of freedom.

The bias-reduced linearization of Bell and McCaffrey (2002), "CR2", for a mean or a weighted sum of means over classes:
the sum of each patient's residuals in a class of n cases, m of them the patient's, is divided by ``sqrt(1 - m / n)``.
The degrees of freedom are those of Satterthwaite's approximation where the cases of a class vary alike and
independently. With one case a patient this is the variance over cases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.influence import Influence

Values = NDArray[np.float64]

FEW_CASES = 40
"""Fewer cases of a class than this are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What the sampled units add to each run's estimate.

    Parameters
    ----------
    values : shape (n_runs, n_units), whose products make the covariance over samples of units
    df : degrees of freedom of that covariance; infinite where none were counted
    """

    values: Values
    df: float


def by_case(found: Influence) -> Units:
    """Return the cases as units: independent within their stratum.

    The degrees of freedom count the cases (Welch 1938) where a stratum has fewer than `FEW_CASES` of them.
    """
    parts, variances, counts = [], [], []
    for stratum in range(found.strata.max() + 1):
        part = found.values[:, found.strata == stratum]
        n = part.shape[1]
        parts.append((part - part.mean(axis=1, keepdims=True)) * np.sqrt(n / (n - 1)))
        variances.append(float(np.square(parts[-1]).sum()))
        counts.append(n)
    df = float("inf")
    if min(counts) < FEW_CASES and sum(variances) > 0:
        df = sum(variances) ** 2 / sum(v * v / (n - 1) for v, n in zip(variances, counts, strict=True))
    return Units(values=np.concatenate(parts, axis=1), df=df)


def by_patient(found: Influence, patients: NDArray[np.int64]) -> Units:
    """Return the patients as units, with the correction for few of them.

    A stratum whose cases are all of one patient says nothing of how patients vary: it counts as one case, with one
    degree of freedom.

    Parameters
    ----------
    patients : shape (n_cases,), a number for each patient

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28:169; Imbens and Kolesár (2016), Rev Econ Stat 98:701.
    """
    used = found.strata >= 0
    positions = np.unique(patients[used], return_inverse=True)[1].reshape(-1)
    n_patients = int(positions.max()) + 1
    units = np.zeros((len(found.values), n_patients))
    lonely: list[Values] = []
    counts, spreads = [], []
    for stratum in range(found.strata.max() + 1):
        inside = found.strata[used] == stratum
        part = found.values[:, used][:, inside]
        part = part - part.mean(axis=1, keepdims=True)
        n, mine = part.shape[1], positions[inside]
        count = np.bincount(mine, minlength=n_patients).astype(np.float64)
        if count.max() == n:
            lonely.append(part * np.sqrt(n * n / (n - 1)))
            continue
        sums = np.stack([np.bincount(mine, row, minlength=n_patients) for row in part])
        units += sums / np.sqrt(1 - count / n)
        counts.append(count)
        spreads.append(float(np.square(part).mean()))
    df = 1.0 if lonely else _degrees_of_freedom(np.array(counts), np.array(spreads))
    return Units(values=np.concatenate([units, *lonely], axis=1), df=df)


def _degrees_of_freedom(counts: Values, spreads: Values) -> float:
    """Return the degrees of freedom of a variance from `counts` of cases, shape (n_strata, n_patients).

    `spreads` are the variances of the cases' parts in each stratum. The variance is a quadratic form in the cases,
    with ``M = D - sum_c b_c b_c' / n_c`` over patients: ``df = tr(M)^2 / tr(M^2)``.
    """
    if not spreads.any():
        spreads = 1 / counts.sum(axis=1) ** 2
    n = counts.sum(axis=1, keepdims=True)
    diagonal = (counts * spreads[:, None] / (1 - counts / n)).sum(axis=0)
    b = counts * np.sqrt(spreads[:, None] / (1 - counts / n) / n)
    trace = diagonal.sum() - (b * b).sum()
    squares = (diagonal**2).sum() - 2 * (diagonal * (b * b).sum(axis=0)).sum() + ((b @ b.T) ** 2).sum()
    return float(trace**2 / squares)
