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
    N_NAMED,
    Sheet,
    column_texts,
    distinct_texts,
    note_cells,
    of_objects,
    raise_faults,
    read_sheet,
    rows_in_words,
    some_of,
)

MAX_ARMS, MAX_SEEDS, MAX_IN_PAIRS = 50, 1000, 50_000
"""Of one file: arms, seeds of an arm, and runs of all pairs of arms, for every pair is compared at every seed."""


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
class PredictionFile:
    """A file of predictions, checked.

    Parameters
    ----------
    arms, seeds : length n_runs; arms in the order in which they first occur, seeds rising
    class_names : by class index; of two classes the second is the positive one
    splits : the requested splits that the file has
    has_splits : whether the file has a split column; without it all rows count as test rows
    """

    path: Path
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, FileScores]
    has_splits: bool


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
    raise_faults(sheet)
    if positive is not None and class_names[0] == positive and len(class_names) == 2:
        class_names, y_true, values = class_names[::-1], 1 - y_true, values[:, ::-1]
    return PredictionFile(
        path=sheet.path,
        arms=tuple(arm for arm, _ in keys.runs),
        seeds=tuple(seed for _, seed in keys.runs),
        class_names=class_names,
        splits={split: _arrange(keys, split, y_true, values, patients) for split in keys.split_names},
        has_splits=has_splits,
    )


# ---------------------------------------------------------------------- runs and cases


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Which run, case and split each row is of; `sound` if the rows of the runs can be compared."""

    runs: tuple[tuple[str, int], ...]
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
        seed = whole_numbers(sheet, "seed")
        arms, arm_of = distinct_texts(sheet, "arm")
        numbers, seed_of = np.unique(seed, return_inverse=True)
        codes, run_of = np.unique(arm_of * len(numbers) + seed_of.reshape(-1), return_inverse=True)
        _note_too_many(sheet, arms, codes // len(numbers))
        cases, case_of = distinct_texts(sheet, "case")
        split_of = splits_of_rows(sheet)
        return cls(
            runs=tuple((arms[code // len(numbers)], int(numbers[code % len(numbers)])) for code in codes),
            cases=of_objects(cases),
            run_of=run_of.reshape(-1),
            case_of=case_of,
            split_of=split_of,
            split_names=tuple(split for split in SPLITS if (split_of == split).any()),
            sound=not sheet.faults,
        )


def _note_too_many(sheet: Sheet, arms: Sequence[str], arm_of_run: NDArray[np.int64]) -> None:
    """Note more arms or seeds than can be compared in reasonable time; given the arm of each run."""
    if len(arms) > MAX_ARMS:
        n_pairs = len(arms) * (len(arms) - 1) // 2
        sheet.faults.append(f"{len(arms):,} arms, which make {n_pairs:,} pairs; expected at most {MAX_ARMS} arms")
    n_seeds = np.bincount(arm_of_run)
    most = int(np.argmax(n_seeds)) if len(arms) else 0
    if len(arms) and n_seeds[most] > MAX_SEEDS:
        sheet.faults.append(f"arm {arms[most]} has {n_seeds[most]:,} seeds; expected at most {MAX_SEEDS:,} an arm")
    n_in_pairs = len(arm_of_run) * (len(arms) - 1)
    if len(arms) <= MAX_ARMS and n_in_pairs > MAX_IN_PAIRS:
        what = f"{len(arm_of_run):,} runs of {len(arms)} arms, {n_in_pairs:,} runs in all pairs of arms"
        sheet.faults.append(f"{what}; expected at most {MAX_IN_PAIRS:,}: divide the file, or leave seeds out")


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
        arm, seed = keys.runs[keys.run_of[row]]
        earlier = sheet.rows[first[inverse.reshape(-1)[row]]]
        sheet.faults.append(
            f"{rows_in_words(sheet.rows[again])}: the same run and case twice; arm {arm}, seed {seed}, case "
            f"{keys.cases[keys.case_of[row]]} is in rows {earlier} and {sheet.rows[row]}"
        )


def _note_lacking(sheet: Sheet, keys: _Keys, split: str) -> None:
    inside = keys.split_of == split
    wanted = np.unique(keys.case_of[inside])
    # Counted, without a table of runs by cases: a wrong seed column makes every row a run.
    pairs = np.unique(keys.run_of[inside] * len(keys.cases) + keys.case_of[inside])
    counts = np.bincount(pairs // len(keys.cases), minlength=len(keys.runs))
    short = np.flatnonzero(counts < len(wanted))
    for run in short[:N_NAMED]:
        arm, seed = keys.runs[run]
        lacking = np.setdiff1d(wanted, keys.case_of[inside & (keys.run_of == run)])
        names = some_of(keys.cases[lacking].tolist())
        sheet.faults.append(f"arm {arm}, seed {seed} lacks {len(lacking)} of the {len(wanted)} {split} cases: {names}")
    if len(short) > N_NAMED:
        sheet.faults.append(f"{len(short) - N_NAMED} more runs lack {split} cases")


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


def _arrange(
    keys: _Keys,
    split: str,
    y_true: NDArray[np.int64],
    values: NDArray[np.float64],
    patients: NDArray[np.object_] | None,
) -> FileScores:
    """Put the rows of a split into their places, one row of scores for each run."""
    rows = np.flatnonzero(keys.split_of == split)
    chosen, place = np.unique(keys.case_of[rows], return_inverse=True)
    scores = np.empty((len(keys.runs), len(chosen), values.shape[1]))
    scores[keys.run_of[rows], place.reshape(-1)] = values[rows]
    of_case = np.empty(len(chosen), dtype=np.int64)
    of_case[place.reshape(-1)] = rows
    return FileScores(
        cases=tuple(keys.cases[chosen].tolist()),
        y_true=y_true[of_case],
        scores=scores[:, :, 0] if values.shape[1] == 1 else scores,
        patients=None if patients is None else tuple(patients[of_case].tolist()),
    )
