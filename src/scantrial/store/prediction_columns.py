"""The columns of a file of predictions: their names and the content of their cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scantrial.core.names import N_NAMED, listed, nearest
from scantrial.core.numbering import MAX_TEXT
from scantrial.core.probabilities import sum_tolerance
from scantrial.core.records import SPLITS
from scantrial.store.prediction_sheet import (
    Sheet,
    column_texts,
    distinct_texts,
    note_cells,
    of_objects,
    raise_faults,
    whole_column,
)

NEEDED = ("arm", "seed", "case", "label")
OPTIONAL = ("patient", "split", "fold", "repeat")
SCORE = "score"
P_PREFIX = "p_"
MAX_CLASSES = 1000

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DECIMAL_COMMA = r"^([+-]?\d*),(\d+([eE][+-]?\d+)?)$"
_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")


def check_columns(sheet: Sheet) -> list[str]:
    """Return the columns that hold scores or probabilities; note missing, duplicate and unusable columns."""
    names = sheet.table.column_names
    faults, n_before = sheet.faults, len(sheet.faults)
    wanted = [name for name in names if name in (*NEEDED, *OPTIONAL, SCORE) or name.startswith(P_PREFIX)]
    faults += [f"the column {name!r} appears twice" for name, n in Counter(wanted).items() if n > 1]
    needed = [name for name in NEEDED if name != "seed" or "fold" not in names]
    faults += [_missing(name, names) for name in needed if name not in names]
    if "repeat" in names and "fold" not in names:
        faults.append("a column 'repeat' without a column 'fold', which says in which fold of it a case was tested")
    probabilities = [name for name in names if name.startswith(P_PREFIX)]
    if SCORE in names and probabilities:
        faults.append(f"both {SCORE} and {listed(probabilities)}, expected one or the other")
    elif len(probabilities) == 1:
        faults.append(f"one column {probabilities[0]}, expected one for each class, or the name {SCORE}")
    elif SCORE not in names and not probabilities:
        faults.append(f"{_missing(SCORE, names)}, and there are no columns {P_PREFIX}CLASS")
    if "" in [name.removeprefix(P_PREFIX) for name in probabilities]:
        faults.append(f"a column {P_PREFIX} without the name of a class")
    if len(probabilities) > MAX_CLASSES:
        faults.append(f"columns {P_PREFIX}CLASS for {len(probabilities):,} classes, expected at most {MAX_CLASSES:,}")
    faults += list(_wrong_types(sheet)) or list(_long_texts(sheet))
    if len(faults) > n_before:
        raise_faults(sheet)
    return probabilities or [SCORE]


def _missing(name: str, names: Sequence[str]) -> str:
    guess = nearest(name, [other for other in names if other not in (*NEEDED, *OPTIONAL)])
    hint = f" (did you mean {guess!r}?)" if guess else ""
    return f"no column {name!r}{hint}; the columns are {listed(names)}"


def _wrong_types(sheet: Sheet) -> Iterator[str]:
    for name, column in zip(sheet.table.column_names, sheet.table.columns, strict=True):
        if name in (*NEEDED, *OPTIONAL, SCORE) or name.startswith(P_PREFIX):
            to_number = _is_number(column.type) and name not in (*NEEDED, *OPTIONAL)
            try:
                pc.cast(column, pa.float64() if to_number else pa.string(), safe=not to_number)
            except pa.ArrowException:
                yield f"the column {name!r} is of type {column.type}, expected text or numbers"


def _long_texts(sheet: Sheet) -> Iterator[str]:
    for name in dict.fromkeys(sheet.table.column_names):
        if name in (*NEEDED, *OPTIONAL) and sheet.table.column_names.count(name) == 1:
            longest = pc.max(pc.utf8_length(sheet.text(name))).as_py() or 0
            if longest > MAX_TEXT:
                yield f"a text of {longest:,} characters in the column {name!r}, expected at most {MAX_TEXT:,}"


def rows_of_splits(sheet: Sheet, splits: Sequence[str]) -> Sheet:
    """Return the rows of the wanted splits, and rows whose split is unknown."""
    if "split" not in sheet.table.column_names:
        if splits[0] != "test":
            sheet.faults.append(f"no column 'split', so it is not known which rows are of the split {splits[0]}")
            raise_faults(sheet)
        return sheet
    words = splits_of_rows(sheet)
    unknown = ~np.isin(words, SPLITS)
    if unknown.any():
        note_cells(sheet, "split", unknown, f"is not one of {listed(SPLITS)}", words)
    elif not (words == splits[0]).any():
        counts = [f"{split} {int((words == split).sum())}" for split in SPLITS if (words == split).any()]
        sheet.faults.append(f"no row is of the split {splits[0]}; there are {listed(counts) or 'none'}")
        raise_faults(sheet)
    return sheet.keep(np.isin(words, splits) | unknown)


def splits_of_rows(sheet: Sheet) -> NDArray[Any]:
    """Return the split of each row, in lower case; ``test`` if there is no such column."""
    if "split" not in sheet.table.column_names:
        return np.full(len(sheet.rows), "test")
    distinct, places = distinct_texts(sheet, "split")
    return of_objects([text.lower() for text in distinct])[places]


# ---------------------------------------------------------------------- cells


def numbers_of(sheet: Sheet, name: str) -> NDArray[np.float64]:
    """Return a column as numbers; cells without a finite number are faults and become NaN."""
    if _is_number(sheet.table[name].type):
        found = np.asarray(pc.cast(whole_column(sheet.table[name]), pa.float64(), safe=False), dtype=np.float64)
        shown: Any = found
    else:
        shown = sheet.text(name)
        if sheet.decimal_comma:
            shown = pc.replace_substring_regex(shown, _DECIMAL_COMMA, r"\1.\2")
        usable = pc.if_else(pc.match_substring_regex(shown, _NUMBER), shown, "nan")
        found = np.asarray(pc.cast(usable, pa.float64()), dtype=np.float64)
    bad = ~np.isfinite(found)
    if bad.any():
        note_cells(sheet, name, bad, "is not a finite number", shown)
    return found


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def check_probability_columns(sheet: Sheet, values: NDArray[np.float64], names: Sequence[str]) -> None:
    """Note rows of probabilities outside 0 to 1 or with a sum other than 1; a single column of scores may have any."""
    if len(names) < 2:
        return
    finite = np.isfinite(values).all(axis=1)
    outside = np.asarray(finite & ((values < 0) | (values > 1)).any(axis=1))
    if outside.any():
        note_cells(sheet, f"{P_PREFIX} columns", outside, "are not all between 0 and 1", values.tolist())
    sums = values.sum(axis=1)
    usable = finite & ~outside
    misses = np.where(usable, np.abs(sums - 1), 0.0)
    uneven = misses > sum_tolerance(np.where(usable[:, None], values, 0.0))
    if uneven.any():
        worst = int(np.argmax(misses))
        why = f"do not sum to 1 but for rounding (row {sheet.rows[worst]} misses 1 most, by {misses[worst]:.3g})"
        note_cells(sheet, f"{P_PREFIX} columns", uneven, why, [f"{total:.6g}" for total in sums])


def class_labels(
    sheet: Sheet, value_columns: Sequence[str], positive: str | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return class names and each row's class index."""
    if len(value_columns) > 1:
        names = tuple(name.removeprefix(P_PREFIX) for name in value_columns)
        return names, _class_indices(sheet, names, positive)
    return _two_classes(sheet, positive)


def _class_indices(sheet: Sheet, names: tuple[str, ...], positive: str | None) -> NDArray[np.int64]:
    """Read labels as class names or, if any label is not one, as class indices."""
    if positive is not None and (positive not in names or len(names) != 2):
        sheet.faults.append(f"positive class {positive!r}, expected one of two classes; the file has {listed(names)}")
    by_name = {name: index for index, name in enumerate(names)}
    by_index = {str(index): index for index in range(len(names))}
    distinct, places = distinct_texts(sheet, "label")
    plain = [re.sub(r"\.0+$", "", label) for label in distinct]
    known = by_name if set(distinct) <= by_name.keys() else by_index if set(plain) <= by_index.keys() else None
    if known is None:
        strange = [label not in by_name and label not in by_index for label in distinct]
        wrong = strange if any(strange) else [label not in by_name for label in distinct]
        what = f"is not one of {listed(names)} (or all 0 to {len(names) - 1})"
        _note_labels(sheet, np.array(wrong)[places], what)
        return np.zeros(len(places), dtype=np.int64)
    keys = distinct if known is by_name else plain
    return np.array([known[key] for key in keys], dtype=np.int64)[places]


def _note_labels(sheet: Sheet, wrong: NDArray[np.bool_], what: str) -> None:
    note_cells(sheet, "label", wrong, what, column_texts(sheet, "label"))


def _two_classes(sheet: Sheet, positive: str | None) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    distinct, places = distinct_texts(sheet, "label")
    if positive is None:
        numbers = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
        wrong = np.array([label not in numbers for label in distinct], dtype=bool)
        if wrong.any():
            _note_labels(sheet, wrong[places], "is neither 0 nor 1 (two names need --positive NAME)")
            return ("0", "1"), np.zeros(len(places), dtype=np.int64)
        return ("0", "1"), np.array([numbers[label] for label in distinct], dtype=np.int64)[places]
    if positive not in distinct or len(distinct) > 2 or "" in distinct:
        guess = nearest(positive, distinct)
        hint = f" (did you mean {guess!r}?)" if guess and guess != positive else ""
        shown = listed(map(repr, distinct[:N_NAMED])) + (" and more" if len(distinct) > N_NAMED else "")
        sheet.faults.append(f"labels {shown}, expected {positive!r} and one other{hint}")
    other = next((name for name in distinct if name != positive), f"not {positive}")
    return (other, positive), np.array([name == positive for name in distinct], dtype=np.int64)[places]


def whole_numbers(sheet: Sheet, name: str) -> NDArray[np.int64]:
    """Return a column as whole numbers, 0 where there is none; cells without a whole number are faults and become 0."""
    if name not in sheet.table.column_names:
        return np.zeros(len(sheet.rows), dtype=np.int64)
    distinct, places = distinct_texts(sheet, name)
    good = np.array([_WHOLE.fullmatch(value) is not None for value in distinct], dtype=bool)
    if not good.all():
        note_cells(sheet, name, ~good[places], "is not a whole number", column_texts(sheet, name))
    values = [int(value.split(".")[0]) if fits else 0 for value, fits in zip(distinct, good, strict=True)]
    return np.array(values, dtype=np.int64)[places]
