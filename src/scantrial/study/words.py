"""A factor and its level in words: for an arm's name and for its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def short_key(key: str) -> str:
    """Return the telling end of a dotted key: ``lr`` of ``optimizer.lr``, ``loss`` of ``loss.name``."""
    return key.removesuffix(".name").rpartition(".")[2]


def text_for_slug(level: Any) -> str:
    """Write a level for the name of an arm: ``LeakyReLU-negative_slope-0.1``."""
    if isinstance(level, Mapping):
        rest = [f"{key}-{text_for_slug(item)}" for key, item in level.items() if key != "name"]
        return "-".join([*([text_for_slug(level["name"])] if "name" in level else []), *rest])
    if isinstance(level, list | tuple):
        return "-".join(text_for_slug(item) for item in level) or "none"
    return _word(level)


def text_for_people(level: Any) -> str:
    """Write a level for the label of an arm: ``LeakyReLU (negative_slope 0.1)``."""
    if isinstance(level, Mapping):
        rest = ", ".join(f"{key} {text_for_people(item)}" for key, item in level.items() if key != "name")
        name = text_for_people(level["name"]) if "name" in level else ""
        return f"{name} ({rest})".strip() if rest else name
    if isinstance(level, list | tuple):
        return f"[{', '.join(text_for_people(item) for item in level)}]"
    return _word(level)


def _word(level: Any) -> str:
    if level is None:
        return "none"
    if isinstance(level, bool):
        return "true" if level else "false"
    try:
        return str(level)
    except ValueError:
        return "huge"
