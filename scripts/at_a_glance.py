"""Count what a reader meets before anything is asked for or unfolded: the end of a run in a terminal, and the report.

    python scripts/at_a_glance.py DIR... [--screens]

For each study folder: lines and words that `scantrial run` prints when it ends; words that the report shows on its
first page and in all; and sentences that the first page says twice. With --screens, in Chromium (which needs
Playwright): how many screens of a desk and of a phone the page fills, and what of the answer is below the first one.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from html.parser import HTMLParser
from pathlib import Path

from scantrial.cli.results import print_outcome
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.report.formats import build_report
from scantrial.store.folder import open_folder
from scantrial.study.trial import Outcome

SCREENS = {"desk": (1280, 800), "phone": (390, 844)}
"""Width and height of the screens that are tried, in pixels."""

ANSWER = ("h1", "#answer-1", "#forest", "#primary", ".summary .remark")
"""What the first screen of a study of two arms holds: question, answer, differences, arms, weaknesses."""

LONG = 8
"""Words from which on a sentence is too long to be said twice."""

_UNSEEN = ("head", "script", "style")
_VOID = ("br", "hr", "img", "input", "link", "meta")


class Visible(HTMLParser):
    """Collects the text of a page that is seen before anything is unfolded, and all of it.

    A piece is what one element holds; texts of drawings count.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.all: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []  # tag, whether seen, whether a fold that is closed
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Tell whether what is in an element is seen."""
        if tag in _VOID:
            return
        given = dict(attrs)
        _, seen, folded = self._open[-1] if self._open else ("", True, False)
        hidden = tag in _UNSEEN or "hidden" in given or given.get("class") == "skip"
        is_seen = seen and not hidden and not (folded and tag != "summary")
        self._open.append((tag, is_seen, tag == "details" and "open" not in given))

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Keep a piece of text."""
        tag, seen, folded = self._open[-1] if self._open else ("", True, False)
        if tag in _UNSEEN:
            return
        self.all.append(data)
        if seen and not folded:
            self.seen.append(data)


def n_words(pieces: list[str]) -> int:
    """Count the words of some pieces of text."""
    return sum(len(piece.split()) for piece in pieces)


def said_twice(pieces: list[str]) -> list[str]:
    """Return the long sentences that stand in more than one place."""
    sentences = (re.sub(r"\s+", " ", one).strip() for piece in pieces for one in re.split(r"(?<=[.:;?!])\s", piece))
    counts = Counter(one for one in sentences if len(one.split()) >= LONG)
    return [one for one, n in counts.items() if n > 1]


def end_of_run(view: ReportView, folder: Path) -> str:
    """Return what `scantrial run` prints of a study when it ends."""
    nothing = Outcome(folder=folder, finished=(), trained=(), diverged=(), failed=())
    with redirect_stdout(io.StringIO()) as printed:
        print_outcome(nothing, view, folder / "report" / "report.html", study=["study.yaml"], verbose=False)
    return printed.getvalue()


def glance(folder: Path, *, screens: bool) -> Iterator[str]:
    """Yield what is counted of a study."""
    store = open_folder(folder)
    view = build_view(read_study_folder(store, by="report", purpose="report"))
    told, html = end_of_run(view, folder), build_report(store, view=view)
    page = Visible(html)
    yield f"{folder.name}: {len(view.arms)} arms, {view.n_finished} runs"
    yield f"  terminal: {len(told.splitlines())} lines, {n_words([told])} words"
    yield f"  report: {n_words(page.seen)} words before anything is unfolded, {n_words(page.all)} in all"
    yield from (f"  said twice: {sentence}" for sentence in said_twice(page.seen))
    if screens:
        yield from (f"  {line}" for line in of_screens(html))


def of_screens(html: str) -> Iterator[str]:
    """Yield for each screen how many of it the page fills, and what of the answer is not on the first."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where it is asked for

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        file = Path(place) / "report.html"
        file.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height) in SCREENS.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(file.as_uri())
            n = page.evaluate("document.documentElement.scrollHeight") / height
            ends = {part: page.locator(part).first.bounding_box() for part in ANSWER if page.locator(part).count()}
            below = [part for part, box in ends.items() if box is None or box["y"] + box["height"] > height]
            yield f"{name}, {width} by {height}: {n:.1f} screens; below the first: {', '.join(below) or 'nothing'}"
        browser.close()


def main() -> None:
    """Print what is counted of each folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--screens", action="store_true")
    asked = parser.parse_args()
    for folder in asked.folders:
        for line in glance(folder, screens=asked.screens):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
