"""What a study's learning curves show, as records and in words: each arm, its gaps, and the factor that is varied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.diagnosis.curve import LearningCurve, class_weights_of, curves_of, guessing_of
from scantrial.analysis.diagnosis.curve_words import arm_paragraph, caveats, factor_paragraph
from scantrial.analysis.diagnosis.diagnose import RoundDiagnosis, diagnose_arm
from scantrial.analysis.diagnosis.workings import CurveFinding
from scantrial.analysis.gap_words import shift_words, train_gap_words
from scantrial.analysis.gaps import Gap, GapStep, Leakage, ShiftEvidence, accuracy_gap, explain_gap
from scantrial.core.numbering import numbered
from scantrial.core.plain import Plain, fields_of
from scantrial.core.records import Split, SplitPredictions
from scantrial.findings.class_counts import fixed_splits
from scantrial.findings.leaks import seen_by_weights, shared_cases
from scantrial.findings.reading import RunData, StudyData, runs_by_number
from scantrial.findings.shift import two_sample
from scantrial.recipe.facts import on_curves
from scantrial.recipe.spec import Recipe
from scantrial.recipe.training import drawn_of_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDiagnosis(Plain):
    """What an arm's curves and gaps show; each text is made from the numbers beside it.

    Parameters
    ----------
    rounds : each round over the arm's runs
    train_gap, test_gap : training minus validation and validation minus test accuracy, at the kept epoch; None without
        predictions
    gap_findings : of the checks that look at gaps
    steps : what the gap from validation to test is due to, step by step
    said : what the curves show
    gap_said : of the gap from training to validation
    shift_said : the steps in words
    """

    name: str
    label: str
    rounds: tuple[RoundDiagnosis, ...]
    train_gap: Gap | None
    test_gap: Gap | None
    gap_findings: tuple[CurveFinding, ...]
    steps: tuple[GapStep, ...]
    said: tuple[str, ...]
    gap_said: tuple[str, ...]
    shift_said: tuple[str, ...]

    def _content(self) -> dict[str, Any]:
        found = fields_of(self)
        return {"arm": found.pop("name"), **found}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDiagnosis(Plain):
    """What all arms show.

    Parameters
    ----------
    factors : for each setting that is the only difference between some arms, how the curves change with it
    caveats : what limits the diagnoses
    """

    arms: tuple[ArmDiagnosis, ...]
    factors: tuple[tuple[str, tuple[str, ...]], ...]
    caveats: tuple[str, ...]

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "factors": [{"factor": name, "said": said} for name, said in self.factors]}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedArm:
    """An arm that is to be diagnosed: its name, what to call it, and the settings that are not the same in all arms."""

    name: str
    label: str
    differing: Mapping[str, Any]


def diagnose_study(study: StudyData, arms: Sequence[DiagnosedArm]) -> StudyDiagnosis:
    """Judge the curves and the gaps of every arm."""
    patients = _patients(study)
    found = tuple(_arm(study, arm, patients) for arm in arms)
    return StudyDiagnosis(
        arms=found,
        factors=tuple(_factors(arms, {arm.name: arm.rounds for arm in found})),
        caveats=(
            *caveats([part for arm in found for part in arm.rounds]),
            *on_curves(arm.recipe for arm in study.plan.arms),
        ),
    )


def _arm(study: StudyData, arm: DiagnosedArm, patients: Mapping[int, str] | None) -> ArmDiagnosis:
    runs = study.runs_of(arm.name)
    recipe = study.plan.arm(arm.name).recipe
    counts = {run.key: counts_of_run(study, run.key.place) for run in runs}
    judged = [run for run in runs if run.history and sum(counts[run.key]["val"])]
    rounds = diagnose_arm(
        {number: _curves(run, recipe, counts[run.key]) for number, run in runs_by_number(judged).items()}
    )
    fixed = fixed_splits(study)
    # A gap is between two sets of cases, and each fold has its own two.
    on_one_set = () if study.folds is not None else runs
    train_gap = _gap(on_one_set, "train", "val", patients=patients, fixed=fixed)
    test_gap = _gap(on_one_set, "val", "test", patients=patients, fixed=fixed)
    steps = () if test_gap is None else explain_gap(_evidence(study, runs, test_gap))
    return ArmDiagnosis(
        name=arm.name,
        label=arm.label,
        rounds=rounds,
        train_gap=train_gap,
        test_gap=test_gap,
        gap_findings=tuple(_gap_findings(train_gap, test_gap)),
        steps=steps,
        said=tuple(arm_paragraph(rounds)),
        gap_said=() if train_gap is None else (train_gap_words(train_gap),),
        shift_said=() if test_gap is None else tuple(shift_words(test_gap, steps)),
    )


# ---------------------------------------------------------------------- curves


def counts_of_run(study: StudyData, place: tuple[int, int] | None) -> dict[str, list[int]]:
    """Return the cases of each class that train a run, and that validate it."""
    if place is None or study.folds is None:
        return {split: list(study.data["counts"].get(split, {}).values()) for split in ("train", "val")}
    splits, labels = study.folds.parts(*place), study.cases["label"].to_numpy()
    n = len(study.data["class_names"])
    return {split: np.bincount(labels[splits == split], minlength=n).tolist() for split in ("train", "val")}


def _curves(run: RunData, recipe: Recipe, counts: Mapping[str, Sequence[int]]) -> tuple[LearningCurve, ...]:
    drawn = drawn_of_classes(recipe.sampling, counts["train"])
    guessing = guessing_of(recipe.loss.model_dump(), drawn, counts["val"])
    return curves_of(
        run.history,
        n_val=sum(counts["val"]),
        guessing=guessing,
        only_in_training=recipe.only_in_training,
        schedule=recipe.schedule.name,
        chosen_epoch=run.facts.chosen_epoch,
        val_loss_se=None if guessing.loss is None else loss_error(run, recipe, train_counts=counts["train"]),
        stopped_early=run.facts.stopped_early,
    )


def loss_error(run: RunData, recipe: Recipe, *, train_counts: Sequence[int]) -> float | None:
    """Return the standard error, over cases, of the mean validation loss at the kept epoch.

    None for a sum of terms, and where the loss of the history is not that of the stored predictions.

    With class weights the mean is a ratio of sums, and its error is linearised (Särndal et al. 1992, section 5.6).
    """
    part = run.predictions.get("val")
    one_term = recipe.loss.name == "ce" or len(run.facts.class_names) == 2
    if part is None or not one_term or not recipe.history_is_of_predictions or len(part.y_true) < 2:
        return None
    of_true = part.y_prob[np.arange(len(part.y_true)), part.y_true]
    losses = -np.log(np.maximum(of_true, np.finfo(np.float64).tiny))
    weights = np.ones(len(losses))
    if recipe.loss.class_weights is not None:
        weights = class_weights_of(recipe.loss.model_dump(), train_counts)[part.y_true]
    around = weights / weights.mean() * (losses - np.average(losses, weights=weights))
    return float(around.std(ddof=1) / np.sqrt(len(losses)))


# ---------------------------------------------------------------------- gaps


def _patients(study: StudyData) -> dict[int, str] | None:
    """Return the patient of each case, or None where no patient is known."""
    pairs = zip(study.cases["case"].to_pylist(), study.cases["patient"].to_pylist(), strict=True)
    known = {case: patient for case, patient in pairs if patient is not None}
    return known or None


def _gap(
    runs: Sequence[RunData],
    first: Split,
    second: Split,
    *,
    patients: Mapping[int, str] | None,
    fixed: Sequence[Split],
) -> Gap | None:
    """Return the gap from one split to another; `fixed` are those whose class counts the design fixed."""
    both = [run for run in runs if first in run.predictions and second in run.predictions]
    if not both or any(len(run.predictions[split].cases) < 2 for run in both for split in (first, second)):
        return None
    parts = [both[0].predictions[split] for split in (first, second)]
    groups = [_groups(part, patients) for part in parts]
    classes = [part.y_true if part.split in fixed else None for part in parts]
    return accuracy_gap(
        _correct(both, first),
        _correct(both, second),
        groups=(groups[0], groups[1]),
        classes=(classes[0], classes[1]),
    )


def _correct(runs: Sequence[RunData], split: Split) -> NDArray[np.bool_]:
    return np.stack([run.predictions[split].y_pred == run.predictions[split].y_true for run in runs])


def _groups(part: SplitPredictions, patients: Mapping[int, str] | None) -> NDArray[Any] | None:
    """Return the patient of each case of a split; None where each case is its own patient, as far as known."""
    if patients is None:
        return None
    numbers = numbered(patients.get(int(case), f"case {case}") for case in part.cases)
    n_patients = len(np.unique(numbers))
    return numbers if 1 < n_patients < len(numbers) else None


def _gap_findings(train_gap: Gap | None, test_gap: Gap | None) -> list[CurveFinding]:
    holds = {
        "LC016": (train_gap, train_gap is not None and train_gap.is_large),
        "LC017": (test_gap, test_gap is not None and test_gap.is_beyond_chance),
    }
    return [
        CurveFinding(code=code, state="not applicable", reason="predictions of one split are missing")
        if gap is None
        else CurveFinding(code=code, state="found" if found else "clear", numbers=gap.to_dict())
        for code, (gap, found) in holds.items()
    ]


def _evidence(study: StudyData, runs: Sequence[RunData], gap: Gap) -> ShiftEvidence:
    both = [run for run in runs if "val" in run.predictions and "test" in run.predictions]
    n_classes = len(both[0].facts.class_names)
    y_val = both[0].predictions["val"].y_true
    recipe = study.plan.arm(both[0].key.arm).recipe
    alike = recipe.history_is_of_predictions
    return ShiftEvidence(
        gap=gap,
        kept_by_val=recipe.select.name != "last",
        val_accuracy_last=float(np.mean([run.history[-1].val_accuracy for run in both])) if alike else None,
        n_epochs=max(len(run.history) for run in both),
        val_shares=np.bincount(y_val, minlength=n_classes) / len(y_val),
        test_recalls=np.array(
            [_recall([run.predictions["test"] for run in both], index) for index in range(n_classes)]
        ),
        leakage=_leakage(study, both),
        two_sample=two_sample(study),
        n_suspect_labels=_suspect_labels(study, both),
    )


def _leakage(study: StudyData, runs: Sequence[RunData]) -> Leakage | None:
    """Return the validation cases that training has seen by the audit, and the accuracy on the others.

    At the class mix of all validation cases: taking cases away changes the mix, which is not leakage.
    """
    result = None if study.audit is None else study.audit.result("AU003")
    if result is None or result.outcome == "not applicable":
        return None
    parts = [run.predictions["val"] for run in runs]
    y_val, names = parts[0].y_true, runs[0].facts.class_names
    model = study.plan.arm(runs[0].key.arm).recipe.model
    before = seen_by_weights(study.audit, model)
    seen = np.isin(parts[0].cases, np.union1d(shared_cases(study, "val", "train"), () if before is None else before))
    shares = np.bincount(y_val, minlength=len(names)) / len(y_val)
    lost = tuple(names[index] for index in np.unique(y_val) if not (y_val[~seen] == index).any())
    recalls = [_recall(parts, index, among=~seen) if shares[index] else 0.0 for index in range(len(names))]
    without = None if lost else float(shares @ np.array(recalls))
    untold = before is None or model.is_custom
    return Leakage(n_cases=int(seen.sum()), accuracy_without=without, lost=lost, is_past_unknown=untold)


def _suspect_labels(study: StudyData, runs: Sequence[RunData]) -> int | None:
    """Count the test cases whose label the audit doubts."""
    result = None if study.audit is None else study.audit.result("AU030")
    if study.audit is None or result is None or result.outcome == "not applicable":
        return None
    doubted = [n for finding in study.audit.findings if finding.code == "AU030" for n in finding.case_numbers]
    return int(np.isin(runs[0].predictions["test"].cases, doubted).sum())


def _recall(parts: Sequence[SplitPredictions], index: int, *, among: NDArray[np.bool_] | None = None) -> float:
    """Return the mean over the runs of a class's share of right decisions, `among` some cases; NaN if it has none."""
    of_class = parts[0].y_true == index
    of_class = of_class if among is None else of_class & among
    if not of_class.any():
        return float("nan")
    return float(np.mean([(part.y_pred[of_class] == index).mean() for part in parts]))


# ---------------------------------------------------------------------- factors


def _factors(
    arms: Sequence[DiagnosedArm], rounds: Mapping[str, Sequence[RoundDiagnosis]]
) -> list[tuple[str, tuple[str, ...]]]:
    """Describe each setting that is the only difference between arms, at the last round that all of them have."""
    found = []
    for key in arms[0].differing if len(arms) > 1 else ():
        alike = _differing_only_in(key, arms)
        diagnosed = [arm for arm in alike if rounds[arm.name]]
        if len(diagnosed) > 1:
            last = min(len(rounds[arm.name]) for arm in diagnosed) - 1
            levels = [(arm.differing[key], rounds[arm.name][last]) for arm in diagnosed]
            name = key.removesuffix(".name")
            found.append((name, tuple(factor_paragraph(name, levels))))
    return found


def _differing_only_in(key: str, arms: Sequence[DiagnosedArm]) -> list[DiagnosedArm]:
    """Return the first arm and those that differ from it in this setting alone."""
    first = arms[0]

    def others(arm: DiagnosedArm) -> dict[str, Any]:
        return {name: value for name, value in arm.differing.items() if name != key}

    return [arm for arm in arms if others(arm) == others(first)]
