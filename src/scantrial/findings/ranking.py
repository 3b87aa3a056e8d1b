"""ROC and precision-recall curves of every arm on the test cases, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.ranking import AveragedCurve, averaged_curve
from scantrial.analysis.runs import RunScores
from scantrial.findings.evaluation import Evaluation, OperatingView
from scantrial.findings.judging import run_scores
from scantrial.findings.reading import StudyData

MAX_CLASSES = 8
"""With more than two classes, at most so many have curves: each against the rest."""

_N_POINTS, _N_POINTS_OF_MANY = 51, 21


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPoint:
    """Where a threshold puts an arm: means over its seeds, each at its own threshold."""

    rule: str
    false_alarms: float
    sensitivity: float
    precision: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRankingCurves:
    """One arm's curves over its seeds."""

    roc: AveragedCurve
    precision: AveragedCurve
    points: tuple[MarkedPoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCurves:
    """The curves of all arms for one class against the rest; `share` of the cases are of the class."""

    class_name: str
    share: float
    n_cases: int
    arms: Mapping[str, ArmRankingCurves]


def ranking_curves(study: StudyData, class_names: Sequence[str], evaluation: Evaluation) -> tuple[ClassCurves, ...]:
    """Return the curves by class, arms by name: of two classes those of the second, of more each against the rest.

    A class without a case, or with every case, has none.
    """
    runs = run_scores(study, "test")
    if runs is None:
        return ()
    columns = [1] if runs.n_classes == 2 else list(range(runs.n_classes))[:MAX_CLASSES]
    positive = {column: runs.y_true == column for column in columns}
    points = {arm.arm: arm.operating for arm in evaluation.arms}
    return tuple(
        ClassCurves(
            class_name=class_names[column],
            share=float(cases.mean()),
            n_cases=runs.n_cases,
            arms={arm: _arm(runs, arm, column, cases, points.get(arm, ())) for arm in runs.arm_names},
        )
        for column, cases in positive.items()
        if cases.any() and not cases.all()
    )


def _arm(
    runs: RunScores, arm: str, column: int, positive: NDArray[np.bool_], operating: Sequence[OperatingView]
) -> ArmRankingCurves:
    mine = runs.runs_of(arm)
    scores = [runs.ranking[run, :, 0 if runs.n_classes == 2 else column] for run in mine]
    n = _N_POINTS if runs.n_classes == 2 else _N_POINTS_OF_MANY
    return ArmRankingCurves(
        roc=averaged_curve(positive, scores, kind="roc", n_points=n),
        precision=averaged_curve(positive, scores, kind="precision-recall", n_points=n),
        points=tuple(_point(runs, arm, at) for at in operating),
    )


def _point(runs: RunScores, arm: str, at: OperatingView) -> MarkedPoint:
    return MarkedPoint(
        rule=at.rule,
        false_alarms=1 - at.specificity.mean,
        sensitivity=at.sensitivity.mean,
        precision=_precision(runs, arm, at.thresholds),
    )


def _precision(runs: RunScores, arm: str, thresholds: Mapping[int, float]) -> float | None:
    """Return the mean precision over the seeds that call any case positive; None where none does."""
    found = []
    for run in runs.runs_of(arm):
        called = runs.decision_scores[run] > thresholds[runs.seeds[int(run)]]
        found += [float(runs.y_true[called].mean())] if called.any() else []
    return float(np.mean(found)) if found else None
