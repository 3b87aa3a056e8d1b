"""The examples in docs/study-file.md are study files, or parts of them, as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scantrial.core.yaml import read_tree
from scantrial.data.spec import DataSpec
from scantrial.recipe.spec import Recipe
from scantrial.study.arms import ArmBuilder
from scantrial.study.claims import Claims
from scantrial.study.faults import validated
from scantrial.study.spec import StudySpec

TEXT = (Path(__file__).parents[3] / "docs" / "study-file.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
HEAD: dict[str, Any] = {"study": "q", "data": {"source": "phantom", "split": "given"}}


def alternatives(block: str) -> list[dict[str, Any]]:
    """Return a block as one piece, or its entries one by one where a key stands in it twice."""
    whole = read_tree(block)
    if not whole.faults:
        return [whole.data]
    return [read_tree(entry).data for entry in re.split(r"\n(?=\w)", block.strip())]


def placed(piece: dict[str, Any]) -> dict[str, Any]:
    """Return a whole study that has the piece in its place."""
    study = {**HEAD}
    for key, value in piece.items():
        if key in StudySpec.model_fields:
            study[key] = value
        elif key in DataSpec.model_fields:
            study["data"] = {**study["data"], key: value}
        else:
            assert key in Recipe.model_fields
            study["recipe"] = {**study.get("recipe", {}), key: value}
    if "hypotheses" in piece and "factors" not in piece:
        study |= {
            "factors": {"loss": ["bce", "ce"], "batch_size": [16]},
            "primary": {"margin": 0.02},
            "design": "factorial",
        }
    return study


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_example_is_sound(number: int) -> None:
    """Each example, put in its place, is a study without faults."""
    for piece in alternatives(BLOCKS[number]):
        study = placed(piece)
        _, problems = validated(StudySpec, study)
        design = ArmBuilder(study)
        assert [*problems, *design.problems, *Claims(study, design).problems] == []


def test_there_are_examples_for_every_part() -> None:
    """Every part of a study file and of a recipe has an example."""
    shown = {key for block in BLOCKS for key in re.findall(r"^ *-? *(\w+):", block, re.MULTILINE)}
    assert {*StudySpec.model_fields, *DataSpec.model_fields, *Recipe.model_fields} <= shown


@pytest.mark.parametrize("loss", ["bce", "ce"])
def test_the_network_of_ones_own_can_be_trained(loss: str, tmp_path: Path, cli: Any) -> None:
    """The class in the documentation trains as it stands, with either loss."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "my_nets.py").write_text(f"import torch\n\n\n{code}")
    (tmp_path / "own.yaml").write_text(
        "study: q\n"
        "data: {source: {name: phantom, n_cases: 60, size: 32}, split: {test: given, val: 0.2}}\n"
        'recipe: {model: {name: "my_nets:Small", args: {depth: 3}}, loss: LOSS, epochs: 1}\nseeds: 1\n'.replace(
            "LOSS", loss
        )
    )
    result = cli("run", tmp_path / "own.yaml", "--out", tmp_path / "out", "--trust-code")
    assert result.returncode == 0, result.stderr
