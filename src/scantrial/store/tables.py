"""The Parquet tables of a study folder: history, predictions, cases.

Equal content gives equal bytes: columns in a fixed order, no times, no machine in the metadata.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scantrial.core.errors import DamagedError
from scantrial.core.files import clear_os_errors, written_aside
from scantrial.core.fold_table import FoldTable
from scantrial.core.numbering import MAX_TEXT
from scantrial.core.records import HISTORY_COLUMNS, SPLITS, EpochRecord, Split, SplitPredictions
from scantrial.store.contents import is_picture
from scantrial.store.hashed import advice_for, read_hashed
from scantrial.store.parquet import read_parquet
from scantrial.store.schema import SCHEMA_VERSION, check_version, version_in

_VERSION_KEY = b"scantrial_schema_version"
_HISTORY_SCHEMA = pa.schema(
    [(name, pa.int64() if name in ("round", "epoch") else pa.float64()) for name in HISTORY_COLUMNS]
)
_HISTORY_NEEDED = tuple(part.name for part in fields(EpochRecord) if part.default is MISSING)
_KEYS = (
    pa.field("case", pa.int64(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("label", pa.int64(), nullable=False),
)
_CASES_SCHEMA = pa.schema(
    [
        *_KEYS,
        pa.field("patient", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("thumbnail", pa.binary()),
    ]
)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table with its schema version, whole or not at all."""
    with clear_os_errors(path), written_aside(path) as temporary:
        _write(table, temporary)


def table_bytes(table: pa.Table) -> bytes:
    """Return the bytes that `write_table` writes."""
    stream = pa.BufferOutputStream()
    _write(table, stream)
    return bytes(stream.getvalue())


def _write(table: pa.Table, target: Any) -> None:
    marked = table.replace_schema_metadata({_VERSION_KEY: str(SCHEMA_VERSION)})
    pq.write_table(marked, target, compression="zstd", write_page_checksum=True)


def read_table(path: Path, columns: Sequence[str] | None = None, *, sha256: str | None = None) -> pa.Table:
    """Read a table of a study folder.

    Parameters
    ----------
    sha256 : the hash that the file's bytes must have, if one was kept

    Raises
    ------
    StoreError
        If it is missing, damaged, of another schema version, or has another hash.
    """
    content = read_hashed(path, sha256)  # bytes, because Arrow accepts only paths in UTF-8
    try:
        table = read_parquet(content, columns)
        version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    check_version(version_in(version), path)
    return table


def _damaged(path: Path, error: object) -> DamagedError:
    return DamagedError(f"{path} is damaged: {error}", do=advice_for(path))


def _typed(table: pa.Table, wanted: pa.Schema, path: Path) -> pa.Table:
    """Return the columns of a table that a schema names, in its order.

    Raises
    ------
    DamagedError
        If one is missing, is of another type, lacks a value although it must not, or has too long a text.
    """
    columns = Counter(table.column_names)
    for field in wanted:
        n = columns[field.name]
        if n != 1:
            raise _damaged(path, f"it has {n} columns {field.name!r}, expected one")
        column = table[field.name]
        if column.type != field.type:
            raise _damaged(path, f"the column {field.name!r} is of type {column.type}, expected {field.type}")
        if column.null_count and not field.nullable:
            raise _damaged(path, f"the column {field.name!r} lacks {column.null_count} values")
        if pa.types.is_string(field.type) and (pc.max(pc.utf8_length(column)).as_py() or 0) > MAX_TEXT:
            raise _damaged(path, f"the column {field.name!r} has a text of more than {MAX_TEXT:,} characters")
    return table.select(wanted.names)


def history_table(history: Iterable[EpochRecord]) -> pa.Table:
    """Return the history as a table with one row for each epoch."""
    rows = [{name: getattr(record, name) for name in HISTORY_COLUMNS} for record in history]
    return pa.Table.from_pylist(rows, schema=_HISTORY_SCHEMA)


def read_history(path: Path, sha256: str | None = None, *, n_epochs: int | None = None) -> tuple[EpochRecord, ...]:
    """Return the epochs that `history_table` stored; a column that was added later is None.

    Parameters
    ----------
    sha256 : the hash that the file's bytes must have, if one was kept
    n_epochs : how many there have to be, if that is known

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    table = read_table(path, sha256=sha256)
    known = [name for name in HISTORY_COLUMNS if name in (*table.column_names, *_HISTORY_NEEDED)]
    needed = {name: _HISTORY_SCHEMA.field(name).with_nullable(name not in _HISTORY_NEEDED) for name in known}
    rows = _typed(table, pa.schema(list(needed.values())), path).to_pylist()
    history = tuple(EpochRecord(**row) for row in rows)
    steps = [(record.round, record.epoch) for record in history]
    if steps != sorted(set(steps)) or [epoch for _, epoch in steps] != list(range(1, len(steps) + 1)):
        raise _damaged(path, "its epochs do not count from 1 through its rounds")
    if n_epochs is not None and len(history) != n_epochs:
        raise _damaged(path, f"it has {len(history)} epochs, but the run had {n_epochs}")
    return history


def read_case_table(path: Path, columns: Sequence[str] | None = None, *, n_classes: int) -> pa.Table:
    """Return one row for each case: case, split, label, patient, source, thumbnail, or some of these columns.

    Parameters
    ----------
    n_classes : labels are below it

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    names = _CASES_SCHEMA.names if columns is None else list(columns)
    wanted = pa.schema([_CASES_SCHEMA.field(name) for name in names])
    table = _typed(read_table(path, columns=names), wanted, path)
    if "case" in names:
        cases = table["case"].to_numpy()
        if len(np.unique(cases)) < len(cases) or (len(cases) and cases.min() < 0):
            raise _damaged(path, "a case is listed twice, or has a negative number")
    if "split" in names and not pc.all(pc.is_in(table["split"], pa.array(SPLITS))).as_py() and len(table):
        raise _damaged(path, f"a split is not one of {', '.join(SPLITS)}")
    labels = table["label"].to_numpy() if "label" in names else np.zeros(0)
    if len(labels) and not 0 <= labels.min() <= labels.max() < n_classes:
        raise _damaged(path, f"a label is not one of 0 to {n_classes - 1}")
    if "thumbnail" in names and not all(map(is_picture, filter(None, table["thumbnail"].to_pylist()))):
        raise _damaged(path, "a thumbnail is not a small PNG picture")
    return table


def fold_columns(folds: FoldTable, rows: Any) -> dict[str, pa.Array]:
    """Return the columns that a cross-validation adds to the table of some cases: two for each repeat."""
    columns = {}
    for repeat in range(folds.n_repeats):
        columns[f"repeat_{repeat}_test"] = pa.array(folds.test[rows, repeat], pa.int64())
        columns[f"repeat_{repeat}_val"] = pa.array(folds.val[rows, repeat], pa.int64())
    return columns


def read_fold_table(path: Path, places: Sequence[tuple[int, int]]) -> FoldTable:
    """Return what `fold_columns` stored of every (repeat, fold): how it uses the cases, in the order of the table.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    n_repeats, n_folds = (1 + max(place[number] for place in places) for number in (0, 1))
    names = [f"repeat_{repeat}_{part}" for part in ("test", "val") for repeat in range(n_repeats)]
    wanted = pa.schema([pa.field(name, pa.int64()) for name in names])
    table = _typed(read_table(path, columns=names), wanted, path)
    if any(column.null_count for column in table.columns):
        raise _damaged(path, "a case is in no fold")
    numbers = np.column_stack([column.to_numpy() for column in table.columns])
    folds = FoldTable(n_folds=n_folds, test=numbers[:, :n_repeats], val=numbers[:, n_repeats:])
    fault = folds.fault()
    if fault is not None:
        raise _damaged(path, fault)
    return folds


def predictions_table(parts: Sequence[SplitPredictions], class_names: Sequence[str]) -> pa.Table:
    """Return all splits' scores as one table: split, case, label, ``logit_<class>``, ``p_<class>``."""
    output_names = parts[0].output_names if parts else ()
    columns: dict[str, Any] = {
        "split": pa.array([part.split for part in parts for _ in part.cases], pa.string()),
        "case": _joined([part.cases for part in parts], pa.int64()),
        "label": _joined([part.y_true for part in parts], pa.int64()),
    }
    for i, name in enumerate(output_names):
        columns[f"logit_{name}"] = _joined([part.logits[:, i] for part in parts], pa.float32())
    for i, name in enumerate(class_names):
        columns[f"p_{name}"] = _joined([part.y_prob[:, i] for part in parts], pa.float64())
    return pa.table(columns)


def read_predictions(
    path: Path, splits: Sequence[Split], class_names: Sequence[str], sha256: str | None = None
) -> tuple[SplitPredictions, ...]:
    """Return the scores of the requested splits, in that order; rows of other splits are not returned."""
    table = read_table(path, sha256=sha256)
    output_names = tuple(name.removeprefix("logit_") for name in table.column_names if name.startswith("logit_"))
    _check_scores(table, output_names, class_names, path)
    parts = []
    for split in splits:
        rows = table.filter(pc.equal(table["split"], split))
        if len(rows):
            parts.append(
                SplitPredictions(
                    split=split,
                    cases=rows["case"].to_numpy(),
                    y_true=rows["label"].to_numpy(),
                    logits=_matrix(rows, [f"logit_{name}" for name in output_names], np.float32),
                    output_names=output_names,
                    y_prob=_matrix(rows, [f"p_{name}" for name in class_names], np.float64),
                )
            )
    return tuple(parts)


def _check_scores(table: pa.Table, output_names: Sequence[str], class_names: Sequence[str], path: Path) -> None:
    """Refuse predictions with wrong columns, labels of no class, or cases that are not in rising order."""
    logits = [pa.field(f"logit_{name}", pa.float32(), nullable=False) for name in output_names]
    chances = [pa.field(f"p_{name}", pa.float64(), nullable=False) for name in class_names]
    if not len(table):
        return
    if not logits:
        raise _damaged(path, "it has no columns logit_CLASS")
    rows = _typed(table, pa.schema([*_KEYS, *logits, *chances]), path)
    labels, cases = rows["label"].to_numpy(), rows["case"].to_numpy()
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise _damaged(path, f"a label is not one of 0 to {len(class_names) - 1}")
    if not pc.all(pc.is_in(rows["split"], pa.array(SPLITS))).as_py():
        raise _damaged(path, f"a split is not one of {', '.join(SPLITS)}")
    if any((np.diff(cases[pc.equal(rows["split"], split).to_numpy()]) <= 0).any() for split in SPLITS):
        raise _damaged(path, "its cases do not rise within each split")


def _joined(arrays: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(np.concatenate(arrays) if arrays else [], kind)


def _matrix(table: pa.Table, names: Sequence[str], dtype: type) -> np.ndarray[Any, Any]:
    return np.column_stack([table[name].to_numpy() for name in names]).astype(dtype)
