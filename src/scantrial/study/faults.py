"""The errors of pydantic in words for the author of a study file: one sentence for each mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scantrial.analysis.metric_names import metrics_meant
from scantrial.analysis.metrics import METRICS
from scantrial.core.names import listed, nearest
from scantrial.core.yaml import Path, dotted

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a value: where, what, and the nearest valid name if there is one."""

    path: Path
    message: str
    suggestion: str | None = None

    def below(self, path: Path) -> Problem:
        """Return the same problem with its path from a higher level."""
        return Problem(path=(*path, *self.path), message=self.message, suggestion=self.suggestion)


def validated(model: type[Model], data: Any) -> tuple[Model | None, tuple[Problem, ...]]:
    """Return the model made from plain data, or None and all problems.

    Types are strict: a text is not a number, 1 is not true, and ``no`` is a text.
    """
    try:
        return model.model_validate(as_tuples(data), strict=True), ()
    except ValidationError as error:
        problems = tuple(_problems(error.errors(include_url=False), model, data))
        return None, (*problems, *_behind_wrong_names(problems, model, data))


def as_tuples(data: Any) -> Any:
    """Turn lists into tuples at every level: pydantic's strict mode needs the exact types of the fields."""
    if isinstance(data, Mapping):
        return {key: as_tuples(item) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return tuple(as_tuples(item) for item in data)
    return data


@cache
def known_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """Return every dotted key that a model takes, in its own order."""
    return tuple(dict.fromkeys(_dotted_keys(model, "")))


def models_within(model: type[BaseModel]) -> tuple[type[BaseModel], ...]:
    """Return every model in the fields of `model`, at any level."""
    direct = [inner for info in model.model_fields.values() for inner in _models_in(info.annotation)]
    return tuple(dict.fromkeys(found for inner in direct for found in (inner, *models_within(inner))))


def shown(value: Any) -> str:
    """Write a value for a message, in one short line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        value = dict(value)
    elif isinstance(value, list | tuple):
        value = list(value)
    try:
        text = repr(value)
    except ValueError:
        return "a number with thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted_keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield prefix + name
        for inner in _models_in(info.annotation):
            yield from _dotted_keys(inner, f"{prefix}{name}.")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _problems(errors: Sequence[ErrorDetails], root: type[BaseModel], data: Any) -> Iterator[Problem]:
    """Yield one problem a place: the errors of a union's branches become one, and the deepest place counts."""
    groups: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        groups.setdefault(_path(error, data), []).append(error)
    above = {path[:length] for path in groups for length in range(len(path))}
    for path, group in groups.items():
        if path not in above:
            yield _problem(path, group, root, data)


def _behind_wrong_names(problems: Sequence[Problem], root: type[BaseModel], data: Any) -> Iterator[Problem]:
    """Yield other problems of a part that could not be read because its name is misspelt; the nearest name is assumed.

    Keys are left out: only the right name determines which of them are valid.
    """
    wrong = {each.path: each.suggestion for each in problems if each.suggestion and each.path[-1:] == ("name",)}
    if not wrong:
        return
    mended = deepcopy(data)
    for path, name in wrong.items():
        _at(mended, path[:-1])["name"] = name
    try:
        root.model_validate(as_tuples(mended), strict=True)
    except ValidationError as error:
        errors = [each for each in error.errors(include_url=False) if each["type"] != "extra_forbidden"]
        told = {each.path for each in problems}
        yield from (each for each in _problems(errors, root, mended) if each.path not in told)


def _path(error: ErrorDetails, data: Any) -> Path:
    """Return the error's place in the data; the names of union branches that pydantic adds are left out."""
    path: list[str | int] = []
    here = data
    for number, step in enumerate(error["loc"]):
        is_key = isinstance(here, dict) and step in here
        is_position = isinstance(here, list | tuple) and isinstance(step, int) and step < len(here)
        is_last = number == len(error["loc"]) - 1
        if is_key or is_position:
            path.append(step)
            here = here[step]
        elif is_last and error["type"] == "missing" and isinstance(here, dict | list | tuple):
            path.append(step)
    if error["type"] in ("union_tag_invalid", "unknown_name") and isinstance(here, dict) and "name" in here:
        path.append("name")
    return tuple(path)


def _problem(path: Path, group: Sequence[ErrorDetails], root: type[BaseModel], data: Any) -> Problem:
    first = group[0]
    got = shown(_at(data, path))
    if first["type"] == "extra_forbidden":
        return _unknown_key(path, root, data)
    if first["type"] == "missing":
        return _missing(path, root, data)
    if first["type"] == "unknown_name":
        context = first["ctx"]
        return Problem(path=path, message=context["plain"], suggestion=context["suggestion"])
    if first["type"] == "value_error":
        return Problem(path=path, message=str(first["ctx"]["error"]))
    if first["type"] == "union_tag_not_found":
        return Problem(path=path, message=f"name is missing; expected one of {listed(_quoted(_names_at(path, root)))}")
    right_kind = [error for error in group if error["type"] in (*_RANGES, "too_short", "too_long")]
    wanted = dict.fromkeys(_expected(error) for error in right_kind or group)
    names = [name for error in group for name in _names_in(error)]
    value = _at(data, path)
    guess = _meant(value, names) if isinstance(value, str) else None
    return Problem(path=path, message=f"got {got}; expected {' or '.join(wanted)}", suggestion=guess)


_OTHER_NAMES = {
    **dict.fromkeys(
        ("bfloat16", "bfloat", "torch.bfloat16", "float16", "fp16", "half", "amp", "mixed", "16-mixed"), "bf16"
    ),
    **dict.fromkeys(("float", "fp32", "torch.float32", "single", "32"), "float32"),
}
"""What other programs call a precision. The nearest name of ``bfloat16`` would be the other one."""


def _meant(value: str, names: Sequence[str]) -> str | None:
    """Return the name that a text means: by another of its names, or the nearest."""
    if _OTHER_NAMES.get(value.lower()) in names:
        return _OTHER_NAMES[value.lower()]
    metrics = metrics_meant(value, dict.fromkeys(names)) if set(names) <= set(METRICS) else ()
    return metrics[0] if len(metrics) == 1 else nearest(value, names)


def _at(data: Any, path: Path) -> Any:
    for step in path:
        try:
            data = data[step]
        except (LookupError, TypeError):
            return None
    return data


_RANGES = {
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:,g}",
}
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text (in quotes if it looks like something else)",
    "string_too_short": "a text that is not empty",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "finite_number": "a finite number",
    "int_parsing_size": "a number with fewer digits",
}


def _expected(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _RANGES:
        return _RANGES[kind].format(**context)
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in ("literal_error", "union_tag_invalid"):
        return str(context.get("expected") or context["expected_tags"])
    if kind == "too_short":
        return f"at least {context['min_length']} in the list"
    if kind == "too_long":
        return f"at most {context['max_length']} in the list"
    return error["msg"]


def _names_in(error: ErrorDetails) -> list[str]:
    """Return the words that a literal or a tagged union takes."""
    context = error.get("ctx", {})
    return re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags") or ""))


def _models_at(root: type[BaseModel], path: Path) -> list[type[BaseModel]]:
    """Return the models that are possible at `path`; several for a union."""
    models = [root]
    for step in path:
        if isinstance(step, str):
            annotations = [model.model_fields[step].annotation for model in models if step in model.model_fields]
            models = [model for annotation in annotations for model in _models_in(annotation)]
    return models


def _names_at(path: Path, root: type[BaseModel]) -> list[str]:
    """Return the names that a part of several kinds takes: adam, adamw, sgd."""
    return [name for model in _models_at(root, path) for name in names_of(model)]


def names_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the values that a model's `name` can take, if they are listed."""
    info = model.model_fields.get("name")
    is_literal = info is not None and get_origin(info.annotation) is Literal
    return get_args(info.annotation) if is_literal and info is not None else ()


def _quoted(names: Sequence[str]) -> list[str]:
    return [repr(name) for name in names]


def _missing(path: Path, root: type[BaseModel], data: Any) -> Problem:
    if isinstance(path[-1], int):
        given = _at(data, path[:-1])
        return Problem(path=path[:-1], message=f"got {shown(given)}; expected a longer list")
    names = _names_at(path[:-1], root) if path[-1] == "name" else []
    hint = f"; expected one of {listed(_quoted(names))}" if names else ""
    fields = [model.model_fields.get(str(path[-1])) for model in _models_at(root, path[:-1])]
    examples = [str(example) for field in fields if field is not None for example in field.examples or ()]
    if examples:
        hint = f"; for example: {path[-1]}: {examples[0]}"
    return Problem(path=path, message=f"is missing{hint}")


def _unknown_key(path: Path, root: type[BaseModel], data: Any) -> Problem:
    """Say where an unknown key belongs: to another kind of this part, to another part, or nowhere."""
    above, key = path[:-1], str(path[-1])
    here = _models_at(root, above)
    part = _at(data, above)
    name = part.get("name") if isinstance(part, Mapping) else None
    own = [model for model in here if name in names_of(model)] or here
    others = [other for model in here if key in model.model_fields for other in names_of(model)]
    if others:
        return Problem(path=path, message=f"does not belong to {name}; it belongs to {listed(others)}")
    known = list(dict.fromkeys(field for model in own for field in model.model_fields))
    elsewhere = [full for full in known_keys(root) if full.rpartition(".")[2] == key]
    guess = elsewhere[0] if len(elsewhere) == 1 else nearest(key, known)
    where = f"{dotted(above)} takes" if above else "the keys are"
    return Problem(path=path, message=f"no such key; {where} {listed(known)}", suggestion=guess)
