"""The cases of a study as arrays, to filter and sort thousands of them quickly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scantrial.audit.records import Audit
from scantrial.core.records import Split
from scantrial.findings.reading import RunData
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.web.records import CaseCard, CaseFilter

ALL_ARMS = "all"
SORTS: Mapping[str, str] = {
    "case": "case number",
    "mistaken": "most mistaken first",
    "confidence": "most confident first",
    "unsure": "least confident first",
    "disagreement": "arms disagree most first",
}
"""The orders, in words."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseIndex:
    """The rows of ``cases.parquet``.

    Parameters
    ----------
    rows : case, split, label, patient, source of each case
    row_of : position in `rows` by case number
    pictures : PNG bytes of each case, or None
    """

    rows: tuple[Mapping[str, Any], ...]
    row_of: Mapping[int, int]
    pictures: tuple[bytes | None, ...]

    def of_split(self, split: Split) -> tuple[Mapping[str, Any], ...]:
        """Return the cases of a split, by case number."""
        return tuple(sorted((row for row in self.rows if row["split"] == split), key=lambda row: row["case"]))


def read_cases(folder: StudyFolder) -> CaseIndex:
    """Read the cases of a study with their pictures."""
    table = folder.cases()
    if folder.plan().folds:  # every case is tested, each in its fold
        tested = pa.array(["test"] * len(table), pa.string())
        table = table.set_column(table.column_names.index("split"), "split", tested)
    pictures = tuple(table["thumbnail"].to_pylist())
    rows = tuple(table.drop_columns(["thumbnail"]).to_pylist())
    return CaseIndex(rows=rows, row_of={row["case"]: i for i, row in enumerate(rows)}, pictures=pictures)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitScores:
    """The probabilities that the arms give the cases of one split.

    Parameters
    ----------
    cases, y_true : shape (n,)
    arms : names of the arms that have scores
    y_prob : shape (n_arms, n, n_classes): means over each arm's runs; there may be no arm
    """

    cases: NDArray[np.int64]
    y_true: NDArray[np.int64]
    arms: tuple[str, ...]
    y_prob: NDArray[np.float64]

    def of_arm(self, arm: str) -> NDArray[np.float64] | None:
        """Return one arm's mean probabilities, or the mean over all arms; None if there is no run."""
        if not self.arms:
            return None
        if arm == ALL_ARMS:
            return np.asarray(self.y_prob.mean(axis=0), dtype=np.float64)
        return self.y_prob[self.arms.index(arm)] if arm in self.arms else None

    def disagreement(self) -> NDArray[np.float64] | None:
        """Return for each case the largest difference between two arms' probabilities of the true class."""
        if len(self.arms) < 2:
            return None
        of_true = self.y_prob[:, np.arange(len(self.cases)), self.y_true]
        return np.asarray(of_true.max(axis=0) - of_true.min(axis=0), dtype=np.float64)


def split_scores(index: CaseIndex, split: Split, runs: Mapping[RunKey, RunData], *, n_classes: int) -> SplitScores:
    """Average each arm's runs on the cases of a split."""
    rows = index.of_split(split)
    cases = np.array([row["case"] for row in rows], dtype=np.int64)
    if any(key.place is not None for key in runs):
        return _fold_scores(rows, runs, n_classes=n_classes)
    by_arm: dict[str, list[NDArray[np.float64]]] = {}
    for key, run in runs.items():
        part = run.predictions.get(split)
        if part is not None and np.array_equal(part.cases, cases) and part.y_prob.shape[1] == n_classes:
            by_arm.setdefault(key.arm, []).append(part.y_prob)
    means = [np.mean(parts, axis=0) for parts in by_arm.values()]
    return SplitScores(
        cases=cases,
        y_true=np.array([row["label"] for row in rows], dtype=np.int64),
        arms=tuple(by_arm),
        y_prob=np.stack(means) if means else np.empty((0, len(cases), n_classes)),
    )


def _fold_scores(rows: Sequence[Mapping[str, Any]], runs: Mapping[RunKey, RunData], *, n_classes: int) -> SplitScores:
    """Average over the runs that tested each case; an arm that has not tested all of them has no scores."""
    cases = np.array([row["case"] for row in rows], dtype=np.int64)
    sums: dict[str, NDArray[np.float64]] = {}
    times: dict[str, NDArray[np.float64]] = {}
    for key, run in runs.items():
        part = run.predictions.get("test")
        if part is None or part.y_prob.shape[1] != n_classes or not np.isin(part.cases, cases).all():
            continue
        places = np.searchsorted(cases, part.cases)
        sums.setdefault(key.arm, np.zeros((len(cases), n_classes)))[places] += part.y_prob
        times.setdefault(key.arm, np.zeros((len(cases), 1)))[places] += 1
    whole = [arm for arm, n in times.items() if n.all()]
    means = [sums[arm] / times[arm] for arm in whole]
    return SplitScores(
        cases=cases,
        y_true=np.array([row["label"] for row in rows], dtype=np.int64),
        arms=tuple(whole),
        y_prob=np.stack(means) if means else np.empty((0, len(cases), n_classes)),
    )


def findings_by_case(audit: Audit | None) -> dict[int, tuple[str, ...]]:
    """Return the codes of the audit's findings that name each case."""
    found: dict[int, dict[str, None]] = {}
    for finding in audit.findings if audit is not None else ():
        for case in finding.case_numbers:
            found.setdefault(int(case), {})[finding.code] = None
    return {case: tuple(codes) for case, codes in found.items()}


def finding_titles(audit: Audit | None) -> dict[str, str]:
    """Return the titles of the findings that name cases, by code."""
    return {item.code: item.title for item in (audit.findings if audit is not None else ()) if item.case_numbers}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """The cases that a filter selects, in its order, as positions among the cases of the split."""

    scores: SplitScores
    positions: NDArray[np.int64]
    y_prob: NDArray[np.float64] | None
    findings: Mapping[int, tuple[str, ...]]
    class_names: tuple[str, ...]

    def cards(self, positions: Sequence[int] | NDArray[np.int64]) -> tuple[CaseCard, ...]:
        """Return the cases at these positions."""
        apart = self.scores.disagreement()
        return tuple(self._card(int(position), apart) for position in positions)

    def numbers(self) -> list[int]:
        """Return the case numbers, in order."""
        return [int(case) for case in self.scores.cases[self.positions]]

    def _card(self, position: int, apart: NDArray[np.float64] | None) -> CaseCard:
        case, truth = int(self.scores.cases[position]), int(self.scores.y_true[position])
        decided = None if self.y_prob is None else int(self.y_prob[position].argmax())
        return CaseCard(
            case=case,
            truth=self.class_names[truth],
            decision=None if decided is None else self.class_names[decided],
            confidence=None if self.y_prob is None else float(self.y_prob[position].max()),
            is_right=None if decided is None else decided == truth,
            disagreement=None if apart is None else float(apart[position]),
            findings=self.findings.get(case, ()),
        )


def choose(
    scores: SplitScores,
    wanted: CaseFilter,
    *,
    class_names: tuple[str, ...],
    findings: Mapping[int, tuple[str, ...]],
) -> Chosen:
    """Filter and sort the cases of a split."""
    y_prob = scores.of_arm(wanted.arm)
    keep = np.ones(len(scores.cases), dtype=bool)
    if wanted.truth is not None:
        keep &= scores.y_true == class_names.index(wanted.truth)
    if wanted.finding is not None:
        keep &= np.array([_is_named(findings.get(int(case), ()), wanted.finding) for case in scores.cases], dtype=bool)
    if wanted.decision is not None or wanted.outcome is not None:
        decided = np.full(len(keep), -1) if y_prob is None else y_prob.argmax(axis=1)
        if wanted.decision is not None:
            keep &= decided == class_names.index(wanted.decision)
        if wanted.outcome is not None:
            keep &= (decided >= 0) & ((decided == scores.y_true) == (wanted.outcome == "right"))
    positions = np.flatnonzero(keep)
    order = _sort_key(scores, wanted.sort, y_prob)
    if order is not None:
        positions = positions[np.argsort(order[positions], kind="stable")]
    return Chosen(scores=scores, positions=positions, y_prob=y_prob, findings=findings, class_names=class_names)


def _is_named(codes: tuple[str, ...], wanted: str) -> bool:
    return bool(codes) if wanted == "any" else wanted in codes


def _sort_key(scores: SplitScores, sort: str, y_prob: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return what to sort by, the smallest first; None keeps the order of case numbers."""
    if sort == "disagreement":
        apart = scores.disagreement()
        return None if apart is None else -apart
    if y_prob is None or sort == "case":
        return None
    if sort == "mistaken":
        return np.asarray(y_prob[np.arange(len(scores.cases)), scores.y_true], dtype=np.float64)
    return np.asarray(y_prob.max(axis=1) * (-1 if sort == "confidence" else 1), dtype=np.float64)
