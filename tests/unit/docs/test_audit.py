"""docs/audit.md is what the table of checks makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scantrial.audit.checks import CHECKS, LEAKING
from scantrial.audit.records import SEVERITIES

ROOT = Path(__file__).resolve().parents[3]

TEXT = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", CHECKS)
def test_every_check_is_described(code):
    """Code, rule, source and what to do stand in a section of the check's own, under its anchor."""
    check = CHECKS[code]
    section = TEXT.split(f"### {code}\n")[1].split("\n### ")[0]
    for words in (check.title, check.severity, check.needs, check.rule, check.source, check.action):
        assert words in section
    assert re.fullmatch(r"AU\d{3}", code)
    assert check.severity in SEVERITIES
    assert check.anchor == f"docs/audit.md#{code.lower()}"


def test_what_leaks_is_a_check():
    """The codes that a metric is shown without exist."""
    assert set(LEAKING) <= set(CHECKS)
