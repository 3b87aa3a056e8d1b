"""From a study folder to verdicts: which comparisons its design declares, and what became of its hypotheses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scantrial.analysis.comparison import COLUMNS, Compared, Comparison, compare_runs, cross_checked
from scantrial.analysis.contrasts import (
    Contrast,
    against_control,
    difference,
    factorial_effects,
    linear_trend,
    simple_effects,
)
from scantrial.analysis.metrics import METRICS, metrics_for
from scantrial.analysis.power_table import PowerPlan, plan_again
from scantrial.analysis.runs import RunScores
from scantrial.analysis.verdicts import Label
from scantrial.core.errors import InputError
from scantrial.core.notebook import notebook_html
from scantrial.core.records import Split
from scantrial.findings.leaks import concerned_cases
from scantrial.findings.reading import RunData, StudyData
from scantrial.recipe.plan import PlannedHypothesis

Answer = Literal["supported", "contradicted", "undecided"]

_SWAPPED: Mapping[Label, Label] = {"better": "worse", "worse": "better"}
_BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """When something was written into the study file.

    Parameters
    ----------
    before_runs : whether it stood there before the first run was finished
    at : time of the first version that holds it, ISO 8601
    sha256 : of that version; None where no version is known
    """

    before_runs: bool
    at: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisAnswer:
    """A hypothesis of the study file, answered.

    Parameters
    ----------
    comparison : name of the comparison that answers it, or None where there was none
    sentence : the answer with its numbers
    """

    claim: str
    kind: Literal["better", "equivalent"]
    arms: tuple[str, str]
    answer: Answer
    comparison: str | None
    sentence: str
    declared: Declared


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryEffect:
    """A comparison on another metric than the primary one: an interval, uncorrected, and no verdict."""

    metric: str
    name: str
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a study decides.

    Parameters
    ----------
    primary : the declared comparisons on the primary metric; None where there is nothing to compare
    reason : why there is none
    family : in words, which comparisons were declared
    effects : a family of their own, or None: trends along ordered factors; of a factorial design the effects of each
        factor at each level of another, where an interaction forbids to read the main effects alone
    hypotheses : in the order of the study file
    secondary : the same comparisons on other metrics
    primary_declared : when metric, split and margin were written into the study file
    outlook : what this design can show by the spreads that were measured, and what it would take to decide; None where
        arms share fewer than two seeds
    withheld : reasons from outside the numbers why no verdict is given
    without_leaks : the primary comparisons without the cases that the audit found to stand in two splits; None where
        there are none, or too few are left
    n_leaking : such cases of the primary split
    """

    metric: str
    split: Split
    margin: float | None
    primary: Comparison | None
    reason: str | None
    family: str
    effects: Comparison | None
    hypotheses: tuple[HypothesisAnswer, ...]
    secondary: tuple[SecondaryEffect, ...]
    primary_declared: Declared
    outlook: PowerPlan | None
    withheld: tuple[str, ...]
    without_leaks: Comparison | None
    n_leaking: int
    labels: Mapping[str, str]

    def _repr_html_(self) -> str:
        """Show the verdicts in a notebook."""
        if self.primary is None:
            return notebook_html(f"No verdict: {self.reason}")
        items = self.primary.comparisons
        return notebook_html(
            f"{METRICS[self.metric].title} on {self.split}: {self.family}",
            columns=COLUMNS,
            rows=[item.row() for item in items],
            lines=[*(item.sentence for item in items), *(f"{one.claim}: {one.answer}" for one in self.hypotheses)],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "metric": self.metric,
            "split": self.split,
            "margin": self.margin,
            "family": self.family,
            "reason": self.reason,
            "primary": None if self.primary is None else self.primary.to_dict(),
            "effects": None if self.effects is None else self.effects.to_dict(),
            "hypotheses": [asdict(item) for item in self.hypotheses],
            "secondary": [asdict(item) for item in self.secondary],
            "primary_declared": asdict(self.primary_declared),
            "outlook": None if self.outlook is None else self.outlook.to_dict(),
            "withheld": list(self.withheld),
            "without_leaks": None if self.without_leaks is None else self.without_leaks.to_dict(),
            "n_leaking": self.n_leaking,
            "labels": dict(self.labels),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a reader may ask for instead of what the study declares; None keeps the study's own.

    Parameters
    ----------
    pairs : compare all pairs of arms instead of the declared family
    bootstrap : whether a crossed bootstrap is set beside the primary comparisons
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
    declared = study.plan.primary
    metric = chosen.metric or declared.metric
    METRICS[metric]
    split: Split = declared.split
    margin = chosen.margin if chosen.margin is not None else declared.margin_of(metric)
    labels = study.plan.labels
    runs, withheld = run_scores(study, split), withheld_by_audit(study)
    family, words = _family(study, runs, chosen) if runs is not None else ((), "none")
    family = tuple(in_words(contrast, labels) for contrast in family)
    primary, reason = _compare(runs, family, metric, margin, chosen, withheld)
    if chosen.bootstrap and primary is not None and runs is not None:
        primary = cross_checked(primary, runs)
    primary, simple = _without_interactions(study, runs, primary, margin, chosen, withheld)
    judged_arms = set() if runs is None else set(runs.arm_names)
    leaking = _leaking(study, split)
    without = _without(runs, leaking)
    return Judgement(
        metric=metric,
        split=split,
        margin=margin,
        primary=primary,
        reason=reason,
        family=words,
        effects=_effects(study, runs, metric, chosen, withheld) if simple is None else simple,
        hypotheses=tuple(
            _answer(item, primary, declared=_declared(study, "hypotheses", number), known=judged_arms)
            for number, item in enumerate(study.plan.hypotheses)
        ),
        secondary=_secondary(runs, family, metric, chosen) if runs is not None else (),
        primary_declared=_declared(study, "primary", None),
        outlook=None if primary is None else plan_again(primary),
        withheld=withheld,
        without_leaks=_compare(without, family, metric, margin, chosen, withheld)[0],
        n_leaking=int(leaking.sum()),
        labels=labels,
    )


def run_scores(study: StudyData, split: Split) -> RunScores | None:
    """Return the scores of every run that has predictions on a split; None where none has.

    Patients, where the study knows them for every case of the split, are what was sampled.
    """
    scored = [run for run in study.runs if split in run.predictions]
    if not scored:
        return None
    first = scored[0].predictions[split]
    _same_cases(scored, split)
    return RunScores.from_probabilities(
        first.y_true,
        np.stack([run.predictions[split].y_prob for run in scored]),
        arms=[run.key.arm for run in scored],
        seeds=[run.key.seed for run in scored],
        patients=_patients(study, first.cases),
    )


def withheld_by_audit(study: StudyData) -> tuple[str, ...]:
    """Return why the audit lets no verdict stand: its blockers that the study file does not acknowledge."""
    found = () if study.audit is None else study.audit.open_blockers
    return tuple(
        f"the audit found what stands in the way of a verdict ({finding.code}, {_lower(finding.title)}), and the study "
        "file does not acknowledge it"
        for finding in found
    )


def _lower(title: str) -> str:
    return title[0].lower() + title[1:]


def _leaking(study: StudyData, split: Split) -> NDArray[np.bool_]:
    """Return which of the judged cases stand in two splits by the audit: shape (n_cases,), or empty."""
    scored = [run.predictions[split].cases for run in study.runs if split in run.predictions]
    return np.isin(scored[0], concerned_cases(study, split)) if scored else np.zeros(0, dtype=bool)


def _without(runs: RunScores | None, leaking: NDArray[np.bool_]) -> RunScores | None:
    return None if runs is None or leaking.all() or not leaking.any() else runs.on_cases(~leaking)


def _same_cases(runs: Sequence[RunData], split: Split) -> None:
    first = runs[0].predictions[split]
    for run in runs:
        part = run.predictions[split]
        if not (np.array_equal(part.cases, first.cases) and np.array_equal(part.y_true, first.y_true)):
            raise InputError(
                f"the {split} cases of {run.key} are not those of {runs[0].key}",
                expected="the same cases in every run",
                do="remove the run's folder and run the study again",
            )


def _patients(study: StudyData, cases: NDArray[np.int64]) -> NDArray[Any] | None:
    table = study.cases
    by_case = dict(zip(table["case"].to_pylist(), table["patient"].to_pylist(), strict=True))
    found = [by_case.get(int(case)) for case in cases]
    return None if any(patient is None for patient in found) else np.array(found, dtype=str)


# ---------------------------------------------------------------------- which comparisons


def in_words(contrast: Contrast, labels: Mapping[str, str]) -> Contrast:
    """Let sentences say the arms' labels; the name and the weights keep the arms' names."""
    if contrast.kind != "difference":
        return contrast
    first, second = (labels[arm].removesuffix(" (base)") for arm in contrast.arms)
    return replace(contrast, first=first, second=second)


def _family(study: StudyData, runs: RunScores, chosen: Choices) -> tuple[tuple[Contrast, ...], str]:
    names = runs.arm_names
    if chosen.control is not None:
        return against_control(names, _known_arm(study, chosen.control)), f"every arm against {chosen.control}"
    if chosen.pairs:
        pairs = [difference(later, earlier) for k, later in enumerate(names) for earlier in names[:k]]
        return tuple(pairs), "all pairs of arms"
    claimed = _claimed(study, names)
    if study.plan.design == "factorial" and len(names) > 2:
        try:
            effects = factorial_effects(_settings(study, names))
        except InputError:
            pass
        else:
            return (*effects, *claimed), "main effects and interactions of the factors" + _and_claims(claimed)
    control = _BASE if _BASE in names else names[0]
    covered = {frozenset(contrast.arms) for contrast in claimed}
    others = [item for item in against_control(names, control) if frozenset(item.arms) not in covered]
    words = f"every arm against {control}"
    extra = [item for item in claimed if control not in item.arms]
    return (*claimed, *others), words + _and_claims(extra)


def _and_claims(claimed: Sequence[Contrast]) -> str:
    return ", and what the hypotheses compare" if claimed else ""


def _known_arm(study: StudyData, arm: str) -> str:
    labels = study.plan.labels
    by_word = {label: name for name, label in labels.items()} | {name: name for name in labels}
    if arm not in by_word:
        raise InputError(f"no arm is called {arm!r}", expected=f"one of {', '.join(labels)}")
    return by_word[arm]


def _claimed(study: StudyData, names: Sequence[str]) -> tuple[Contrast, ...]:
    """Return the comparisons of the hypotheses, each pair of arms once, as the first claim about it puts it."""
    found: dict[frozenset[str], Contrast] = {}
    for item in study.plan.hypotheses:
        first, second = item.arms
        if first in names and second in names:
            found.setdefault(frozenset((first, second)), difference(first, second))
    return tuple(found.values())


def _settings(study: StudyData, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the level of every factor in every arm of a factorial design."""
    return {
        arm.name: {factor: _plain_level(arm.value_at(factor)) for factor in study.plan.factors}
        for arm in study.plan.arms
        if arm.name in names
    }


def _plain_level(value: Any) -> Any:
    """Return a level that can be compared: the name of a part that has one."""
    return value.get("name", str(dict(value))) if isinstance(value, Mapping) else value


def _effects(
    study: StudyData, runs: RunScores | None, metric: str, chosen: Choices, withheld: Sequence[str]
) -> Comparison | None:
    """Compare along numeric factors of three levels and more: the slope, on a log scale where levels span tenfold."""
    if runs is None or chosen.control is not None or chosen.pairs or study.plan.design != "one-at-a-time":
        return None
    trends = [trend for factor in study.plan.factors if (trend := _trend(study, runs, factor)) is not None]
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
    """Note which interactions forbid to read main effects alone, and give the simple effects in their place.

    An interaction does so where its interval excludes 0, or is wider than the size of a main effect of its factors, so
    that it may be as large.
    """
    if runs is None or primary is None:
        return primary, None
    mains = [item for item in primary.comparisons if item.result.contrast.kind == "main effect"]
    notes: list[str] = []
    effects: list[Contrast] = []
    for item in primary.comparisons:
        if item.result.contrast.kind != "interaction":
            continue
        why = _why_not_main(item, mains)
        if why is not None:
            first, second = item.result.contrast.first, item.result.contrast.second
            notes.append(f"{item.name}: {why}: read each factor's effect at each level of the other, not its mean")
            effects += simple_effects(_settings(study, runs.arm_names), first, second)
    found, _ = _compare(runs, effects, primary.metric, margin, chosen, withheld)
    return replace(primary, notes=(*primary.notes, *notes)), found


def _why_not_main(interaction: Compared, mains: Sequence[Compared]) -> str | None:
    found, contrast = interaction.evidence, interaction.result.contrast
    if found.low > 0 or found.high < 0:
        return "the interval of the interaction excludes 0"
    factors = (contrast.first, contrast.second)
    sizes = [abs(item.evidence.effect) for item in mains if item.result.contrast.first.split(" = ")[0] in factors]
    if sizes and found.high - found.low > min(sizes):
        return "the interval of the interaction is wider than a main effect is large"
    return None


def _trend(study: StudyData, runs: RunScores, factor: str) -> Contrast | None:
    levels = {
        arm.name: arm.value_at(factor)
        for arm in study.plan.arms
        if arm.name in runs.arm_names and (arm.name == _BASE or arm.factor == factor)
    }
    numbers = {name: float(v) for name, v in levels.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if len(numbers) != len(levels) or len(set(numbers.values())) < 3:
        return None
    smallest, largest = min(numbers.values()), max(numbers.values())
    return linear_trend(numbers, factor=factor, log=smallest > 0 and largest >= 5 * smallest)


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
    for metric in metrics_for(runs.n_classes):
        comparison, _ = _compare(runs, family, metric, None, chosen, ()) if metric != primary else (None, None)
        found += [] if comparison is None else [_effect(metric, item) for item in comparison.comparisons]
    return tuple(found)


def _effect(metric: str, item: Compared) -> SecondaryEffect:
    found = item.evidence
    return SecondaryEffect(metric=metric, name=item.name, effect=found.effect, low=found.low, high=found.high)


# ---------------------------------------------------------------------- hypotheses


def _answer(
    item: PlannedHypothesis, primary: Comparison | None, *, declared: Declared, known: set[str]
) -> HypothesisAnswer:
    first, second = item.arms
    compared = None if primary is None else _comparison_of(primary, first, second)
    answer: Answer = "undecided"
    if compared is None:
        missing = [arm for arm in (first, second) if arm not in known]
        why = f"there is no finished run of {' and '.join(missing)}" if missing else "its arms were not compared"
        sentence = f"Undecided: {why}."
    else:
        answer = _decided(item.kind, compared, swapped=compared.result.contrast.arms[0] != first)
        sentence = f"{answer.capitalize()}: {compared.sentence}"
    return HypothesisAnswer(
        claim=item.claim,
        kind=item.kind,
        arms=(first, second),
        answer=answer,
        comparison=None if compared is None else compared.name,
        sentence=sentence,
        declared=declared,
    )


def _comparison_of(primary: Comparison, first: str, second: str) -> Compared | None:
    for compared in primary.comparisons:
        contrast = compared.result.contrast
        if contrast.kind == "difference" and set(contrast.arms) == {first, second}:
            return compared
    return None


def _decided(kind: str, compared: Compared, *, swapped: bool) -> Answer:
    """Answer a claim: *better* is contradicted by a worse or an equivalent arm; *equivalent* by a difference that is
    surely larger than the margin.
    """
    verdict = compared.verdict
    label = _SWAPPED.get(verdict.label, verdict.label) if swapped else verdict.label
    if kind == "better":
        found: dict[Label, Answer] = {"better": "supported", "worse": "contradicted", "equivalent": "contradicted"}
        return found.get(label, "undecided")
    if label == "equivalent" or verdict.within_margin:
        return "supported"
    nearest = min(abs(compared.evidence.low), abs(compared.evidence.high))
    beyond = label in _SWAPPED and verdict.margin is not None and nearest >= verdict.margin
    return "contradicted" if beyond else "undecided"


def _declared(study: StudyData, key: str, number: int | None) -> Declared:
    """Return when a part of the study file was first written as it stands now."""
    versions = [(version, _parsed(version)) for version in study.protocol]
    if not versions:
        return Declared(before_runs=False, at="", sha256=None)
    wanted = _part(versions[-1][1], key, number)
    for version, content in versions:
        if _holds(content, key, wanted):
            return Declared(
                before_runs=version.get("finished_runs", 0) == 0,
                at=str(version.get("at", "")),
                sha256=version.get("study_sha256"),
            )
    return Declared(before_runs=False, at="", sha256=None)


def _parsed(version: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        found = YAML(typ="safe").load(str(version.get("study_yaml", "")))
    except YAMLError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _part(content: Mapping[str, Any], key: str, number: int | None) -> Any:
    part = content.get(key)
    if number is None:
        return part
    return part[number] if isinstance(part, list) and number < len(part) else None


def _holds(content: Mapping[str, Any], key: str, wanted: Any) -> bool:
    part = content.get(key)
    return wanted in part if isinstance(part, list) else part == wanted
