"""Every stored file has the version of its layout; this module writes and checks it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scantrial.core.errors import StoreError
from scantrial.core.files import clear_os_errors, write_atomic
from scantrial.core.plain import as_plain

SCHEMA_VERSION = 1


def check_version(found: Any, path: Path) -> None:
    """Refuse a file with a different version of the layout.

    Raises
    ------
    StoreError
        If this scantrial cannot read version `found`.
    """
    if found != SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {found!r}",
            expected=f"version {SCHEMA_VERSION}",
            do="read it with the version of scantrial that wrote it (see environment.json), or a newer one",
        )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON with its schema version; non-finite numbers become null."""
    write_atomic(path, dump_json({"schema_version": SCHEMA_VERSION, **content}) + "\n")


def dump_json(content: Any, *, indent: int | None = 2) -> str:
    """Return strict JSON: unrounded numbers, NaN and infinities as null, text as UTF-8."""
    return json.dumps(as_plain(content), indent=indent, ensure_ascii=False, allow_nan=False)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a study folder.

    Raises
    ------
    StoreError
        If it is missing, is not a JSON object, or has a different schema version.
    """
    with clear_os_errors(path):
        text = path.read_bytes()
    try:
        content = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{path} is damaged: {error}", do="restore it from a copy, or start a new folder") from error
    if not isinstance(content, dict):
        raise StoreError(f"{path} holds {type(content).__name__}", expected="a JSON object")
    check_version(content.pop("schema_version", None), path)
    return content


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines; a torn line, left by a crash in the middle of a write, is passed over."""
    if not path.is_file():
        return []
    with clear_os_errors(path):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    records = []
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            check_version(record.pop("schema_version", None), path)
            records.append(record)
    return records


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
