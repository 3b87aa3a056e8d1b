"""Study folders seen as the reports' arms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from replicating.reports import ReportedArm, ReportedStudy
from scantrial.analysis.curves import CurveAggregates, curve_aggregates
from scantrial.core.errors import InputError
from scantrial.core.records import EpochRecord, RunFacts, Split, SplitPredictions
from scantrial.core.trees import value_at
from scantrial.findings.judging import Judgement, judge
from scantrial.findings.reading import read_study_folder as read_folder
from scantrial.recipe.plan import PlannedArm
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.study.file import read_study_file
from scantrial.study.to_plan import study_to_plan

PURPOSE = "set the test accuracy beside the homework report's"


class RunView:
    """One finished run. Tables are read when they are first asked for, test rows apart from the others."""

    def __init__(self, folder: StudyFolder, key: RunKey) -> None:
        self._folder = folder
        self.key = key

    @cached_property
    def facts(self) -> RunFacts:
        """The content of its ``run.json``."""
        return self._folder.facts(self.key)

    @cached_property
    def history(self) -> tuple[EpochRecord, ...]:
        """Its epochs."""
        return self._folder.history(self.key)

    def aggregates(self, *, skip: int) -> CurveAggregates:
        """Return the aggregates of its learning curve."""
        return curve_aggregates(self.history, skip=skip)

    @cached_property
    def _seen(self) -> Mapping[Split, SplitPredictions]:
        return self._read(("train", "val"))

    @cached_property
    def _test(self) -> Mapping[Split, SplitPredictions]:
        return self._read(("test",))

    def predictions(self, split: Split) -> SplitPredictions | None:
        """Return the chosen epoch's scores on a split, or None where there are none."""
        return (self._test if split == "test" else self._seen).get(split)

    def _read(self, splits: Sequence[Split]) -> dict[Split, SplitPredictions]:
        parts = self._folder.predictions(self.key, splits, by="replicate", purpose=PURPOSE)
        return {part.split: part for part in parts}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """One arm of a report and our finished runs of it.

    Parameters
    ----------
    name : the arm's name in the study folder
    """

    reported: ReportedArm
    name: str
    runs: tuple[RunView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyView:
    """One study of a report and our folder of it; `arms` by their ids in the reports' file.

    Parameters
    ----------
    judgement : the verdicts on its declared metric and margin
    """

    reported: ReportedStudy
    folder: StudyFolder
    arms: Mapping[str, ArmView]
    judgement: Judgement

    @property
    def n_seeds(self) -> int:
        """Seeds that the plan has."""
        return len(self.folder.plan().seeds)

    @property
    def runs(self) -> tuple[RunView, ...]:
        """All finished runs of the reports' arms."""
        return tuple(run for arm in self.arms.values() for run in arm.runs)


def view_study(reported: ReportedStudy, path: Path) -> StudyView:
    """Open a study folder and find the report's arms in it.

    Raises
    ------
    InputError
        If the folder holds no study, an arm of the report is not exactly one arm of it, or it was run with other
        settings or scans than the built-in study's: then it repeats no report.
    """
    folder = open_folder(path)
    plan = folder.plan()
    built_in = study_to_plan(read_study_file(reported.name))
    finished = folder.run_keys()
    arms, departures = {}, list(_data_departures(plan.data, built_in.data))
    for arm in reported.arms:
        ours, meant = (_matching_arm(arm, planned.arms, reported.name) for planned in (plan, built_in))
        departures += differences(f"arm {ours.name}", ours.recipe.to_dict(), meant.recipe.to_dict())
        runs = tuple(RunView(folder, key) for key in finished if key.arm == ours.name)
        arms[arm.id] = ArmView(reported=arm, name=ours.name, runs=runs)
    if departures:
        raise InputError(
            f"the folder is not of the built-in study {reported.name}: {'; '.join(departures)}",
            do="move it away, and run the study as it is",
        )
    judged = judge(read_folder(folder, by="replicate", purpose="verdicts beside the homework reports' conclusions"))
    return StudyView(reported=reported, folder=folder, arms=arms, judgement=judged)


def _data_departures(ours: Mapping[str, Any], meant: Mapping[str, Any]) -> Iterator[str]:
    for part in ("source", "image", "split"):
        yield from differences(f"data.{part}", ours.get(part), meant.get(part))


def differences(where: str, ours: Any, meant: Any) -> Iterator[str]:
    """Yield one text for each value in which two pieces of plain data differ."""
    if isinstance(ours, Mapping) and isinstance(meant, Mapping):
        for key in sorted(ours.keys() | meant.keys()):
            yield from differences(f"{where}.{key}", ours.get(key), meant.get(key))
    elif not _equal(ours, meant):
        yield f"{where} is {ours!r} instead of {meant!r}"


def _matching_arm(arm: ReportedArm, planned: Sequence[PlannedArm], study: str) -> PlannedArm:
    """Match by recipe, for names follow from which level is the base."""
    found = [one for one in planned if matches(one.recipe.to_dict(), arm.match)]
    if len(found) != 1:
        names = [one.name for one in found]
        raise InputError(
            f"{study}: the report's arm {arm.id!r} is {names or 'none of the arms'} of the study",
            expected=f"exactly one arm with {arm.match}",
            do="mend `match` in the reports' file, or the study",
        )
    return found[0]


def matches(recipe: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a recipe has all wanted values; see `look_up` for the keys."""
    return all(_equal(look_up(recipe, key), value) for key, value in wanted.items())


def look_up(recipe: Mapping[str, Any], key: str) -> Any:
    """Return what stands under a dotted key, or None; a last part ``length`` counts a list's elements."""
    counted = value_at(recipe, key.removesuffix(".length"))
    return len(counted) if key.endswith(".length") and isinstance(counted, list | tuple) else value_at(recipe, key)


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, float) and isinstance(wanted, int | float):
        return math.isclose(found, wanted)
    return bool(found == wanted)
