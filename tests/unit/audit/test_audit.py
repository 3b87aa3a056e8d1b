"""The audit as a whole: ranked, complete, repeatable, kept in a study folder and read back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.audit.conftest import phantom_scans, picture_of

from scantrial import api
from scantrial.audit import stored
from scantrial.audit.audit import audit_key, audit_scans, ranked
from scantrial.audit.checks import CHECKS
from scantrial.audit.records import Audit, AuditSettings, ScanFinding
from scantrial.audit.stored import blockers, cases_concerned, keep_audit, read_audit
from scantrial.core.errors import StudyFileError
from scantrial.data.spec import SplitSpec
from scantrial.report.audit_document import audit_page
from scantrial.store.folder import StudyFolder
from scantrial.store.schema import dump_json
from scantrial.study.file import parse_study
from scantrial.study.trial import _record_study

STUDY = """
study: Is one better than the other?
data:
  source: {name: phantom, n_cases: 160, size: 32, difficulty: 0.3, duplicates: 0.5, shift: 0.7}
  split: {test: given, val: 0.25}
factors: {loss: [bce, ce]}
"""
QUICK = AuditSettings(n_permutations=100)


@pytest.fixture(scope="module")
def spoilt():
    """Scans with copies and shift, split in three."""
    return api.load_scans(parse_study(STUDY).spec.data)


@pytest.fixture(scope="module")
def audit(spoilt) -> Audit:
    return audit_scans(spoilt)


@pytest.fixture
def folder(tmp_path, spoilt) -> StudyFolder:
    """A study folder as it is before anything is trained."""
    store = StudyFolder(tmp_path / "study")
    _record_study(parse_study(STUDY), spoilt, store)
    return store


def test_findings_are_ranked_and_every_check_has_an_outcome(audit):
    """Blockers, then warnings, then notes; each check of the table once; the audit reads back from JSON equal."""
    ranks = [("blocker", "warning", "note").index(finding.severity) for finding in audit.findings]
    assert ranks == sorted(ranks)
    assert [result.code for result in audit.results] == list(CHECKS)
    assert {f.code for f in audit.findings} == {r.code for r in audit.results if r.outcome == "found"}
    assert {"AU003", "AU010"} <= {finding.code for finding in audit.findings}
    stored = json.loads(dump_json(audit.to_dict()))
    assert json.loads(dump_json(Audit.from_dict(stored).to_dict())) == stored


def test_the_json_names_all_cases_and_copies_as_pairs(audit, spoilt):
    """Every finding has its six keys; each pair is of two paths, the training or validation scan first."""
    for finding in audit.to_dict()["findings"]:
        assert {"code", "severity", "title", "cases", "action", "numbers"} <= finding.keys()
    copies = next(finding for finding in audit.to_dict()["findings"] if finding["code"] == "AU003")
    assert len(copies["cases"]) == copies["numbers"]["n_pairs"] > 5
    number = {source: case for case, source in enumerate(spoilt.sources)}
    for first, second in copies["cases"]:
        assert (spoilt.images[number[first]] == spoilt.images[number[second]]).all()
    assert set(copies["case_numbers"]) == {number[path] for pair in copies["cases"] for path in pair}


def test_the_same_scans_give_the_same_audit_and_other_settings_another_key(spoilt, audit):
    """All of it follows from scans, split and settings."""
    assert dump_json(audit_scans(spoilt).to_dict()) == dump_json(audit.to_dict())
    assert audit_key(spoilt) == audit.key
    others = [
        audit_key(spoilt, QUICK),
        audit_key(spoilt.with_split(np.where(spoilt.split == "val", "train", spoilt.split))),
        audit_key(replace(spoilt, patients=None)),
    ]
    assert len({audit.key, *others}) == 4


def test_the_pictures_are_those_of_the_scans(audit, spoilt):
    """A mean picture for each split and class, histograms that sum to 1, ten cases of the later split for each pair."""
    assert len(audit.pictures["means"]) == 6
    mean = next(m for m in audit.pictures["means"] if (m["split"], m["class"]) == ("train", "normal"))
    rows = (spoilt.split == "train") & (spoilt.labels == 0)
    assert picture_of(mean["png"]).mean() == pytest.approx(spoilt.images[rows].mean(), abs=1)
    assert all(sum(h["share"]) == pytest.approx(1, abs=1e-5) for h in audit.pictures["histograms"])
    for pair in audit.pictures["most_alike"]:
        assert len(pair["second"]) == 10
        assert all(spoilt.split[item["case"]] == pair["splits"][1] for item in pair["second"])
        assert all(spoilt.split[item["case"]] == pair["splits"][0] for item in pair["like_second"])


def test_the_mean_of_one_scan_is_no_picture():
    """It would be the scan itself; the page counts it all the same, and pages of such audits have no gallery."""
    scans = phantom_scans(n_cases=24, size=32)
    for n_healthy, has_gallery in ((1, True), (0, False)):
        split = np.full(24, "", dtype=object)
        split[np.flatnonzero(scans.labels == 0)[: n_healthy * 5]] = "train"
        split[np.flatnonzero(scans.labels == 1)[:1]] = "train"
        some = scans.with_split(split.astype(str))
        found = audit_scans(some, settings=QUICK)
        assert [one["png"] is None for one in found.pictures["means"]] == [False] * has_gallery + [True]
        page = audit_page(found, some, source="phantom")
        assert ("The mean of all scans" in page) == has_gallery
        assert "Intensities by split and class" in page


def test_the_key_of_dicom_files_does_not_depend_on_the_user():
    """Their patients are called by hashes with a key of the user; the key has their numbers, and other sources' names."""
    scans = phantom_scans(n_cases=24, size=32)
    one, other = (tuple(f"{user}{number // 2}" for number in range(24)) for user in "xa")
    plain = [audit_key(replace(scans, patients=patients)) for patients in (one, other)]
    assert plain[0] != plain[1]
    origin = {**scans.origin, "dicom": {"files": 24}}
    keys = [audit_key(replace(scans, patients=patients, origin=origin)) for patients in (one, other, one[::-1])]
    assert keys[0] == keys[1] == keys[2]
    torn = replace(scans, patients=(*one[1:], one[0]), origin=origin)
    assert audit_key(torn) != keys[0]


def test_a_study_keeps_its_audit_and_makes_it_once(folder, spoilt, monkeypatch):
    """The second call reads what the first one kept; other splits are audited anew."""
    first = keep_audit(folder, spoilt)
    monkeypatch.setattr(stored, "audit_scans", lambda *args, **more: pytest.fail("audited again"))
    assert dump_json(keep_audit(folder, spoilt).to_dict()) == dump_json(first.to_dict())
    with pytest.raises(pytest.fail.Exception, match="audited again"):
        keep_audit(folder, spoilt.with_split(np.where(spoilt.split == "val", "train", spoilt.split)))


def test_an_audit_by_an_earlier_version_stays(folder, spoilt):
    """What a study was told before it ran is kept, also where today's checks would say something else."""
    kept = audit_scans(spoilt).to_dict()
    folder.write_audit({**kept, "key": audit_key(spoilt, version=1), "findings": [], "checks": kept["checks"][:2]})
    assert keep_audit(folder, spoilt).findings == ()
    assert blockers(folder) == ()


def test_what_reaches_the_test_scans_stands_first():
    """Near copies of test scans stand before exact copies in training and validation alone; else exact ones do."""

    def finding(code: str, n_test: int) -> ScanFinding:
        numbers = {"n_test_cases": n_test}
        words = {"title": "t", "text": "t.", "action": "a", "cases": (), "case_numbers": ()}
        return ScanFinding(code=code, severity="warning", numbers=numbers, **words)

    assert [one.code for one in ranked([finding("AU003", 0), finding("AU005", 9)])] == ["AU005", "AU003"]
    assert [one.code for one in ranked([finding("AU005", 0), finding("AU003", 0)])] == ["AU003", "AU005"]


def test_blockers_are_those_that_the_study_file_does_not_acknowledge(folder, spoilt):
    """The copies block until the study file accepts them; the cases concerned are the same either way."""
    assert blockers(folder) == ()
    assert read_audit(folder) is None
    assert not len(cases_concerned(folder))
    keep_audit(folder, spoilt)
    assert [finding.code for finding in blockers(folder)] == ["AU003"]
    concerned = cases_concerned(folder)
    assert set(spoilt.split[concerned]) == {"test"}
    assert len(concerned) == next(f for f in read_audit(folder).findings if f.code == "AU003").numbers["n_test_cases"]
    accepted = STUDY + "acknowledge: [{finding: AU003, reason: copies on purpose}]\n"
    _record_study(parse_study(accepted), spoilt, folder)
    assert blockers(folder) == ()
    assert read_audit(folder).findings[0].acknowledged == "copies on purpose"
    assert cases_concerned(folder).tolist() == concerned.tolist()
    assert not len(cases_concerned(folder, codes=["AU001"]))


def test_an_unknown_code_cannot_be_acknowledged():
    """A code that no check has is a fault of the study file, with the nearest right one."""
    with pytest.raises(StudyFileError, match="the audit has no check 'au003' \\(did you mean 'AU003'\\?\\)"):
        parse_study(STUDY + "acknowledge: [{finding: au003, reason: it is so}]\n")


def test_scans_without_splits_are_audited_whole():
    """Where no case has a split all are looked at; where some have, the others are passed over."""
    scans = phantom_scans(n_cases=40, size=32)
    assert audit_scans(scans.with_split(np.full(40, "")), settings=QUICK).n_cases == {"": 40}
    some = np.where(np.arange(40) < 10, "", scans.split)
    assert sum(audit_scans(scans.with_split(some), settings=QUICK).n_cases.values()) == 30


def test_a_source_may_be_given_another_split_and_its_patients(write_scans, tmp_path):
    """`audit` of a folder: its own splits, or those asked for; patients by a regular expression."""
    write_scans(n_cases=60)
    place = tmp_path / "scans"
    assert api.audit(place, settings=QUICK).n_cases == {"train": 60}
    found = api.audit(place, patient=r"s\d(\d)", split=SplitSpec(train=0.5, val=0.25, test=0.25), settings=QUICK)
    assert set(found.n_cases) == {"train", "val", "test"}
    assert next(finding for finding in found.findings if finding.code == "AU001").numbers["n_patients"] >= 5
