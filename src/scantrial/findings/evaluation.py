"""Each arm's calibration, and its results at chosen thresholds.

Everything that is chosen here (a temperature, a threshold) is chosen on validation cases, run by run, and then applied
unchanged to the test cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scantrial.analysis.calibration import Calibration, measure_calibration
from scantrial.analysis.calibration_interval import CalibrationInterval, calibration_interval
from scantrial.analysis.decision_curve import DecisionCurve, decision_curve
from scantrial.analysis.estimates import estimate
from scantrial.analysis.influence import INFLUENCES
from scantrial.analysis.intervals import ArmEstimate, arm_estimate
from scantrial.analysis.metrics import METRICS, listed_metrics
from scantrial.analysis.predictive import PREVALENCES, LogitShare, PredictiveValues, predictive_values_over_seeds
from scantrial.analysis.recalibration import fit_recalibration
from scantrial.analysis.recalibration_effect import RecalibrationEffect, judge_recalibration
from scantrial.analysis.rows import rows_of, validation_rows
from scantrial.analysis.runs import RunScores
from scantrial.analysis.selection import WinnerScore, score_of_winner
from scantrial.analysis.summary import SeedSummary, summarise
from scantrial.analysis.thresholds import TARGET_SENSITIVITY, Threshold, threshold_at_half, threshold_for_sensitivity
from scantrial.core.errors import InputError
from scantrial.core.format import percent
from scantrial.core.plain import LEFT_OUT, Plain, fields_of
from scantrial.core.records import Split, SplitPredictions
from scantrial.findings.judging import run_scores
from scantrial.findings.reading import RunData, StudyData

CALIBRATION_NUMBERS = ("error", "ece", "ece_noise_mean", "ece_noise_95", "slope", "in_the_large", "brier_skill")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationView:
    """The calibration of one arm on the test cases.

    Parameters
    ----------
    numbers : each over the seeds
    error_interval : the calibration error over seeds and cases; None where there are too few cases, or too many
        to resample
    runs : by seed; the consistency band is the first seed's alone
    temperature : over the seeds whose temperature can be estimated
    before, after : log loss, Brier score and calibration error over those seeds, without and with it
    effects : by seed
    """

    numbers: Mapping[str, SeedSummary]
    error_interval: CalibrationInterval | None
    runs: Mapping[int, Calibration] = field(metadata=LEFT_OUT)
    temperature: SeedSummary
    before: Mapping[str, SeedSummary]
    after: Mapping[str, SeedSummary]
    effects: Mapping[int, RecalibrationEffect] = field(metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingView:
    """One arm at thresholds that a rule chose, run by run.

    Parameters
    ----------
    rule : in words
    thresholds : by seed, as probabilities
    sensitivity, specificity : on the test cases, with intervals over seeds and cases
    predictive : PPV and NPV at stated prevalences; empty where a share is 0 or 1
    """

    rule: str
    thresholds: Mapping[int, float]
    sensitivity: ArmEstimate
    specificity: ArmEstimate
    predictive: tuple[PredictiveValues, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEvaluation(Plain):
    """One arm, evaluated.

    Parameters
    ----------
    estimates : each metric that a report lists, on the test cases, with its interval over seeds and cases
    calibration, operating, decision : two classes only; None or empty otherwise
    """

    arm: str
    estimates: Mapping[str, ArmEstimate]
    calibration: CalibrationView | None
    operating: tuple[OperatingView, ...]
    decision: DecisionCurve | None = field(metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Plain):
    """All arms, and the score of the best arm corrected for its selection.

    Parameters
    ----------
    winner : the best arm's score corrected for its selection on the same cases; None with one arm
    winner_arm : its name
    """

    arms: tuple[ArmEvaluation, ...]
    winner: WinnerScore | None
    winner_arm: str | None

    @property
    def prevalences(self) -> tuple[float, ...]:
        """The prevalences at which predictive values are given."""
        return tuple(
            dict.fromkeys(values.prevalence for arm in self.arms for at in arm.operating for values in at.predictive)
        )

    def _content(self) -> dict[str, Any]:
        winner = None if self.winner is None else {"arm": self.winner_arm, **fields_of(self.winner)}
        return {"arms": self.arms, "winner": winner}


def evaluate(study: StudyData, *, metric: str, seed: int = 0) -> Evaluation:
    """Evaluate every arm that has test predictions.

    Parameters
    ----------
    metric : by which the best arm is selected
    seed : of the draws behind noise floors, consistency bands and resamples
    """
    runs = run_scores(study, "test")
    if runs is None:
        return Evaluation(arms=(), winner=None, winner_arm=None)
    estimates = _estimates(runs, listed_metrics(runs.n_classes, primary=metric))
    arms = tuple(_arm(study, runs, arm, estimates[arm], seed=seed) for arm in runs.arm_names)
    winner = _winner(runs, metric, seed=seed)
    name = None if winner is None else runs.arm_names[winner.winner]
    return Evaluation(arms=arms, winner=winner, winner_arm=name)


def _arm(
    study: StudyData, runs: RunScores, arm: str, estimates: Mapping[str, ArmEstimate], *, seed: int
) -> ArmEvaluation:
    mine = [run for run in study.runs_of(arm) if "test" in run.predictions]
    if runs.n_classes != 2:
        return ArmEvaluation(arm=arm, estimates=estimates, calibration=None, operating=(), decision=None)
    return ArmEvaluation(
        arm=arm,
        estimates=estimates,
        calibration=_calibration(mine, calibration_interval(runs, arm, seed=seed), seed=seed),
        operating=tuple(locked_points(runs.on_runs(runs.runs_of(arm)), mine)),
        decision=decision_curve(rows_of(mine[0].predictions["test"])),
    )


def _estimates(runs: RunScores, metrics: Sequence[str]) -> dict[str, dict[str, ArmEstimate]]:
    """Return by arm each metric with its interval; a metric that these predictions cannot give is left out."""
    found: dict[str, dict[str, ArmEstimate]] = {arm: {} for arm in runs.arm_names}
    for metric in metrics:
        try:
            estimates = estimate(runs, metric)
        except InputError:
            continue
        for arm in runs.arm_names:
            found[arm][metric] = arm_estimate(estimates, arm)
    return found


# ---------------------------------------------------------------------- calibration


def _calibration(runs: Sequence[RunData], interval: CalibrationInterval | None, *, seed: int) -> CalibrationView:
    # The figure draws the band of the first seed alone.
    first = min((run.key.seed for run in runs), default=None)
    measured = {
        run.key.seed: measure_calibration(rows_of(run.predictions["test"]), seed=seed, band=run.key.seed == first)
        for run in runs
    }
    effects = {run.key.seed: _recalibrated(run, seed=seed) for run in runs if "val" in run.predictions}
    used = [effect for effect in effects.values() if effect.after is not None]
    return CalibrationView(
        numbers={
            name: summarise(getattr(found, name).value for found in measured.values()) for name in CALIBRATION_NUMBERS
        },
        error_interval=interval,
        runs=measured,
        temperature=summarise(_temperature(effect) for effect in used),
        before=_qualities([effect.before for effect in used]),
        after=_qualities([effect.after for effect in used]),
        effects=effects,
    )


def _recalibrated(run: RunData, *, seed: int) -> RecalibrationEffect:
    fitted = fit_recalibration(validation_rows(run.predictions["val"]))
    return judge_recalibration(fitted, rows_of(run.predictions["test"]), seed=seed, n_draws=1)


def _temperature(effect: RecalibrationEffect) -> float:
    found = effect.recalibration.temperature
    return float("nan") if found is None else found


def _qualities(found: Sequence[Any]) -> dict[str, SeedSummary]:
    return {
        "log_loss": summarise(quality.log_loss.value for quality in found),
        "brier": summarise(quality.brier.value for quality in found),
        "error": summarise(quality.calibration.error.value for quality in found),
    }


# ---------------------------------------------------------------------- thresholds


def locked_points(
    runs: RunScores, mine: Sequence[RunData], *, prevalences: Sequence[float] = PREVALENCES
) -> list[OperatingView]:
    """Return an arm on test at the rule's thresholds and at one half; a rule that cannot be followed is left out.

    Parameters
    ----------
    runs : the arm's scores on test
    mine : the same runs, with their predictions
    """
    views = []
    if all("val" in run.predictions for run in mine):
        chosen = [threshold_for_sensitivity(validation_rows(run.predictions["val"])) for run in mine]
        rule = f"sensitivity of at least {percent(TARGET_SENSITIVITY)} on validation"
        views += operating_points(runs, mine, chosen, rule, prevalences=prevalences)
    halves = [threshold_at_half("logit") for _ in mine]
    return [*views, *operating_points(runs, mine, halves, "fixed at p = 0.5", prevalences=prevalences)]


def operating_points(
    runs: RunScores,
    mine: Sequence[RunData],
    chosen: Sequence[Threshold],
    rule: str,
    *,
    split: Split = "test",
    prevalences: Sequence[float] = PREVALENCES,
) -> list[OperatingView]:
    """Return an arm on a split at a threshold for each run; empty where a threshold or a share is undefined.

    Parameters
    ----------
    runs, mine : the arm's scores on that split, and the same runs with their predictions
    rule : how the thresholds were chosen, in words
    """
    if not all(threshold.is_defined for threshold in chosen):
        return []
    called = np.stack([_called(run.predictions[split], one) for run, one in zip(mine, chosen, strict=True)])
    at_threshold = replace(runs, y_pred=called)
    arm = runs.arm_names[0]
    try:
        sensitivity, specificity = (
            arm_estimate(estimate(at_threshold, name), arm) for name in ("sensitivity", "specificity")
        )
    except InputError:
        return []
    seeds = [run.key.seed for run in mine]
    values = [float(1 / (1 + np.exp(-one.value))) for one in chosen]
    return [
        OperatingView(
            rule=rule,
            thresholds=dict(zip(seeds, values, strict=True)),
            sensitivity=sensitivity,
            specificity=specificity,
            predictive=_predictive(sensitivity, specificity, prevalences),
        )
    ]


def _called(part: SplitPredictions, threshold: Threshold) -> Any:
    return (rows_of(part).scores > threshold.value).astype(np.int64)


def _predictive(
    sensitivity: ArmEstimate, specificity: ArmEstimate, prevalences: Sequence[float]
) -> tuple[PredictiveValues, ...]:
    shares = (sensitivity, specificity)
    if any(not 0 < found.mean < 1 for found in shares):
        return ()
    first, second = (
        LogitShare(share=found.mean, logit_se=found.se / (found.mean * (1 - found.mean))) for found in shares
    )
    return predictive_values_over_seeds(first, second, prevalences=prevalences, df=min(found.df for found in shares))


# ---------------------------------------------------------------------- the winner


def _winner(runs: RunScores, metric: str, *, seed: int) -> WinnerScore | None:
    """Return the best arm's mean over seeds, corrected for its selection on the cases that score it."""
    if len(runs.arm_names) < 2:
        return None
    compute, sign = INFLUENCES[metric], 1 if METRICS[metric].higher_is_better else -1
    positions = [runs.runs_of(arm) for arm in runs.arm_names]

    def score(cases: Any) -> Any:
        try:
            theta = compute(runs.on_cases(cases)).theta
        except InputError:
            return np.full(len(positions), np.nan)
        return np.array([sign * theta[runs_of].mean() for runs_of in positions])

    return score_of_winner(score, n_cases=runs.n_cases, seed=seed, patients=runs.patients)
