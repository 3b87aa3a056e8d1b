"""The answers to the hypotheses of a study file, and when each was declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scantrial.analysis.comparison import Compared, Comparison
from scantrial.analysis.cross_validation import FoldCompared, FoldComparison
from scantrial.analysis.verdicts import Label
from scantrial.core.yaml import plain_yaml
from scantrial.findings.reading import StudyData
from scantrial.recipe.plan import Plan, PlannedArm, PlannedHypothesis

Answer = Literal["supported", "contradicted", "undecided"]

MAX_READ = 100_000
"""Characters of study files in a protocol that are read: some forty versions, which take 3 s at worst."""

_SWAPPED: Mapping[Label, Label] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """When something was written into the study file.

    Parameters
    ----------
    before_runs : whether it was there before the first run finished
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
    comparison : name of the comparison that answers it, or None if there was none
    sentence : the answer with its numbers
    """

    claim: str
    kind: Literal["better", "equivalent"]
    arms: tuple[str, str]
    answer: Answer
    comparison: str | None
    sentence: str
    declared: Declared


def answer_to(
    item: PlannedHypothesis,
    primary: Comparison | FoldComparison | None,
    *,
    declared: Declared,
    known: set[str],
) -> HypothesisAnswer:
    """Answer a hypothesis by the comparison of its two arms.

    Parameters
    ----------
    primary : the judged comparisons, or None if there are none
    declared : when the hypothesis was written into the study file
    known : names of the arms that have a finished run
    """
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


def _comparison_of(primary: Comparison | FoldComparison, first: str, second: str) -> Compared | FoldCompared | None:
    for compared in primary.comparisons:
        contrast = compared.result.contrast
        if contrast.kind == "difference" and set(contrast.arms) == {first, second}:
            return compared
    return None


def _decided(kind: str, compared: Compared | FoldCompared, *, swapped: bool) -> Answer:
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
    nearest = max(compared.evidence.low, -compared.evidence.high)
    beyond = label in _SWAPPED and verdict.margin is not None and nearest >= verdict.margin
    return "contradicted" if beyond else "undecided"


def declared_when(study: StudyData, key: str, number: int | None) -> Declared:
    """Return when a part of the study file was first written in its present form.

    Not known where files of the folder are not what was written, or where the plan says something else than the study
    file: folders of earlier versions have no hash of the plan. Nor where the protocol has more text than `MAX_READ`,
    and no version that was read has the part.
    """
    if study.mismatches:
        return Declared(before_runs=False, at="", sha256=None)
    versions = _read_versions(study.protocol)
    last = _content(versions[-1]) if versions else None
    if last is None:
        return Declared(before_runs=False, at="", sha256=None)
    wanted = _part(last, key, number)
    if isinstance(wanted, Mapping) and _is_other(wanted, study.plan, number):
        return Declared(before_runs=False, at="", sha256=None)
    for version in versions:
        if version is None:
            break
        if _holds(_content(version), key, wanted):
            return Declared(
                before_runs=version.get("finished_runs", 0) == 0,
                at=str(version.get("at", "")),
                sha256=version.get("study_sha256"),
            )
    return Declared(before_runs=False, at="", sha256=None)


def _is_other(said: Mapping[str, Any], plan: Plan, number: int | None) -> bool:
    """Return whether the plan has another primary measure, or another hypothesis, than the study file says."""
    if number is None:
        return {"split": "test", "margin": None, **said} != plan.primary.model_dump()
    item = plan.hypotheses[number]
    pair = said.get("equivalent", [said.get("better"), said.get("than")])
    kind = next((kind for kind in ("better", "equivalent") if kind in said), item.kind)
    arms = {arm.name: arm for arm in plan.arms}
    return (
        said.get("claim") != item.claim
        or kind != item.kind
        or any(_is_other_arm(one, arms[name]) for one, name in zip(pair, item.arms, strict=False))
    )


def _is_other_arm(said: Any, arm: PlannedArm) -> bool:
    """Return whether a study file means another arm: by its name, or by settings such as ``{loss: ce}``."""
    if isinstance(said, str):
        return said not in (arm.name, arm.label)
    asked = said if isinstance(said, Mapping) else {}
    return any(_is_other_value(value, arm.value_at(key)) for key, value in asked.items())


def _is_other_value(said: Any, planned: Any) -> bool:
    """Return whether a value of a study file surely differs; one word stands for a part with this name."""
    if isinstance(planned, Mapping):
        given = said if isinstance(said, Mapping) else {"name": said}
        return any(_is_other_value(value, planned[key]) for key, value in given.items() if key in planned)
    kinds = (bool, int, float) if isinstance(planned, int | float) else (str,)
    return isinstance(planned, str | int | float) and isinstance(said, kinds) and said != planned


def _read_versions(protocol: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
    """Return the versions of the study file in their order, None for those beyond `MAX_READ`; the last counts first."""
    left, found = MAX_READ, []
    for version in [*protocol[-1:], *protocol[:-1]]:
        left -= len(str(version.get("study_yaml", "")))
        found.append(version if left >= 0 else None)
    return [*found[1:], *found[:1]]


def _content(version: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return what a version of the study file says; None where it is not read or is no study file."""
    content = plain_yaml(str((version or {}).get("study_yaml", "")))
    return content if isinstance(content, Mapping) else None


def _part(content: Mapping[str, Any] | None, key: str, number: int | None) -> Any:
    part = (content or {}).get(key)
    if number is None:
        return part
    return part[number] if isinstance(part, list) and number < len(part) else None


def _holds(content: Mapping[str, Any] | None, key: str, wanted: Any) -> bool:
    if content is None:
        return False
    part = content.get(key)
    return wanted in part if isinstance(part, list) else part == wanted
