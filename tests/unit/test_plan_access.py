"""No code reads a plan or a recipe by keys, and the check that says so can fail."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "plan_access.py"
CHECK = runpy.run_path(str(SCRIPT))


def test_nothing_reads_a_plan_by_keys(capsys):
    """In the code, the scripts, the benchmarks and the examples."""
    assert CHECK["main"]() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        "plan['arms']",
        "plan.get('about')",
        "study.plan['seeds']",
        "(study.plan.get('primary') or {}).get('metric')",
        "(folder.plan() or {})['arms']",
        "folder.plan()['study']",
        "arm.recipe['loss']['name']",
        "recipe.get('clip_grad_norm')",
        "run.facts.recipe['rounds']",
        "self._plan['arms']",
        "old_plan.get('seeds')",
    ],
)
def test_an_access_by_key_is_found(line, tmp_path, capsys):
    """With its file and line, in any folder that is looked at."""
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "deep" / "reader.py").write_text(f"x = 1\ny = {line}\n")
    assert CHECK["main"](tmp_path) == 1
    assert "src/deep/reader.py:2: " in capsys.readouterr().out


@pytest.mark.parametrize("line", ["plan.arms[0]", "arm.recipe.loss.name", "plans['a']", "content['recipe']['loss']"])
def test_attributes_and_other_data_are_not(line):
    """What is typed is read by attributes; plain data has other names."""
    assert list(CHECK["accesses"](line)) == []
