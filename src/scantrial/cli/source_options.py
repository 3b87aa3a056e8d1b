"""Options that say how scans without a study file are read, from texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from scantrial.core.errors import InputError
from scantrial.core.yaml import read_tree
from scantrial.data.spec import ImageSpec, SplitSpec

_IMAGE = ("size", "channels", "range", "frame")


def read_options(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given, as `scantrial.api` takes them.

    Raises
    ------
    InputError
        If one does not have the form that its key has in a study file.
    """
    found = dict(texts)
    found |= {key: _typed(f"--{key}", texts.get(key), ImageSpec, f"data.image.{key}", key=key) for key in _IMAGE}
    found["split"] = _typed("--split", texts.get("split"), SplitSpec, "data.split")
    found |= {key: _listed(f"--{key}", texts.get(key)) for key in ("classes", "label")}
    found["ignore"] = tuple(texts.get("ignore", ()))
    return {key: value for key, value in found.items() if value not in (None, (), False)}


def _typed(option: str, text: str | None, model: type[BaseModel], form: str, *, key: str | None = None) -> Any:
    """Return an option, given as YAML, as a model; or, with `key`, one of the model's values."""
    if text is None:
        return None
    expected = f"the form of {form} in a study file"
    value = _yaml(option, text, expected)
    try:
        found = TypeAdapter(model).validate_python(value if key is None else {key: value})
    except ValidationError as error:
        reasons = "; ".join(str(fault["msg"]) for fault in error.errors())
        raise InputError(f"{option} {text}: {reasons}", expected=expected) from error
    return found if key is None else getattr(found, key)


def _listed(option: str, text: str | None) -> Any:
    """Return names given as YAML; a text without brackets is divided at its commas."""
    value = None if text is None else _yaml(option, text, "names, divided by commas")
    return value if value is None or isinstance(value, list) else [name.strip() for name in str(text).split(",")]


def _yaml(option: str, text: str, expected: str) -> Any:
    tree = read_tree(text)
    if tree.faults:
        raise InputError(f"{option} {text}: {tree.faults[0].message}", expected=expected)
    return tree.data
