"""The folds of cross-validations: which case each of them tests, and what is wrong with that; folds taken for seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.format import counted, joined
from scantrial.core.names import N_NAMED, some_of

ALL_IN_PART = 0.6
"""Runs are not seeds of one test set where each of them tests at most this share of the cases."""

HARDLY_TWICE = 1.5
"""Seeds share hardly any case where a case is tested in fewer of them than this, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldCases:
    """What the folds of one or more cross-validations test.

    Parameters
    ----------
    repeats, folds, cases : one entry for each case that a fold tests, no two alike: whole numbers; `cases` from 0
    patients : by case, a number; None where patients are not known
    case_names, patient_names : by number
    """

    repeats: NDArray[np.int64]
    folds: NDArray[np.int64]
    cases: NDArray[np.int64]
    case_names: Sequence[Any]
    patients: NDArray[np.int64] | None = None
    patient_names: Sequence[Any] = ()


def fold_faults(tested: FoldCases) -> list[str]:
    """Return what keeps folds from being cross-validations of one set of cases; empty where nothing does.

    Every repeat has to test each case once, in two folds or more, with all cases of a patient in one of them; and no
    two repeats may divide the cases alike, for their folds would be counted twice.
    """
    numbers, counts = np.unique(tested.repeats, return_counts=True)
    entries = np.split(np.argsort(tested.repeats, kind="stable"), np.cumsum(counts)[:-1])
    of_repeat = dict(zip(numbers.tolist(), entries, strict=True))
    single = [str(number) for number, inside in of_repeat.items() if len(np.unique(tested.folds[inside])) < 2]
    way_out = "to compare seeds that one part of a cross-validation tests, leave the column fold out"
    found = [f"one fold only in {_repeats(single)}, expected two or more; {way_out}"] if single else []
    found += _in_several(tested, tested.cases, tested.case_names, "case", "so it is tested more than once")
    found += _absent(tested, of_repeat)
    if tested.patients is not None:
        why = "so scans of a patient are tested by networks that were trained on others of the same patient"
        found += _in_several(tested, tested.patients[tested.cases], tested.patient_names, "patient", why)
    return found or list(_alike(tested, of_repeat))


def _in_several(
    tested: FoldCases, units: NDArray[np.int64], names: Sequence[Any], what: str, why: str
) -> Iterator[str]:
    """Say which cases, or patients, are in more than one fold of a repeat; `units` has one for each entry."""
    entries = np.column_stack([tested.repeats, units, tested.folds])
    if what == "patient":
        entries = np.unique(entries, axis=0)
    pairs, count = np.unique(entries[:, :2], axis=0, return_counts=True)
    several = pairs[count > 1]
    if not len(several):
        return
    n = len(np.unique(several[:, 1]))
    shown = []
    for repeat, unit in several[:N_NAMED].tolist():
        mine = np.unique(entries[(entries[:, 0] == repeat) & (entries[:, 1] == unit), 2]).tolist()
        of = f" of repeat {repeat}" if len(np.unique(tested.repeats)) > 1 else ""
        shown.append(f"{names[unit]} in folds {joined([str(fold) for fold in mine])}{of}")
    more = f"; and {len(several) - N_NAMED:,} more" if len(several) > N_NAMED else ""
    yield f"{counted(n, what)} in more than one fold, {why}: {'; '.join(shown)}{more}"


def _absent(tested: FoldCases, of_repeat: dict[int, NDArray[np.int64]]) -> Iterator[str]:
    n = len(tested.case_names)
    short = [number for number, inside in of_repeat.items() if len(np.unique(tested.cases[inside])) < n]
    for number in short[:N_NAMED]:
        lacking = np.setdiff1d(np.arange(n), tested.cases[of_repeat[number]])
        names = some_of([str(tested.case_names[case]) for case in lacking])
        yield f"repeat {number} tests {n - len(lacking):,} of {n:,} cases; it lacks {names}"
    if len(short) > N_NAMED:
        yield f"{len(short) - N_NAMED:,} more repeats lack cases"


def _alike(tested: FoldCases, of_repeat: dict[int, NDArray[np.int64]]) -> Iterator[str]:
    """Say which repeats divide the cases alike, whatever they call the folds."""
    groups: dict[bytes, list[str]] = {}
    for number, inside in of_repeat.items():
        order = np.argsort(tested.cases[inside])
        _, first, fold = np.unique(tested.folds[inside][order], return_index=True, return_inverse=True)
        groups.setdefault(first[fold.reshape(-1)].tobytes(), []).append(str(number))
    for same in [group for group in groups.values() if len(group) > 1][:N_NAMED]:
        yield f"{_repeats(same)} have the same folds: they are seeds of one repeat, each with its number in seed"


def _repeats(numbers: Sequence[str]) -> str:
    return f"repeat{'s' * (len(numbers) > 1)} {some_of(numbers)}"


def seeds_that_are_folds(arms: Sequence[str], n_tested: NDArray[np.int64], n_cases: int) -> str | None:
    """Say that seeds look like the folds of a cross-validation; None where they do not.

    They do where every run tests only a part of the cases, more than one, and every arm has several runs.

    Parameters
    ----------
    arms : of each run
    n_tested : cases that each run tests, of `n_cases` that some run tests
    """
    names = list(dict.fromkeys(arms))
    seeds = [sum(arm == name for arm in arms) for name in names]
    if min(seeds, default=0) < 2 or not 1 < n_tested.max() <= ALL_IN_PART * n_cases:
        return None
    low, high = int(n_tested.min()), int(n_tested.max())
    sizes = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    times = float(n_tested.sum()) / n_cases / len(names)
    if times < HARDLY_TWICE:
        shared = "share no case" if times <= 1 else "share hardly any case"
        look = f"and {shared}: they look like the folds of a cross-validation"
    else:
        look = f"and a case is tested in {times:.3g} of them: they look like the folds of repeated cross-validations"
    return f"the {seeds[0]} seeds of arm {names[0]} test {sizes} of the {n_cases:,} cases each, {look}, not like seeds"
