"""`RunScores`: the scores of every run of a trial on the same set of cases.

The record that a comparison starts from. It is made from probabilities or from plain scores, checked once, and holds
nothing of a study folder: predictions of any framework will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.metrics import (
    POSITIVE,
    Labels,
    Probabilities,
    check_labels,
    check_probabilities,
    log_odds_of_class,
)
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.folds import seeds_that_are_folds
from scantrial.core.numbering import numbered
from scantrial.core.probabilities import rescaled

Scores = NDArray[np.float64]

FOLDS_INSTEAD = (
    "put the folds of an arm into one row and give compare_arrays folds=, the fold that tests each case; repeats= "
    "numbers further cross-validations"
)
"""What to do about seeds that are folds."""

SHARES_TOLERANCE = 1e-9
"""How far shares of classes may be from summing to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """The scores of every run on the same cases; build it with `from_scores` or `from_probabilities`.

    Parameters
    ----------
    arms, seeds : length n_runs; each pair is one run and occurs once
    y_true : shape (n_cases,), class indices
    y_pred : shape (n_runs, n_cases), decisions as class indices
    y_prob : shape (n_runs, n_cases, n_classes), or None where only scores are known
    ranking : shape (n_runs, n_cases, n_columns): what ranks the cases; one column for the positive class of two,
        else one for each class against the rest
    patients : shape (n_cases,), a number for each patient, or None where every case counts as a patient of its own
    n_classes : number of classes
    threshold : a case is called positive above it; one for each run where runs have their own; None where the most
        probable class is decided
    notes : what was done to the scores
    class_counts_fixed : whether the design fixed how many cases of each class there are, so that only which cases of a
        class they are is left to chance
    mix : share of each class at which plain means over cases are taken; None for the cases' own
    class_names : what sentences call the classes, in the order of their indices; empty: they say the index
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    y_true: Labels
    y_pred: Labels
    y_prob: Probabilities | None
    ranking: Scores
    patients: NDArray[np.int64] | None
    n_classes: int
    threshold: float | tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    class_counts_fixed: bool = False
    mix: tuple[float, ...] | None = None
    class_names: tuple[str, ...] = ()

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return len(self.arms)

    @property
    def n_cases(self) -> int:
        """Number of cases."""
        return len(self.y_true)

    @property
    def patients_by_class(self) -> tuple[int, ...] | None:
        """Patients with a case of each class; None where patients are not known."""
        if self.patients is None:
            return None
        return tuple(len(np.unique(self.patients[self.y_true == k])) for k in range(self.n_classes))

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The arms, in the order in which they first occur."""
        return tuple(dict.fromkeys(self.arms))

    def runs_of(self, arm: str) -> NDArray[np.int64]:
        """Return the positions of an arm's runs."""
        return np.flatnonzero(np.array([name == arm for name in self.arms]))

    @property
    def decision_scores(self) -> Scores:
        """What a threshold applies to, shape (n_runs, n_cases): class 1's probability or, where unknown, its score."""
        if self.n_classes != 2:
            raise InputError(f"a threshold for {self.n_classes} classes", expected="two classes")
        return self.ranking[:, :, 0] if self.y_prob is None else self.y_prob[:, :, POSITIVE]

    def decided_at(self, thresholds: Sequence[float]) -> RunScores:
        """Return the same runs, each decided at a threshold of its own."""
        cuts = np.asarray(thresholds, dtype=np.float64)
        if cuts.shape != (self.n_runs,) or not np.isfinite(cuts).all():
            raise ShapeError(f"thresholds {cuts.tolist()} for {self.n_runs} runs", expected="a finite one for each run")
        decided = (self.decision_scores > cuts[:, None]).astype(np.int64)
        return replace(self, y_pred=decided, threshold=tuple(cuts.tolist()))

    @property
    def class_shares(self) -> tuple[float, ...]:
        """Share of each class among the cases."""
        return tuple((np.bincount(self.y_true, minlength=self.n_classes) / self.n_cases).tolist())

    def at_mix(self, shares: Sequence[float]) -> RunScores:
        """Return the same runs with plain means over cases taken at these shares of the classes (standardised)."""
        mix = np.asarray(shares, dtype=np.float64)
        if mix.shape != (self.n_classes,) or not (mix >= 0).all() or abs(mix.sum() - 1) > SHARES_TOLERANCE:
            raise InputError(f"class shares {mix.tolist()}", expected=f"{self.n_classes} shares that sum to 1")
        return replace(self, mix=tuple(mix.tolist()))

    def named(self, class_names: Sequence[str]) -> RunScores:
        """Return the same runs with names of the classes, in the order of their indices; none leave them unnamed."""
        if class_names and len(class_names) != self.n_classes:
            raise InputError(f"{len(class_names)} names for {self.n_classes} classes", expected="a name for each class")
        return replace(self, class_names=tuple(map(str, class_names)))

    def on_cases(self, keep: NDArray[Any]) -> RunScores:
        """Return the same runs on some of the cases: `keep` is a mask or an array of positions."""
        return replace(
            self,
            y_true=self.y_true[keep],
            y_pred=self.y_pred[:, keep],
            y_prob=None if self.y_prob is None else self.y_prob[:, keep],
            ranking=self.ranking[:, keep],
            patients=None if self.patients is None else self.patients[keep],
        )

    def on_runs(self, positions: NDArray[Any]) -> RunScores:
        """Return some of the runs, by their positions, on the same cases."""
        return replace(
            self,
            arms=tuple(self.arms[int(position)] for position in positions),
            seeds=tuple(self.seeds[int(position)] for position in positions),
            y_pred=self.y_pred[positions],
            y_prob=None if self.y_prob is None else self.y_prob[positions],
            ranking=self.ranking[positions],
            threshold=self.threshold
            if not isinstance(self.threshold, tuple)
            else tuple(self.threshold[int(position)] for position in positions),
        )

    @classmethod
    def from_scores(
        cls,
        y_true: NDArray[Any],
        scores: NDArray[Any],
        *,
        arms: Sequence[str],
        seeds: Sequence[int],
        patients: Sequence[Any] | NDArray[Any] | None = None,
        threshold: float = 0.5,
        class_counts_fixed: bool = False,
    ) -> RunScores:
        """Build it from scores of class 1, of any range.

        Parameters
        ----------
        y_true : shape (n_cases,), 0 or 1
        scores : shape (n_runs, n_cases), higher for class 1; where all lie in [0, 1] they also serve as probabilities
        arms, seeds : length n_runs
        patients : length n_cases, or None
        threshold : a case is called positive when its score exceeds it, default 0.5
        class_counts_fixed : see `RunScores`, default False

        Raises
        ------
        ShapeError, InputError
            If shapes do not belong together, a value is not finite, or a run occurs twice.
        """
        values = np.asarray(scores, dtype=np.float64)
        _check_runs(values, y_true, arms, seeds, ndim=2)
        truth = check_labels(y_true, n_classes=2, name="y_true")
        if not np.isfinite(threshold):
            raise InputError(f"threshold {threshold}", expected="a finite number")
        as_prob = bool((values >= 0).all() and (values <= 1).all())
        return cls(
            arms=tuple(map(str, arms)),
            seeds=tuple(map(int, seeds)),
            y_true=truth,
            y_pred=(values > threshold).astype(np.int64),
            y_prob=np.stack([1 - values, values], axis=2) if as_prob else None,
            ranking=values[:, :, None],
            patients=_patient_numbers(patients, n=len(truth)),
            n_classes=2,
            threshold=float(threshold),
            class_counts_fixed=class_counts_fixed,
        )

    @classmethod
    def from_probabilities(
        cls,
        y_true: NDArray[Any],
        y_prob: NDArray[Any],
        *,
        arms: Sequence[str],
        seeds: Sequence[int],
        patients: Sequence[Any] | NDArray[Any] | None = None,
        threshold: float = 0.5,
        class_counts_fixed: bool = False,
    ) -> RunScores:
        """Build it from class probabilities.

        Parameters
        ----------
        y_true : shape (n_cases,), class indices
        y_prob : shape (n_runs, n_cases, n_classes), the last axis summing to 1
        arms, seeds, patients, class_counts_fixed : as in `from_scores`
        threshold : for two classes; beyond, the most probable class is decided

        Raises
        ------
        ShapeError, InputError
            As in `from_scores`, and if a row is no distribution. Sums that rounding has moved from 1 are scaled to
            it, with a note.
        """
        values = np.asarray(y_prob, dtype=np.float64)
        _check_runs(values, y_true, arms, seeds, ndim=3)
        n_runs, n_cases, n_classes = values.shape
        check_probabilities(values.reshape(n_runs * n_cases, n_classes), n=n_runs * n_cases)
        values, moved = rescaled(values)
        binary = n_classes == 2
        columns = (POSITIVE,) if binary else range(n_classes)
        y_pred = (values[:, :, POSITIVE] > threshold) if binary else values.argmax(axis=2)
        return cls(
            arms=tuple(map(str, arms)),
            seeds=tuple(map(int, seeds)),
            y_true=check_labels(y_true, n_classes=n_classes, name="y_true"),
            y_pred=y_pred.astype(np.int64),
            y_prob=values,
            ranking=np.stack([log_odds_of_class(values, index) for index in columns], axis=2),
            patients=_patient_numbers(patients, n=n_cases),
            n_classes=n_classes,
            threshold=float(threshold) if binary else None,
            notes=() if moved is None else (moved.to_text(),),
            class_counts_fixed=class_counts_fixed,
        )


def _check_runs(
    values: NDArray[Any], y_true: NDArray[Any], arms: Sequence[str], seeds: Sequence[int], *, ndim: int
) -> None:
    n_cases = len(np.atleast_1d(y_true))
    expected = (len(arms), n_cases, "n_classes")[:ndim]
    if values.ndim != ndim or values.shape[:2] != (len(arms), n_cases) or len(arms) != len(seeds):
        raise ShapeError(
            f"scores of shape {values.shape} for {len(arms)} arms, {len(seeds)} seeds and {n_cases} cases",
            expected=f"one row for each run: {expected}, and one arm and one seed for each run",
        )
    if values.size == 0:
        raise InputError("no run or no case", expected="at least one of each")
    if not np.isfinite(values).all():
        known = np.isfinite(values).reshape(*values.shape[:2], -1).all(axis=2)
        as_folds = seeds_that_are_folds([str(arm) for arm in arms], known.sum(axis=1), int(known.any(axis=0).sum()))
        if as_folds is not None:
            raise InputError(as_folds, expected="a score of every case in every row", do=FOLDS_INSTEAD)
        run, case = (int(index) for index in np.argwhere(~np.isfinite(values))[0][:2])
        raise InputError(
            f"a score that is not finite: arm {arms[run]}, seed {seeds[run]}, case at position {case}",
            expected="finite scores",
            do="leave out runs that diverged",
        )
    runs = list(zip(map(str, arms), map(int, seeds), strict=True))
    twice = sorted(run for run, n in Counter(runs).items() if n > 1)
    if twice:
        raise InputError(
            f"arm {twice[0][0]} has seed {twice[0][1]} twice",
            expected="one run for each arm and seed; a second copy would count as new evidence",
        )


def _patient_numbers(patients: Sequence[Any] | NDArray[Any] | None, *, n: int) -> NDArray[np.int64] | None:
    if patients is None:
        return None
    is_text = isinstance(patients, list | tuple) and all(isinstance(name, str) for name in patients)
    names = numbered(patients) if is_text else np.asarray(patients)
    if names.shape != (n,):
        raise ShapeError(f"patients of shape {names.shape} for {n} cases", expected=f"({n},)")
    if names.dtype.kind in "Of":
        unknown = [index for index, name in enumerate(names) if name is None or name != name]  # noqa: PLR0124 - NaN
        if unknown:
            raise InputError(f"no patient for the case at position {unknown[0]}", expected="a patient for every case")
        names = numbered(map(str, names)) if names.dtype.kind == "O" else names.astype(str)
    return np.unique(names, return_inverse=True)[1].reshape(n).astype(np.int64)
