"""A threshold tried by hand, on validation cases. Test cases are shown only at thresholds that rules chose."""

from __future__ import annotations

from dataclasses import dataclass

from scantrial.analysis.thresholds import threshold_by_cost
from scantrial.core.errors import InputError
from scantrial.core.records import Split
from scantrial.findings.evaluation import OperatingView, locked_points, operating_points
from scantrial.findings.judging import run_scores
from scantrial.findings.reading import RunData, StudyData


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedThreshold:
    """An arm at a threshold.

    Parameters
    ----------
    validation : at the threshold asked for; None where validation cases cannot give it
    locked : on test, at the thresholds of rules that were chosen on validation
    """

    validation: OperatingView | None
    locked: tuple[OperatingView, ...]


def try_threshold(study: StudyData, *, arm: str, threshold: float, prevalence: float) -> TriedThreshold:
    """Evaluate an arm on validation at one threshold for all its runs, and on test at the locked ones.

    Parameters
    ----------
    threshold : probability of the positive class above which a case is called positive, in (0, 1)
    prevalence : that predictive values are stated for, in (0, 1)

    Raises
    ------
    InputError
        If a number is out of its range, or the study has more than two classes.
    """
    for name, value in (("threshold", threshold), ("prevalence", prevalence)):
        if not 0 < value < 1:
            raise InputError(f"{name} = {value}", expected="a share above 0 and below 1")
    if len(study.data["class_names"]) != 2:
        raise InputError(f"a threshold for {len(study.data['class_names'])} classes", expected="two classes")
    return TriedThreshold(
        validation=_on_validation(study, arm, threshold, prevalence), locked=_on_test(study, arm, prevalence)
    )


def _on_validation(study: StudyData, arm: str, threshold: float, prevalence: float) -> OperatingView | None:
    # On the scale of logits, p > t is logit > ln(t / (1 - t)): the threshold by cost with these odds.
    chosen = threshold_by_cost("logit", cost_fp=threshold, cost_fn=1 - threshold)
    mine = _scored(study, arm, "val")
    scores = run_scores(study, "val")
    if scores is None or not mine:
        return None
    runs = scores.on_runs(scores.runs_of(arm))
    rule = f"tried by hand: probability above {threshold:g}"
    found = operating_points(runs, mine, [chosen for _ in mine], rule, split="val", prevalences=(prevalence,))
    return found[0] if found else None


def _on_test(study: StudyData, arm: str, prevalence: float) -> tuple[OperatingView, ...]:
    mine, scores = _scored(study, arm, "test"), run_scores(study, "test")
    if scores is None or not mine:
        return ()
    return tuple(locked_points(scores.on_runs(scores.runs_of(arm)), mine, prevalences=(prevalence,)))


def _scored(study: StudyData, arm: str, split: Split) -> list[RunData]:
    return [run for run in study.runs_of(arm) if split in run.predictions]
