"""What is printed stays within 80 columns, and has no escape codes where nobody looks at a terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from tests.unit.prose.test_limits import audit_of, finding

from scantrial.api import results as read_results
from scantrial.cli import about, audit, compare, output, results, show, status
from scantrial.findings.judging import judge
from scantrial.findings.reading import read_study_folder

LONG = "a sentence of many words that goes on and on " * 6
PATH = "/" + "x" * 120 + "/study"


def widest(text: str) -> int:
    return max(len(re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()) for line in text.splitlines())


@pytest.fixture
def folder(make_study) -> Path:
    study = make_study(n_cases={"train": 12, "val": 40, "test": 60}, question=f"Is it so? {LONG}")
    return study.path


COMMANDS = {
    "compare": lambda folder: compare.compare(
        folder,
        None,
        as_json=False,
        metric=None,
        margin=None,
        control=None,
        pairs=None,
        level=0.95,
        bootstrap=None,
        split="test",
        threshold=None,
        threshold_rule=None,
        target_sensitivity=None,
        positive=None,
    ),
    "status": lambda folder: status.status(folder, as_json=False),
    "show": lambda folder: show.show(folder, 55, arm=None, seed=None, png=None, as_json=False),
    "about": lambda folder: about.about(str(folder), folder=None, as_json=False),
    "run": lambda folder: (results.print_verdicts(read_results(folder)), results.print_diagnosis(read_results(folder))),
    "audit": lambda folder: audit.print_audit(audit_of(finding(text=LONG, action=LONG))),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_piped_is_plain_and_narrow(command, folder, capsys, monkeypatch):
    """Whatever the terminal's width is said to be: 80 columns, no escape codes."""
    monkeypatch.setenv("COLUMNS", "200")
    COMMANDS[command](folder)
    text = capsys.readouterr().out
    assert text
    assert "\x1b" not in text
    assert widest(text) <= 80


def test_a_narrow_terminal_is_kept_to(consoles, folder):
    """At 60 columns tables are folded and sentences broken, and no word is lost."""
    out = consoles(terminal=True, width=60)
    found = judge(read_study_folder(output_folder(folder), by="test", purpose="test"))
    compare.print_judgement(found)
    text = out.file.getvalue()
    assert widest(text) <= 60
    assert found.primary is not None
    assert found.primary.comparisons[0].sentence in " ".join(text.split())


def output_folder(folder: Path):
    from scantrial.store.folder import StudyFolder

    return StudyFolder(folder)


def test_a_path_is_not_broken():
    """It has to be copied whole; what follows is broken as ever, under the first line's words."""
    console = output.make_console(file=io.StringIO(), width=80, terminal=False)
    output.say(f"written into {PATH} " + LONG, bullet="- ", console=console)
    lines = console.file.getvalue().splitlines()
    assert any(PATH in line for line in lines)
    assert all(line.startswith(("- ", "  ")) for line in lines)
    assert " ".join(" ".join(lines).split()) == f"- written into {PATH} {LONG}".strip()


def test_lines_of_a_wide_terminal_stay_legible():
    """A hundred columns at most."""
    console = output.make_console(file=io.StringIO(), width=240, terminal=True)
    output.say(LONG, console=console)
    assert 80 < widest(console.file.getvalue()) <= 100


def test_open_questions_are_lines_to_copy(folder, capsys):
    """As comments below `about`, which read as YAML once the marks are taken away."""
    about.about(str(folder), folder=None, as_json=False)
    text = capsys.readouterr().out
    assert text.startswith("about:\n  # title: ")
    assert "questions to the author: 28 of 28 not answered" in text
