"""``about``: what only the author can know, as lines of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from scantrial import api
from scantrial.cli.output import err, out, print_json, say
from scantrial.core.about import QUESTIONS, how_many, unanswered
from scantrial.prose.folder import folder_warnings
from scantrial.store.folder import StudyFolder, open_folder
from scantrial.store.verify import study_mismatches


def about(study: str, *, folder: Path | None, as_json: bool) -> None:
    """Print every question with its answer, as lines to copy into the study file."""
    given = api.about(study, out=folder)
    if StudyFolder(study).exists():
        for warning in folder_warnings(study_mismatches(open_folder(study))):
            say(warning, bullet="! ", console=err)
    if as_json:
        print_json(
            {
                "n_questions": len(QUESTIONS),
                "n_unanswered": len(unanswered(given)),
                "questions": [
                    {"key": one.key, "title": one.title, "asks": one.asks, "answer": given.get(one.key)}
                    for one in QUESTIONS
                ],
            }
        )
        return
    out.print("about:")
    _print_lines(given)
    out.print(f"\n{how_many(given)}")
    if folder is not None:
        say(f"written to {folder}; scantrial report {folder} includes them")


def _print_lines(given: Mapping[str, str]) -> None:
    for question in QUESTIONS:
        answer = given.get(question.key)
        if answer is None:
            say(f"{question.key}: {question.asks}", bullet="  # ", under="  #   ")
        else:
            out.print(f"  {question.key}: >-")
            say(answer, bullet="    ")


def say_open_questions(study: str, *, console: Console | None = None) -> None:
    """Say how many questions are unanswered and which command lists them; say nothing if there are none."""
    given = api.about(study)
    if unanswered(given):
        say(f"{how_many(given)}; scantrial about {study} lists them", console=console)
