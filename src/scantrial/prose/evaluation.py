"""What the report says about calibration, thresholds and the selection of the best arm."""

from __future__ import annotations

from collections.abc import Mapping

from scantrial.analysis.fold_words import OVER_FOLDS
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import metric_number
from scantrial.core.format import counted, interval, joined, proportion, spread_words
from scantrial.findings.evaluation import ArmEvaluation, CalibrationView, Evaluation

SURE_SLOPE = 0.9
UNSURE_SLOPE = 1.1
"""Slopes between these are called about right; the interval of one run at a few hundred cases is wider than that."""


def calibration_words(evaluation: Evaluation, labels: Mapping[str, str]) -> list[str]:
    """Say for each arm whether its probabilities are calibrated, with the numbers behind it."""
    return [said for arm in evaluation.arms if (said := _of_arm(arm, labels[arm.arm])) is not None]


def _of_arm(arm: ArmEvaluation, label: str) -> str | None:
    view = arm.calibration
    if view is None or not view.numbers["ece"].n:
        return None
    ece, floor = view.numbers["ece"].mean, view.numbers["ece_noise_95"].mean
    slope = view.numbers["slope"]
    said = (
        f"{label}: calibration error {proportion(view.numbers['error'].mean)} points (debiased root mean square"
        f"{_interval(view)}; ECE {proportion(ece)}; calibrated probabilities would reach {proportion(floor)} by "
        "chance 1 time in 20)"
    )
    if ece <= floor:
        return f"{said}: no more than expected by chance."
    if not slope.n:
        return f"{said}."
    return f"{said}; slope {slope.mean:.2f}: {_confidence(slope.mean)}."


def _interval(view: CalibrationView) -> str:
    found = view.error_interval
    if found is None:
        return ""
    span = interval(proportion(found.low), proportion(found.high), found.level)
    return f", {span}, counting {spread_words(found.n_seeds)}"


def _confidence(slope: float) -> str:
    if slope < SURE_SLOPE:
        return "over-confident"
    if slope > UNSURE_SLOPE:
        return "under-confident"
    return "the slope is about right, but probabilities are too high or too low on average"


def temperature_words(evaluation: Evaluation, labels: Mapping[str, str]) -> list[str]:
    """Say what a temperature that was fitted on validation changes on the test cases."""
    said = []
    for arm in evaluation.arms:
        view = arm.calibration
        if view is None or not view.temperature.n:
            continue
        t, before, after = view.temperature, view.before, view.after
        said.append(
            f"{labels[arm.arm]}: temperature {t.mean:.2f} ({t.minimum:.2f} to {t.maximum:.2f} over "
            f"{counted(t.n, 'seed')}); test log loss from {before['log_loss'].mean:.3f} to "
            f"{after['log_loss'].mean:.3f}, "
            f"calibration error from {proportion(before['error'].mean)} to {proportion(after['error'].mean)} points."
        )
    return said


def winner_words(evaluation: Evaluation, labels: Mapping[str, str], *, metric: str) -> list[str]:
    """Say how much the best arm's score owes to its selection on the same cases."""
    found = evaluation.winner
    if found is None or evaluation.winner_arm is None or found.reason is not None:
        return []
    kind = METRICS[metric]
    sign = 1 if kind.higher_is_better else -1
    apparent, corrected = (metric_number(kind, sign * value, fine=True) for value in (found.apparent, found.corrected))
    unit = " %" if kind.unit == "proportion" else ""
    return [
        f"{labels[evaluation.winner_arm]} is the best arm on these cases: {kind.title} "
        f"{apparent}{unit}. Corrected for being selected as the best, it is {corrected}{unit} (BBC: {found.n_used:,} "
        "resamples; in "
        "each, the best arm on the drawn cases is scored on the cases left out)."
    ]


def operating_words(evaluation: Evaluation) -> list[str]:
    """Explain the table of thresholds."""
    rules = list(dict.fromkeys(view.rule for arm in evaluation.arms for view in arm.operating))
    if not rules:
        return []
    points = [view for arm in evaluation.arms for view in arm.operating]
    spread = spread_words(*(len(view.sensitivity.by_seed) for view in points))
    if all(view.sensitivity.method == OVER_FOLDS for view in points):
        spread = "other training sets and other cases"
    said = (
        f"Thresholds: {joined(rules)}. Each run's threshold is chosen on validation cases and applied unchanged to "
        f"the test cases. Intervals count {spread}."
    )
    return [f"{said} Predictive values hold at the stated prevalence only." if evaluation.prevalences else said]
