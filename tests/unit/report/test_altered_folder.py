"""A folder that is not what was written: report, page and compare say so first, and claim nothing about before."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.siege.commands import run

from scantrial import api
from scantrial.audit.records import Audit
from scantrial.core.errors import DamagedError
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.prose.verdicts import verdict_warnings, when_declared
from scantrial.report.formats import build_report
from scantrial.store.folder import StudyFolder
from scantrial.study.reuse import open_sources
from scantrial.web.results import results_of

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


def strip_the_protocol(path: Path) -> None:
    """Write the version of the study as an earlier version of scantrial did, and change the margin."""
    first = json.loads((path / "protocol.jsonl").read_text().splitlines()[0])
    for key in ("kind", "files", "previous", "sha256"):
        del first[key]
    (path / "protocol.jsonl").write_text(json.dumps(first) + "\n")
    margin(path)


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
        (strip_the_protocol, "protocol.jsonl is not chained, although this version of scantrial wrote to the folder"),
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
    page = results_of(build_view(read_study_folder(found, by="serve", purpose="page")))
    assert expected in page.warnings[0]
    assert expected in " ".join(item.sentence for item in api.verify(folder.path).mismatches)


@pytest.mark.parametrize("name", ["plan.json", "study.yaml", "data.json", "cases.parquet"])
def test_commands_that_tell_nothing_refuse(folder: StudyFolder, name: str, tmp_path: Path):
    """One scan under every arm, a prediction, an audit, a pilot and a copied run rest on the study, its plan and its scans."""
    image = tmp_path / "scan.png"
    image.write_bytes(folder.cases()["thumbnail"][0].as_py())
    api.show(folder.path, 3)
    with (folder.path / name).open("ab") as handle:
        handle.write(b" \n")
    reads = {
        "show": lambda: api.show(folder.path, 3),
        "predict": lambda: api.predict(folder.path / "runs" / "base" / "seed-0", [image]),
        "audit": lambda: api.audit(folder.path),
        "pilot": lambda: api.plan("demo", pilot=folder.path),
        "reuse": lambda: open_sources([folder.path], StudyFolder(tmp_path / "other")),
    }
    for read in reads.values():
        with pytest.raises(DamagedError, match=f"{name} is not what was written"):
            read()


@pytest.mark.parametrize("words", [("status",), ("about",)])
def test_the_state_and_the_answers_come_with_what_differs(folder: StudyFolder, words: tuple[str, ...]):
    """And with the exit code of a command that did its work."""
    assert NOT_AS_WRITTEN not in run(*words, folder.path)[1]
    margin(folder.path)
    code, said = run(*words, folder.path)
    assert code == 0
    assert NOT_AS_WRITTEN in said
    assert "plan.json has changed since it was written" in " ".join(said.split())
