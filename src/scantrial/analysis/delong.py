"""DeLong's variance of the area under the ROC curve, by the algorithm of Sun and Xu (2014).

DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837-845; Sun and Xu 2014, IEEE Signal Processing Letters 21:1389.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

Values = NDArray[np.float64]


def delong(scores: Values, positive: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Return the areas and what each case adds to them, from midranks in O(n log n).

    Parameters
    ----------
    scores : shape (n_runs, n_cases); higher scores are for the positive class
    positive : shape (n_cases,), which cases are positive; at least one is and one is not

    Returns
    -------
    areas, shape (n_runs,), and influence values, shape (n_runs, n_cases), which sum to 0 over the cases of each class
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    everywhere = scipy.stats.rankdata(scores, axis=1)
    among_positive = scipy.stats.rankdata(scores[:, positive], axis=1)
    among_negative = scipy.stats.rankdata(scores[:, ~positive], axis=1)
    outranked = (everywhere[:, positive] - among_positive) / n_negative
    outranking = 1 - (everywhere[:, ~positive] - among_negative) / n_positive
    area = outranked.mean(axis=1)
    values = np.empty(scores.shape)
    values[:, positive] = (outranked - area[:, None]) / n_positive
    values[:, ~positive] = (outranking - area[:, None]) / n_negative
    return area, values
