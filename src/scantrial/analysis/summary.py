"""Summaries over the seeds of one arm. They describe; they do not compare arms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from scantrial.core.plain import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSummary(Plain):
    """One number of each of an arm's runs, over its seeds.

    Parameters
    ----------
    n : runs with a finite value; the summary is of these
    n_undefined : runs without one
    mean, minimum, maximum : NaN where n is 0
    sd : standard deviation over the seeds with n - 1 in the denominator; NaN where n is less than 2. It says how
        far runs scatter, on this training set and these cases; it is not a standard error of the mean.
    """

    n: int
    n_undefined: int
    mean: float
    sd: float
    minimum: float
    maximum: float


def summarise(values: Iterable[float]) -> SeedSummary:
    """Summarise one value a run; values that are not finite are counted, not used."""
    given = np.fromiter(values, dtype=np.float64)
    used = given[np.isfinite(given)]
    nan = float("nan")
    return SeedSummary(
        n=len(used),
        n_undefined=len(given) - len(used),
        mean=float(used.mean()) if len(used) else nan,
        sd=float(used.std(ddof=1)) if len(used) > 1 else nan,
        minimum=float(used.min()) if len(used) else nan,
        maximum=float(used.max()) if len(used) else nan,
    )
