"""Numbers and values as a reader sees them. Rounding happens here and nowhere before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def counted(n: int, one: str, many: str | None = None) -> str:
    """Show a number with its noun: ``1 run``, ``20 runs``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def joined(parts: Sequence[str]) -> str:
    """Join words as a sentence does: ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def plain(value: Any) -> str:
    """Show a setting as a study file would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return str(value)
