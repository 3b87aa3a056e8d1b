"""What limits a study: each sentence where it is true, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scantrial.audit.records import Audit, CheckResult, ScanFinding
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.prose.limits import limits_of_audit, limits_of_design, limits_of_evidence, limits_of_results
from scantrial.store.folder import StudyFolder

CASES = {"train": 12, "val": 40, "test": 60}


def view_of(folder: StudyFolder) -> ReportView:
    return build_view(read_study_folder(folder, by="test", purpose="test"))


@pytest.fixture(scope="module")
def plain(make_study) -> ReportView:
    return view_of(make_study(n_cases=CASES))


def finding(**options: Any) -> ScanFinding:
    words = {"title": "T", "text": "3 patients stand in both.", "action": "a"}
    fields: dict[str, Any] = {"code": "AU001", "severity": "blocker", **words, "case_numbers": (), "cases": ()}
    return ScanFinding(**{**fields, "numbers": {}, **options})


def audit_of(*findings: ScanFinding, outcome: Any = "clear") -> Audit:
    result = CheckResult(code="AU012", title="t", severity="note", outcome=outcome, reason="r", numbers={})
    return Audit(key="k", n_cases={}, class_names=("a", "b"), results=(result,), findings=findings, pictures={})


class TestDesign:
    """What the design cannot show."""

    def test_the_smallest_difference_is_that_of_the_outlook(self, plain):
        """In the words of the plan."""
        assert plain.judgement.outlook is not None
        smallest = plain.judgement.outlook.outlook.smallest_difference
        assert f"would miss a true difference smaller than {100 * smallest:.2g}" in " ".join(limits_of_design(plain))

    def test_one_factor_has_no_interactions_and_two_have(self, plain, make_study):
        """One at a time is said where two settings are varied."""
        two = view_of(make_study(arms={"base": {}, "loss-ce": {"loss": "ce"}, "small": {"batch_size": 8}}))
        assert not any("one at a time" in words for words in limits_of_design(plain))
        assert any("one at a time" in words for words in limits_of_design(two))
        assert any("Only loss.name and batch_size were varied" in words for words in limits_of_design(two))

    def test_a_margin_that_is_there_is_not_missed(self, plain):
        """And one that is not, is."""
        without = replace(plain, judgement=replace(plain.judgement, margin=None))
        assert not any("No margin is declared" in words for words in limits_of_design(plain))
        assert any("No margin is declared" in words for words in limits_of_design(without))

    def test_one_arm_is_compared_with_nothing(self, make_study):
        """And nothing else is said of comparisons."""
        assert limits_of_design(view_of(make_study(arms={"base": {}}))) == [
            "There is only one arm, so there is no comparison."
        ]


def test_missing_runs_are_a_limit(plain, make_study):
    """Counted, and nothing where all are there."""
    assert limits_of_results(plain) == []
    (said,) = limits_of_results(view_of(make_study(missing=[("loss-ce", 2)])))
    assert said.startswith("1 run of 6 is missing: results may change once this run finishes")


def test_runs_under_other_versions_are_a_limit(plain):
    """Where the environment tells of a change; one that tells of nothing new is none."""
    for torch, n in (("2.7", 0), ("2.8", 1)):
        changes = [{"at": "2026-01-02T10:00:00+00:00", "now": {"torch": torch}}]
        said = limits_of_results(replace(plain, environment={"torch": "2.7", "changes": changes}))
        assert len([words for words in said if "Not all runs were trained with the same versions" in words]) == n


class TestAudit:
    """What the audit found or could not look for."""

    def test_no_audit_is_said(self, plain):
        """It may all be there."""
        assert limits_of_audit(plain) == [
            "The scans were not audited: they may contain leaks, duplicates and shortcuts."
        ]

    def test_findings_stand_with_what_became_of_them(self, plain):
        """Blockers, warnings and what was acknowledged, not notes."""
        found = audit_of(
            finding(),
            finding(code="AU003", acknowledged="checked"),
            finding(code="AU010", severity="warning"),
            finding(code="AU040", severity="note"),
        )
        assert limits_of_audit(replace(plain, audit=found)) == [
            "The audit found a blocker (AU001): 3 patients stand in both; not acknowledged.",
            "The audit found a blocker (AU003): 3 patients stand in both; acknowledged in the study file, not removed.",
            "The audit found a warning (AU010): 3 patients stand in both; not resolved.",
        ]

    def test_what_could_not_be_checked_is_said(self, plain):
        """By its code."""
        (said,) = limits_of_audit(replace(plain, audit=audit_of(outcome="not applicable")))
        assert said == "1 check of the audit did not apply (AU012): the problems that it looks for may exist."


class TestEvidence:
    """What was not looked at."""

    def test_each_answer_of_the_author_takes_its_sentence_away(self, plain):
        """External test, groups, labels, explanation."""
        about = {"external_test": "x", "fairness": "x", "reference_standard": "x", "explanation": "x"}
        silent = " ".join(limits_of_evidence(plain))
        told = " ".join(limits_of_evidence(replace(plain, about=about)))
        for words in ("No external test", "Age, sex", "did not say how labels were established", "was not examined"):
            assert words in silent
            assert words not in told
        assert "Labels are taken as true" in told

    def test_a_small_class_and_the_share_are_said(self, plain, make_study):
        """From the counts of the test split."""
        assert "the class of 50.0 % of the test cases" in " ".join(limits_of_evidence(plain))
        assert "is not judged" not in " ".join(limits_of_evidence(plain))
        small = " ".join(limits_of_evidence(view_of(make_study())))
        assert "The test split has 5 cases of “normal”" in small
