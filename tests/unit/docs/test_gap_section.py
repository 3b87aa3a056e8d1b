"""What docs/chest-xray-audit.md concludes from trained studies follows from their steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.studies import TWO_ARMS, StudyShape, write_study

import gap_section
import learning_curves_page
from scantrial.analysis.gaps import ShiftEvidence, TwoSample, explain_gap
from scantrial.findings.diagnosis import ArmDiagnosis

ROOT = Path(__file__).resolve().parents[3]


def arm(*, found: bool = True, mixed: bool = False, second: float = 0.73) -> gap_section.ArmGap:
    """Return an arm with 93 % on validation; shift found or not, the class mix explaining it or not."""
    gap = learning_curves_page.example_gap(0.93, second)
    evidence: ShiftEvidence = replace(
        learning_curves_page.example_evidence(gap), two_sample=TwoSample(auroc=0.8, p=0.005, is_found=found)
    )
    if mixed:
        evidence = replace(evidence, test_recalls=np.array([0.90, 0.94]))
    diagnosis = ArmDiagnosis(
        name="base",
        label="base",
        rounds=(),
        train_gap=None,
        test_gap=gap,
        gap_findings=(),
        steps=explain_gap(evidence),
        said=(),
        gap_said=(),
        shift_said=(),
    )
    recalls = {"val": np.array([0.93, 0.93]), "test": np.array([0.50, 0.96])}
    return gap_section.ArmGap(
        study="s", n_runs=1, found=diagnosis, recalls=recalls, without=recalls["test"], n_without=np.array([5, 5])
    )


def answer(*arms: gap_section.ArmGap) -> str:
    return " ".join(gap_section._answer(arms, ("healthy", "ill")))


def test_shift_is_named_where_it_is_found_and_little_else_explains():
    """Every arm: scans differ, other steps explain less than half."""
    text = answer(arm(), arm())
    assert "in 2 of 2 arms, by 20.0 points" in text
    assert "The likely explanation is shift" in text
    assert "share of healthy scans classified correctly falls by 43.0 points" in text


@pytest.mark.parametrize("other", [arm(found=False), arm(mixed=True)])
def test_shift_is_not_named_where_one_arm_does_not_carry_it(other):
    """One arm whose scans do not differ, or whose class mix explains most, and there is no single explanation."""
    text = answer(arm(), other)
    assert "There is no single explanation" in text
    assert "in 1 of 2 arms" in text


def test_without_a_gap_there_is_nothing_to_explain():
    """A gap that chance explains is none."""
    assert "there is no gap to explain" in answer(arm(second=0.92))


def test_missing_studies_are_named_and_do_no_harm(tmp_path):
    """No folder at all: the section says so."""
    text = gap_section.section(tmp_path / "none", ["report-a-loss"])
    assert text.startswith(gap_section.TITLE)
    assert "No study of the reports has a finished run" in text


def test_a_study_that_cannot_be_read_is_named(tmp_path, capsys):
    """A folder that was torn: the others are told, this one is named, and the terminal says what is wrong."""
    good = write_study(tmp_path / "good", StudyShape(arms=TWO_ARMS)).path
    torn = write_study(tmp_path / "torn", StudyShape(arms=TWO_ARMS)).path
    (torn / "plan.json").write_text("{")
    text = gap_section.section(tmp_path, [good.name, torn.name])
    assert "### Step by step: good" in text
    assert "Without a finished run, or not to be read: torn." in text
    assert "plan.json" in capsys.readouterr().err


def test_a_finished_study_is_told_in_full(tmp_path):
    """A folder with runs: its steps, and its arms with both classes; the other name is said to be missing."""
    path = write_study(tmp_path / "loss", StudyShape(arms=TWO_ARMS)).path
    text = gap_section.section(path.parent, [path.name, "not-there"])
    assert f"### Step by step: {path.name}" in text
    assert "Without a finished run, or not to be read: not-there." in text
    assert "1. Validation " in text


def test_the_page_ends_with_the_section():
    """The part about the scans stands before it, so that it can be written again alone."""
    page = (ROOT / "docs" / "chest-xray-audit.md").read_text(encoding="utf-8")
    before, _, after = page.partition(gap_section.TITLE)
    assert "## The course's split" in before
    assert gap_section.COMMAND in after
    assert "\n## " not in after
