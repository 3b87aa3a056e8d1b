"""Help texts of the fields of a page's records."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from scantrial.core.plain import LEFT_OUT_IF_NONE


def told(text: str) -> Any:
    """Return a dataclass field with its help text."""
    return field(metadata={"help": text})


def told_of_fold(text: str) -> Any:
    """Return a field that a study with one test set does not have."""
    return field(default=None, metadata={"help": text, **LEFT_OUT_IF_NONE})
