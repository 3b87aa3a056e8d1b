"""Power of the verdict itself: a difference has to hold over seeds and cases, over cases alone and over seeds alone.

The three tests look at one difference, so its power is no product and no minimum of theirs. Given the variance over
seeds that a trial happens to see, the difference is found where it exceeds the largest of the three critical values.
Power is the mean of that probability over the chi-squared distribution of this variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from scantrial.analysis.area_margin import widening

_POINTS, _WEIGHTS = leggauss(96)
_SHARES, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2
"""Quantiles of the variance over seeds at which power is computed, and their weights, which sum to 1."""

_ROUNDS = 30
"""Of the search for the critical value that depends on itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictTest:
    """A planned comparison of two arms.

    Parameters
    ----------
    n_seeds : 2 or more
    over_seeds : variance over seeds of the difference at one seed, on these cases
    shared : covariance over cases of the differences at two seeds
    over_cases : variance of the mean difference over samples of cases, the seeds fixed
    area : the areas under the ROC curve that are compared, whose spreads depend on them; None for other metrics
    """

    n_seeds: int
    over_seeds: float
    shared: float
    over_cases: float
    area: float | None = None

    def power(self, difference: float, *, alpha: float) -> float:
        """Return the probability that *better* or *worse* is said of a true difference, each test at level `alpha`."""
        if self._se == 0:
            return 1.0 if difference else alpha
        critical = self._critical(1 - alpha / 2)
        found = scipy.special.ndtr((difference - critical) / self._se) + scipy.special.ndtr(
            (-difference - critical) / self._se
        )
        return float(_WEIGHTS @ found)

    def power_of_equivalence(self, margin: float, *, alpha: float) -> float:
        """Return the probability that equal arms are called equivalent, each one-sided test at level `alpha`.

        A difference that is found is called *better* or *worse*, and not equivalent.
        """
        if self._se == 0:
            return 1.0
        room = np.clip(margin - self._needed(margin, alpha), 0.0, self._critical(1 - alpha / 2))
        return float(_WEIGHTS @ (2 * scipy.special.ndtr(room / self._se) - 1))

    def _needed(self, margin: float, alpha: float) -> NDArray[np.float64]:
        """Return how far within the margin a difference has to lie: critical values with the spread at the margin."""
        found = self._critical(1 - alpha)
        if self.area is None:
            return found
        distance = np.full_like(found, margin)
        for _ in range(_ROUNDS):
            distance = np.minimum(self._critical(1 - alpha, fall=distance), margin)
        return distance

    @property
    def _se(self) -> float:
        return float(np.sqrt(self.over_seeds / self.n_seeds + self.shared))

    def _critical(self, p: float, *, fall: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the largest of the three critical differences, for each variance over seeds that may be seen.

        With `fall`, one of the two areas has the spread that it would have if it were lower by that.
        """
        df = self.n_seeds - 1
        seen = self.over_seeds * scipy.special.chdtri(df, 1 - _SHARES) / df
        training, cases = np.ones(1), np.ones(1)
        if fall is not None and self.area is not None:
            training, cases = widening(self.area, fall)
        # One of the two arms varies more.
        of_seeds, of_cases = (1 + training**2) / 2, (1 + cases**2) / 2
        seeds_term = of_seeds * seen / self.n_seeds
        both = seeds_term + of_cases * self.shared
        # Beyond a ratio of 1e5 degrees of freedom are as good as endless.
        ratio = np.divide(both, seeds_term, out=np.full_like(both, 1e5), where=seeds_term > both / 1e5)
        return np.asarray(
            np.max(
                [
                    scipy.special.stdtrit(ratio**2 * df, p) * np.sqrt(both),
                    scipy.special.stdtrit(df, p) * np.sqrt(seeds_term),
                    scipy.special.ndtri(p) * np.sqrt(of_cases * self.over_cases) + np.zeros_like(seen),
                ],
                axis=0,
            )
        )
