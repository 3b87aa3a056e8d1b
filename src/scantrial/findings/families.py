"""The comparisons that a study is judged by: declared by its hypotheses and design, or chosen by a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from scantrial.analysis.contrasts import (
    Contrast,
    against_control,
    difference,
    factorial_effects,
    linear_trend,
)
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError
from scantrial.findings.reading import StudyData

BASE = "base"
"""Name of the arm with the unchanged recipe."""


def in_words(contrast: Contrast, labels: Mapping[str, str]) -> Contrast:
    """Put the arms' labels into a contrast for sentences; its name and weights keep the arms' names."""
    if contrast.kind != "difference":
        return contrast
    first, second = (labels[arm].removesuffix(" (base)") for arm in contrast.arms)
    return replace(contrast, first=first, second=second)


def family_of(
    study: StudyData, runs: RunScores, *, control: str | None, pairs: bool
) -> tuple[tuple[Contrast, ...], str]:
    """Return the comparisons that a study is judged by, and what they are in words.

    Parameters
    ----------
    control : an arm that every other is compared with, instead of the declared comparisons
    pairs : compare all pairs of arms instead

    Raises
    ------
    InputError
        If the control is no arm.
    """
    names = runs.arm_names
    if control is not None:
        return against_control(names, _known_arm(study, control)), f"every arm against {control}"
    if pairs:
        every = [difference(later, earlier) for k, later in enumerate(names) for earlier in names[:k]]
        return tuple(every), "all pairs of arms"
    claimed = _claimed(study, names)
    if study.plan.design == "factorial" and len(names) > 2:
        try:
            effects = factorial_effects(factor_levels(study, names))
        except InputError:
            pass
        else:
            return (*effects, *claimed), "main effects and interactions of the factors" + _and_claims(claimed)
    control = BASE if BASE in names else names[0]
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
    """Return the comparisons of the hypotheses, each pair of arms once, in the order of the first claim about it."""
    found: dict[frozenset[str], Contrast] = {}
    for item in study.plan.hypotheses:
        first, second = item.arms
        if first in names and second in names:
            found.setdefault(frozenset((first, second)), difference(first, second))
    return tuple(found.values())


def factor_levels(study: StudyData, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the level of every factor in every arm of a factorial design."""
    return {
        arm.name: {factor: _plain_level(arm.value_at(factor)) for factor in study.plan.factors}
        for arm in study.plan.arms
        if arm.name in names
    }


def _plain_level(value: Any) -> Any:
    """Return a level that can be compared: the name of a part that has one."""
    return value.get("name", str(dict(value))) if isinstance(value, Mapping) else value


def trend_along(study: StudyData, runs: RunScores, factor: str) -> Contrast | None:
    """Return the slope along a numeric factor of three levels or more; on a log scale if they span fivefold."""
    levels = {
        arm.name: arm.value_at(factor)
        for arm in study.plan.arms
        if arm.name in runs.arm_names and (arm.name == BASE or arm.factor == factor)
    }
    numbers = {name: float(v) for name, v in levels.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    if len(numbers) != len(levels) or len(set(numbers.values())) < 3:
        return None
    smallest, largest = min(numbers.values()), max(numbers.values())
    return linear_trend(numbers, factor=factor, log=smallest > 0 and largest >= 5 * smallest)
