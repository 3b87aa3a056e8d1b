"""Predictions of any framework from one CSV or Parquet file: a row for each run and case.

Everything that is wrong is told at once, with its rows. Nothing is guessed: what two rows disagree on is a fault.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scantrial.core.errors import InputError
from scantrial.core.files import clear_os_errors
from scantrial.core.names import listed, nearest
from scantrial.core.records import SPLITS
from scantrial.store.tables import native_reader

NEEDED = ("arm", "seed", "case", "label")
OPTIONAL = ("patient", "split")
SCORE = "score"
P_PREFIX = "p_"
SUM_TOLERANCE = 1e-4
"""How far a row of probabilities may be from summing to 1, as everywhere."""

_DELIMITERS = (",", ";", "\t")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DECIMAL_COMMA = r"^([+-]?\d*),(\d+([eE][+-]?\d+)?)$"
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
_N_NAMED = 5
"""How many rows or cases a message names; it counts the rest."""

_EXPECTED = (
    "CSV (comma, semicolon or tab; UTF-8) or Parquet with the columns arm, seed, case, label and either score or one "
    "p_CLASS for each class; if known also patient and split"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitScores:
    """What every run said about the cases of one split.

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
    splits : those that were asked for and that the file has
    has_splits : whether the file says which split a row is of; without that all rows count as test rows
    """

    path: Path
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    class_names: tuple[str, ...]
    splits: Mapping[str, SplitScores]
    has_splits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """A table as it came: `rows` are numbered as a spreadsheet shows them."""

    path: Path
    table: pa.Table
    rows: NDArray[np.int64]
    decimal_comma: bool = False
    faults: list[str] = field(default_factory=list)

    def text(self, name: str) -> pa.Array:
        """Return a column as trimmed text; what is missing is empty."""
        return pc.utf8_trim_whitespace(pc.fill_null(pc.cast(_whole(self.table[name]), pa.string()), ""))

    def keep(self, mask: NDArray[np.bool_]) -> _Sheet:
        """Return the same with some of the rows."""
        return _Sheet(
            path=self.path,
            table=self.table.filter(pa.array(mask)),
            rows=self.rows[mask],
            decimal_comma=self.decimal_comma,
            faults=self.faults,
        )


def read_prediction_file(
    path: str | Path, *, splits: Sequence[str] = ("test",), positive: str | None = None
) -> PredictionFile:
    """Read predictions of any number of runs.

    Parameters
    ----------
    splits : those whose rows are wanted; the rest is not looked at
    positive : the class that scores are of, where labels are two names; default: labels are 0 and 1, and 1 is
        positive; with two ``p_`` columns: the second one

    Raises
    ------
    InputError
        If the file cannot be read, or with every fault, each with its rows.
    """
    sheet = _load(Path(path))
    value_columns = _check_columns(sheet)
    has_splits = "split" in sheet.table.column_names
    sheet = _of_splits(sheet, splits)
    keys = _Keys.of(sheet)
    values = np.column_stack([_numbers(sheet, name) for name in value_columns])
    _check_probabilities(sheet, values, value_columns)
    class_names, y_true = _labels(sheet, value_columns, positive)
    patients = _texts(sheet, "patient") if "patient" in sheet.table.column_names else None
    if keys.sound:
        _check_cases(sheet, keys, y_true, patients)
    _raise(sheet)
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


# ---------------------------------------------------------------------- files


def _load(path: Path) -> _Sheet:
    if not path.is_file():
        raise InputError(f"no such file: {path}", expected=_EXPECTED)
    with clear_os_errors(path):
        content = path.read_bytes()
    if not content.strip():
        raise InputError(f"{path} is empty", expected=_EXPECTED)
    try:
        sheet = _load_parquet(path, content) if content[:4] == b"PAR1" else _load_csv(path, content)
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}", expected=_EXPECTED) from error
    if not len(sheet.table) and not sheet.faults:
        raise InputError(f"{path} has no rows", expected=_EXPECTED)
    return sheet


def _load_parquet(path: Path, content: bytes) -> _Sheet:
    with pq.ParquetFile(native_reader(content)) as file:
        table = file.read(use_threads=False)
    table.validate(full=True)
    return _Sheet(path=path, table=table, rows=np.arange(1, len(table) + 1))


def _load_csv(path: Path, content: bytes) -> _Sheet:
    _check_utf8(path, content)
    header = content.decode("utf-8-sig").split("\n", 1)[0].rstrip("\r")
    delimiter = max(_DELIMITERS, key=header.count)
    names = next(csv.reader([header], delimiter=delimiter), [])
    ragged: list[tuple[int, int, int]] = []

    def note(row: Any) -> str:
        ragged.append((row.number, row.actual_columns, row.expected_columns))
        return "skip"

    table = pa_csv.read_csv(
        native_reader(content),
        read_options=pa_csv.ReadOptions(use_threads=False),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=note
        ),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    numbers = np.setdiff1d(np.arange(2, len(table) + len(ragged) + 2), [number for number, _, _ in ragged])
    table = table.rename_columns([name.strip() for name in table.column_names])
    sheet = _Sheet(path=path, table=table, rows=numbers, decimal_comma=delimiter != ",")
    if ragged:
        first, found, expected = ragged[0]
        rows = _rows([number for number, _, _ in ragged])
        sheet.faults.append(f"{rows}: {found} cells in row {first}, expected {expected}")
    return sheet.keep(~_is_blank(table)) if len(table) else sheet


def _check_utf8(path: Path, content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} is no UTF-8 text: line {line}", expected=_EXPECTED) from error


def _is_blank(table: pa.Table) -> NDArray[np.bool_]:
    blank = np.ones(len(table), dtype=bool)
    for column in table.columns:
        if pa.types.is_string(column.type):
            blank &= pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0).to_numpy()
    return blank


def _texts(sheet: _Sheet, name: str) -> NDArray[np.str_]:
    return np.asarray(sheet.text(name).to_pylist(), dtype=str)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


# ---------------------------------------------------------------------- columns


def _check_columns(sheet: _Sheet) -> list[str]:
    """Return the columns that hold scores or probabilities; note what is missing, double or of no use."""
    names = sheet.table.column_names
    faults, n_before = sheet.faults, len(sheet.faults)
    wanted = [name for name in names if name in (*NEEDED, *OPTIONAL, SCORE) or name.startswith(P_PREFIX)]
    faults += [f"the column {name!r} stands there twice" for name in dict.fromkeys(wanted) if names.count(name) > 1]
    faults += [_missing(name, names) for name in NEEDED if name not in names]
    probabilities = [name for name in names if name.startswith(P_PREFIX)]
    if SCORE in names and probabilities:
        faults.append(f"both {SCORE} and {listed(probabilities)}, expected one or the other")
    elif len(probabilities) == 1:
        faults.append(f"one column {probabilities[0]}, expected one for each class, or the name {SCORE}")
    elif SCORE not in names and not probabilities:
        faults.append(f"{_missing(SCORE, names)}, and there are no columns {P_PREFIX}CLASS")
    if "" in [name.removeprefix(P_PREFIX) for name in probabilities]:
        faults.append(f"a column {P_PREFIX} without the name of a class")
    faults += list(_wrong_types(sheet))
    if len(faults) > n_before:
        _raise(sheet)
    return probabilities or [SCORE]


def _missing(name: str, names: Sequence[str]) -> str:
    guess = nearest(name, [other for other in names if other not in (*NEEDED, *OPTIONAL)])
    hint = f" (did you mean {guess!r}?)" if guess else ""
    return f"no column {name!r}{hint}; there are {listed(names)}"


def _wrong_types(sheet: _Sheet) -> Iterator[str]:
    for name, column in zip(sheet.table.column_names, sheet.table.columns, strict=True):
        if name in (*NEEDED, *OPTIONAL, SCORE) or name.startswith(P_PREFIX):
            to_number = _is_number(column.type) and name not in (*NEEDED, *OPTIONAL)
            try:
                pc.cast(column, pa.float64() if to_number else pa.string(), safe=not to_number)
            except pa.ArrowException:
                yield f"the column {name!r} is of type {column.type}, expected text or numbers"


def _of_splits(sheet: _Sheet, splits: Sequence[str]) -> _Sheet:
    """Return the rows of the wanted splits, and those whose split is a fault."""
    if "split" not in sheet.table.column_names:
        if splits[0] != "test":
            sheet.faults.append(f"no column 'split', so that no row is known to be of the split {splits[0]}")
            _raise(sheet)
        return sheet
    words = _splits_of_rows(sheet)
    unknown = ~np.isin(words, SPLITS)
    if unknown.any():
        _note_cells(sheet, "split", unknown, f"is none of {listed(SPLITS)}", words)
    elif not (words == splits[0]).any():
        counts = [f"{split} {int((words == split).sum())}" for split in SPLITS if (words == split).any()]
        sheet.faults.append(f"no row is of the split {splits[0]}; there are {listed(counts) or 'none'}")
        _raise(sheet)
    return sheet.keep(np.isin(words, splits) | unknown)


# ---------------------------------------------------------------------- cells


def _numbers(sheet: _Sheet, name: str) -> NDArray[np.float64]:
    """Return a column as numbers; cells that hold no finite one are faults and become NaN."""
    if _is_number(sheet.table[name].type):
        found = np.asarray(pc.cast(_whole(sheet.table[name]), pa.float64(), safe=False), dtype=np.float64)
        shown: Any = found
    else:
        shown = sheet.text(name)
        if sheet.decimal_comma:
            shown = pc.replace_substring_regex(shown, _DECIMAL_COMMA, r"\1.\2")
        usable = pc.if_else(pc.match_substring_regex(shown, _NUMBER), shown, "nan")
        found = np.asarray(pc.cast(usable, pa.float64()), dtype=np.float64)
    bad = ~np.isfinite(found)
    if bad.any():
        _note_cells(sheet, name, bad, "is no finite number", shown)
    return found


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _check_probabilities(sheet: _Sheet, values: NDArray[np.float64], names: Sequence[str]) -> None:
    if len(names) < 2:
        return
    finite = np.isfinite(values).all(axis=1)
    outside = np.asarray(finite & ((values < 0) | (values > 1)).any(axis=1))
    if outside.any():
        _note_cells(sheet, f"{P_PREFIX} columns", outside, "hold no probabilities", values.tolist())
    sums = values.sum(axis=1)
    uneven = np.asarray(finite & ~outside & ~(np.abs(sums - 1) <= SUM_TOLERANCE))
    if uneven.any():
        _note_cells(sheet, f"{P_PREFIX} columns", uneven, "do not sum to 1", [f"{total:.6g}" for total in sums])


def _labels(
    sheet: _Sheet, value_columns: Sequence[str], positive: str | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return class names and each row's class index."""
    text = _texts(sheet, "label")
    if len(value_columns) > 1:
        names = tuple(name.removeprefix(P_PREFIX) for name in value_columns)
        return names, _class_indices(sheet, text, names, positive)
    return _two_classes(sheet, text, positive)


def _class_indices(
    sheet: _Sheet, text: NDArray[np.str_], names: tuple[str, ...], positive: str | None
) -> NDArray[np.int64]:
    """Read labels as the classes' names or, if any is none, as their indices."""
    if positive is not None and (positive not in names or len(names) != 2):
        sheet.faults.append(f"positive class {positive!r}, expected one of two classes; there are {listed(names)}")
    by_name = {name: index for index, name in enumerate(names)}
    by_index = {str(index): index for index in range(len(names))}
    plain = np.array([re.sub(r"\.0+$", "", label) for label in np.unique(text)])
    distinct, inverse = np.unique(text, return_inverse=True)
    known = by_name if set(distinct) <= by_name.keys() else by_index if set(plain) <= by_index.keys() else None
    if known is None:
        strangers = np.isin(text, [*by_name, *by_index], invert=True)
        wrong = strangers if strangers.any() else np.isin(text, list(by_name), invert=True)
        _note_cells(sheet, "label", wrong, f"is none of {listed(names)} (or all 0 to {len(names) - 1})", text)
        return np.zeros(len(text), dtype=np.int64)
    keys = distinct if known is by_name else plain
    return np.array([known[key] for key in keys], dtype=np.int64)[inverse.reshape(-1)]


def _two_classes(
    sheet: _Sheet, text: NDArray[np.str_], positive: str | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    distinct = list(dict.fromkeys(text.tolist()))
    if positive is None:
        numbers = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
        wrong = np.isin(text, list(numbers), invert=True)
        if wrong.any():
            _note_cells(sheet, "label", wrong, "is neither 0 nor 1 (two names need --positive NAME)", text)
            return ("0", "1"), np.zeros(len(text), dtype=np.int64)
        return ("0", "1"), np.isin(text, ["1", "1.0"]).astype(np.int64)
    if positive not in distinct or len(distinct) > 2 or "" in distinct:
        guess = nearest(positive, distinct)
        hint = f" (did you mean {guess!r}?)" if guess and guess != positive else ""
        shown = listed(map(repr, distinct[:_N_NAMED])) + (" and more" if len(distinct) > _N_NAMED else "")
        sheet.faults.append(f"labels {shown}, expected {positive!r} and one other{hint}")
    other = next((name for name in distinct if name != positive), f"not {positive}")
    return (other, positive), (text == positive).astype(np.int64)


# ---------------------------------------------------------------------- runs and cases


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Which run, case and split each row is of; `sound` if no fault stands in the way of setting rows side by side."""

    runs: tuple[tuple[str, int], ...]
    cases: NDArray[np.str_]
    run_of: NDArray[np.int64]
    case_of: NDArray[np.int64]
    split_of: NDArray[np.str_]
    split_names: tuple[str, ...]
    sound: bool

    @classmethod
    def of(cls, sheet: _Sheet) -> _Keys:
        """Read the keys of every row; cells that hold none are faults."""
        arm, case = _texts(sheet, "arm"), _texts(sheet, "case")
        for name in ("arm", "case", *(["patient"] if "patient" in sheet.table.column_names else [])):
            text = _texts(sheet, name)
            if (text == "").any():
                _note_cells(sheet, name, text == "", "is empty", text)
        seed = _whole_numbers(sheet, "seed")
        arms, arm_of = _by_first(arm)
        numbers, seed_of = np.unique(seed, return_inverse=True)
        codes, run_of = np.unique(arm_of * len(numbers) + seed_of.reshape(-1), return_inverse=True)
        cases, case_of = _by_first(case)
        split_of = _splits_of_rows(sheet)
        return cls(
            runs=tuple((str(arms[code // len(numbers)]), int(numbers[code % len(numbers)])) for code in codes),
            cases=cases,
            run_of=run_of.reshape(-1),
            case_of=case_of,
            split_of=split_of,
            split_names=tuple(split for split in SPLITS if (split_of == split).any()),
            sound=not sheet.faults,
        )


def _splits_of_rows(sheet: _Sheet) -> NDArray[np.str_]:
    if "split" not in sheet.table.column_names:
        return np.full(len(sheet.rows), "test")
    return np.char.lower(_texts(sheet, "split"))


def _by_first(text: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Return the distinct texts in the order in which they first occur, and each row's place among them."""
    distinct, first, inverse = np.unique(text, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return distinct[order], place[inverse.reshape(-1)]


def _whole_numbers(sheet: _Sheet, name: str) -> NDArray[np.int64]:
    text = _texts(sheet, name)
    distinct, inverse = np.unique(text, return_inverse=True)
    good = np.array([_WHOLE.fullmatch(value) is not None for value in distinct])
    inverse = inverse.reshape(-1)
    if not good.all():
        _note_cells(sheet, name, np.logical_not(good[inverse]), "is no whole number", text)
    values = [int(value.split(".")[0]) if fits else 0 for value, fits in zip(distinct, good, strict=True)]
    return np.array(values, dtype=np.int64)[inverse]


def _check_cases(sheet: _Sheet, keys: _Keys, y_true: NDArray[np.int64], patients: NDArray[np.str_] | None) -> None:
    """Note rows that stand twice, runs that lack cases, and cases that rows disagree about."""
    _note_twice(sheet, keys)
    for split in keys.split_names:
        _note_lacking(sheet, keys, split)
    _note_disagreement(sheet, keys, "label", y_true)
    if patients is not None:
        _note_disagreement(sheet, keys, "patient", patients)


def _note_twice(sheet: _Sheet, keys: _Keys) -> None:
    code = keys.run_of * len(keys.cases) + keys.case_of
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse.reshape(-1)] != np.arange(len(code)))
    if len(again):
        row = int(again[0])
        arm, seed = keys.runs[keys.run_of[row]]
        earlier = sheet.rows[first[inverse.reshape(-1)[row]]]
        sheet.faults.append(
            f"{_rows(sheet.rows[again])}: a run and case a second time; arm {arm}, seed {seed}, case "
            f"{keys.cases[keys.case_of[row]]} stands in rows {earlier} and {sheet.rows[row]}"
        )


def _note_lacking(sheet: _Sheet, keys: _Keys, split: str) -> None:
    inside = keys.split_of == split
    wanted = np.unique(keys.case_of[inside])
    # Counted and not laid out as runs by cases: a wrong seed column makes a run of every row.
    pairs = np.unique(keys.run_of[inside] * len(keys.cases) + keys.case_of[inside])
    counts = np.bincount(pairs // len(keys.cases), minlength=len(keys.runs))
    short = np.flatnonzero(counts < len(wanted))
    for run in short[:_N_NAMED]:
        arm, seed = keys.runs[run]
        lacking = np.setdiff1d(wanted, keys.case_of[inside & (keys.run_of == run)])
        names = _some(keys.cases[lacking].tolist())
        sheet.faults.append(f"arm {arm}, seed {seed} lacks {len(lacking)} of the {len(wanted)} {split} cases: {names}")
    if len(short) > _N_NAMED:
        sheet.faults.append(f"{len(short) - _N_NAMED} more runs lack {split} cases")


def _note_disagreement(sheet: _Sheet, keys: _Keys, name: str, values: NDArray[Any]) -> None:
    _, first = np.unique(keys.case_of, return_index=True)
    origin = first[keys.case_of]
    differs = np.flatnonzero(values != values[origin])
    if len(differs):
        row, text = int(differs[0]), sheet.text(name)
        sheet.faults.append(
            f"{_rows(sheet.rows[differs])}: another {name} than an earlier row of the same case; case "
            f"{keys.cases[keys.case_of[row]]} has {text[int(origin[row])].as_py()!r} in row {sheet.rows[origin[row]]} "
            f"and {text[row].as_py()!r} in row {sheet.rows[row]}"
        )


def _arrange(
    keys: _Keys,
    split: str,
    y_true: NDArray[np.int64],
    values: NDArray[np.float64],
    patients: NDArray[np.str_] | None,
) -> SplitScores:
    """Put the rows of a split into their places, one row of scores for each run."""
    rows = np.flatnonzero(keys.split_of == split)
    chosen, place = np.unique(keys.case_of[rows], return_inverse=True)
    scores = np.empty((len(keys.runs), len(chosen), values.shape[1]))
    scores[keys.run_of[rows], place.reshape(-1)] = values[rows]
    of_case = np.empty(len(chosen), dtype=np.int64)
    of_case[place.reshape(-1)] = rows
    return SplitScores(
        cases=tuple(keys.cases[chosen].tolist()),
        y_true=y_true[of_case],
        scores=scores[:, :, 0] if values.shape[1] == 1 else scores,
        patients=None if patients is None else tuple(map(str, patients[of_case])),
    )


# ---------------------------------------------------------------------- messages


def _note_cells(sheet: _Sheet, name: str, wrong: NDArray[np.bool_], what: str, content: Any) -> None:
    rows = np.flatnonzero(wrong)
    plain: Callable[[Any], Any] = lambda cell: cell.as_py() if hasattr(cell, "as_py") else cell  # noqa: E731
    shown = [f"{sheet.rows[row]} ({str(plain(content[int(row)]))[:40]!r})" for row in rows[:_N_NAMED]]
    more = f" and {len(rows) - _N_NAMED} more" if len(rows) > _N_NAMED else ""
    sheet.faults.append(f"{name} {what}: row{'s' * (len(rows) > 1)} {listed(shown)}{more}")


def _rows(numbers: Sequence[int] | NDArray[np.int64]) -> str:
    return f"row{'s' * (len(numbers) > 1)} {_some([str(number) for number in numbers])}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return listed(names[:_N_NAMED]) + more


def _raise(sheet: _Sheet) -> None:
    if sheet.faults:
        count = "1 fault" if len(sheet.faults) == 1 else f"{len(sheet.faults)} faults"
        listing = "\n".join(f"  {fault}" for fault in sheet.faults)
        raise InputError(
            f"{sheet.path} has {count}:\n{listing}",
            expected=f"{_EXPECTED}; one row for each run and case, every run on the same cases",
        )
