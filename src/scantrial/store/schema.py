"""Every stored file has the version of its layout; this module writes and checks it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scantrial.core.errors import DamagedError, StoreError
from scantrial.core.files import encoded, write_atomic
from scantrial.core.plain import as_plain
from scantrial.store.hashed import advice_for, read_hashed

SCHEMA_VERSION = 1
MAX_DEPTH = 100
"""Levels of lists and objects in a JSON file; what scantrial writes has no more than ten."""

MAX_KEYS = 10_000
"""Keys of one object in a JSON file."""

_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"
_SHOWN, _LONG = 3, 80


def version_in(text: str) -> int | str:
    """Return the version of a layout that a file's metadata hold as text; what is no small number stays a text."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


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
    try:
        content = parse_json(read_hashed(path, sha256))
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}", do=advice_for(path)) from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path} holds {type(content).__name__}", expected="a JSON object", do=advice_for(path))
    check_version(content.pop("schema_version", None), path)
    return content


def parse_json(text: bytes) -> Any:
    """Return JSON as plain data.

    Raises
    ------
    ValueError
        If it is no JSON, is nested more than `MAX_DEPTH` deep, has an object of more than `MAX_KEYS` keys, or a number
        of thousands of digits.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(MAX_DEPTH + 1):
        if any(isinstance(item, dict) and len(item) > MAX_KEYS for item in level):
            raise ValueError(f"an object of more than {MAX_KEYS:,} keys")
        inside = (item.values() if isinstance(item, dict) else item for item in level)
        level = [child for children in inside for child in children if isinstance(child, dict | list)]
        if not level:
            return content
    raise ValueError(_TOO_DEEP)


def read_record(path: Path, kind: Any, sha256: str | None = None) -> dict[str, Any]:
    """Read a JSON file of a study folder, and check every value that its type names.

    Parameters
    ----------
    kind : a type of `scantrial.store.contents`
    sha256 : as in `read_json`

    Raises
    ------
    StoreError
        As `read_json`; `DamagedError` if a value is missing or of another type: with its key, what it is, and what was
        expected.
    """
    content = read_json(path, sha256)
    fault = fault_in(content, kind)
    if fault is not None:
        raise DamagedError(f"{path} is damaged: {fault}", expected="what scantrial writes there", do=advice_for(path))
    return content


def fault_in(content: Any, kind: Any) -> str | None:
    """Return what is wrong with plain data of a type, with keys and values; None if nothing is."""
    try:
        _adapter(kind).validate_python(content, strict=True)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc'])) or 'it'} is {_short(one['input'])}: {one['msg'][:_LONG]}"
            if one["type"] != "missing"
            else f"{'.'.join(map(str, one['loc']))} is missing"
            for one in error.errors(include_url=False)
        ]
        return "; ".join(faults[:_SHOWN]) + " ..." * (len(faults) > _SHOWN)
    return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _short(value: Any) -> str:
    """Return the beginning of a value, or its type where it holds others."""
    return type(value).__name__ if isinstance(value, dict | list) else repr(value)[:_LONG]


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
