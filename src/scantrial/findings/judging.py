"""From a study folder to verdicts: the comparisons that its design declares, and the answers to its hypotheses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.class_mix import ByMix, by_mix
from scantrial.analysis.comparison import COLUMNS, Compared, Comparison, compare_runs, cross_checked, with_best
from scantrial.analysis.contrasts import (
    Contrast,
    simple_effects,
)
from scantrial.analysis.cross_validation import COLUMNS as FOLD_COLUMNS
from scantrial.analysis.cross_validation import FoldCompared, FoldComparison, compare_folds
from scantrial.analysis.direction import OF_A_STUDY, below_chance, below_chance_by_fold, direction_warnings
from scantrial.analysis.folds import Folds
from scantrial.analysis.metric_names import check_margin, check_metric
from scantrial.analysis.metrics import METRICS, listed_metrics
from scantrial.analysis.power_table import PowerPlan, plan_again, why_no_plan
from scantrial.analysis.runs import RunScores
from scantrial.analysis.verdict_words import order_of_grades
from scantrial.core.errors import InputError
from scantrial.core.format import joined
from scantrial.core.notebook import notebook_html
from scantrial.core.plain import LEFT_OUT_IF_NONE, Plain, fields_of
from scantrial.core.positive import positive_facts
from scantrial.core.records import Split
from scantrial.findings.class_counts import fixed_splits
from scantrial.findings.decisions import DecisionFaults, decisions_by_fold, look_at_decisions, with_labels
from scantrial.findings.families import factor_levels, family_of, in_words, trend_along
from scantrial.findings.fold_scores import folds_of, scores_of_runs
from scantrial.findings.hypotheses import Declared, HypothesisAnswer, answer_to, declared_when
from scantrial.findings.leaks import concerned_cases
from scantrial.findings.reading import StudyData
from scantrial.findings.reversals import Reversals, reversals_of
from scantrial.store.verify import Mismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryEffect:
    """A comparison on another metric than the primary one: an interval, uncorrected, and no verdict."""

    metric: str
    name: str
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement(Plain):
    """What a study decides.

    Parameters
    ----------
    family : in words, which comparisons were declared
    reason : why there is no comparison on the primary metric
    primary : the declared comparisons on the primary metric; None where there is nothing to compare
    effects : a family of their own, or None: trends along ordered factors; of a factorial design the effects of each
        factor at each level of another, where an interaction forbids to read the main effects alone
    hypotheses : in the order of the study file
    secondary : the same comparisons on other metrics
    primary_declared : when metric, split and margin were written into the study file
    outlook : what this design can show, from the measured spreads, and what a decision would need; None where
        arms share fewer than three seeds
    withheld : reasons other than the numbers why no verdict is given
    without_leaks : the primary comparisons without the cases that the audit found in two splits; None where
        there are none, or the others do not give the metric. Plain means over cases are taken at the class mix of all
        cases
    n_leaking : such cases of the primary split
    decisions : arms of which runs give every case one class, or whose accuracy is below always saying the commonest
    without_reason : why there is no comparison without them, where there are such cases; else None
    without_mix : how the class mix enters the comparison without them: the metric is ``weighted`` to the mix of all
        cases, ``the same`` at any mix, or taken at ``another`` mix; None where there is no such comparison
    class_names : in the order of their indices; of two the second is the positive one
    reversals : comparisons that are real on test and, the other way round, on validation; None where there are none
    mismatches : which files and lines of the study folder are not what was written
    not_logged : why the reading of the test rows could not be logged; empty if it was
    by_fold : the declared comparisons of a cross-validation, which then is instead of `primary`; None for other studies
    """

    metric: str
    split: Split
    margin: float | None
    family: str
    reason: str | None
    primary: Comparison | None
    effects: Comparison | None
    hypotheses: tuple[HypothesisAnswer, ...]
    secondary: tuple[SecondaryEffect, ...]
    primary_declared: Declared
    outlook: PowerPlan | None
    withheld: tuple[str, ...]
    without_leaks: Comparison | None
    n_leaking: int
    without_reason: str | None
    without_mix: ByMix | None
    labels: Mapping[str, str]
    class_names: tuple[str, ...] = ()
    decisions: DecisionFaults = field(default_factory=DecisionFaults)
    reversals: Reversals | None = None
    mismatches: tuple[Mismatch, ...] = ()
    not_logged: str = ""
    by_fold: FoldComparison | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @property
    def compared(self) -> Comparison | FoldComparison | None:
        """The declared comparisons, of runs on one test set or of folds; None where there is nothing to compare."""
        return self.primary if self.by_fold is None else self.by_fold

    @property
    def outlook_reason(self) -> str | None:
        """Why there is no outlook, where too few seeds are the reason."""
        return None if self.primary is None else why_no_plan(self.primary)

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "outlook_reason": self.outlook_reason, **positive_facts(self.class_names)}

    def _repr_html_(self) -> str:
        """Show the verdicts in a notebook."""
        if self.compared is None:
            return notebook_html(f"No verdict: {self.reason}")
        items = self.compared.comparisons
        return notebook_html(
            f"{METRICS[self.metric].title} on {self.split}: {self.family}",
            columns=COLUMNS if self.by_fold is None else FOLD_COLUMNS,
            rows=[item.row() for item in items],
            lines=[
                *self.compared.warnings,
                *self.decisions.said,
                *self.compared.sentences,
                *(() if self.reversals is None else self.reversals.sentences),
                *(f"{one.claim}: {one.answer}" for one in self.hypotheses),
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a reader may choose instead of the study's own declaration; None keeps the declaration.

    Parameters
    ----------
    pairs : compare all pairs of arms instead of the declared family
    bootstrap : whether to check the primary comparisons with a crossed bootstrap
    """

    metric: str | None = None
    margin: float | None = None
    control: str | None = None
    pairs: bool = False
    level: float = 0.95
    bootstrap: bool = False


def judge(study: StudyData, *, choices: Choices | None = None) -> Judgement:
    """Give the verdicts of a study on its primary metric and split.

    A blocker of the audit that the study file does not acknowledge withholds every verdict.

    The family is: every arm against the control, and what the hypotheses compare besides; for a factorial design its
    main effects and interactions. p are adjusted over it.

    Raises
    ------
    InputError
        If what is asked for is no metric or no arm.
    """
    chosen = choices or Choices()
    if study.folds is not None:
        return _judge_folds(study, chosen)
    declared = study.plan.primary
    metric = chosen.metric or declared.metric
    check_margin(check_metric(metric), chosen.margin)
    split: Split = declared.split
    margin = chosen.margin if chosen.margin is not None else declared.margin_of(metric)
    labels = study.plan.labels
    runs, withheld = run_scores(study, split), withheld_by_audit(study)
    family, words = (
        family_of(study, runs, control=chosen.control, pairs=chosen.pairs) if runs is not None else ((), "none")
    )
    family = tuple(in_words(contrast, labels) for contrast in family)
    primary, reason = _compare(runs, family, metric, margin, chosen, withheld)
    if primary is not None and runs is not None:
        primary = with_best(primary, runs, withheld=withheld, labels=labels)
        primary = cross_checked(primary, runs) if chosen.bootstrap else primary
    primary = _with_order(study, primary)
    primary, simple = _without_interactions(study, runs, primary, margin, chosen, withheld)
    primary = _with_direction(primary, runs, labels)
    judged_arms = set() if runs is None else set(runs.arm_names)
    leaking = _leaking(study, split)
    rest, lost = _rest(study, runs, leaking)
    without, why_not = (None, None) if rest is None else _compare(rest, family, metric, margin, chosen, withheld)
    return Judgement(
        metric=metric,
        split=split,
        margin=margin,
        primary=primary,
        reason=reason,
        family=words,
        effects=_effects(study, runs, metric, chosen, withheld) if simple is None else simple,
        hypotheses=tuple(
            answer_to(item, primary, declared=declared_when(study, "hypotheses", number), known=judged_arms)
            for number, item in enumerate(study.plan.hypotheses)
        ),
        secondary=_secondary(runs, family, metric, chosen) if runs is not None else (),
        primary_declared=declared_when(study, "primary", None),
        outlook=None if primary is None else plan_again(primary),
        withheld=withheld,
        without_leaks=without,
        n_leaking=int(leaking.sum()),
        without_reason=(lost or why_not) if without is None else None,
        without_mix=None if rest is None or without is None else by_mix(metric, n_classes=rest.n_classes),
        labels=labels,
        decisions=with_labels(look_at_decisions(runs, split=split, class_names=study.data["class_names"]), labels),
        reversals=_reversals(study, primary, runs, split),
        class_names=tuple(study.data.get("class_names", ())),
        mismatches=study.mismatches,
        not_logged=study.not_logged,
    )


def _judge_folds(study: StudyData, chosen: Choices) -> Judgement:
    """Give the verdicts of a cross-validation: the same family on the differences of its folds."""
    if chosen.bootstrap:
        raise InputError("--bootstrap with a cross-validation", expected="it with one test set", do="leave it out")
    declared, labels = study.plan.primary, study.plan.labels
    metric = chosen.metric or declared.metric
    check_margin(check_metric(metric), chosen.margin)
    margin = chosen.margin if chosen.margin is not None else declared.margin_of(metric)
    found = folds_of(study)
    withheld = (*withheld_by_audit(study), *found.withheld)
    parts = [] if found.folds is None else [part.runs for part in found.folds.parts]
    family, words = family_of(study, parts[0], control=chosen.control, pairs=chosen.pairs) if parts else ((), "none")
    family = tuple(in_words(contrast, labels) for contrast in family)
    compared, reason = _compare_folds(found.folds, family, metric, margin, chosen, withheld)
    if compared is not None and found.folds is not None:
        below = direction_warnings(below_chance_by_fold(found.folds, level=chosen.level), OF_A_STUDY, labels=labels)
        order = order_of_grades(metric, study.data["class_names"]) if METRICS[metric].is_ordinal else ()
        notes = (*order, *compared.notes, *(note for _, note in _misleading(compared.comparisons)))
        compared = replace(compared, warnings=below, notes=notes)
    return Judgement(
        metric=metric,
        split="test",
        margin=margin,
        primary=None,
        by_fold=compared,
        reason=reason,
        family=words,
        effects=None,
        hypotheses=tuple(
            answer_to(
                item,
                compared,
                declared=declared_when(study, "hypotheses", number),
                known=set(parts[0].arm_names if parts else ()),
            )
            for number, item in enumerate(study.plan.hypotheses)
        ),
        secondary=_secondary_by_fold(found.folds, family, metric, chosen),
        primary_declared=declared_when(study, "primary", None),
        outlook=None,
        withheld=withheld,
        without_leaks=None,
        n_leaking=0,
        without_reason=None,
        without_mix=None,
        labels=labels,
        decisions=with_labels(decisions_by_fold(parts, split="test", class_names=study.data["class_names"]), labels),
        class_names=tuple(study.data.get("class_names", ())),
        mismatches=study.mismatches,
        not_logged=study.not_logged,
    )


def _compare_folds(
    folds: Folds | None,
    family: Sequence[Contrast],
    metric: str,
    margin: float | None,
    chosen: Choices,
    withheld: Sequence[str],
) -> tuple[FoldComparison | None, str | None]:
    if folds is None:
        return None, joined(withheld) if withheld else "no finished run has predictions"
    if not family:
        return None, "there is one arm, so there is nothing to compare"
    control = _control(family)
    try:
        found = compare_folds(
            folds, family, metric=metric, margin=margin, level=chosen.level, control=control, withheld=withheld
        )
    except InputError as error:
        return None, str(error).replace("\n", "; ")
    return found, None


def _secondary_by_fold(
    folds: Folds | None, family: Sequence[Contrast], primary: str, chosen: Choices
) -> tuple[SecondaryEffect, ...]:
    if folds is None:
        return ()
    metrics = [name for name in listed_metrics(folds.parts[0].runs.n_classes, primary=primary) if name != primary]
    found = [(name, _compare_folds(folds, family, name, None, chosen, ())[0]) for name in metrics]
    return tuple(_effect(name, item) for name, one in found if one is not None for item in one.comparisons)


def run_scores(study: StudyData, split: Split) -> RunScores | None:
    """Return the scores of every run that has predictions on a split; None if no run has any.

    Patients, where the study knows them for every case of the split, are what was sampled. Cases count as sampled
    within their class where the design fixed how many of each class there are.
    """
    scored = [run for run in study.runs if split in run.predictions]
    if not scored:
        return None
    return scores_of_runs(study, scored, split, class_counts_fixed=split in fixed_splits(study))


def withheld_by_audit(study: StudyData) -> tuple[str, ...]:
    """Return why the audit withholds verdicts: its blockers that the study file does not acknowledge."""
    found = () if study.audit is None else study.audit.open_blockers
    return tuple(
        f"the audit found a blocker ({finding.code}, {_lower(finding.title)}) that the study file does not acknowledge"
        for finding in found
    )


def _lower(title: str) -> str:
    return title[0].lower() + title[1:]


def _with_direction(primary: Comparison | None, runs: RunScores | None, labels: Mapping[str, str]) -> Comparison | None:
    if primary is None or runs is None:
        return primary
    found = below_chance(runs, level=primary.level)
    return replace(primary, warnings=direction_warnings(found, OF_A_STUDY, labels=labels))


def _reversals(study: StudyData, primary: Comparison | None, runs: RunScores | None, split: Split) -> Reversals | None:
    if primary is None or runs is None or split != "test":
        return None
    return reversals_of(study, primary, runs, run_scores(study, "val"))


def _leaking(study: StudyData, split: Split) -> NDArray[np.bool_]:
    """Return which of the judged cases the audit found in two splits: shape (n_cases,), or empty."""
    scored = [run.predictions[split].cases for run in study.runs if split in run.predictions]
    return np.isin(scored[0], concerned_cases(study, split)) if scored else np.zeros(0, dtype=bool)


def _rest(study: StudyData, runs: RunScores | None, leaking: NDArray[np.bool_]) -> tuple[RunScores | None, str | None]:
    """Return the runs on the other cases, at the class mix of all cases; and which class has no other case, if any."""
    if runs is None or not leaking.any():
        return None, None
    left = np.bincount(runs.y_true[~leaking], minlength=runs.n_classes)
    names = [f"“{study.data['class_names'][index]}”" for index in np.unique(runs.y_true) if not left[index]]
    lost = f"no other case of {joined(names)} is left" if names else None
    return (None if leaking.all() else runs.on_cases(~leaking).at_mix(runs.class_shares)), lost


def _with_order(study: StudyData, primary: Comparison | None) -> Comparison | None:
    """Note in which order a metric of grades takes the classes."""
    if primary is None or not METRICS[primary.metric].is_ordinal:
        return primary
    said = order_of_grades(primary.metric, study.data["class_names"])
    return replace(primary, notes=(*said, *primary.notes))


# ---------------------------------------------------------------------- which comparisons


def _effects(
    study: StudyData, runs: RunScores | None, metric: str, chosen: Choices, withheld: Sequence[str]
) -> Comparison | None:
    """Compare along numeric factors of three levels or more: see `trend_along`."""
    if runs is None or chosen.control is not None or chosen.pairs or study.plan.design != "one-at-a-time":
        return None
    trends = [trend for factor in study.plan.factors if (trend := trend_along(study, runs, factor)) is not None]
    found, _ = _compare(runs, trends, metric, None, chosen, withheld)
    return found


def _without_interactions(
    study: StudyData,
    runs: RunScores | None,
    primary: Comparison | None,
    margin: float | None,
    chosen: Choices,
    withheld: Sequence[str],
) -> tuple[Comparison | None, Comparison | None]:
    """Note which interactions make main effects misleading, and return the simple effects instead.

    An interaction does so where its interval excludes 0, or is wider than the size of a main effect of its factors, so
    that it may be as large.
    """
    if runs is None or primary is None:
        return primary, None
    levels = factor_levels(study, runs.arm_names)
    misleading = _misleading(primary.comparisons)
    pairs = [(contrast.first, contrast.second) for contrast, _ in misleading]
    effects = [effect for first, second in pairs for effect in simple_effects(levels, first, second)]
    found, _ = _compare(runs, effects, primary.metric, margin, chosen, withheld)
    return replace(primary, notes=(*primary.notes, *(note for _, note in misleading))), found


def _misleading(items: Sequence[Compared | FoldCompared]) -> list[tuple[Contrast, str]]:
    """Return the interactions that make main effects misleading, each with a note."""
    mains = [item for item in items if item.result.contrast.kind == "main effect"]
    interactions = [item for item in items if item.result.contrast.kind == "interaction"]
    found = [(item, why) for item in interactions if (why := _why_not_main(item, mains)) is not None]
    advice = "Look at each factor's effect at each level of the other factor, not at its mean effect"
    return [(item.result.contrast, f"{item.name}: {why}. {advice}") for item, why in found]


def _why_not_main(interaction: Compared | FoldCompared, mains: Sequence[Compared | FoldCompared]) -> str | None:
    found, contrast = interaction.alone, interaction.result.contrast
    if math.isnan(found.low):
        return "two seeds give no usable interval of the interaction"
    if found.low > 0 or found.high < 0:
        return "the interval of the interaction excludes 0"
    factors = (contrast.first, contrast.second)
    sizes = [abs(item.evidence.effect) for item in mains if item.result.contrast.first.split(" = ")[0] in factors]
    if sizes and found.high - found.low > min(sizes):
        return "the interval of the interaction is wider than the size of a main effect"
    return None


def _compare(
    runs: RunScores | None,
    family: Sequence[Contrast],
    metric: str,
    margin: float | None,
    chosen: Choices,
    withheld: Sequence[str],
) -> tuple[Comparison | None, str | None]:
    if runs is None:
        return None, "no finished run has predictions"
    if not family:
        return None, "there is one arm, so there is nothing to compare"
    control = _control(family)
    try:
        found = compare_runs(
            runs, family, metric=metric, margin=margin, level=chosen.level, control=control, withheld=withheld
        )
    except InputError as error:
        return None, str(error).replace("\n", "; ")
    return found, None


def _control(family: Sequence[Contrast]) -> str | None:
    """Return the arm that all differences of a family share as their other side, or None."""
    others = {contrast.arms[1] if contrast.kind == "difference" else None for contrast in family}
    return others.pop() if len(others) == 1 else None


def _secondary(
    runs: RunScores, family: Sequence[Contrast], primary: str, chosen: Choices
) -> tuple[SecondaryEffect, ...]:
    """Return the same comparisons on the other metrics; one that these predictions cannot give is left out."""
    found: list[SecondaryEffect] = []
    for metric in listed_metrics(runs.n_classes, primary=primary):
        comparison, _ = _compare(runs, family, metric, None, chosen, ()) if metric != primary else (None, None)
        found += [] if comparison is None else [_effect(metric, item) for item in comparison.comparisons]
    return tuple(found)


def _effect(metric: str, item: Compared | FoldCompared) -> SecondaryEffect:
    found = item.alone
    return SecondaryEffect(metric=metric, name=item.name, effect=found.effect, low=found.low, high=found.high)
