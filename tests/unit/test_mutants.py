"""`scripts/mutants.py`: what the tests let pass, read from mutmut's words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mutants

ROOT = Path(__file__).resolve().parents[2]
WORDS = """
    scantrial.analysis.mrmc.x_infer__mutmut_1: killed
    scantrial.analysis.mrmc.x_infer__mutmut_2: survived
    scantrial.analysis.mrmc.xǁInferenceǁp_equivalence__mutmut_1: timeout
    scantrial.analysis.mrmc.x_infer__mutmut_3: no tests
    scantrial.analysis.best.x_best_of__mutmut_1: not checked
    scantrial.analysis.verdicts.x_decide__mutmut_1: killed
    scantrial.analysis.verdicts.x_decide__mutmut_2: not checked
"""


def test_each_module_with_a_mutant_that_was_tried_has_a_row():
    """A mutant that no test reaches has survived; what was not tried is counted, and a module without a try left out."""
    rows = mutants.table(mutants.statuses(WORDS), ["best", "mrmc", "verdicts"])[2:]
    assert rows == ["| `mrmc` | 4 | 1 | 1 | 2 | 0 |", "| `verdicts` | 2 | 1 | 0 | 0 | 1 |"]


def test_survivors_are_those_that_no_test_failed_on():
    """Of the chosen modules alone."""
    found = mutants.statuses(WORDS)
    infer = "scantrial.analysis.mrmc.x_infer__mutmut"
    assert mutants.survivors(found, ["mrmc", "verdicts"]) == [f"{infer}_2", f"{infer}_3"]
    assert mutants.survivors(found, ["verdicts"]) == []


def test_an_unknown_module_is_refused(capsys: pytest.CaptureFixture[str]):
    """With the names that are known."""
    with pytest.raises(SystemExit):
        mutants.main(["verdict"])
    assert "no module verdict; expected some of area_margin, best, " in capsys.readouterr().err


def test_every_module_that_is_mutated_is_on_the_page():
    """docs/mutants.md has a row or a line for each module, and they all exist."""
    page = (ROOT / "docs" / "mutants.md").read_text(encoding="utf-8")
    assert set(mutants.modules()) <= set(re.findall(r"`([a-z_]+)`", page))
    assert all((ROOT / "src" / "scantrial" / "analysis" / f"{name}.py").is_file() for name in mutants.modules())
