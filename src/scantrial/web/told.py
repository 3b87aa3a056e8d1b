"""Help texts of the fields of a page's records."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def told(text: str) -> Any:
    """Return a dataclass field with its help text."""
    return field(metadata={"help": text})
