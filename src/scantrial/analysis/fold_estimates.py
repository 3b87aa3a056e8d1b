"""A metric fold by fold: values of every arm, and the corrected inference on their mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.contrasts import Contrast
from scantrial.analysis.folds import Folds
from scantrial.analysis.influence import INFLUENCES
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import ROUNDING, Inference, infer
from scantrial.core.errors import InputError, itemised
from scantrial.core.plain import Plain

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldArm(Plain):
    """One arm's metric over the folds.

    Parameters
    ----------
    mean : over the folds, each the mean over its seeds; in the metric's own unit and direction
    sd : standard deviation over the folds
    se, df : corrected for training cases that folds share
    low, high : interval of the mean over new training sets of this size and new cases; NaN where nothing varies
    by_fold : in the order of the comparison's folds
    n_seeds : trainings in each fold
    """

    arm: str
    metric: str
    mean: float
    sd: float
    se: float
    df: float
    low: float
    high: float
    level: float
    by_fold: tuple[float, ...]
    n_seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldDifference:
    """A contrast of arms in every fold.

    Parameters
    ----------
    by_fold : positive is better, also for losses
    s2 : their variance
    inference : over new training sets and new cases
    identical : whether the arms' runs give the same in every fold, so that nothing can differ
    """

    contrast: Contrast
    metric: str
    by_fold: tuple[float, ...]
    s2: float
    inference: Inference
    identical: bool


def values_by_fold(folds: Folds, metric: str) -> tuple[dict[str, Values], int]:
    """Return an arm's metric in every fold, the mean over its seeds, by arm; and how many probabilities were clipped.

    Raises
    ------
    InputError
        If some folds do not give the metric: these are named, with what each lacks.
    """
    faults: dict[str, InputError] = {}
    found = []
    for part in folds.parts:
        try:
            found.append(INFLUENCES[metric](part.runs))
        except InputError as error:
            faults[f"{folds.name_of(part)}: {error.got}"] = error
    if faults:
        errors = list(faults.values())
        if len(errors) == len(folds.parts) and len({error.got for error in errors}) == 1:
            raise errors[0]
        raise InputError(
            f"{METRICS[metric].title} is undefined in {len(faults)} of {len(folds.parts)} folds:\n{itemised(faults)}",
            expected="in every fold what the metric needs: it is taken in each fold, for scores of different folds are "
            "of different networks",
            do="divide the cases into folds by class, make fewer folds, or choose another metric",
        )
    return {
        arm: np.array([one.theta[part.runs.runs_of(arm)].mean() for one, part in zip(found, folds.parts, strict=True)])
        for arm in folds.arm_names
    }, sum(one.n_clipped for one in found)


def corrected(
    values: Values, test_share: float, *, level: float, largest: float = math.inf, scale: float = 1.0
) -> tuple[Inference, float]:
    """Return the inference on the mean of values from folds, by the corrected t-test, and their variance.

    Parameters
    ----------
    test_share : test cases for each training case
    largest : effect that the metric cannot exceed
    scale : of the numbers that the values are differences of; a spread that is rounding of these is none
    """
    n = len(values)
    spread = float(values.std(ddof=1)) if n > 1 else 0.0
    s2 = spread**2 if spread > ROUNDING * scale else 0.0
    se = math.sqrt((1 / n + test_share) * s2)
    effect = float(values.mean())
    return infer(effect, se, n - 1, scope="training sets and cases", level=level, largest=largest), s2


def arm_by_fold(folds: Folds, arm: str, metric: str, values: Values, *, level: float) -> FoldArm:
    """Give one arm's metric its interval, from its values by fold."""
    found, s2 = corrected(values, folds.test_share, level=level, scale=float(np.abs(values).max()))
    low, high = METRICS[metric].bounds
    return FoldArm(
        arm=arm,
        metric=metric,
        mean=found.effect,
        sd=math.sqrt(s2),
        se=found.se,
        df=found.df,
        low=max(found.low, low) if s2 > 0 else float("nan"),
        high=min(found.high, high) if s2 > 0 else float("nan"),
        level=level,
        by_fold=tuple(values.tolist()),
        n_seeds=folds.n_seeds(arm),
    )
