"""The test cases that the runs together got most wrong, and those on which arms disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from scantrial.core.records import SplitPredictions
from scantrial.findings.reading import StudyData


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOnMistake:
    """One arm on one case: mean probability of the true class over its runs, and how many were right."""

    arm: str
    label: str
    mean_p_true: float
    n_right: int
    n_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """A test case with a low mean probability of its true class over all runs of all arms."""

    case: int
    source: str
    patient: str | None
    true_class: str
    mean_p_true: float
    n_right: int
    n_runs: int
    arms: tuple[ArmOnMistake, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputedCase:
    """A test case on which arms differ in their mean probability of the true class.

    Parameters
    ----------
    spread : the highest of the arms' mean probabilities of the true class minus the lowest
    arms : every arm with predictions: its mean over seeds, and how many of its runs are right
    """

    case: int
    source: str
    true_class: str
    spread: float
    arms: tuple[ArmOnMistake, ...]


def worst_cases(
    study: StudyData, class_names: Sequence[str], labels: Mapping[str, str], *, n: int
) -> tuple[WorstCase, ...]:
    """Return the `n` test cases with the lowest mean probability of the true class; the lower number where equal."""
    by_arm = {
        arm: [part for run in study.runs_of(arm) if (part := run.predictions.get("test")) is not None] for arm in labels
    }
    parts = [part for of_arm in by_arm.values() for part in of_arm]
    if not parts:
        return ()
    cases = np.unique(np.concatenate([part.cases for part in parts]))
    mean = _mean_p_true(parts, cases)
    order = np.lexsort((cases, mean))[:n]
    rows = {row["case"]: row for row in study.cases.to_pylist()} if len(order) else {}
    return tuple(
        WorstCase(
            case=int(cases[i]),
            source=str(rows[int(cases[i])]["source"]),
            patient=rows[int(cases[i])]["patient"],
            true_class=class_names[rows[int(cases[i])]["label"]],
            mean_p_true=float(mean[i]),
            n_right=sum(_right(part, int(cases[i])) for part in parts),
            n_runs=sum(int(cases[i]) in part.cases for part in parts),
            arms=tuple(
                arm_on_case(arm, labels[arm], of_arm, int(cases[i])) for arm, of_arm in by_arm.items() if of_arm
            ),
        )
        for i in order
    )


def disputed_cases(
    study: StudyData, class_names: Sequence[str], labels: Mapping[str, str], *, n: int
) -> tuple[DisputedCase, ...]:
    """Return the `n` test cases with the largest spread; the lower number where equal, none with fewer than two arms.

    Cases on which all arms agree are left out.
    """
    parts = {
        arm: [run.predictions["test"] for run in study.runs_of(arm) if "test" in run.predictions] for arm in labels
    }
    by_arm = {arm: found for arm, found in parts.items() if found}
    if len(by_arm) < 2:
        return ()
    if study.folds is None:
        cases = next(iter(by_arm.values()))[0].cases
        means = np.stack([np.mean([_p_true(part) for part in found], axis=0) for found in by_arm.values()])
    else:  # each fold tests other cases
        tested = [np.unique(np.concatenate([part.cases for part in found])) for found in by_arm.values()]
        cases = reduce(np.intersect1d, tested)
        means = np.stack([_mean_p_true([_among(part, cases) for part in found], cases) for found in by_arm.values()])
    spread = means.max(axis=0) - means.min(axis=0)
    order = [int(i) for i in np.lexsort((cases, -spread))[:n] if spread[i] > 0]
    rows = {row["case"]: row for row in study.cases.to_pylist()} if order else {}
    return tuple(
        DisputedCase(
            case=int(cases[i]),
            source=str(rows[int(cases[i])]["source"]),
            true_class=class_names[rows[int(cases[i])]["label"]],
            spread=float(spread[i]),
            arms=tuple(arm_on_case(arm, labels[arm], found, int(cases[i])) for arm, found in by_arm.items()),
        )
        for i in order
    )


def _among(part: SplitPredictions, cases: NDArray[np.int64]) -> SplitPredictions:
    """Return the predictions of some cases."""
    kept = np.isin(part.cases, cases)
    arrays = {name: getattr(part, name)[kept] for name in ("cases", "y_true", "logits", "y_prob")}
    return replace(part, **arrays)


def _p_true(part: SplitPredictions) -> NDArray[np.float64]:
    return part.y_prob[np.arange(len(part.y_true)), part.y_true]


def _mean_p_true(parts: Sequence[SplitPredictions], cases: NDArray[np.int64]) -> NDArray[np.float64]:
    total, n = np.zeros(len(cases)), np.zeros(len(cases))
    for part in parts:
        rows = np.searchsorted(cases, part.cases)
        np.add.at(total, rows, _p_true(part))
        np.add.at(n, rows, 1)
    return np.asarray(total / n, dtype=np.float64)


def _right(part: SplitPredictions, case: int) -> int:
    rows = part.cases == case
    return int((part.y_pred[rows] == part.y_true[rows]).sum())


def arm_on_case(arm: str, label: str, parts: Sequence[SplitPredictions], case: int) -> ArmOnMistake:
    """Return what one arm's runs predict for one test case."""
    values = np.concatenate([_p_true(part)[part.cases == case] for part in parts])
    return ArmOnMistake(
        arm=arm,
        label=label,
        mean_p_true=float(values.mean()) if len(values) else float("nan"),
        n_right=sum(_right(part, case) for part in parts),
        n_runs=len(values),
    )
