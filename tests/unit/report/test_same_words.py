"""Every renderer says the same: each word of each block stands in HTML, Markdown, PDF and JSON."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from html.parser import HTMLParser

import pypdf
import pytest
from markdown_it import MarkdownIt
from tests.unit.report.specimens import hostile, specimen

from scantrial.report.document import Document, walk, words
from scantrial.report.formats import report_document
from scantrial.report.html import render_html
from scantrial.report.markdown import to_markdown
from scantrial.report.pdf import shortened, to_pdf


def solid(said: str) -> str:
    """Return a text without white space, which renderers set as they need."""
    return "".join(sign for sign in said if not sign.isspace())


class Words(HTMLParser):
    """Collects the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def text_of_html(html: str) -> str:
    """Return the words; the marks after words from right to left are the page's own, as those of names are written out."""
    return solid("".join(Words(html).found).replace("\u200e", ""))


def text_of_pdf(document: Document) -> str:
    """The text of all pages; what stands above and below the text of a page would split a paragraph in two."""
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(to_pdf(document))).pages]
    bodies = [re.sub(rf"{re.escape(document.generator)} \d+ / {len(pages)}$", "", page) for page in pages]
    above = f"{shortened(document.title, 100)}\n"
    return solid("".join([bodies[0], *(body.removeprefix(above) for body in bodies[1:])]))


def text_of_markdown(document: Document) -> str:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return text_of_html(parser.render(to_markdown(document).text))


def texts_of_json(document: Document) -> str:
    """All strings of the document's plain data, in their order."""
    return solid("".join(_strings(json.loads(json.dumps(document.to_dict())))))


def _strings(data):
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        if "kind" in data and "text" in data:
            yield data["text"]
            return
        for item in data.values():
            yield from _strings(item)
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item)


RENDERERS = {
    "html": lambda document: text_of_html(render_html(document)),
    "markdown": text_of_markdown,
    "pdf": text_of_pdf,
    "json": texts_of_json,
}


def missing(document: Document, text: str, *, such=lambda piece: True) -> list[tuple[str, str]]:
    """Return what a rendered text lacks of what the blocks say."""
    return [
        (block.id, piece)
        for block in walk(document)
        for piece in words(block)
        if such(piece) and solid(piece) not in text
    ]


@pytest.mark.parametrize("name", RENDERERS)
def test_every_word_of_every_block_is_there(name):
    """Each piece that a block says stands in the text of the rendered document."""
    document = specimen()
    assert missing(document, RENDERERS[name](document)) == []


@pytest.mark.parametrize("name", RENDERERS)
def test_hostile_words_are_there_as_well(name):
    """Nothing that looks like a command is swallowed. A PDF holds no order of letters for what runs to the left, and
    no letters for which the fonts have none."""

    def such(piece: str) -> bool:
        simple = all(unicodedata.bidirectional(sign) not in ("R", "AL") and ord(sign) < 0x2600 for sign in piece)
        return simple or name != "pdf"

    document = hostile()
    assert missing(document, RENDERERS[name](document), such=such) == []


def test_what_is_compared_is_all_that_a_block_says():
    """The comparison would see a word that is lost: one left out of the text is reported."""
    document = specimen()
    text = text_of_markdown(document).replace("weighty", "")
    assert missing(document, text) == [("short-list", "second, weighty")]


@pytest.fixture(scope="module")
def document(make_study) -> Document:
    """The report of a study with a failed and a diverged run."""
    return report_document(make_study(failed=[("loss-ce", 1)], diverged=[("loss-ce", 2)]))


@pytest.mark.parametrize("name", RENDERERS)
def test_a_study_reads_the_same_in_every_format(document, name):
    """Each piece that the report of a study says stands in every format of it."""
    assert missing(document, RENDERERS[name](document)) == []
