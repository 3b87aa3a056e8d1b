"""What the columns of a table hold, guessed from their content: files, labels, patients, splits.

A guess is told, and refused where several columns may be meant: then the candidates are named.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import DataError, itemised
from scantrial.core.format import counted
from scantrial.core.names import listed, nearest
from scantrial.data.formats.base import MAX_IMAGES, SPLIT_OF_WORD
from scantrial.data.formats.table import LIKELY, is_called_label
from scantrial.data.formats.table_files import FileFinder
from scantrial.data.formats.table_labels import NOT_A_VALUE
from scantrial.data.formats.table_patients import is_fact, patient_rank
from scantrial.data.formats.table_text import ScanTable, open_sheet, unreadable

MAX_CLASSES = 30
"""A column of more different values is no label, unless its name says so."""

_SAMPLE = 200
"""Cells of a column that are looked up among the files, to see whether they name any."""

_VAGUE = ("y", "level")
"""Usual names of labels that are as often those of numbers."""


class _Column(NamedTuple):
    name: str
    cells: list[str]

    @property
    def values(self) -> Counter[str]:
        """Cells that hold a value, and how often."""
        counts = Counter(self.cells)
        return Counter({cell: n for cell, n in counts.items() if cell and cell not in NOT_A_VALUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedColumns:
    """The columns that somebody has named; None for those to be guessed."""

    path: str | None = None
    label: tuple[str, ...] | None = None
    patient: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessedTable:
    """The columns of a table.

    Parameters
    ----------
    options : of the source: path, label, and if there are any patient and split
    classes : names for the values of a single column of 0 and 1, which are its values; None where labels are names
    is_sure : whether the label was named or has a usual name
    n_named : different scans that the rows name
    n_rows : rows
    n_scans : scans below the table's folder
    """

    table: Path
    options: Mapping[str, Any]
    classes: Mapping[str, tuple[str, ...]] | None
    is_sure: bool
    n_named: int
    n_rows: int
    n_scans: int
    lines: tuple[str, ...] = field(default=())


def guess_table(table: Path, named: NamedColumns) -> GuessedTable:
    """Find the columns of files, labels, patients and splits; those called ``path`` and ``label`` are taken as such.

    Raises
    ------
    DataError
        If the table cannot be read, has no column of files or of labels, or several that may be meant; or not those
        that are named.
    """
    columns = _columns(table)
    _refuse_unknown(table, columns, named)
    usual = {"path", "label"} & {column.name for column in columns}
    if "path" in usual:
        named = replace(named, path=named.path or "path")
    if "label" in usual:
        named = replace(named, label=named.label or ("label",))
    finder = FileFinder(table.parent, folders=(), suffix="", is_left_out=lambda _: None)
    path = _path(table, columns, finder, named.path)
    _refuse_twice(table, path.name, named)
    found = {file for cell in path.cells for file in _files(finder, cell)}
    rest = [column for column in columns if column.name and column.name != path.name]
    asked = {*(named.label or ()), named.patient}
    split = next((column for column in rest if _is_split(column) and column.name not in asked), None)
    rest = [column for column in rest if column is not split]
    patient = _patient([column for column in rest if column.name not in (named.label or ())], named.patient)
    label, classes, is_sure = _label(table, [column for column in rest if column is not patient], named.label)
    options: dict[str, Any] = {"path": path.name, "label": label if len(label) > 1 else label[0]}
    options |= {} if patient is None else {"patient": patient.name}
    options |= {} if split is None else {"split": split.name}
    return GuessedTable(
        table=table,
        options={key: list(value) if isinstance(value, tuple) else value for key, value in options.items()},
        classes=classes,
        is_sure=is_sure,
        n_named=len(found),
        n_rows=len(path.cells),
        n_scans=finder.n_files,
        lines=tuple(_told(path, rest, label, patient, split)),
    )


def _told(
    path: _Column, rest: Sequence[_Column], label: tuple[str, ...], patient: _Column | None, split: _Column | None
) -> Iterator[str]:
    yield f"path: {path.name} (names files)"
    if len(label) > 1:
        yield f"label: {listed(label)} (each row has a 1 in one of them)"
    else:
        yield f"label: {_described(next(column for column in rest if column.name == label[0]))}"
    if patient is not None:
        yield f"patient: {patient.name} ({len(patient.values):,} different)"
    if split is not None:
        yield f"split: {split.name} ({listed(sorted(split.values))})"


def _columns(table: Path) -> list[_Column]:
    sheet = open_sheet(table, needed=())
    try:
        rows = [cells for _, cells in islice(sheet.rows, MAX_IMAGES) if len(cells) == len(sheet.header)]
    except csv.Error as error:
        raise unreadable(table, error) from error
    if not rows:
        raise DataError(f"{table} has no row with {len(sheet.header)} cells", expected="a row for each scan")
    return [_Column(name, [cells[n].strip() for cells in rows]) for n, name in enumerate(sheet.header)]


def _refuse_unknown(table: Path, columns: Sequence[_Column], named: NamedColumns) -> None:
    header = [column.name for column in columns]
    wanted = [("--path", named.path), *(("--label", name) for name in named.label or ()), ("--patient", named.patient)]
    for option, name in wanted:
        if name is not None and header.count(name) != 1:
            guess = nearest(name, header)
            hint = f" (did you mean {guess!r}?)" if guess and name not in header else ""
            n = "no column" if name not in header else f"{header.count(name)} columns"
            raise DataError(f"{option}: {table} has {n} {name!r}{hint}", expected=f"one of {listed(header)}")


def _refuse_twice(table: Path, path: str, named: NamedColumns) -> None:
    """Refuse a column that is named for two things, or for another than its files."""
    times = Counter([path, *(named.label or ()), *([named.patient] if named.patient is not None else [])])
    twice = [name for name, n in times.items() if n > 1]
    if twice:
        what = "the column of files" if twice[0] == path else "named twice"
        raise DataError(f"{twice[0]!r} of {table} is {what}", expected="one column each for files, labels and patients")


# ---------------------------------------------------------------------- files


def _path(table: Path, columns: Sequence[_Column], finder: FileFinder, named: str | None) -> _Column:
    if named is not None:
        return next(column for column in columns if column.name == named)
    shares = {n: _share_found(finder, column) for n, column in enumerate(columns) if column.name}
    best = max(shares.values(), default=0.0)
    found = [columns[n] for n, share in shares.items() if share > 0 and share >= 0.9 * best]
    if not found:
        _refuse_repeated(table, columns, finder)
        raise DataError(
            f"no column of {table} holds names of files in its folder or below: {listed(c.name for c in columns)}",
            expected="a column of paths, of file names, or of file names without their suffix",
            do="put the table beside or above its scans, or name the column with --path COLUMN",
        )
    called = [column for column in found if column.name.lower() in ("path", *LIKELY["path"])]
    found = called if len(called) == 1 else found
    if len({_sample_found(finder, column) for column in found}) > 1:
        raise DataError(
            f"{len(found)} columns of {table} name different files:\n" + itemised(c.name for c in found),
            expected="one column of files",
            do="say which with --path COLUMN",
        )
    return found[0]


def _refuse_repeated(table: Path, columns: Sequence[_Column], finder: FileFinder) -> None:
    for column in columns:
        n_again = len(column.cells) - len(set(column.cells))
        if column.name and n_again and len(column.values) > MAX_CLASSES and any(_sample_found(finder, column)):
            raise DataError(
                f"the column {column.name} of {table} names files, but {counted(n_again, 'row')} "
                "name a scan that an earlier row names",
                expected="one row for each scan",
                do="join the rows of each scan, or keep one of them",
            )


def files_of_table(table: Path, finder: FileFinder, path: str | None) -> tuple[list[str], int]:
    """Return the files that the rows of a table name, relative to its folder, and how many rows name none.

    Parameters
    ----------
    path : the column, if the table has it; else it is guessed
    """
    columns = _columns(table)
    named = path if path in [column.name for column in columns] else None
    column = _path(table, columns, finder, named)
    found = [_files(finder, cell) for cell in column.cells]
    return [file for files in found for file in files], sum(not files for files in found)


def _files(finder: FileFinder, cell: str) -> tuple[str, ...]:
    found = finder.find(cell) if cell else None
    return () if found is None else found.together or ((found.source,) if found.source else found.several)


def _sample(column: _Column) -> list[str]:
    step = max(1, len(column.cells) // _SAMPLE)
    return column.cells[::step]


def _sample_found(finder: FileFinder, column: _Column) -> frozenset[str]:
    return frozenset(file for cell in _sample(column) for file in _files(finder, cell))


def _share_found(finder: FileFinder, column: _Column) -> float:
    """Return the share of cells that name a file; none if many cells are alike, as no two rows name one file."""
    sample = _sample(column)
    if len(set(column.cells)) < 0.9 * len(column.cells):
        return 0.0
    return sum(bool(_files(finder, cell)) for cell in sample) / len(sample)


# ---------------------------------------------------------------------- splits and patients


def _is_split(column: _Column) -> bool:
    words = {value.lower() for value in column.values}
    return len(words) > 1 and words <= SPLIT_OF_WORD.keys()


def _patient(columns: Sequence[_Column], named: str | None) -> _Column | None:
    """Return the column of patients; of several that look so the best by name, then that of the fewest patients."""
    if named is not None:
        return next((column for column in columns if column.name == named), None)
    free = [column for column in columns if not is_called_label(column.name)]
    ranks = [(rank, len(c.values), c) for c in free if (rank := patient_rank(c.name, c.cells)) is not None]
    return min(ranks, key=lambda found: found[:2])[2] if ranks else None


# ---------------------------------------------------------------------- labels


def _label(
    table: Path, columns: Sequence[_Column], named: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]] | None, bool]:
    """Return the column or columns of the label, names for the values of one of 0 and 1, and whether it is sure."""
    binary = [column for column in columns if _is_binary(column)]
    hot = _one_hot([column for column in binary if not is_fact(column.name)])
    if named is not None:
        names, is_sure = named, True
        if len(named) > 1:
            _refuse_multi_label(table, [column for column in columns if column.name in named])
    else:
        names, is_sure = _found_label(table, columns, binary, hot)
    if len(names) > 1:
        return names, None, is_sure
    one = next(column for column in columns if column.name == names[0])
    if one not in binary or is_called_label(one.name):
        return names, None, is_sure
    if len(hot) == 2 and names[0] in hot:
        return hot, None, is_sure
    numbers = {cell: _number(cell) for cell in one.values}
    without, with_it = (tuple(cell for cell, number in numbers.items() if number == wanted) for wanted in (0, 1))
    if not without or not with_it:
        raise DataError(f"every row of {table} has the same {one.name}", expected="scans of two classes or more")
    return names, {f"not {names[0]}": without, names[0]: with_it}, is_sure


def _found_label(
    table: Path, columns: Sequence[_Column], binary: Sequence[_Column], hot: tuple[str, ...]
) -> tuple[tuple[str, ...], bool]:
    called = [c for c in columns if is_called_label(c.name) and 2 <= len(c.values) <= _most_classes(c)]
    if called:
        return (_one_of(table, called, binary).name,), True
    if hot:
        _refuse_beside(table, hot, [column for column in binary if not is_fact(column.name)])
        return hot, False
    usable = [c for c in columns if 2 <= len(c.values) <= min(MAX_CLASSES, len(c.cells) / 2)]
    usual = [c for c in usable if not is_fact(c.name)]
    if not usual:
        raise DataError(
            f"no column of {table} looks like labels: {listed(column.name for column in columns)}",
            expected=f"a column with 2 to {MAX_CLASSES} different values, or columns of 0 and 1 with one 1 in each row",
            do="name it with --label COLUMN",
        )
    return (_one_of(table, usual, binary).name,), False


def _most_classes(column: _Column) -> float:
    most = len(column.cells) / 2
    return min(most, MAX_CLASSES) if column.name.lower() in _VAGUE else most


def _refuse_beside(table: Path, hot: tuple[str, ...], binary: Sequence[_Column]) -> None:
    """Refuse columns of 0 and 1 with one 1 in each row beside others that may as well be the label."""
    others = [column.name for column in binary if column.name not in hot and len(column.values) > 1]
    if others:
        raise DataError(
            f"{listed(hot)} of {table} have one 1 in each row, and {listed(others)} may be the label as well",
            expected="one column of labels, or several of 0 and 1 with one 1 in each row",
            do=f"say which with --label COLUMN, or --label {','.join(hot)}",
        )


def _one_of(table: Path, found: Sequence[_Column], binary: Sequence[_Column]) -> _Column:
    """Return the only candidate; of several that divide the rows alike the first that is written in words."""
    if len({_division(column) for column in found}) == 1:
        return next((column for column in found if any(map(str.isalpha, "".join(column.values)))), found[0])
    several = [column for column in found if column in binary]
    why = f"\n  {_multi_label(several)}" if len(several) > 1 and len(several) == len(found) else ""
    raise DataError(
        f"{len(found)} columns of {table} may be the label:\n{itemised(map(_described, found), alike=True)}{why}",
        expected="one column of labels, or several of 0 and 1 with one 1 in each row",
        do=f"say which with --label COLUMN, such as --label {found[0].name}",
    )


def _division(column: _Column) -> tuple[int, ...]:
    """Return the rows' values as numbers in the order in which they come up."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(cell, len(numbers)) for cell in column.cells)


def _described(column: _Column) -> str:
    common = column.values.most_common()
    shown = listed(f"{value} {n:,}" for value, n in common[:5])
    return f"{column.name} ({shown}{f' and {len(common) - 5} more' if len(common) > 5 else ''})"


def _number(cell: str) -> float | None:
    return ScanTable(header=(), rows=iter(()), separator=";").number(cell)


def _is_binary(column: _Column) -> bool:
    return bool(column.values) and {_number(cell) for cell in column.values} <= {0.0, 1.0}


def _marks(column: _Column) -> NDArray[np.int64]:
    return np.array([_number(cell) == 1 for cell in column.cells], dtype=np.int64)


def _one_hot(binary: Sequence[_Column]) -> tuple[str, ...]:
    """Return the longest run of columns of 0 and 1 of which one holds a 1 in each row, without those that hold none."""
    used = [(column.name, marks) for column in binary if (marks := _marks(column)).any()]
    for n in range(len(used), 1, -1):
        for first in range(len(used) - n + 1):
            run = used[first : first + n]
            if (np.sum([marks for _, marks in run], axis=0) == 1).all():
                return tuple(name for name, _ in run)
    return ()


def _multi_label(columns: Sequence[_Column]) -> str:
    n_marked = np.sum([_marks(column) for column in columns], axis=0)
    return (
        f"{counted(int((n_marked > 1).sum()), 'row')} with a 1 in several of them, {int((n_marked == 0).sum()):,} with "
        "none: a multi-label set, and these are not supported"
    )


def _refuse_multi_label(table: Path, columns: Sequence[_Column]) -> None:
    wrong = [column for column in columns if not _is_binary(column)]
    if wrong:
        raise DataError(
            f"--label: not only 0 and 1 in {listed(map(_described, wrong))}",
            expected="one column of labels, or several of 0 and 1 with one 1 in each row",
        )
    if (np.sum([_marks(column) for column in columns], axis=0) != 1).any():
        raise DataError(
            f"--label: {listed(column.name for column in columns)} in {table}: {_multi_label(columns)}",
            expected="one 1 in each row",
            do=f"name one of them: --label {columns[0].name} divides the scans into “{columns[0].name}” and “not "
            f"{columns[0].name}”",
        )
