"""Scores that rank the classes the wrong way round: an arm whose whole interval of AUROC lies below 0.5.

Guessing gives an AUROC of 0.5. One that is clearly less has learnt to tell the classes apart, and its scores are for
the other class: the number is right as it stands, but a verdict on it may be the wrong way round (Robin et al. 2011,
on the direction of a ROC curve).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scantrial.analysis.estimates import estimate
from scantrial.analysis.fold_estimates import FoldArm, arm_by_fold, values_by_fold
from scantrial.analysis.folds import Folds
from scantrial.analysis.intervals import ArmEstimate, arm_estimate
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError
from scantrial.core.format import decimal, interval

CHANCE = 0.5

OF_ARRAYS = "the scores may belong to the other class. If they are scores of class 0, give 1 − score."
"""What to do about arrays of scores."""

OF_A_STUDY = (
    "its networks rank the classes the wrong way round. Check whether the classes of the test cases are interchanged."
)
"""What to do about a study, whose networks give probabilities of the classes that they were trained on."""

_UNTIL_THEN = "Until then the verdict may be the wrong way round."


def below_chance(runs: RunScores, *, level: float = 0.95) -> tuple[ArmEstimate, ...]:
    """Return the AUROC of each arm whose whole interval is below 0.5.

    Empty where there are more than two classes, or these cases give no AUROC.
    """
    if runs.n_classes != 2:
        return ()
    try:
        found = estimate(runs, "auroc")
        arms = [arm_estimate(found, arm, level=level) for arm in found.arm_names]
    except InputError:
        return ()
    return tuple(arm for arm in arms if arm.high < CHANCE)


def below_chance_by_fold(folds: Folds, *, level: float = 0.95) -> tuple[FoldArm, ...]:
    """Return the same of a cross-validation, whose arms have an interval over folds."""
    if folds.parts[0].runs.n_classes != 2:
        return ()
    try:
        values, _ = values_by_fold(folds, "auroc")
    except InputError:
        return ()
    arms = [arm_by_fold(folds, arm, "auroc", found, level=level) for arm, found in values.items()]
    # An arm with one value in every fold has no interval.
    return tuple(arm for arm in arms if arm.high < CHANCE or (arm.sd == 0 and arm.mean < CHANCE))


def direction_warnings(
    found: Sequence[ArmEstimate | FoldArm], advice: str, *, labels: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Warn of each arm whose scores rank the classes the wrong way round.

    Parameters
    ----------
    found : what `below_chance` returned
    advice : what such an AUROC may mean and what to do; goes on after ``its whole interval below 0.5: ``
    labels : what sentences call the arms; default: their names
    """
    names = {} if labels is None else labels
    return tuple(f"{_below_words(arm, names.get(arm.arm, arm.arm))}: {advice} {_UNTIL_THEN}" for arm in found)


def _below_words(arm: ArmEstimate | FoldArm, name: str) -> str:
    mean = f"AUROC of {name} is {decimal(arm.mean, 2)}"
    if math.isnan(arm.high):
        return f"{mean} in every fold"
    span = interval(decimal(arm.low, 2), decimal(arm.high, 2), arm.level)
    return f"{mean} ({span}), its whole interval below {CHANCE:g}"
