"""From a file of predictions, made by any program, to a judged comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.bootstrap import N_DRAWS
from scantrial.analysis.comparison import Comparison, compare_runs, cross_checked, with_best
from scantrial.analysis.contrasts import Contrast, against_control, all_pairs
from scantrial.analysis.cross_validation import FoldComparison, compare_folds
from scantrial.analysis.direction import below_chance, below_chance_by_fold, direction_warnings
from scantrial.analysis.fold_estimates import FoldArm
from scantrial.analysis.folds import Folds, FoldScores
from scantrial.analysis.intervals import ArmEstimate
from scantrial.analysis.metric_names import check_margin, check_metric
from scantrial.analysis.metrics import METRICS, POSITIVE, Labels
from scantrial.analysis.power_table import PowerPlan, plan_again, why_no_plan
from scantrial.analysis.rows import ValidationRows
from scantrial.analysis.runs import RunScores
from scantrial.analysis.thresholds import TARGET_SENSITIVITY, threshold_by_youden, threshold_for_sensitivity
from scantrial.analysis.verdict_words import order_of_grades
from scantrial.core.errors import InputError
from scantrial.core.names import listed, nearest
from scantrial.core.plain import Plain, fields_of
from scantrial.core.positive import class_word
from scantrial.findings.decisions import DecisionFaults, decisions_by_fold, look_at_decisions
from scantrial.store.prediction_files import FileFold, FileScores, PredictionFile

Rule = Literal["sensitivity", "youden"]
Pairs = Literal["all", "control"]

HALF = 0.5
"""The threshold of probabilities where none is asked for."""

BOOTSTRAP_LIMIT = 40_000_000
"""Scores to resample, over all draws and comparisons, up to which the crossed bootstrap runs by default: some 20 s."""

CHOSEN_ON_JUDGED = "the threshold was chosen on the cases that are judged"
TRAINED_ON_JUDGED = "the networks were trained on the cases that are judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdChoice(Plain):
    """How each run's threshold was chosen.

    Parameters
    ----------
    target : the sensitivity asked for, with that rule
    chosen_on : the split whose rows it was chosen on
    n_cases : of that split; with folds in the first of them
    values : one for each run of `arms` and `seeds`
    folds : repeat and fold of each run; empty where there are none
    """

    rule: Rule
    target: float | None
    chosen_on: str
    n_cases: int
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    folds: tuple[tuple[int, int], ...] = ()

    def _content(self) -> dict[str, Any]:
        rows = zip(self.arms, self.seeds, self.values, strict=True)
        chosen = {"chosen_on": self.chosen_on, "n_cases": self.n_cases}
        by_run = [{"arm": arm, "seed": seed, "threshold": value} for arm, seed, value in rows]
        if self.folds:
            of_run = [{"repeat": repeat, "fold": fold} for repeat, fold in self.folds]
            by_run = [place | run for place, run in zip(of_run, by_run, strict=True)]
        return {"rule": self.rule, "target": self.target, **chosen, "by_run": by_run}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored(Plain):
    """The predictions of a file, compared.

    Parameters
    ----------
    split : whose rows were judged
    positive : name of the positive class; None beyond two classes
    threshold_choice : None where the threshold was given, or is not used
    decisions : arms of which runs give every case one class, or whose accuracy is below always saying the commonest;
        empty where the metric needs no decisions
    """

    file: str
    split: str
    class_names: tuple[str, ...]
    positive: str | None
    threshold_choice: ThresholdChoice | None
    comparison: Comparison | FoldComparison
    decisions: DecisionFaults = field(default_factory=DecisionFaults)

    def _content(self) -> dict[str, Any]:
        facts = fields_of(self)
        compared = facts.pop("comparison").to_dict()
        return {**facts, **compared, "outlook": self.outlook, "outlook_reason": self.outlook_reason}

    @property
    def outlook(self) -> PowerPlan | None:
        """What it would take to decide, given the spreads of these predictions."""
        return plan_again(self.comparison) if isinstance(self.comparison, Comparison) else None

    @property
    def outlook_reason(self) -> str | None:
        """Why there is no outlook, where too few seeds are the reason."""
        return why_no_plan(self.comparison) if isinstance(self.comparison, Comparison) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRequest:
    """A request to compare the arms of a file of predictions.

    Parameters
    ----------
    threshold, rule : at most one of them; a probability counts as positive above 0.5 where there is neither
    target_sensitivity : of the rule ``sensitivity``, default 0.90
    pairs : ``all``, or every arm against the control; default: the latter where a control is named
    bootstrap : whether to cross-check; None does where it is quick
    class_counts_fixed : whether the design fixed how many cases of each class there are
    """

    metric: str = "accuracy"
    split: str = "test"
    threshold: float | None = None
    rule: Rule | None = None
    target_sensitivity: float | None = None
    margin: float | None = None
    control: str | None = None
    pairs: Pairs | None = None
    level: float = 0.95
    bootstrap: bool | None = None
    class_counts_fixed: bool = False

    def __post_init__(self) -> None:
        check_margin(check_metric(self.metric), self.margin)
        if self.rule not in (None, "sensitivity", "youden"):
            raise InputError(f"threshold rule {self.rule!r}", expected="sensitivity or youden")
        if self.pairs not in (None, "all", "control"):
            raise InputError(f"pairs {self.pairs!r}", expected="all or control")
        if self.threshold is not None and self.rule is not None:
            raise InputError(f"a threshold of {self.threshold:g} and the rule {self.rule}", expected="one of the two")
        if self.target_sensitivity is not None and self.rule != "sensitivity":
            raise InputError("a target sensitivity without its rule", expected="--threshold-rule sensitivity with it")
        if self.target_sensitivity is not None and not 0 < self.target_sensitivity <= 1:
            raise InputError(f"target sensitivity {self.target_sensitivity}", expected="above 0 and at most 1")
        if self.pairs == "control" and self.control is None:
            raise InputError("pairs against the control, but no control", expected="--control ARM with it")

    @property
    def uses_decisions(self) -> bool:
        """Whether the metric needs a threshold."""
        return METRICS[self.metric].needs == "labels"


def rescore(file: PredictionFile, asked: ComparisonRequest) -> Rescored:
    """Judge the predictions of a file.

    A threshold rule takes the file's validation rows. Where it has none, or these are what is judged, the threshold
    was chosen on the cases that are judged, and no verdict is given.

    Raises
    ------
    InputError
        If the metric, the threshold or the control do not fit the file.
    """
    if file.folds:
        return _rescore_folds(file, asked)
    runs = _runs_of(file, file, asked.split, asked)
    choice = None
    if asked.rule is not None and asked.uses_decisions:
        choice = _choose(file, file, asked, "val" if "val" in file.splits else asked.split)
    if choice is not None:
        runs = runs.decided_at(choice.values)
    withheld = _withheld(asked, choice)
    compared = compare_runs(
        runs,
        _family(runs.arm_names, asked),
        metric=asked.metric,
        margin=asked.margin,
        level=asked.level,
        control=asked.control,
        withheld=withheld,
    )
    compared = replace(
        with_best(compared, runs, withheld=withheld),
        notes=(*_notes(file, asked, runs), *compared.notes),
        warnings=_wrong_way_round(below_chance(runs, level=asked.level), runs, file.splits[asked.split]),
    )
    return Rescored(
        file=str(file.path),
        split=asked.split,
        class_names=file.class_names,
        positive=file.class_names[POSITIVE] if len(file.class_names) == 2 else None,
        threshold_choice=choice,
        comparison=_with_bootstrap(compared, runs, asked),
        decisions=look_at_decisions(
            runs if asked.uses_decisions else None, split=asked.split, class_names=file.class_names
        ),
    )


def _rescore_folds(file: PredictionFile, asked: ComparisonRequest) -> Rescored:
    """Judge the predictions of a cross-validation, each fold by its own networks."""
    foreign = [("bootstrap", asked.bootstrap is True), ("class_counts_fixed", asked.class_counts_fixed)]
    foreign.append(("split", asked.split != "test"))
    for name, given in foreign:
        if given:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} with a file that has folds", expected="it with seeds only", do="leave it out")
    parts = [_runs_of(file, fold, asked.split, asked) for fold in file.folds]
    choices = []
    if asked.rule is not None and asked.uses_decisions:
        on = "val" if all("val" in fold.splits for fold in file.folds) else asked.split
        choices = [_choose(file, fold, asked, on) for fold in file.folds]
        parts = [part.decided_at(choice.values) for part, choice in zip(parts, choices, strict=True)]
    n_cases = {fold.repeat: 0 for fold in file.folds}
    for fold, part in zip(file.folds, parts, strict=True):
        n_cases[fold.repeat] += part.n_cases
    folds = Folds(
        parts=tuple(
            FoldScores(repeat=fold.repeat, fold=fold.fold, runs=part, n_train=n_cases[fold.repeat] - part.n_cases)
            for fold, part in zip(file.folds, parts, strict=True)
        )
    )
    withheld = _withheld(asked, choices[0] if choices else None)
    compared = compare_folds(
        folds,
        _family(folds.arm_names, asked),
        metric=asked.metric,
        margin=asked.margin,
        level=asked.level,
        control=asked.control,
        withheld=withheld,
    )
    return Rescored(
        file=str(file.path),
        split=asked.split,
        class_names=file.class_names,
        positive=file.class_names[POSITIVE] if len(file.class_names) == 2 else None,
        threshold_choice=_joined(file, choices),
        comparison=replace(
            compared,
            notes=(*_notes(file, asked, parts[0]), *compared.notes),
            warnings=_wrong_way_round(
                below_chance_by_fold(folds, level=asked.level), parts[0], file.folds[0].splits["test"]
            ),
        ),
        decisions=decisions_by_fold(
            parts if asked.uses_decisions else (), split=asked.split, class_names=file.class_names
        ),
    )


def _joined(file: PredictionFile, choices: Sequence[ThresholdChoice]) -> ThresholdChoice | None:
    """Join the choices of all folds."""
    if not choices:
        return None
    return replace(
        choices[0],
        arms=tuple(arm for choice in choices for arm in choice.arms),
        seeds=tuple(seed for choice in choices for seed in choice.seeds),
        values=tuple(value for choice in choices for value in choice.values),
        folds=tuple((fold.repeat, fold.fold) for fold in file.folds for _ in fold.arms),
    )


def _runs_of(
    file: PredictionFile, runs_of: PredictionFile | FileFold, split: str, asked: ComparisonRequest
) -> RunScores:
    rows = runs_of.splits[split]
    given = asked.threshold if asked.uses_decisions else None
    if given is not None and len(file.class_names) > 2:
        raise InputError(
            f"a threshold of {given:g} for {len(file.class_names)} classes",
            expected="no threshold: the most probable class is the predicted one",
        )
    build = RunScores.from_scores if rows.scores.ndim == 2 else RunScores.from_probabilities
    runs = build(
        rows.y_true,
        rows.scores,
        arms=runs_of.arms,
        seeds=runs_of.seeds,
        patients=rows.patients,
        threshold=HALF if given is None else given,
        class_counts_fixed=asked.class_counts_fixed,
    ).named(file.class_names)
    if asked.uses_decisions and asked.threshold is None and asked.rule is None and runs.y_prob is None:
        raise InputError(
            f"scores from {rows.scores.min():g} to {rows.scores.max():g} and no threshold for "
            f"{METRICS[asked.metric].title.lower()}",
            expected="probabilities, which are cut at 0.5, or a threshold",
            do="add --threshold X or --threshold-rule, or take --metric auroc, which needs none",
        )
    return runs


def _family(arms: Sequence[str], asked: ComparisonRequest) -> tuple[Contrast, ...]:
    control = asked.control
    if control is not None and control not in arms:
        guess = nearest(control, arms)
        hint = f" (did you mean {guess!r}?)" if guess else ""
        raise InputError(f"control {control!r} is not an arm{hint}", expected=f"one of {listed(arms)}")
    if control is None:
        return all_pairs(arms)
    if asked.pairs == "all":
        return all_pairs((control, *(arm for arm in arms if arm != control)))
    return against_control(arms, control)


def _withheld(asked: ComparisonRequest, choice: ThresholdChoice | None) -> list[str]:
    same = choice is not None and choice.chosen_on == asked.split
    return [*([CHOSEN_ON_JUDGED] if same else []), *([TRAINED_ON_JUDGED] if asked.split == "train" else [])]


def _notes(file: PredictionFile, asked: ComparisonRequest, runs: RunScores) -> list[str]:
    notes = []
    ignored = f"the threshold {asked.threshold:g}" if asked.threshold is not None else f"the rule {asked.rule}"
    if not asked.uses_decisions and (asked.threshold is not None or asked.rule is not None):
        notes.append(f"{ignored} is not used for {METRICS[asked.metric].title}")
    if len(runs.arm_names) == 1:
        notes.append(f"{runs.arm_names[0]} is the only arm: there is nothing to compare it with")
    notes += order_of_grades(asked.metric, file.class_names)
    if not file.has_splits:
        notes.append("the file has no column split: every row counts as a test row")
    if asked.split == "val":
        notes.append("these are validation cases: anything that was chosen on them looks better than it is")
    if runs.patients is None:
        notes.append("the file has no column patient: every case counts as a separate patient")
    return notes


def _wrong_way_round(found: Sequence[ArmEstimate | FoldArm], runs: RunScores, rows: FileScores) -> tuple[str, ...]:
    """Warn of arms whose scores rank the classes the wrong way round, and say how to turn them."""
    if not found:
        return ()
    other, positive = runs.class_names
    if rows.scores.ndim == 3:
        advice = f"the columns p_{other} and p_{positive} may be interchanged. Check which class each is for."
    else:
        turned = "1 − score" if runs.y_prob is not None else "−score"
        every = len(found) == len(runs.arm_names)
        do = f"give {turned} or say --positive {other}" if every else f"give {turned} in the rows of this arm"
        advice = (
            f"the scores may belong to the other class. If they are scores of {class_word(0, runs.class_names)}, {do}."
        )
    return direction_warnings(found, advice)


def _with_bootstrap(compared: Comparison, runs: RunScores, asked: ComparisonRequest) -> Comparison:
    n_runs = sum(runs.arms.count(arm) for item in compared.comparisons for arm in item.result.contrast.arms)
    work = N_DRAWS * n_runs * runs.n_cases
    if asked.bootstrap is False or not compared.comparisons:
        return compared
    if asked.bootstrap is None and work > BOOTSTRAP_LIMIT:
        note = f"no crossed bootstrap: resampling {work:.2g} scores takes long; --bootstrap runs it"
        return replace(compared, notes=(*compared.notes, note))
    return cross_checked(compared, runs)


# ---------------------------------------------------------------------- the threshold


def _choose(
    file: PredictionFile, runs_of: PredictionFile | FileFold, asked: ComparisonRequest, split: str
) -> ThresholdChoice:
    """Choose each run's threshold on a split: validation rows, or those that are judged where there are no others."""
    rows = runs_of.splits[split]
    runs = _runs_of(file, runs_of, split, asked)
    target = asked.target_sensitivity or TARGET_SENSITIVITY
    if len(np.unique(rows.y_true)) < 2:
        where = f" in fold {runs_of.fold} of repeat {runs_of.repeat}" if isinstance(runs_of, FileFold) else ""
        raise InputError(f"{split} cases of one class only{where}", expected="both classes, to choose a threshold on")
    found = [_threshold(scores, rows.y_true, asked.rule, target) for scores in runs.decision_scores]
    return ThresholdChoice(
        rule=asked.rule or "youden",
        target=target if asked.rule == "sensitivity" else None,
        chosen_on=split,
        n_cases=len(rows.y_true),
        arms=runs_of.arms,
        seeds=runs_of.seeds,
        values=tuple(found),
    )


def _threshold(scores: NDArray[np.float64], y_true: Labels, rule: Rule | None, target: float) -> float:
    """Choose a threshold by the house's rules; a verdict is withheld where these are the rows that are judged."""
    rows = ValidationRows(y_true=y_true, scores=scores, scale="any")
    if rule == "sensitivity":
        return threshold_for_sensitivity(rows, target=target).value
    return threshold_by_youden(rows).value
