"""Predictions of any framework from one CSV or Parquet file: a row for each run and case.

All faults are reported at once, with their rows. Nothing is guessed: rows that disagree are a fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.folds import FoldCases, fold_faults, seeds_that_are_folds
from scantrial.core.names import N_NAMED, some_of
from scantrial.core.records import SPLITS
from scantrial.store.prediction_columns import (
    check_columns,
    check_probability_columns,
    class_labels,
    numbers_of,
    rows_of_splits,
    splits_of_rows,
    whole_numbers,
)
from scantrial.store.prediction_sheet import (
    Sheet,
    column_texts,
    distinct_texts,
    note_cells,
    of_objects,
    raise_faults,
    read_sheet,
    rows_in_words,
)

MAX_ARMS, MAX_SEEDS, MAX_IN_PAIRS = 50, 1000, 50_000
"""Of one file: arms, seeds of an arm, and runs of all pairs of arms, for every pair is compared at every seed."""


WAY_OUT = (
    "Name the column fold instead of seed, number further cross-validations in a column repeat, and leave seed for "
    "several trainings in one fold; seeds are trainings that are all tested on the same cases"
)
"""What to do about seeds that are folds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileScores:
    """The scores of every run on the cases of one split.

    Parameters
    ----------
    cases : names of the cases, in the order in which they first occur
    y_true : shape (n_cases,), class indices
    scores : shape (n_runs, n_cases), higher for class 1; or (n_runs, n_cases, n_classes), probabilities
    patients : length n_cases, or None where the file has no such column
    """

    cases: tuple[str, ...]
    y_true: NDArray[np.int64]
    scores: NDArray[np.float64]
    patients: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFold:
    """One fold of a cross-validation: runs that were trained without the cases that it tests.

    Parameters
    ----------
    repeat : the cross-validation that it is a fold of
    arms, seeds, splits : as those of a file, of this fold alone
    """

    repeat: int
    fold: int
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    splits: Mapping[str, FileScores]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFile:
    """A file of predictions, checked.

    Parameters
    ----------
    arms, seeds : length n_runs; arms in the order in which they first occur, seeds rising
    class_names : by class index; of two classes the second is the positive one
    splits : the requested splits that the file has; empty where it has folds
    has_splits : whether the file has a split column; without it all rows count as test rows
    folds : every fold of every repeat; empty where the file has no such column
    """

    path: Path
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, FileScores]
    has_splits: bool
    folds: tuple[FileFold, ...] = ()


def read_prediction_file(
    path: str | Path, *, splits: Sequence[str] = ("test",), positive: str | None = None
) -> PredictionFile:
    """Read predictions of any number of runs.

    Parameters
    ----------
    splits : the splits whose rows are wanted; other rows are ignored
    positive : the class that the scores are for, if labels are two names; default: labels are 0 and 1, and 1 is
        positive; with two ``p_`` columns: the second one

    Raises
    ------
    InputError
        If the file cannot be read or has faults; all are listed with their rows.
    """
    sheet = read_sheet(Path(path))
    value_columns = check_columns(sheet)
    has_splits = "split" in sheet.table.column_names
    sheet = rows_of_splits(sheet, splits)
    keys = _Keys.of(sheet)
    values = np.column_stack([numbers_of(sheet, name) for name in value_columns])
    check_probability_columns(sheet, values, value_columns)
    class_names, y_true = class_labels(sheet, value_columns, positive)
    patients = column_texts(sheet, "patient") if "patient" in sheet.table.column_names else None
    if keys.sound:
        _check_cases(sheet, keys, y_true, patients)
        if keys.has_folds:
            _check_folds(sheet, keys)
    raise_faults(sheet)
    if positive is not None and class_names[0] == positive and len(class_names) == 2:
        class_names, y_true, values = class_names[::-1], 1 - y_true, values[:, ::-1]
    content = _Content(y_true=y_true, values=values, patients=patients)
    folds = _folds(keys, content) if keys.has_folds else ()
    return PredictionFile(
        path=sheet.path,
        arms=tuple(arm for arm, _ in keys.runs),
        seeds=tuple(seed for _, seed in keys.runs),
        class_names=class_names,
        splits={} if folds else _by_split(keys, np.arange(len(y_true)), content),
        has_splits=has_splits,
        folds=folds,
    )


# ---------------------------------------------------------------------- runs and cases


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Which run, case and split each row is of; `sound` if the rows of the runs can be compared.

    A run is of one fold of one repeat, `parts`; without these columns there is one such part.
    """

    runs: tuple[tuple[str, int], ...]
    parts: tuple[tuple[int, int], ...]
    part_of_run: NDArray[np.int64]
    has_folds: bool
    cases: NDArray[np.object_]
    run_of: NDArray[np.int64]
    case_of: NDArray[np.int64]
    split_of: NDArray[Any]
    split_names: tuple[str, ...]
    sound: bool

    @classmethod
    def of(cls, sheet: Sheet) -> _Keys:
        """Read the keys of every row; empty or wrong cells are faults."""
        for name in ("arm", "case", *(["patient"] if "patient" in sheet.table.column_names else [])):
            text = column_texts(sheet, name)
            if (text == "").any():
                note_cells(sheet, name, text == "", "is empty", text)
        has_folds = "fold" in sheet.table.column_names
        parts, part_of = np.unique(
            [whole_numbers(sheet, name) for name in ("repeat", "fold")], axis=1, return_inverse=True
        )
        numbers, seed_of = np.unique(whole_numbers(sheet, "seed"), return_inverse=True)
        arms, arm_of = distinct_texts(sheet, "arm")
        part_and_arm = part_of.reshape(-1) * len(arms) + arm_of
        codes, run_of = np.unique(part_and_arm * len(numbers) + seed_of.reshape(-1), return_inverse=True)
        arm_of_run = codes // len(numbers) % max(len(arms), 1)
        _note_too_many(sheet, arms, arm_of_run, "runs" if has_folds else "seeds")
        cases, case_of = distinct_texts(sheet, "case")
        split_of = splits_of_rows(sheet)
        return cls(
            runs=tuple(
                (arms[arm], int(numbers[code % len(numbers)])) for arm, code in zip(arm_of_run, codes, strict=True)
            ),
            parts=tuple((int(repeat), int(fold)) for repeat, fold in parts.T),
            part_of_run=codes // (len(numbers) * max(len(arms), 1)),
            has_folds=has_folds,
            cases=of_objects(cases),
            run_of=run_of.reshape(-1),
            case_of=case_of,
            split_of=split_of,
            split_names=tuple(split for split in SPLITS if (split_of == split).any()),
            sound=not sheet.faults,
        )


def _note_too_many(sheet: Sheet, arms: Sequence[str], arm_of_run: NDArray[np.int64], what: str) -> None:
    """Note more arms or seeds than can be compared in reasonable time; given the arm of each run, a seed or not."""
    if len(arms) > MAX_ARMS:
        n_pairs = len(arms) * (len(arms) - 1) // 2
        sheet.faults.append(f"{len(arms):,} arms, which make {n_pairs:,} pairs; expected at most {MAX_ARMS} arms")
    n_seeds = np.bincount(arm_of_run)
    most = int(np.argmax(n_seeds)) if len(arms) else 0
    if len(arms) and n_seeds[most] > MAX_SEEDS:
        sheet.faults.append(f"arm {arms[most]} has {n_seeds[most]:,} {what}; expected at most {MAX_SEEDS:,} an arm")
    n_in_pairs = len(arm_of_run) * (len(arms) - 1)
    if len(arms) <= MAX_ARMS and n_in_pairs > MAX_IN_PAIRS:
        all_runs = f"{len(arm_of_run):,} runs of {len(arms)} arms, {n_in_pairs:,} runs in all pairs of arms"
        sheet.faults.append(f"{all_runs}; expected at most {MAX_IN_PAIRS:,}: divide the file, or leave seeds out")


def _check_cases(sheet: Sheet, keys: _Keys, y_true: NDArray[np.int64], patients: NDArray[np.object_] | None) -> None:
    """Note duplicate rows, runs that lack cases, and cases on which rows disagree."""
    _note_twice(sheet, keys)
    for split in keys.split_names:
        _note_lacking(sheet, keys, split)
    _note_disagreement(sheet, keys, "label", y_true)
    if patients is not None:
        _note_disagreement(sheet, keys, "patient", patients)


def _note_twice(sheet: Sheet, keys: _Keys) -> None:
    code = keys.run_of * len(keys.cases) + keys.case_of
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse.reshape(-1)] != np.arange(len(code)))
    if len(again):
        row = int(again[0])
        earlier = sheet.rows[first[inverse.reshape(-1)[row]]]
        sheet.faults.append(
            f"{rows_in_words(sheet.rows[again])}: the same run and case twice; {_run_words(keys, keys.run_of[row])}, "
            f"case {keys.cases[keys.case_of[row]]} is in rows {earlier} and {sheet.rows[row]}"
        )


def _note_lacking(sheet: Sheet, keys: _Keys, split: str) -> None:
    inside = keys.split_of == split
    n = len(keys.cases)
    # Counted, without a table of runs by cases: a wrong seed column makes every row a run.
    pairs = np.unique(keys.run_of[inside] * n + keys.case_of[inside])
    counts = np.bincount(pairs // n, minlength=len(keys.runs))
    part_of = keys.part_of_run[keys.run_of]
    wanted = np.bincount(np.unique(part_of[inside] * n + keys.case_of[inside]) // n, minlength=len(keys.parts))
    short = np.flatnonzero(counts < wanted[keys.part_of_run])
    as_folds = None if keys.has_folds else seeds_that_are_folds([arm for arm, _ in keys.runs], counts, int(wanted[0]))
    if as_folds is not None:
        sheet.faults.append(f"{as_folds}. {WAY_OUT}")
        return
    for run in short[:N_NAMED]:
        part = keys.part_of_run[run]
        lacking = np.setdiff1d(keys.case_of[inside & (part_of == part)], keys.case_of[inside & (keys.run_of == run)])
        names = some_of(keys.cases[lacking].tolist())
        sheet.faults.append(
            f"{_run_words(keys, run)} lacks {len(lacking)} of the {wanted[part]} {split} cases: {names}"
        )
    if len(short) > N_NAMED:
        sheet.faults.append(f"{len(short) - N_NAMED} more runs lack {split} cases")


def _run_words(keys: _Keys, run: int) -> str:
    arm, seed = keys.runs[run]
    repeat, fold = keys.parts[keys.part_of_run[run]]
    return f"arm {arm}, seed {seed}" + (f", fold {fold}, repeat {repeat}" if keys.has_folds else "")


def _note_disagreement(sheet: Sheet, keys: _Keys, name: str, values: NDArray[Any]) -> None:
    _, first = np.unique(keys.case_of, return_index=True)
    origin = first[keys.case_of]
    differs = np.flatnonzero(values != values[origin])
    if len(differs):
        row, text = int(differs[0]), sheet.text(name)
        sheet.faults.append(
            f"{rows_in_words(sheet.rows[differs])}: a different {name} from an earlier row of the same case; case "
            f"{keys.cases[keys.case_of[row]]} has {text[int(origin[row])].as_py()!r} in row {sheet.rows[origin[row]]} "
            f"and {text[row].as_py()!r} in row {sheet.rows[row]}"
        )


def _check_folds(sheet: Sheet, keys: _Keys) -> None:
    """Note folds that are no cross-validations of the test cases, and arms without some of them."""
    tested = keys.split_of == "test"
    if not tested.any():
        return
    part_of = keys.part_of_run[keys.run_of][tested]
    empty = [keys.parts[part] for part in np.setdiff1d(np.arange(len(keys.parts)), part_of).tolist()]
    for repeat, fold in empty[:N_NAMED]:
        sheet.faults.append(f"fold {fold} of repeat {repeat} has no test row")
    used, case_of = np.unique(keys.case_of[tested], return_inverse=True)
    part, case = np.unique(np.stack([part_of, case_of.reshape(-1)]), axis=1)
    repeats, folds = np.array(keys.parts, dtype=np.int64)[part].T
    names: list[str] = []
    patients = None
    if "patient" in sheet.table.column_names:
        names, of_row = distinct_texts(sheet, "patient")
        _, first = np.unique(keys.case_of[tested], return_index=True)
        patients = of_row[tested][first]
    sheet.faults.extend(
        fold_faults(
            FoldCases(
                repeats=repeats,
                folds=folds,
                cases=case,
                case_names=keys.cases[used],
                patients=patients,
                patient_names=names,
            )
        )
    )
    arms = list(dict.fromkeys(arm for arm, _ in keys.runs))
    present = {(arm, part) for (arm, _), part in zip(keys.runs, keys.part_of_run.tolist(), strict=True)}
    absent = [(arm, part) for part in range(len(keys.parts)) for arm in arms if (arm, part) not in present]
    for arm, part in absent[:N_NAMED]:
        repeat, fold = keys.parts[part]
        sheet.faults.append(f"arm {arm} has no rows of fold {fold}, repeat {repeat}")
    if len(absent) > N_NAMED:
        sheet.faults.append(f"{len(absent) - N_NAMED} more folds without rows of an arm")


# ---------------------------------------------------------------------- scores


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """What each row holds besides its keys."""

    y_true: NDArray[np.int64]
    values: NDArray[np.float64]
    patients: NDArray[np.object_] | None


def _folds(keys: _Keys, content: _Content) -> tuple[FileFold, ...]:
    """Divide the rows into folds, each with its runs."""
    part_of = keys.part_of_run[keys.run_of]
    order = np.argsort(part_of, kind="stable")
    ends = np.cumsum(np.bincount(part_of, minlength=len(keys.parts)))
    found = []
    for part, rows in enumerate(np.split(order, ends[:-1])):
        runs = [keys.runs[run] for run in np.flatnonzero(keys.part_of_run == part)]
        repeat, fold = keys.parts[part]
        found.append(
            FileFold(
                repeat=repeat,
                fold=fold,
                arms=tuple(arm for arm, _ in runs),
                seeds=tuple(seed for _, seed in runs),
                splits=_by_split(keys, rows, content),
            )
        )
    return tuple(found)


def _by_split(keys: _Keys, rows: NDArray[np.int64], content: _Content) -> dict[str, FileScores]:
    """Put the rows of some runs into their places, split by split."""
    of_split = {split: rows[keys.split_of[rows] == split] for split in keys.split_names}
    return {split: _arrange(keys, mine, content) for split, mine in of_split.items() if len(mine)}


def _arrange(keys: _Keys, rows: NDArray[np.int64], content: _Content) -> FileScores:
    """Put rows of one split into their places, one row of scores for each run."""
    chosen, place = np.unique(keys.case_of[rows], return_inverse=True)
    runs, run = np.unique(keys.run_of[rows], return_inverse=True)
    scores = np.empty((len(runs), len(chosen), content.values.shape[1]))
    scores[run.reshape(-1), place.reshape(-1)] = content.values[rows]
    of_case = np.empty(len(chosen), dtype=np.int64)
    of_case[place.reshape(-1)] = rows
    return FileScores(
        cases=tuple(keys.cases[chosen].tolist()),
        y_true=content.y_true[of_case],
        scores=scores[:, :, 0] if scores.shape[2] == 1 else scores,
        patients=None if content.patients is None else tuple(content.patients[of_case].tolist()),
    )
