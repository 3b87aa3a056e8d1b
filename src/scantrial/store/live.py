"""What a process that trains tells its viewers: ``live.json``, the epochs of a run, and ``progress.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scantrial.core.errors import StoreError
from scantrial.core.files import write_atomic
from scantrial.core.records import HISTORY_COLUMNS, EpochRecord
from scantrial.store.contents import LiveContent, ProgressContent
from scantrial.store.schema import SCHEMA_VERSION, dump_json, read_record

_ALWAYS_NUMBERS = ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def write_live(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write the epochs so far, without waiting for the disk."""
    epochs = [[getattr(record, name) for name in HISTORY_COLUMNS] for record in history]
    content = {"schema_version": SCHEMA_VERSION, "columns": HISTORY_COLUMNS, "epochs": epochs}
    write_atomic(path, dump_json(content, indent=None), sync=False)


def read_live(path: Path) -> tuple[EpochRecord, ...]:
    """Return the epochs as last written; empty if there is no complete file."""
    try:
        content = read_record(path, LiveContent)
        rows = [dict(zip(content["columns"], row, strict=True)) for row in content["epochs"]]
        return tuple(_epoch_record(row) for row in rows)
    except (StoreError, KeyError, TypeError, ValueError):  # of them a row of another length, or without a column
        # The training process replaces and removes it while others read, and a crash may leave it empty.
        return ()


def read_progress(path: Path) -> dict[str, Any]:
    """Return the last note of the running runs; empty if there is none."""
    try:
        return read_record(path, ProgressContent)
    except StoreError:
        # The training process creates and removes it; it may be gone when a reader opens it.
        return {}


def _epoch_record(row: Mapping[str, Any]) -> EpochRecord:
    """Build a record from JSON, where a number that is not finite has become null."""
    known = {name: row[name] for name in HISTORY_COLUMNS if name in row}
    return EpochRecord(**{**known, **{name: math.nan for name in _ALWAYS_NUMBERS if known[name] is None}})
