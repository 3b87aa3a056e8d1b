"""`Folds`: the scores of every run of a cross-validation, each on the cases that its own fold tests.

Scores of different folds are of different networks, so nothing here puts them into one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError, ShapeError, itemised
from scantrial.core.folds import FoldCases, fold_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldScores:
    """One fold: the runs of every arm that were trained on the other folds, on the cases that it tests.

    Parameters
    ----------
    repeat : of which cross-validation it is a fold
    n_train : cases of the other folds
    """

    repeat: int
    fold: int
    runs: RunScores
    n_train: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """The folds of one or more cross-validations of the same cases.

    Parameters
    ----------
    parts : every fold of every repeat; all have runs of the same arms
    torn : patients in all, and with a case of each class, where some have cases in several folds; else they are counted
        fold by fold
    """

    parts: tuple[FoldScores, ...]
    torn: tuple[int, tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        arms = dict.fromkeys(arm for part in self.parts for arm in part.runs.arms)
        absent = [
            f"arm {arm} has no run in {self.name_of(part)}"
            for part in self.parts
            for arm in arms
            if arm not in part.runs.arms
        ]
        if absent:
            raise InputError(
                f"arms without some folds:\n{itemised(absent)}", expected="runs of every arm in the same folds"
            )

    @property
    def n_repeats(self) -> int:
        """Number of cross-validations."""
        return len({part.repeat for part in self.parts})

    @property
    def of_one_repeat(self) -> tuple[FoldScores, ...]:
        """The folds of the first cross-validation: together they test every case once."""
        return tuple(part for part in self.parts if part.repeat == self.parts[0].repeat)

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The arms, in the order in which they first occur."""
        return self.parts[0].runs.arm_names

    @property
    def n_cases(self) -> int:
        """Cases, each of which every cross-validation tests once."""
        return sum(part.runs.n_cases for part in self.of_one_repeat)

    @property
    def n_patients(self) -> int | None:
        """Patients of the cases; None where they are not known."""
        if self.torn is not None:
            return self.torn[0]
        of_parts = [part.runs.patients for part in self.of_one_repeat]
        known = [len(np.unique(found)) for found in of_parts if found is not None]
        return sum(known) if known else None

    @property
    def n_by_class(self) -> tuple[int, ...]:
        """Cases of each class."""
        counts = [np.bincount(part.runs.y_true, minlength=part.runs.n_classes) for part in self.of_one_repeat]
        return tuple(np.sum(counts, axis=0).tolist())

    @property
    def patients_by_class(self) -> tuple[int, ...] | None:
        """Patients with a case of each class; None where they are not known."""
        if self.torn is not None:
            return self.torn[1]
        counts = [part.runs.patients_by_class for part in self.of_one_repeat]
        known = [found for found in counts if found is not None]
        return tuple(np.sum(known, axis=0).tolist()) if known else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of their indices; empty where they are not known."""
        return self.parts[0].runs.class_names

    @property
    def test_share(self) -> float:
        """Test cases for each training case, the mean over the folds: 0.25 with five folds of one size."""
        return float(np.mean([part.runs.n_cases / part.n_train for part in self.parts]))

    def n_seeds(self, arm: str) -> tuple[int, ...]:
        """Return how many runs of an arm each fold has."""
        return tuple(part.runs.arms.count(arm) for part in self.parts)

    def name_of(self, part: FoldScores) -> str:
        """Name a fold: ``fold 3``, or ``fold 3 of repeat 0`` where there are several repeats."""
        return f"fold {part.fold}" + (f" of repeat {part.repeat}" if self.n_repeats > 1 else "")


def folds_of_arrays(
    y_true: NDArray[Any],
    scores: NDArray[Any],
    *,
    arms: Sequence[str],
    seeds: Sequence[int],
    folds: NDArray[Any],
    repeats: Sequence[int] | None,
    patients: Sequence[Any] | NDArray[Any] | None,
    threshold: float,
) -> Folds:
    """Divide out-of-fold scores into folds.

    Parameters
    ----------
    y_true, arms, seeds, patients, threshold : as in `scantrial.analysis.comparison.compare`
    scores : shape (n_runs, n_cases) or (n_runs, n_cases, n_classes): each case's from the network that was not trained
        on it
    folds : the fold that tests each case: shape (n_cases,), or (n_runs, n_cases) where there are several repeats
    repeats : length n_runs: of which cross-validation each row is; None where there is one

    Raises
    ------
    ShapeError, InputError
        If arrays do not belong together, or the folds are no cross-validations of these cases.
    """
    values = np.asarray(scores, dtype=np.float64)
    n_runs, n_cases = len(arms), len(np.atleast_1d(y_true))
    if values.shape[:2] != (n_runs, n_cases) or len(seeds) != n_runs:
        raise ShapeError(
            f"scores of shape {values.shape} for {n_runs} arms, {len(seeds)} seeds and {n_cases} cases",
            expected=f"one row for each run: ({n_runs}, {n_cases})",
        )
    if patients is not None and len(patients) != n_cases:
        raise ShapeError(f"{len(patients)} patients for {n_cases} cases", expected="a patient for each case")
    repeat_of = _whole(np.zeros(n_runs, np.int64) if repeats is None else np.asarray(repeats), (n_runs,), "repeats")
    given = np.asarray(folds)
    fold_of = np.broadcast_to(
        _whole(given, (n_cases,) if given.ndim == 1 else (n_runs, n_cases), "folds"), (n_runs, n_cases)
    )
    rows = {int(number): np.flatnonzero(repeat_of == number) for number in np.unique(repeat_of)}
    _check_folds(rows, fold_of, None if patients is None else np.asarray(patients))
    build = RunScores.from_probabilities if values.ndim == 3 else RunScores.from_scores
    found = []
    for repeat, mine in rows.items():
        runs = build(
            y_true,
            values[mine],
            arms=[arms[row] for row in mine.tolist()],
            seeds=[seeds[row] for row in mine.tolist()],
            patients=patients,
            threshold=threshold,
        )
        for fold in np.unique(fold_of[mine[0]]).tolist():
            tested = fold_of[mine[0]] == fold
            part = runs.on_cases(tested)
            found.append(FoldScores(repeat=repeat, fold=fold, runs=part, n_train=n_cases - int(tested.sum())))
    return Folds(parts=tuple(found))


def _whole(values: NDArray[Any], shape: tuple[int, ...], name: str) -> NDArray[np.int64]:
    if values.shape != shape:
        raise ShapeError(f"{name} of shape {values.shape}", expected=f"{shape}")
    if values.dtype.kind not in "iu":
        raise InputError(f"{name} of type {values.dtype}", expected="whole numbers")
    return values.astype(np.int64)


def _check_folds(rows: dict[int, NDArray[np.int64]], fold_of: NDArray[np.int64], patients: NDArray[Any] | None) -> None:
    for repeat, mine in rows.items():
        if (fold_of[mine] != fold_of[mine[0]]).any():
            raise InputError(
                f"the runs of repeat {repeat} have different folds", expected="the same folds for all arms"
            )
    n_cases = fold_of.shape[1]
    names, numbers = (None, None) if patients is None else np.unique(patients.astype(str), return_inverse=True)
    faults = fold_faults(
        FoldCases(
            repeats=np.repeat(list(rows), n_cases),
            folds=np.concatenate([fold_of[mine[0]] for mine in rows.values()]),
            cases=np.tile(np.arange(n_cases), len(rows)),
            case_names=range(n_cases),
            patients=None if numbers is None else numbers.reshape(-1),
            patient_names=() if names is None else names.tolist(),
        )
    )
    if faults:
        raise InputError(f"folds that cannot be compared:\n{itemised(faults)}", expected=EXPECTED)


EXPECTED = "two folds or more that test each case once in each repeat, with all cases of a patient in one fold"
