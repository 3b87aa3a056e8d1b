"""One setting put into a study file's plain data, by dotted key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantrial.core.yaml import Path, dotted
from scantrial.recipe.spec import Recipe

_DEFAULT = Recipe().to_dict()

_AUGMENT = ("recipe", "augment")

NAMED: Mapping[Path, str | None] = {
    ("data", "source"): None,
    **{("recipe", part): _DEFAULT[part]["name"] for part in ("model", "loss", "optimizer", "schedule", "select")},
    ("recipe", "normalize"): _DEFAULT["normalize"],
    ("recipe", "model", "activation"): _DEFAULT["model"]["activation"]["name"],
}
"""Parts that a bare name can replace, with the name that they have by default."""


class SettingError(Exception):
    """A setting that cannot be applied; the text says why."""


def with_setting(data: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return `data` with `value` at `path`; `data` itself is not changed, and unchanged parts are shared.

    On the path, a bare name becomes ``{name: ...}``, and a missing part starts with its default name.

    Raises
    ------
    SettingError
        If the path leads through a value that has no keys.
    """
    result = dict(data)
    here = result
    for depth in range(1, len(path)):
        step = path[depth - 1]
        here[step] = _opened(path[:depth], here.get(step))
        here = here[step]
    here[path[-1]] = value
    return result


def _opened(path: Path, value: Any) -> dict[str, Any]:
    """Return the value at `path` as a new mapping of keys and values."""
    if isinstance(value, Mapping):
        return dict(value)
    if path == ("data", "split") and value == "given":
        return {"train": "given", "val": "given", "test": "given"}
    if path == _AUGMENT and (value is None or isinstance(value, str)):
        return {} if value in (None, "none") else {"preset": value}
    if isinstance(value, str) and path in NAMED:
        return {"name": value}
    if value is None:
        name = NAMED.get(path)
        return {} if name is None else {"name": name}
    raise SettingError(f"{dotted(path)} is {value!r}, which has no keys")
