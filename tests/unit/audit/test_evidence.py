"""Every check has a planted fault that it finds, clean scans that it is clear on, and a simulated share of false alarms."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scantrial.audit.checks import CHECKS

TESTS = Path(__file__).resolve().parents[2]
UNIT, SIMULATION = TESTS / "unit" / "audit" / "test_checks.py", TESTS / "simulation" / "test_audit.py"

_PHANTOM, _CLEAN = "test_what_the_phantom_plants_is_found", "test_on_clean_scans_nothing_is_found"
_FILES, _SAME, _BAD = (
    "test_files_of_another_kind_in_one_class_are_found",
    "test_the_same_files_throughout_are_clear",
    "test_bad_pictures_are_found",
)
_SIM, _SIM_FILES = "test_false_alarms_on_clean_sets", "test_checks_of_files_are_silent_on_clean_files"
_BURNED = "test_text_burned_into_dicom_files_is_told"
_DRIFT, _SIM_DRIFT = "test_scores_that_drift_are_found", "test_score_drift_is_seldom_found_where_there_is_none"

EVIDENCE = {
    "AU001": (_PHANTOM, _CLEAN, _SIM),
    "AU002": ("test_unknown_patients_are_told", _CLEAN, _SIM),
    "AU003": (_PHANTOM, _CLEAN, _SIM),
    "AU004": (_PHANTOM, _CLEAN, _SIM),
    "AU005": (_PHANTOM, _CLEAN, _SIM),
    "AU006": (_PHANTOM, _CLEAN, _SIM),
    "AU007": (_PHANTOM, _CLEAN, _SIM),
    "AU008": ("test_weights_that_learnt_from_test_scans_are_found", _CLEAN, _SIM),
    "AU010": (_PHANTOM, _CLEAN, _SIM),
    "AU011": (_PHANTOM, _CLEAN, _SIM),
    "AU012": (_DRIFT, _DRIFT, _SIM_DRIFT),
    "AU013": ("test_a_different_class_mix_is_found_with_its_interval", _CLEAN, _SIM),
    "AU015": ("test_masks_among_the_scans_are_found", _SAME, _SIM_FILES),
    "AU020": (_PHANTOM, _CLEAN, _SIM),
    "AU021": ("test_marks_in_the_corners_are_found", _CLEAN, _SIM),
    "AU022": (_FILES, _SAME, _SIM_FILES),
    "AU023": (_FILES, _SAME, _SIM_FILES),
    "AU024": ("test_a_blurred_class_is_found", "test_equally_sharp_classes_are_clear", _SIM),
    "AU030": (_PHANTOM, _CLEAN, _SIM),
    "AU031": (_PHANTOM, _CLEAN, _SIM),
    "AU040": ("test_files_left_out_are_found", _SAME, _SIM_FILES),
    "AU041": (_BAD, _CLEAN, _SIM),
    "AU042": (_BAD, _CLEAN, _SIM),
    "AU043": (_BAD, _SAME, _SIM_FILES),
    "AU044": ("test_what_was_left_out_is_told", _SAME, _SIM_FILES),
    "AU045": ("test_mixed_depths_are_told_and_nothing_else", "test_all_bits_are_clear", _SIM),
    "AU046": ("test_few_bits_in_sixteen_are_found", "test_all_bits_are_clear", _SIM),
    "AU050": (_BURNED, _BURNED, _SIM_FILES),
}
"""By code: the test that plants it, the one without, and the simulation."""


def test_no_check_is_without_evidence():
    """The table names every check and no other, and `tests/README.md` shows it."""
    assert list(EVIDENCE) == list(CHECKS)
    rows = "\n".join(f"| {code} | {' | '.join(f'`{name}`' for name in names)} |" for code, names in EVIDENCE.items())
    assert rows in (TESTS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", EVIDENCE)
def test_the_evidence_is_there(code):
    """The tests that the table names exist: two of this folder, one simulation."""
    planted, clean, simulated = EVIDENCE[code]
    assert {planted, clean} <= functions(UNIT)
    assert simulated in functions(SIMULATION)


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}
