"""The JSON Schema helps an editor: sound, complete, with a line on every key, and documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scantrial.core.yaml import read_tree
from scantrial.study import builtin
from scantrial.study.file import parse_study, study_to_yaml
from scantrial.study.schema import schema

SCHEMA = schema()
PARTS: dict[str, Any] = {"StudySpec": SCHEMA, **SCHEMA["$defs"]}
KEYS = sorted({key for part in PARTS.values() for key in part["properties"]})
DOCS = Path(__file__).parents[3] / "docs" / "study-file.md"


def problems(data: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(data)]


def test_the_schema_is_sound() -> None:
    """It is valid against the meta-schema of its own draft."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", builtin.builtin_names())
def test_every_builtin_is_valid(name: str) -> None:
    """Every built-in study is valid, as it stands and written whole."""
    text = builtin.path(name).read_text(encoding="utf-8")
    assert problems(read_tree(text).data) == []
    assert problems(read_tree(study_to_yaml(parse_study(text))).data) == []


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": {"loss": "bcee"}},
        {"recipe": {"optimizer": {"name": "adam", "momentum": 0.9}}},
        {"recipe": {"model": {"activation": "Relu"}}},
        {"recipe": {"epochs": 0}},
        {"factors": {"lr": [1]}},
        {"factors": {"loss": []}},
        {"design": "factor"},
        {"weights": "none"},
        {"data": {"source": "phantom", "split": "none"}},
    ],
)
def test_mistakes_are_seen_in_the_editor(change: dict[str, Any]) -> None:
    """What the reader refuses by its form, the schema refuses too."""
    good = {"study": "q", "data": {"source": "phantom", "split": "given"}}
    assert problems(good) == []
    assert problems({**good, **change})


def test_every_key_is_described() -> None:
    """An editor has a line to show for every key and for every part."""
    missing = [
        f"{part}.{key}"
        for part, body in PARTS.items()
        for key, entry in body["properties"].items()
        if not entry.get("description")
    ]
    assert missing == []
    assert all(body["description"] for body in PARTS.values())


def test_every_key_is_documented() -> None:
    """docs/study-file.md mentions every key of the schema as code."""
    text = DOCS.read_text(encoding="utf-8")
    assert [key for key in KEYS if f"`{key}`" not in text] == []
