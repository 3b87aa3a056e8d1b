"""A folder that is not what was written: report, page and compare say so first, and claim nothing about before."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scantrial import api
from scantrial.audit.records import Audit
from scantrial.findings.reading import read_study_folder
from scantrial.prose.verdicts import verdict_warnings, when_declared
from scantrial.report.formats import build_report
from scantrial.store.folder import StudyFolder
from scantrial.web.study_page import results_of

BEFORE = "declared before the first run finished"
NOT_AS_WRITTEN = "The study folder is not as it was written"


def words_of(folder: StudyFolder) -> str:
    """Return the report as text."""
    return html.unescape(re.sub(r"<[^>]+>", " ", build_report(folder)))


def margin(path: Path) -> None:
    text = (path / "plan.json").read_text()
    (path / "plan.json").write_text(text.replace('"margin": 0.02', '"margin": 0.03'))


def edit_study(path: Path) -> None:
    with (path / "study.yaml").open("a") as handle:
        handle.write("keep_weights: none\n")


def lose_a_line(path: Path) -> None:
    lines = (path / "protocol.jsonl").read_bytes().splitlines(keepends=True)
    (path / "protocol.jsonl").write_bytes(b"".join(lines[:3] + lines[4:]))


def swap_lines(path: Path) -> None:
    one, other, *rest = (path / "protocol.jsonl").read_bytes().splitlines(keepends=True)
    (path / "protocol.jsonl").write_bytes(b"".join([other, one, *rest]))


def spoil_a_line(path: Path) -> None:
    lines = (path / "protocol.jsonl").read_bytes().splitlines(keepends=True)
    (path / "protocol.jsonl").write_bytes(b"".join([*lines[:3], b"\xff\n", *lines[4:]]))


def delete_the_audit(path: Path) -> None:
    (path / "audit.json").unlink()


@pytest.fixture
def folder(make_study) -> StudyFolder:
    """Return a study with an audit in its folder."""
    made = make_study()
    nothing = Audit(key="k", n_cases={}, class_names=("normal", "pneumonia"), results=(), findings=(), pictures={})
    made.write_audit(nothing.to_dict())
    return made


def test_a_whole_folder_says_when_its_question_was_declared(folder: StudyFolder):
    """No warning, and the claim."""
    words = words_of(folder)
    assert BEFORE in words
    assert NOT_AS_WRITTEN not in words


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (margin, "plan.json has changed since it was written"),
        (edit_study, "study.yaml has changed since it was written"),
        (lose_a_line, "protocol.jsonl: line 4 does not follow the line before it"),
        (swap_lines, "protocol.jsonl: line 1 does not follow the line before it"),
        (spoil_a_line, "protocol.jsonl: line 4 cannot be read"),
        (delete_the_audit, "audit.json is missing"),
    ],
)
def test_what_was_done_is_told_and_nothing_is_claimed(
    folder: StudyFolder, damage: Callable[[Path], None], expected: str
):
    """In the first note of the report, in its limits, before the verdicts of `compare`, on the page, by `verify`."""
    damage(folder.path)
    found = StudyFolder(folder.path)
    words = words_of(found)
    assert BEFORE not in words
    assert words.index(expected) < words.index("Verdicts")
    assert "what was changed, by whom and why is not known" in words
    judgement = api.compare(folder.path)
    assert expected in verdict_warnings(judgement)[0]
    assert when_declared(judgement.primary_declared) == "declared at an unknown time"
    page = results_of(read_study_folder(found, by="serve", purpose="page"))
    assert expected in page.warnings[0]
    assert expected in " ".join(item.sentence for item in api.verify(folder.path).mismatches)
