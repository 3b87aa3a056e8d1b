"""What to do next with a study, as commands that can be copied; none has a part to fill in."""

from __future__ import annotations

import shlex
from pathlib import Path

from scantrial.core.text import is_printable
from scantrial.findings.view import ReportView
from scantrial.prose import brief
from scantrial.web.records import Progress
from scantrial.web.table_records import NextStep


def words_for(path: Path) -> str | None:
    """Return a path as a word of a command; None for one with characters that cannot be seen, which nobody may copy."""
    word = str(path)
    if not is_printable(word):
        return None
    return f"./{word}" if word.startswith("-") else word


def next_steps(view: ReportView, folder: str | None) -> tuple[NextStep, ...]:
    """Return what the results ask for first, then more seeds, and what else can be made of the study."""
    if folder is None:
        return ()
    study, report, verify = [study_file(folder)], *_always(folder)
    lacking = brief.next_commands(view, study, folder)[1:]  # the first is this page
    more = brief.more_seeds(view, study, folder)
    why = "what the verdicts rest on, and what would be needed to decide"
    compare = [] if view.judgement.compared is None else [_said(why, "compare", folder)]
    # Where seeds do not help, or something else comes before them, they stand last.
    helps = all(shlex.split(command)[1] in ("run", "compare") for command, _ in lacking)
    found = [*(lacking or [report]), *(more if helps else ()), *compare, report, verify, *more]
    first = dict(reversed(found))  # of what is said twice, the first reason
    return tuple(NextStep(command=command, why=first[command]) for command in dict(found))


def steps_before(progress: Progress, folder: str | None) -> tuple[NextStep, ...]:
    """Return what can be done with a study of which there are no results."""
    if folder is None:
        return ()
    if progress.is_training:
        found = [_said("the same progress in a terminal", "status", folder)]
    elif progress.n_waiting or progress.failed:
        found = [_said("trains the missing runs, and continues those that were stopped", *_go_on(folder))]
    else:
        found = _always(folder)
    return tuple(NextStep(command=command, why=why) for command, why in found)


def show_command(folder: str | None, case: int) -> str | None:
    """Return the command that shows a case in a terminal."""
    return None if folder is None else shlex.join(["scantrial", "show", folder, "--case", str(case)])


def first_command(folder: str | None) -> str | None:
    """Return the command that makes a first study in a folder of studies."""
    return None if folder is None else shlex.join(["scantrial", "demo", "--out", f"{folder.rstrip('/')}/demo"])


def study_file(folder: str) -> str:
    """Return the study file in a folder, as a word of a command."""
    return f"{folder.rstrip('/')}/study.yaml"


def _go_on(folder: str) -> tuple[str, ...]:
    return "run", study_file(folder), "--out", folder


def _always(folder: str) -> list[tuple[str, str]]:
    return [
        _said("the report for paper", "report", folder, "--format", "pdf"),
        _said("whether every file is what was written", "verify", folder),
    ]


def _said(why: str, *words: str) -> tuple[str, str]:
    return shlex.join(["scantrial", *words]), why
