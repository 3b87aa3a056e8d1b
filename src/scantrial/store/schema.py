"""Every stored file has the version of its layout; this module writes and checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scantrial.core.errors import DamagedError, StoreError
from scantrial.core.files import encoded, write_atomic
from scantrial.core.plain import as_plain
from scantrial.store.hashed import advice_for, read_hashed

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
    write_atomic(path, json_bytes(content))


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a JSON file with its schema version, as `write_json` writes it."""
    return encoded(dump_json({"schema_version": SCHEMA_VERSION, **content}) + "\n")


def dump_json(content: Any, *, indent: int | None = 2) -> str:
    """Return strict JSON: unrounded numbers, NaN and infinities as null, text as UTF-8."""
    return json.dumps(as_plain(content), indent=indent, ensure_ascii=False, allow_nan=False)


def read_json(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Read a JSON file of a study folder.

    Parameters
    ----------
    sha256 : the hash that its bytes must have, if one was kept

    Raises
    ------
    StoreError
        If it is missing, has another hash, is not a JSON object, or has a different schema version.
    """
    text = read_hashed(path, sha256)
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}", do=advice_for(path)) from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path} holds {type(content).__name__}", expected="a JSON object")
    check_version(content.pop("schema_version", None), path)
    return content


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
