"""A file of predictions as a table, CSV or Parquet, with every fault found in it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from scantrial.core.errors import InputError, itemised
from scantrial.core.files import blocks_of, clear_os_errors
from scantrial.core.names import N_NAMED, listed, some_of
from scantrial.store.parquet import MAX_COLUMNS, TooLargeError, native_reader, read_parquet

_DELIMITERS = (",", ";", "\t")
MAX_RAGGED = 10_000
"""Rows of another number of cells, with which reading goes on so that all of them can be told."""

_EXPECTED = (
    "CSV (comma, semicolon or tab; UTF-8) or Parquet with the columns arm, seed, case, label and either score or one "
    "p_CLASS for each class; optionally patient, split, fold and repeat"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table as read: `rows` are numbered as a spreadsheet shows them."""

    path: Path
    table: pa.Table
    rows: NDArray[np.int64]
    decimal_comma: bool = False
    faults: list[str] = field(default_factory=list)

    def text(self, name: str) -> pa.Array:
        """Return a column as trimmed text; what is missing is empty."""
        return pc.utf8_trim_whitespace(pc.fill_null(pc.cast(whole_column(self.table[name]), pa.string()), ""))

    def keep(self, mask: NDArray[np.bool_]) -> Sheet:
        """Return the sheet with some of the rows."""
        return Sheet(
            path=self.path,
            table=self.table.filter(pa.array(mask)),
            rows=self.rows[mask],
            decimal_comma=self.decimal_comma,
            faults=self.faults,
        )


def read_sheet(path: Path) -> Sheet:
    """Read a file without its empty rows.

    Raises
    ------
    InputError
        If the file does not exist, cannot be read, or has no rows.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}", expected=_EXPECTED)
    with clear_os_errors(path):
        content = b"".join(blocks_of(path))
    if not content.strip():
        raise InputError(f"{path} is empty", expected=_EXPECTED)
    try:
        sheet = _load_parquet(path, content) if content[:4] == b"PAR1" else _load_csv(path, content)
    except (pa.ArrowException, OSError, csv.Error, TooLargeError) as error:
        raise InputError(f"{path} cannot be read: {error}", expected=_EXPECTED) from error
    if not len(sheet.table) and not sheet.faults:
        raise InputError(f"{path} has no rows", expected=_EXPECTED)
    return sheet


def _load_parquet(path: Path, content: bytes) -> Sheet:
    table = read_parquet(content).replace_schema_metadata(None)
    table.validate(full=True)
    return Sheet(path=path, table=table, rows=np.arange(1, len(table) + 1))


def _load_csv(path: Path, content: bytes) -> Sheet:
    _check_utf8(path, content)
    header = content.decode("utf-8-sig").split("\n", 1)[0].rstrip("\r")
    delimiter = max(_DELIMITERS, key=header.count)
    names = next(csv.reader([header], delimiter=delimiter), [])
    ragged: list[tuple[int, int, int]] = []

    if header.count(delimiter) >= MAX_COLUMNS:
        raise TooLargeError(f"more than {MAX_COLUMNS:,} columns")

    def note(row: Any) -> str:
        ragged.append((row.number, row.actual_columns, row.expected_columns))
        return "skip" if len(ragged) < MAX_RAGGED else "error"

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
    sheet = Sheet(path=path, table=table, rows=numbers, decimal_comma=delimiter != ",")
    if ragged:
        first, found, expected = ragged[0]
        rows = rows_in_words([number for number, _, _ in ragged])
        sheet.faults.append(f"{rows}: {found} cells in row {first}, expected {expected}")
    return sheet.keep(~_is_blank(table)) if len(table) else sheet


def _check_utf8(path: Path, content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} is not UTF-8 text: line {line}", expected=_EXPECTED) from error


def _is_blank(table: pa.Table) -> NDArray[np.bool_]:
    blank = np.ones(len(table), dtype=bool)
    for column in table.columns:
        if pa.types.is_string(column.type):
            blank &= pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0).to_numpy()
    return blank


def distinct_texts(sheet: Sheet, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of a column, in the order in which they first occur, and each row's place among them.

    Texts are trimmed, and what is missing is empty.
    """
    coded = sheet.text(name).dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def column_texts(sheet: Sheet, name: str) -> NDArray[np.object_]:
    """Return a column as trimmed text; what is missing is empty. Equal texts are one object."""
    distinct, places = distinct_texts(sheet, name)
    return of_objects(distinct)[places]


def of_objects(texts: Sequence[str]) -> NDArray[np.object_]:
    """Return an array that refers to texts: one of NumPy's own texts would give each the width of the longest."""
    return np.array(texts, dtype=object)


def whole_column(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


# ---------------------------------------------------------------------- messages


def note_cells(sheet: Sheet, name: str, wrong: NDArray[np.bool_], what: str, content: Any) -> None:
    """Note one fault for all wrong cells of a column, the first few with their rows and content."""
    rows = np.flatnonzero(wrong)
    cells = [content[int(row)] for row in rows[:N_NAMED]]
    values = [cell.as_py() if hasattr(cell, "as_py") else cell for cell in cells]
    shown = [f"{sheet.rows[row]} ({str(value)[:40]!r})" for row, value in zip(rows, values, strict=False)]
    more = f" and {len(rows) - N_NAMED} more" if len(rows) > N_NAMED else ""
    sheet.faults.append(f"{name} {what}: row{'s' * (len(rows) > 1)} {listed(shown)}{more}")


def rows_in_words(numbers: Sequence[int] | NDArray[np.int64]) -> str:
    """Return ``row 3``, ``rows 3, 4 and 8``; the first few, and how many more."""
    return f"row{'s' * (len(numbers) > 1)} {some_of([str(number) for number in numbers])}"


def raise_faults(sheet: Sheet) -> None:
    """Raise one error with all faults, if there are any.

    Raises
    ------
    InputError
        With a line for each.
    """
    if sheet.faults:
        count = "1 fault" if len(sheet.faults) == 1 else f"{len(sheet.faults)} faults"
        raise InputError(
            f"{sheet.path} has {count}:\n{itemised(sheet.faults)}",
            expected=f"{_EXPECTED}; one row for each run and case, every run on the same cases",
        )
