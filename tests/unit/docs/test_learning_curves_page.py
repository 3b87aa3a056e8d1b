"""The page on learning curves is what the table of checks says."""

from __future__ import annotations

import learning_curves_page
from scantrial.analysis.diagnosis.checks import CHECKS


def test_every_check_has_its_anchor_rule_thresholds_source_and_sentence():
    """Each code has a section that holds all of them."""
    page = learning_curves_page.page()
    for check in CHECKS.values():
        section = page.split(f'<a id="{check.code.lower()}"></a>')[1].split("<a id=")[0]
        assert check.source in section
        assert f"> {learning_curves_page.example_sentence(check)}" in section
        assert all(f"`{threshold.name}`" in section for threshold in check.thresholds)
