"""What trained studies say about the gap from validation to test, as a section of docs/chest-xray-audit.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from replicating.markdown import table
from scantrial.core.errors import ScantrialError
from scantrial.core.records import Split
from scantrial.findings.diagnosis import ArmDiagnosis, DiagnosedArm, diagnose_study
from scantrial.findings.judging import judge
from scantrial.findings.leaks import concerned_cases
from scantrial.findings.reading import RunData, StudyData, read_study_folder
from scantrial.prose.verdicts import without_leaks
from scantrial.store.folder import StudyFolder

TITLE = "## Why validation and test differ: what the networks do"
IN_FULL = "report-a-loss"
COMMAND = "python examples/replication/chest_xray_audit.py --only-studies --studies replication"

_EXPLAINING = ("selection", "class mix", "leakage")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmGap:
    """An arm of a study: what its gap is due to, and what it gets right.

    Parameters
    ----------
    recalls : by split, share of each class's cases that are decided rightly, mean over the runs
    without : recalls on the test cases whose patient's name or image stands in no other split
    n_without : such cases of each class
    """

    study: str
    n_runs: int
    found: ArmDiagnosis
    recalls: dict[Split, NDArray[np.float64]]
    without: NDArray[np.float64]
    n_without: NDArray[np.int64]

    def part(self, step: str) -> float | None:
        """Return what a step explains, as a proportion; None where the step was not taken or not yet checked."""
        return next((each.explained for each in self.found.steps if each.name == step), None)

    @property
    def left(self) -> float | None:
        """Return what is left of the gap, or None where chance may be all of it."""
        return next((each.numbers["left"] for each in self.found.steps if each.name == "unexplained"), None)

    @property
    def shift_found(self) -> bool:
        """Whether what is left may be called shift, and the scans of the two sets do differ."""
        last = next((each.numbers for each in self.found.steps if each.name == "unexplained"), None)
        return last is not None and last["may_be_shift"] and last["shift_found"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyGaps:
    """A study with at least one finished run; `sentences` are of its comparisons with and without concerned cases."""

    name: str
    classes: tuple[str, ...]
    arms: tuple[ArmGap, ...]
    sentences: tuple[str, ...]


def section(folder: Path, names: Sequence[str]) -> str:
    """Return the section, made of those of the named studies that have finished runs in `folder`; the rest is named."""
    studies, missing = [], []
    for name in names:
        try:
            found = read_gaps(folder / name)
        except ScantrialError as error:
            print(f"{name}: {error}", file=sys.stderr)
            found = None
        if found is None:
            missing.append(name)
        else:
            studies.append(found)
    return "\n".join([TITLE, "", *_parts(studies, missing)]).rstrip() + "\n"


def read_gaps(path: Path) -> StudyGaps | None:
    """Read a study folder, which logs that its test rows are read; None where it is missing or has no finished run."""
    folder = StudyFolder(path)
    if not folder.exists() or not folder.run_keys():
        return None
    study = read_study_folder(folder, by="chest_xray_audit.py", purpose="gaps from validation to test")
    arms = [DiagnosedArm(name=name, label=label, differing={}) for name, label in _labels(study).items()]
    concerned = concerned_cases(study, "test")
    return StudyGaps(
        name=path.name,
        classes=study.runs[0].facts.class_names,
        arms=tuple(
            _gap_of(path.name, found, study.runs_of(found.name), concerned)
            for found in diagnose_study(study, arms).arms
            if found.test_gap is not None
        ),
        sentences=tuple(without_leaks(judge(study))),
    )


def _labels(study: StudyData) -> dict[str, str]:
    return {name: label for name, label in study.plan.labels.items() if study.runs_of(name)}


def _gap_of(study: str, found: ArmDiagnosis, runs: Sequence[RunData], concerned: NDArray[np.int64]) -> ArmGap:
    both = [run for run in runs if "val" in run.predictions and "test" in run.predictions]
    test = both[0].predictions["test"]
    kept = ~np.isin(test.cases, concerned)
    splits: tuple[Split, ...] = ("val", "test")
    return ArmGap(
        study=study,
        n_runs=len(both),
        found=found,
        recalls={split: _recalls(both, split) for split in splits},
        without=_recalls(both, "test", kept),
        n_without=np.bincount(test.y_true[kept], minlength=len(both[0].facts.class_names)),
    )


def _recalls(runs: Sequence[RunData], split: Split, kept: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the share of each class's kept cases that are decided rightly, mean over the runs; NaN without a case."""
    y_true = runs[0].predictions[split].y_true
    right = np.mean([run.predictions[split].y_pred == y_true for run in runs], axis=0)
    rows = [(y_true == index) & (True if kept is None else kept) for index in range(len(runs[0].facts.class_names))]
    return np.array([right[row].mean() if row.any() else np.nan for row in rows])


# ---------------------------------------------------------------------- what is written


def _parts(studies: Sequence[StudyGaps], missing: Sequence[str]) -> Iterator[str]:
    yield (
        "This section is written from trained studies, one folder each under `replication`; each logs that its test "
        "rows were read. To write only this section (takes seconds):\n"
    )
    yield f"    {COMMAND}\n"
    arms = [arm for study in studies for arm in study.arms]
    if not arms:
        yield "No study of the reports has a finished run there, so there is nothing to say.\n"
        return
    runs = sum(arm.n_runs for arm in arms)
    yield f"Studies: {', '.join(study.name for study in studies)}; {len(arms)} arms, {runs} runs.\n"
    if missing:
        yield f"Without a finished run, or not to be read: {', '.join(missing)}.\n"
    yield from _answer(arms, studies[0].classes)
    full = next((study for study in studies if study.name == IN_FULL), studies[0])
    yield f"### Step by step: {full.name}\n"
    for arm in full.arms:
        yield f"{arm.found.label}:\n"
        yield "".join(f"{n}. {said}\n" for n, said in enumerate(arm.found.shift_said, 1))
    yield "### All arms\n"
    yield from _gap_table(arms)
    yield from _class_table(studies)
    yield f"### With and without the cases concerned: {full.name}\n"
    yield "".join(f"- {said}\n" for said in full.sentences) or "The audit of this study concerns no test case.\n"


def _answer(arms: Sequence[ArmGap], classes: Sequence[str]) -> Iterator[str]:
    """Conclude by rule.

    Shift is named as the likely reason if, in every arm whose gap is beyond chance, selection, class mix and leakage
    were all checked, they explain less than half of the gap, and the scans of the two sets do differ.
    """
    gapped = [arm for arm in arms if arm.left is not None]
    yield "### The answer\n"
    if not gapped:
        yield f"In none of {len(arms)} arms is validation above test by more than chance: there is no gap to explain.\n"
        return
    values = [arm.found.test_gap.value for arm in gapped if arm.found.test_gap is not None]
    yield (
        f"Validation is above test by more than chance in {len(gapped)} of {len(arms)} arms, by {_span(values)} "
        "points. "
        + " ".join(_explained(step, gapped) for step in _EXPLAINING)
        + f" {_span([arm.left for arm in gapped if arm.left is not None])} points remain.\n"
    )
    little = [arm for arm, value in zip(gapped, values, strict=True) if (arm.left or 0.0) > value / 2]
    if len(little) == len(gapped) and all(arm.shift_found for arm in gapped):
        yield (
            "The likely explanation is shift: no other step explains half of the gap in any arm, and the scans of the "
            "two sets can be distinguished. This does not show which feature of the scans costs these points. Test "
            "labels that the audit does not doubt may also be wrong.\n"
        )
    else:
        shifted = sum(arm.shift_found for arm in little)
        yield (
            "There is no single explanation: the remaining gap may be called shift and is more than half of the gap in "
            f"{shifted} of {len(gapped)} arms.\n"
        )
    yield from _by_class(gapped, classes)


def _explained(step: str, arms: Sequence[ArmGap]) -> str:
    parts = [part for arm in arms if (part := arm.part(step)) is not None]
    name = {"selection": "Choosing the epoch", "class mix": "Class mix", "leakage": "Leakage into validation"}[step]
    waiting = len(arms) - len(parts)
    not_yet = f", and is not yet checked in {waiting} arms" if waiting else ""
    if not parts:
        return f"{name} is not yet checked."
    most = max(parts)
    explains = "explains nothing" if most < 0.0005 else f"explains at most {100 * most:.1f} points"
    return f"{name} {explains}{not_yet}."


def _by_class(arms: Sequence[ArmGap], classes: Sequence[str]) -> Iterator[str]:
    """Say which class the points are lost on, if it is the same one in every arm."""
    lost = np.array([arm.recalls["val"] - arm.recalls["test"] for arm in arms])
    most = set(lost.argmax(axis=1).tolist())
    if len(most) > 1:
        return
    index = most.pop()
    others = -np.delete(lost, index, axis=1)
    yield (
        f"In every arm the gap is due to one class: from validation to test, the share of {classes[index]} scans "
        f"classified correctly falls by {_span(lost[:, index])} points; that of the other class changes by "
        f"{_span(others)}.\n"
    )


def _span(values: Sequence[float] | NDArray[np.float64]) -> str:
    low, high = (_points(float(value)) for value in (np.min(values), np.max(values)))
    return low if low == high else f"{low} to {high}"


def _gap_table(arms: Sequence[ArmGap]) -> Iterator[str]:
    yield "Accuracy in per cent, parts in points; brackets: 95 % interval over seeds and cases.\n"
    header = ("study", "arm", "runs", "validation", "test", "gap", *_EXPLAINING, "left")
    yield from table(header, [_gap_cells(arm) for arm in arms], n_words=2)


def _gap_cells(arm: ArmGap) -> list[str]:
    gap = arm.found.test_gap
    assert gap is not None
    parts = [_points(arm.part(step)) for step in _EXPLAINING]
    value = f"{_points(gap.value)} ({_points(gap.low)} to {_points(gap.high)})"
    accuracies = [f"{100 * share:.1f}" for share in (gap.first, gap.second)]
    return [arm.study, arm.found.label, str(arm.n_runs), *accuracies, value, *parts, _points(arm.left)]


def _points(value: float | None) -> str:
    return "–" if value is None else f"{round(100 * value, 1) + 0.0:.1f}".replace("-", "\u2212")


def _class_table(studies: Sequence[StudyGaps]) -> Iterator[str]:
    first = studies[0]
    classes = ", ".join(f"{index} is {name}" for index, name in enumerate(first.classes))
    n_without = " and ".join(str(n) for n in first.arms[0].n_without) if first.arms else "no"
    yield (
        f"Share of each class's scans classified correctly, in per cent ({classes}), and the same without the test "
        f"scans whose patient's name or image appears in another split ({n_without} scans remain). Leaving out scans "
        "of one class changes the class mix and therefore the accuracy; the mean over the classes does not depend on "
        "the mix.\n"
    )
    header = ("study", "arm", "validation", "test", "test, mean", "test without", "test without, mean")
    yield from table(header, [_class_cells(arm) for study in studies for arm in study.arms], n_words=2)


def _class_cells(arm: ArmGap) -> list[str]:
    def listed(shares: NDArray[np.float64]) -> str:
        return ", ".join("–" if np.isnan(share) else f"{100 * share:.1f}" for share in shares)

    test = arm.recalls["test"]
    means = [f"{100 * float(np.mean(shares)):.1f}" for shares in (test, arm.without)]
    cells = [listed(arm.recalls["val"]), listed(test), means[0], listed(arm.without), means[1]]
    return [arm.study, arm.found.label, *cells]
