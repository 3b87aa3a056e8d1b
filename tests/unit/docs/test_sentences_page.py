"""docs/sentences.md holds all that scantrial can say, and nothing is said without a rule."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sentences_page
import templates
from scantrial.analysis.diagnosis import checks as curve_checks
from scantrial.audit.checks import CHECKS

ROOT = Path(__file__).resolve().parents[3]

TEXT = (ROOT / "docs" / "sentences.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", sentences_page.RULES)
def test_every_function_that_speaks_has_a_rule(module):
    """A new sentence in a function without a rule fails, and so does a rule of a function that says nothing."""
    assert sentences_page.speaking(module).keys() == sentences_page.RULES[module].keys()


def test_no_module_that_speaks_is_left_out():
    """Every module of a room that speaks of numbers is on the page: a new one has to be given rules."""
    rooms = ("analysis", "findings", "prose", "figures", "report")
    found = {"core/format.py", "core/positive.py"} | {
        str(path.relative_to(sentences_page.SOURCE))
        for part in rooms
        for path in (sentences_page.SOURCE / part).rglob("*.py")
        if templates.said_by(path)
    }
    known = [*sentences_page.RULES, *sentences_page.WHOLE, *sentences_page.MARKUP]
    assert sorted(known) == sorted(found)


@pytest.mark.parametrize("code", [*CHECKS, *curve_checks.CHECKS])
def test_every_check_has_its_sentence_rule_and_source(code):
    """Each code has a section with at least one sentence; a check that says nothing fails."""
    section = TEXT.split(f"### [{code}]")[1].split("\n### ")[0]
    check = CHECKS[code] if code in CHECKS else curve_checks.CHECKS[code]
    said = sentences_page.of_audit(code) if code in CHECKS else sentences_page.of_curves(code)
    assert said or check.kind == "gap"
    assert all(f"“{text.strip()}”" in section for text in said)
    assert check.rule.rstrip(".") in section
    assert check.source in section


def test_texts_are_read_from_code():
    """What is filled in is left open; docstrings, errors, and texts that are only compared with say nothing."""
    source = '''
def f(n):
    """Say nothing of this docstring."""
    if n == "not any of this":
        raise ValueError("nor this error of course")
    return f"{n:,} of {counted(n, 'case')} {'is' if n == 1 else 'are'} " + "here today"
'''
    function = ast.parse(source).body[0]
    assert templates.templates(function) == ["… of … cases [is/are] here today"]
