"""What the decisions of a study's runs give away: one class for every case, or less than the commonest class would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scantrial.analysis.empty_scores import class_of_every_case
from scantrial.analysis.runs import RunScores
from scantrial.core.format import SPLIT_WORDS, counted, joined, percent
from scantrial.core.plain import Plain, fields_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFault(Plain):
    """What is wrong with the decisions of one arm.

    Parameters
    ----------
    arm, label : its name, and what to call it
    split : whose cases are judged
    n_runs : runs of the arm
    """

    arm: str
    label: str
    split: str
    n_runs: int

    @property
    def sentence(self) -> str:
        """Say it in a sentence."""
        raise NotImplementedError

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "sentence": self.sentence}


@dataclass(frozen=True, slots=True, kw_only=True)
class CollapsedArm(ArmFault):
    """An arm of which some runs, or all, give every judged case the same class, though the cases are of several.

    Parameters
    ----------
    seeds : of the collapsed runs, by the name of the class that they give
    """

    seeds: Mapping[str, tuple[int, ...]]

    @property
    def sentence(self) -> str:
        """Say how many runs give every case which class."""
        return _collapsed_words(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmBelowCommonest(ArmFault):
    """An arm whose accuracy lies below that of always saying the commonest class of the judged cases.

    Parameters
    ----------
    accuracy : mean over the runs
    commonest : name of the commonest class
    share : of the commonest class among the judged cases
    """

    accuracy: float
    commonest: str
    share: float

    @property
    def sentence(self) -> str:
        """Say the arm's accuracy, and that of always saying the commonest class."""
        return _below_words(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFaults(Plain):
    """What a reader has to know of the arms' decisions before any comparison of them; empty where all is well."""

    collapsed: tuple[CollapsedArm, ...] = ()
    below_commonest: tuple[ArmBelowCommonest, ...] = ()

    @property
    def said(self) -> list[str]:
        """Return a sentence for each arm and fault."""
        return [*(arm.sentence for arm in self.collapsed), *(arm.sentence for arm in self.below_commonest)]


def look_at_decisions(runs: RunScores | None, *, split: str, class_names: Sequence[str]) -> DecisionFaults:
    """Find the arms of which runs give every judged case one class, and those below always saying the commonest.

    The second compares an arm's mean accuracy with the commonest class's share and tests nothing. Where all judged
    cases are of one class, nothing is looked for: that class is then right for every case.

    Parameters
    ----------
    runs : decisions of every run on the judged cases; None where there are none
    split : name of the judged split
    class_names : in the order of class indices
    """
    return decisions_by_fold([] if runs is None else [runs], split=split, class_names=class_names)


def decisions_by_fold(parts: Sequence[RunScores], *, split: str, class_names: Sequence[str]) -> DecisionFaults:
    """Find the same as `look_at_decisions` in the folds of a cross-validation, each with its own runs and cases."""
    parts = [runs for runs in parts if len(np.unique(runs.y_true)) > 1]
    names = parts[0].arm_names if parts else ()
    arms = [(arm, [runs.on_runs(runs.runs_of(arm)) for runs in parts]) for arm in names]
    collapsed = [_collapsed(arm, part, split, class_names) for arm, part in arms]
    below = [_below_commonest(arm, part, split, class_names) for arm, part in arms]
    return DecisionFaults(
        collapsed=tuple(item for item in collapsed if item is not None),
        below_commonest=tuple(item for item in below if item is not None),
    )


def with_labels(found: DecisionFaults, labels: Mapping[str, str]) -> DecisionFaults:
    """Call the arms by their labels."""
    return DecisionFaults(
        collapsed=tuple(replace(item, label=labels[item.arm]) for item in found.collapsed),
        below_commonest=tuple(replace(item, label=labels[item.arm]) for item in found.below_commonest),
    )


def _collapsed(arm: str, parts: Sequence[RunScores], split: str, class_names: Sequence[str]) -> CollapsedArm | None:
    seeds: dict[str, tuple[int, ...]] = {}
    for runs in parts:
        for seed, index in zip(runs.seeds, class_of_every_case(runs).tolist(), strict=True):
            if index >= 0:
                seeds[class_names[index]] = (*seeds.get(class_names[index], ()), seed)
    n_runs = sum(runs.n_runs for runs in parts)
    return CollapsedArm(arm=arm, label=arm, split=split, n_runs=n_runs, seeds=seeds) if seeds else None


def _below_commonest(
    arm: str, parts: Sequence[RunScores], split: str, class_names: Sequence[str]
) -> ArmBelowCommonest | None:
    # Counted in whole cases, over all runs: no rounding makes an arm that is equal lie below.
    counts = np.sum([runs.n_runs * np.bincount(runs.y_true, minlength=len(class_names)) for runs in parts], axis=0)
    n_right = sum(int((runs.y_pred == runs.y_true).sum()) for runs in parts)
    if n_right >= counts.max():
        return None
    return ArmBelowCommonest(
        arm=arm,
        label=arm,
        split=split,
        n_runs=sum(runs.n_runs for runs in parts),
        accuracy=n_right / int(counts.sum()),
        commonest=class_names[int(counts.argmax())],
        share=float(counts.max() / counts.sum()),
    )


def _collapsed_words(arm: CollapsedArm) -> str:
    (first, seeds), *others = arm.seeds.items()
    give = "gives" if len(seeds) == 1 else "give"
    said = f"{len(seeds)} of {counted(arm.n_runs, 'run')} {give} every {_case(arm.split)} the class {first}"
    return f"{arm.label}: {joined([said, *(f'{len(seeds)} the class {name}' for name, seeds in others)])}."


def _below_words(arm: ArmBelowCommonest) -> str:
    mean = "" if arm.n_runs == 1 else f" (mean of {counted(arm.n_runs, 'run')})"
    return (
        f"{arm.label}: an accuracy of {percent(arm.accuracy, 1)}{mean} is below always saying {arm.commonest}, which "
        f"is right in {percent(arm.share, 1)} of the {_case(arm.split)}s."
    )


def _case(split: str) -> str:
    return f"{SPLIT_WORDS.get(split, split)} case"
