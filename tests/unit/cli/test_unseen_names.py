"""Names that would rule a terminal, turn a line around or hide: no output of any kind holds them as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image
from tests.siege.commands import run

from scantrial.core.text import printable

NASTY = "n\x1b[2J\u202e\u200b\x9b31m=`|<b>[x](javascript:alert(1))"
"""A name with what rules terminals, turns lines, hides, and marks in HTML and Markdown."""

SHOWN = r"n\u001b[2J\u202e\u200b\u009b31m=`|<b>[x](javascript:alert(1))"


@pytest.fixture(scope="module")
def folder(make_study) -> Path:
    """A study whose question, labels, classes, files and messages are all of that kind."""
    return make_study(
        question=NASTY,
        labels={"base": f"=1+{NASTY}", "loss-ce": f"b{NASTY}"},
        class_names=(f"-{NASTY}", f"p{NASTY}"),
        source=f"{NASTY}-{{case}}.png",
        cases_per_patient=2,
        about={"name": NASTY, "notes": [NASTY]},
        failed=[("loss-ce", 1)],
    ).path


def is_clean(text: str) -> bool:
    return printable(text, keep="\n\t") == text


@pytest.mark.parametrize(
    "words",
    [("status",), ("show", "--case", "22"), ("compare",), ("about",), ("verify",)],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["words", "json"])
def test_commands_print_it_written_out(folder, words, more):
    """A terminal and a log get the escapes, and JSON holds the name itself, by its escapes."""
    code, said = run(words[0], folder, *words[1:], *more)
    assert code in (0, 1)
    assert is_clean(said), ascii(said)
    if more and words[0] in ("show", "compare"):
        assert NASTY in json.dumps(json.loads(said), ensure_ascii=False).replace("\\u001b", "\x1b").replace(
            "\\\\", "\\"
        )
    elif words[0] == "show":
        assert SHOWN in said.replace("\n", "")


def test_reports_hold_it_written_out(folder, tmp_path):
    """So do the page, Markdown, and the figures and tables for a paper; no mark of a name is a mark there."""
    code, said = run("report", folder, "--format", "html", "--format", "md", "--assets", tmp_path)
    assert code == 0, said
    texts = [
        path
        for root in (folder / "report", tmp_path)
        for path in root.rglob("*")
        if path.suffix in (".html", ".md", ".csv", ".tex", ".svg")
    ]
    assert {path.suffix for path in texts} == {".html", ".md", ".csv", ".tex", ".svg"}
    unclean = [path.name for path in texts if not is_clean(path.read_text(encoding="utf-8"))]
    assert not unclean
    markdown = (folder / "report" / "report.md").read_text(encoding="utf-8")
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.validateLink = lambda _target: True  # type: ignore[method-assign] # this reader would refuse the link by itself
    page = reader.render(markdown)
    assert "<b>" not in page
    assert 'href="javascript' not in page
    cells = [cell for path in texts if path.suffix == ".csv" for cell in re.split(r"[,\n]", path.read_text())]
    assert not [cell for cell in cells if re.match(r'"?[=@]', cell)]


def test_a_paper_holds_it_written_out(folder):
    """The PDF shows the escapes."""
    pytest.importorskip("typst")
    pypdf = pytest.importorskip("pypdf")
    code, said = run("report", folder, "--format", "pdf")
    assert code == 0, said
    pages = pypdf.PdfReader(folder / "report" / "report.pdf").pages
    assert r"\u202e" in "".join(page.extract_text() for page in pages[:2]).replace("\n", "")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Scans whose folders and files are called like that; one of them cannot be read."""
    name = NASTY.replace("/", "").replace("<b>", "\n")
    for label in ("a", "b"):
        (tmp_path / "scans" / f"{label}{name}").mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "scans" / f"{label}{name}" / f"{number}{name}.png")
    return tmp_path / "scans"


def test_an_audit_prints_it_written_out(scans, tmp_path):
    """File names and class names of any folder are written out, in findings and in errors."""
    code, said = run("audit", scans, "--html", tmp_path / "audit.html")
    assert code in (0, 4), said
    assert is_clean(said), ascii(said)
    assert is_clean((tmp_path / "audit.html").read_text(encoding="utf-8"))
    next(scans.rglob("*.png")).write_bytes(b"broken")
    code, said = run("audit", scans)
    assert code in (0, 4), said
    assert "AU040" in said
    assert is_clean(said), ascii(said)
