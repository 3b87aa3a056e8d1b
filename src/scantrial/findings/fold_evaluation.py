"""The arms of a cross-validation, evaluated: each metric and chosen threshold in every fold, then over the folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from scantrial.analysis.fold_estimates import arm_by_fold, values_by_fold
from scantrial.analysis.fold_words import OVER_FOLDS
from scantrial.analysis.folds import Folds, FoldScores
from scantrial.analysis.intervals import ArmEstimate
from scantrial.analysis.metrics import listed_metrics
from scantrial.analysis.rows import rows_of, validation_rows
from scantrial.analysis.thresholds import TARGET_SENSITIVITY, Threshold, threshold_at_half, threshold_for_sensitivity
from scantrial.core.errors import InputError
from scantrial.core.format import percent
from scantrial.findings.evaluation import ArmEvaluation, Evaluation, OperatingView
from scantrial.findings.fold_scores import folds_of
from scantrial.findings.reading import RunData, StudyData, runs_by_number


def evaluate_by_fold(study: StudyData, *, metric: str) -> Evaluation:
    """Evaluate every arm in the folds that all arms have; each run has the thresholds of its own validation part.

    There is no calibration, no decision curve and no corrected score of the best arm: these are of one test set.
    """
    folds = folds_of(study).folds
    if folds is None:
        return Evaluation(arms=(), winner=None, winner_arm=None)
    metrics = listed_metrics(folds.parts[0].runs.n_classes, primary=metric)
    found = {name: estimates_by_fold(folds, name) for name in metrics}
    return Evaluation(
        arms=tuple(
            ArmEvaluation(
                arm=arm,
                estimates={name: by_arm[arm] for name, by_arm in found.items() if by_arm},
                calibration=None,
                operating=tuple(_operating(study, folds, arm)) if folds.parts[0].runs.n_classes == 2 else (),
                decision=None,
            )
            for arm in folds.arm_names
        ),
        winner=None,
        winner_arm=None,
    )


def estimates_by_fold(folds: Folds, metric: str, *, level: float = 0.95) -> dict[str, ArmEstimate]:
    """Return by arm a metric over the folds with its interval; empty where some fold does not give it."""
    try:
        values, _ = values_by_fold(folds, metric)
    except InputError:
        return {}
    arms = [arm_by_fold(folds, arm, metric, found, level=level) for arm, found in values.items()]
    return {
        arm.arm: ArmEstimate(
            arm=arm.arm,
            metric=metric,
            mean=arm.mean,
            by_seed=dict(enumerate(arm.by_fold)),
            sd=arm.sd,
            se=arm.se,
            df=arm.df,
            low=arm.low,
            high=arm.high,
            level=level,
            method=OVER_FOLDS,
        )
        for arm in arms
    }


# ---------------------------------------------------------------------- thresholds


def _operating(study: StudyData, folds: Folds, arm: str) -> list[OperatingView]:
    """Return an arm at the thresholds of the rules, each chosen by a run on its own validation part."""
    places = {(part.repeat, part.fold) for part in folds.parts}
    mine = [run for run in study.runs_of(arm) if run.key.place in places and "test" in run.predictions]
    rules: dict[str, Callable[[RunData], Threshold]] = {"fixed at p = 0.5": lambda _run: threshold_at_half("logit")}
    if all("val" in run.predictions for run in mine):
        target = f"sensitivity of at least {percent(TARGET_SENSITIVITY)} on validation"
        rules = {target: lambda run: threshold_for_sensitivity(validation_rows(run.predictions["val"])), **rules}
    found = [_at_rule(folds, arm, mine, [choose(run) for run in mine], rule) for rule, choose in rules.items()]
    return [view for view in found if view is not None]


def _at_rule(
    folds: Folds, arm: str, mine: Sequence[RunData], chosen: Sequence[Threshold], rule: str
) -> OperatingView | None:
    if not all(threshold.is_defined for threshold in chosen):
        return None
    called = {
        run.key: (rows_of(run.predictions["test"]).scores > one.value).astype(np.int64)
        for run, one in zip(mine, chosen, strict=True)
    }

    def at_threshold(part: FoldScores) -> FoldScores:
        runs = part.runs.on_runs(part.runs.runs_of(arm))
        of_fold = [called[run.key] for run in mine if run.key.place == (part.repeat, part.fold)]
        return replace(part, runs=replace(runs, y_pred=np.stack(of_fold)))

    shifted = Folds(parts=tuple(map(at_threshold, folds.parts)))
    shares = [estimates_by_fold(shifted, name).get(arm) for name in ("sensitivity", "specificity")]
    if shares[0] is None or shares[1] is None:
        return None
    values = [float(1 / (1 + np.exp(-one.value))) for one in chosen]
    return OperatingView(
        rule=rule,
        thresholds=dict(zip(runs_by_number(mine), values, strict=True)),
        sensitivity=shares[0],
        specificity=shares[1],
        predictive=(),
    )
