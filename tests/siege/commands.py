"""Every command that reads a study folder, in this process, and what counts as a fault of ours."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

from scantrial.cli.ending import TRACEBACK
from scantrial.cli.main import main
from scantrial.core.errors import ScantrialError
from scantrial.core.text import printable
from scantrial.web.case_pages import case_page, cases_page
from scantrial.web.index_page import index_page
from scantrial.web.live_report import live_report
from scantrial.web.number_pages import compare_page, threshold_page
from scantrial.web.queries import CaseQuery, CasesQuery, CompareQuery, ThresholdQuery
from scantrial.web.rendering import render
from scantrial.web.studies import Shelf
from scantrial.web.study_page import read_results, study_page

CODES = (0, 1, 2, 3, 4)
"""Exit codes that a command may end with."""

NOT_OURS = "it cannot be read ("
"""How a page tells of an error that is not of the tree."""


def run(*words: str | Path) -> tuple[int, str]:
    """Carry out a command in this process; return its exit code and all that it printed.

    An error that is not of the tree, which would end in `scantrial.cli.ending.UNEXPECTED`, is raised.
    """
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["scantrial", *map(str, words)]),
        mock.patch.dict("os.environ", {TRACEBACK: "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return int(code or 0) if isinstance(code, int | None) else 1, printed.buffer.getvalue().decode()  # type: ignore[attr-defined]


def readings(folder: Path, images: Path) -> Mapping[str, Callable[[], None]]:
    """Return everything that reads a study folder, by name; each raises `AssertionError` for what may not be.

    Parameters
    ----------
    images : an image file to predict
    """
    run_dir = folder / "runs" / "base" / "seed-0"
    commands: dict[str, tuple[str | Path, ...]] = {
        "status": ("status", folder),
        "status --json": ("status", folder, "--json"),
        "show": ("show", folder, "--case", "3", "--png", folder.parent / "case.png"),
        "verify": ("verify", folder),
        "about": ("about", folder),
        "compare": ("compare", folder),
        "compare --json": ("compare", folder, "--json"),
        "audit": ("audit", folder, "--json"),
        "plan": ("plan", "demo", "--pilot", folder),
        "report": ("report", folder),
        "report md": ("report", folder, "--format", "md", "--assets", folder.parent / "assets"),
        "predict": ("predict", run_dir, images),
    }
    found: dict[str, Callable[[], None]] = {name: _checked(words) for name, words in commands.items()}
    return {**found, "pages": lambda: _pages(folder)}


def _checked(words: tuple[str | Path, ...]) -> Callable[[], None]:
    def check() -> None:
        code, said = run(*words)
        assert code in CODES, (words[0], code, said[-2000:])
        assert "Traceback (most recent call last)" not in said, said[-2000:]
        assert "unexpected error" not in said, said[-2000:]
        assert code == 0 or said.strip(), (words[0], code)
        if "--json" not in words:
            assert printable(said, keep="\n") == said, ascii(said[-2000:])

    return check


def _pages(folder: Path) -> None:
    """Make every page of a study, as the server does."""
    shelf = Shelf(folder.parent)
    index = index_page(shelf, {})
    assert not [card.fault for card in index.studies if card.fault and card.fault.startswith(NOT_OURS)], index
    render(index, state="")
    if folder.name not in shelf.names():
        return
    for make in (_study, _report, _cases, _case, _compare, _threshold):
        with contextlib.suppress(ScantrialError):
            make(shelf, folder.name)


def _study(shelf: Shelf, name: str) -> None:
    study = shelf.study(name)
    part = read_results(study)
    assert NOT_OURS not in part.note, part.note
    render(study_page(study, part), state="")


def _report(shelf: Shelf, name: str) -> None:
    page, html = live_report(shelf.study(name))
    assert NOT_OURS not in page.note, page.note
    render(page, state="", report_html=html)


def _cases(shelf: Shelf, name: str) -> None:
    render(cases_page(shelf, shelf.study(name), CasesQuery(), is_closed=False), state="")


def _case(shelf: Shelf, name: str) -> None:
    render(case_page(shelf, shelf.study(name), 3, CaseQuery(), is_closed=False), state="")


def _compare(shelf: Shelf, name: str) -> None:
    study = shelf.study(name)
    render(compare_page(study, CompareQuery(), study.data()), state="")


def _threshold(shelf: Shelf, name: str) -> None:
    study = shelf.study(name)
    render(threshold_page(study, ThresholdQuery(), study.data(), is_closed=False), state="")
