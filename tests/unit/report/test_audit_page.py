"""The audit as a document and as a page: everything found is there, and no name breaks out of it."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from tests.unit.audit.conftest import phantom_scans

from scantrial.audit.audit import audit_scans
from scantrial.audit.checks import CHECKS
from scantrial.audit.records import Audit, AuditSettings, ScanFinding
from scantrial.core.text import printable
from scantrial.report.audit_document import MAX_PAIRS, audit_document, scan_pictures, shown_scans
from scantrial.report.document import Gallery, Note, Paragraph, Section, Table, walk, words
from scantrial.report.html import render_html
from scantrial.report.sections.audit import _names

HOSTILE = "<script>alert(1)</script>"
TURNED = "a\u202egnp.b"


@pytest.fixture(scope="module")
def audited():
    """Scans with copies in test, whose names and classes try to break out of a page."""
    scans = phantom_scans(n_cases=160, size=32, duplicates=1.0)
    sources = (HOSTILE, TURNED, "x" * 300, *scans.sources[3:])
    scans = replace(scans, sources=sources, class_names=("<b>normal", "ill\u202e"))
    return scans, audit_scans(scans, settings=AuditSettings(n_permutations=100))


@pytest.fixture(scope="module")
def document(audited):
    scans, audit = audited
    return audit_document(audit, source=f"<i>{TURNED}", pictures=scan_pictures(scans, shown_scans(audit)))


def test_every_finding_stands_there_ranked_with_all_its_cases(audited, document):
    """One note a finding in the audit's order, with text, action and a row for each case or pair; every check in a table."""
    _, audit = audited
    notes = [block for block in walk(document) if isinstance(block, Note)]
    assert [note.title.split(":")[0].split()[1] for note in notes] == [one.code for one in audit.findings]
    tables = {block.id: block for block in walk(document) if isinstance(block, Table)}
    said = [piece for block in walk(document) for piece in words(block)]
    for number, one in enumerate(audit.findings, start=1):
        assert printable(one.text) in said
        assert f"What to do: {one.action}." in said
        if one.cases:
            assert len(tables[f"finding-{number}-table"].rows) == len(one.cases)
    assert [row[0].text for row in tables["checks-table"].rows] == list(CHECKS)
    assert any("is not acknowledged" in piece for piece in said)


def test_pictures_stand_side_by_side(audited, document):
    """Up to twelve pairs of copies, two pictures each, equal ones; a mean for each split and class; ten by ten alike."""
    _, audit = audited
    galleries = {block.id: block for block in walk(document) if isinstance(block, Gallery)}
    copies = galleries["finding-1-pairs"].pictures
    assert len(copies) == 2 * MAX_PAIRS
    assert all(picture.png is not None for gallery in galleries.values() for picture in gallery.pictures)
    assert all(a.png == b.png for a, b in zip(copies[::2], copies[1::2], strict=True))
    assert len(galleries["means"].pictures) == len(audit.pictures["means"]) == 4
    assert len(galleries["alike-1-second"].pictures) == 10


def test_names_do_no_harm(document):
    """A script stays text, what turns a line around or is not seen is written out, long names stay whole."""
    page = render_html(document)
    assert HOSTILE not in page
    assert "<b>normal" not in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)
    assert "a\\u202egnp.b" in page
    assert printable("עברית and العربية\n") == "עברית and العربية\\u000a"


def test_nothing_found_is_said():
    """Scans without a finding: the page says so and has no blocker."""
    scans = phantom_scans(n_cases=120, size=32)
    audit = replace(audit_scans(scans, settings=AuditSettings(n_permutations=100)), findings=())
    found = audit_document(audit, source="clean", pictures={})
    said = [piece for block in walk(found) for piece in words(block)]
    assert f"{len(CHECKS)} checks found nothing wrong with these scans." in said
    assert "No check found anything." in said


def test_many_findings_and_blocks_are_named_and_walked_soon():
    """The time grows as their number does, not as its square."""
    finding = ScanFinding(
        code="AU001", severity="note", title="t", text="x", action="y", cases=(), case_numbers=(), numbers={}
    )
    audit = Audit(key="", n_cases={}, class_names=("a",), results=(), findings=(finding,) * 20_000, pictures={})
    started = time.process_time()
    names = _names(audit)
    assert (names[:2], names[-1]) == (["finding-au001", "finding-au001-2"], "finding-au001-20000")
    section = Section(id="a", title="A", blocks=(Paragraph(id="p", content="x"),) * 100_000)
    assert sum(1 for _ in walk(section)) == 100_001
    assert time.process_time() - started < 2
