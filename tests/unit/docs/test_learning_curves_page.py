"""The page on learning curves is what the table of checks says."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

import learning_curves_page

from scantrial.analysis.diagnosis.checks import CHECKS


def test_the_page_is_written_from_the_table():
    """`python scripts/learning_curves_page.py` would write the very page that is there."""
    assert learning_curves_page.PAGE.read_text(encoding="utf-8") == learning_curves_page.page()


def test_every_check_has_its_anchor_rule_thresholds_source_and_sentence():
    """Each code has a section that holds all of them."""
    page = learning_curves_page.page()
    for check in CHECKS.values():
        section = page.split(f'<a id="{check.code.lower()}"></a>')[1].split("<a id=")[0]
        assert check.source in section
        assert f"> {learning_curves_page.example_sentence(check)}" in section
        assert all(f"`{threshold.name}`" in section for threshold in check.thresholds)
