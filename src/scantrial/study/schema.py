"""The JSON Schema of study files, for editors, with a description of each key."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from scantrial.recipe.activations import ACTIVATIONS
from scantrial.recipe.augment import PRESETS
from scantrial.recipe.networks import CUSTOM, NETWORKS, TIMM
from scantrial.recipe.spec import AdamSpec, LossSpec, ScheduleSpec, SelectSpec, SgdSpec
from scantrial.study.arms import RECIPE_KEYS
from scantrial.study.faults import models_within, names_of
from scantrial.study.spec import StudySpec

Schema = dict[str, Any]


def schema() -> Schema:
    """Return the JSON Schema (2020-12) of a study file, including bare names."""
    result = StudySpec.model_json_schema()
    _describe(result, StudySpec)
    for model in models_within(StudySpec):
        _describe(result["$defs"][model.__name__], model)
    presets = {"enum": ["none", *PRESETS], "description": "a preset, whose values hold where the mapping has none"}
    augment = result["$defs"]["AugmentSpec"]
    augment["properties"] = {"preset": presets, **augment["properties"]}
    for name, key, words in _bare_words():
        _allow(result["$defs"][name]["properties"], key, words)
    result["properties"]["factors"]["propertyNames"] = {
        "anyOf": [{"enum": list(RECIPE_KEYS)}, {"pattern": r"^model\.(args|activation)\..+"}]
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **result,
        "title": "A scantrial study file",
    }


def _bare_words() -> Iterator[tuple[str, str, Schema]]:
    """Yield every place where one word can replace a mapping, with the words."""
    yield "DataSpec", "source", {"type": "string", "minLength": 1}
    yield "DataSpec", "split", {"const": "given"}
    yield "DataSpec", "ignore", {"type": "string", "minLength": 1}
    yield "Recipe", "model", {"type": "string", "examples": [*NETWORKS, TIMM.name, CUSTOM.name]}
    yield "Recipe", "loss", {"enum": list(names_of(LossSpec))}
    yield "Recipe", "optimizer", {"enum": [*names_of(AdamSpec), *names_of(SgdSpec)]}
    yield "Recipe", "schedule", {"enum": list(names_of(ScheduleSpec))}
    yield "Recipe", "augment", {"enum": ["none", *PRESETS]}
    yield "Recipe", "select", {"enum": list(names_of(SelectSpec))}
    yield "Recipe", "ema", {"const": "none"}
    yield "Recipe", "early_stopping", {"const": "none"}
    yield "ModelSpec", "activation", {"enum": list(ACTIVATIONS)}


def _allow(properties: Schema, key: str, words: Schema) -> None:
    """Let a property also be one of some words."""
    old = properties[key]
    kept = {name: old.pop(name) for name in ("default", "title", "description") if name in old}
    options = old["anyOf"] if set(old) == {"anyOf"} else [old]
    properties[key] = {"anyOf": [words, *options], **kept}


def _describe(definition: Schema, model: type[BaseModel]) -> None:
    """Copy the docstring's text on each parameter to its property."""
    text = inspect.getdoc(model) or ""
    definition["description"] = re.sub(r"\s+", " ", text.split("\nParameters\n")[0]).strip()
    for name, words in _parameters(text):
        if name in definition["properties"]:
            definition["properties"][name]["description"] = words


def _parameters(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield name and description of every entry of a docstring's Parameters section."""
    _, _, section = docstring.partition("\nParameters\n----------\n")
    entries = re.findall(r"^(\w[\w, ]*) : (.*(?:\n[ \t]+.*)*)", section, flags=re.MULTILINE)
    for names, words in entries:
        for name in names.split(","):
            yield name.strip(), re.sub(r"\s+", " ", words)
