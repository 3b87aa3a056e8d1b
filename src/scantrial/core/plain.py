"""Records as plain data: what JSON, a page and another process are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

LEFT_OUT = {"plain": False}
"""Metadata of a dataclass field that plain data leaves out."""

LEFT_OUT_IF_NONE = {"plain": "unless None"}
"""Metadata of a field that came later: plain data has it only where it says something."""


class Plain:
    """A dataclass with `to_dict`; one whose keys are not its fields overrides `_content`."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: see `as_plain`."""
        return {key: as_plain(value) for key, value in self._content().items()}

    def _content(self) -> Mapping[str, Any]:
        return fields_of(self)


def fields_of(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, in their order, but for those that their metadata leaves out."""
    marks = {part.name: part.metadata.get("plain", True) for part in fields(record)}
    found = {name: getattr(record, name) for name, mark in marks.items() if mark}
    return {name: value for name, value in found.items() if value is not None or marks[name] is True}


def as_plain(value: Any) -> Any:
    """Return a value, and all that is in it, as plain data for JSON.

    Dataclasses and mappings become dicts with text keys, tuples and arrays lists, NumPy scalars numbers, paths texts;
    what is not finite becomes None. Nothing is rounded, and the order of keys stays.
    """
    if isinstance(value, Plain):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        value = fields_of(value)
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    if hasattr(value, "tolist"):
        return as_plain(value.tolist())
    return str(value) if isinstance(value, Path) else value
