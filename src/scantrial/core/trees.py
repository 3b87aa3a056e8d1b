"""Plain data as a tree: a value by its dotted key, and all values under theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def value_at(tree: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key, such as ``optimizer.lr``, or None."""
    here: Any = tree
    for step in key.split("."):
        here = here.get(step) if isinstance(here, Mapping) else None
    return here


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted keys: ``{"optimizer": {"lr": 1}}`` as ``{"optimizer.lr": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def differing_keys(settings: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the keys whose values are not the same in all settings, in the order in which they first appear."""
    keys = dict.fromkeys(key for flat in settings for key in flat)
    return tuple(key for key in keys if any(flat.get(key) != settings[0].get(key) for flat in settings))
