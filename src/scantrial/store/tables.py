"""The Parquet tables of a study folder: history, predictions, cases.

Equal content gives equal bytes: columns in a fixed order, no times, no machine in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scantrial.core.errors import DamagedError
from scantrial.core.files import clear_os_errors, written_aside
from scantrial.core.records import HISTORY_COLUMNS, EpochRecord, Split, SplitPredictions
from scantrial.store.hashed import advice_for, read_hashed
from scantrial.store.schema import SCHEMA_VERSION, check_version

_VERSION_KEY = b"scantrial_schema_version"
_HISTORY_SCHEMA = pa.schema(
    [(name, pa.int64() if name in ("round", "epoch") else pa.float64()) for name in HISTORY_COLUMNS]
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
        with pq.ParquetFile(native_reader(content), page_checksum_verification=True) as file:
            version = (file.schema_arrow.metadata or {}).get(_VERSION_KEY, b"none").decode()
            check_version(int(version) if version.isdigit() else version, path)
            return file.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def native_reader(content: bytes) -> pa.BufferReader:
    """Return a reader over a copy of `content` that holds no Python object.

    Arrow's own threads may release what they read a moment after the reading has ended. If that is a Python object
    while the interpreter is closing, the whole process aborts.
    """
    stream = pa.BufferOutputStream()
    stream.write(content)
    return pa.BufferReader(stream.getvalue())


def _damaged(path: Path, error: Exception) -> DamagedError:
    return DamagedError(f"{path} is damaged: {error}", do=advice_for(path))


def history_table(history: Iterable[EpochRecord]) -> pa.Table:
    """Return the history as a table with one row for each epoch."""
    rows = [{name: getattr(record, name) for name in HISTORY_COLUMNS} for record in history]
    return pa.Table.from_pylist(rows, schema=_HISTORY_SCHEMA)


def read_history(path: Path, sha256: str | None = None) -> tuple[EpochRecord, ...]:
    """Return the epochs that `history_table` stored; a column that was added later is None."""
    table = read_table(path, sha256=sha256)
    known = [name for name in HISTORY_COLUMNS if name in table.column_names]
    return tuple(EpochRecord(**row) for row in table.select(known).to_pylist())


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


def _joined(arrays: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(np.concatenate(arrays) if arrays else [], kind)


def _matrix(table: pa.Table, names: Sequence[str], dtype: type) -> np.ndarray[Any, Any]:
    return np.column_stack([table[name].to_numpy() for name in names]).astype(dtype)
