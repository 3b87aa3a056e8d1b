"""A document on paper: nothing that it says becomes a command, and equal documents are equal bytes."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace

import pypdf
import pytest
import typst
from tests.unit.report.specimens import chart, hostile, specimen, table

from scantrial.core.errors import MissingExtraError
from scantrial.report.compose import FIRST_PAGE, summary_of
from scantrial.report.document import (
    CodeBlock,
    Details,
    Document,
    FigureBlock,
    Note,
    Paragraph,
    Section,
    Table,
    numbered_figures,
    text,
    walk,
)
from scantrial.report.pdf import shortened, to_pdf

A4 = (595, 842)


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return to_pdf(specimen())


@pytest.fixture(scope="module")
def reader(pdf) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf))


def of_blocks(*blocks) -> Document:
    return Document(title="A title", eyebrow="", facts=(), sections=(Section(id="only", title="Only", blocks=blocks),))


def pages_of(document: Document) -> list[pypdf.PageObject]:
    return list(pypdf.PdfReader(io.BytesIO(to_pdf(document))).pages)


def size_of(page: pypdf.PageObject) -> tuple[int, int]:
    return round(page.mediabox.width), round(page.mediabox.height)


def tags_of(reader: pypdf.PdfReader) -> Iterator[pypdf.generic.DictionaryObject]:
    """Every element of the tree that a screen reader follows."""
    waiting = [reader.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        node = waiting.pop().get_object()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if "/S" in node:
                yield node
            waiting += [node["/K"]] if "/K" in node else []


def test_equal_documents_are_equal_bytes(pdf):
    """Set twice, a document is the same to the byte; the date in it is the study's, or none."""
    assert to_pdf(specimen()) == pdf
    assert b"20260301" in pdf
    assert b"/CreationDate" not in to_pdf(replace(specimen(), sections=(), dated=""))


def test_the_file_says_what_it_is(reader):
    """Title, kind, program and language stand in the file's own data."""
    assert reader.metadata.title == specimen().title
    assert reader.metadata.keywords == "scantrial 0.1.0"
    assert reader.metadata.subject == "Report of a trial"
    assert reader.trailer["/Root"]["/Lang"] == "en"


def test_a_screen_reader_finds_headings_tables_and_words_for_figures(reader):
    """The file is tagged: headings, header cells, lists, and for each figure and picture what it shows."""
    tags = list(tags_of(reader))
    kinds = {tag["/S"] for tag in tags}
    assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/L", "/Caption", "/Link", "/Code"} <= kinds
    described = [str(tag["/Alt"]) for tag in tags if "/Alt" in tag]
    assert sum("goes from 70 % to 95 %" in words for words in described) == 2
    assert {f"scan {i}" for i in range(1, 7)} <= set(described)


def test_fonts_are_in_the_file_and_none_is_the_machines(reader):
    """Text is set in the compiler's fonts, figures in those of vl-convert."""
    fonts = set(re.findall(rb"/FontName\s*/[A-Z]{6}\+([A-Za-z]+)", b"".join(_plain_objects(reader))))
    assert fonts <= {b"LibertinusSerif", b"DejaVuSansMono", b"LiberationSans"}
    assert {b"LibertinusSerif", b"LiberationSans"} <= fonts


def _plain_objects(reader: pypdf.PdfReader) -> Iterator[bytes]:
    for number in range(1, len(reader.xref_objStm) + max(reader.xref[0], default=0) + 1):
        found = reader.get_object(pypdf.generic.IndirectObject(number, 0, reader))
        if isinstance(found, pypdf.generic.DictionaryObject) and "/FontName" in found:
            yield f"/FontName {found['/FontName']}".encode()


def of_summary(*blocks, gist: str = "What is inside") -> Document:
    first = Section(id="first", title="In short", part="summary", blocks=blocks)
    words = (Paragraph(id="words", content=text("The rest.")),)
    rest = Section(id="rest", title="The rest of it", gist=gist, blocks=words)
    last = Section(id="last", title="Looked up", part="appendix", gist=gist, blocks=())
    return Document(title="A title", eyebrow="", facts=(), sections=(first, rest, last))


@pytest.mark.parametrize("n_rows", [3, 90])
def test_the_first_page_is_the_summary_and_the_contents_follow(n_rows):
    """However long the summary is, it has the first page to itself; appendices are lettered."""
    document = of_summary(table("long", n_rows=n_rows, n_columns=4))
    pages = [page.extract_text() for page in pages_of(document)]
    assert "In short" in pages[0]
    assert f"arm {n_rows - 1}" in pages[0]
    assert "The rest" not in pages[0]
    assert "A Looked up" in pages[-1]
    assert pages[-1].count("What is inside") == 2


@pytest.mark.parametrize("n_columns", [4, 30])
def test_the_summary_alone_is_one_sheet(n_columns):
    """A long or a wide table is set smaller, never on a page of its own."""
    brief = summary_of(of_summary(table("long", n_rows=90, n_columns=n_columns, wide=n_columns > 10)))
    (page,) = pages_of(brief)
    assert size_of(page) == A4
    assert FIRST_PAGE in page.extract_text()


def test_links_jump_within_the_file_and_unsound_ones_are_words(reader):
    """A link to a block leads to its page, one to the web stays; one to nowhere or to a script is no link."""
    addresses, inside = [], 0
    for page in reader.pages:
        for item in page.get("/Annots") or []:
            action = item.get_object().get("/A", {})
            addresses += [str(action["/URI"])] if "/URI" in action else []
            inside += "/Dest" in item.get_object() or action.get("/S") == "/GoTo"
    assert addresses == ["https://example.org/a?b=c#d"]
    assert inside > 10
    assert "nowhere and nothing are mere words" in re.sub(r"\s+", " ", reader.pages[0].extract_text())


def test_what_a_page_folds_away_is_printed_after_the_text(reader):
    """Details stand in an appendix with the place that they belong to, and the text names their page."""
    texts = [re.sub(r"\s+", " ", page.extract_text()) for page in reader.pages]
    start = next(i for i, words in enumerate(texts) if "Belongs to" in words)
    assert "After the text" in texts[start]
    assert all("One row a run." not in words for words in texts[:start])
    assert any(f"After the text: Every run of every arm, page {start + 1}" in words for words in texts[:start])
    assert "Belongs to Within the results" in texts[start]
    assert "Deeper still" in texts[start]


def test_the_contents_name_the_pages(reader):
    """Each section stands in the contents with the page that it begins on."""
    contents = reader.pages[0].extract_text()
    found = dict(re.findall(r"\d (In short|Results|How to run it again)[ .]*?(\d+)$", contents, re.MULTILINE))
    for title in ("In short", "Results", "How to run it again"):
        assert title in reader.pages[int(found[title]) - 1].extract_text()


def test_a_long_table_breaks_and_repeats_its_header():
    """Sixty rows go over pages, each of which begins with the header, and no row is lost."""
    pages = pages_of(of_blocks(table("long", n_rows=120, n_columns=4)))
    texts = [page.extract_text() for page in pages]
    assert len(pages) > 2
    assert all("Measure 3, %" in words for words in texts)
    assert [int(row) for words in texts for row in re.findall(r"arm (\d+)", words)] == list(range(120))


def test_a_listing_of_thousands_of_lines_is_set():
    """The files of an audit finding: Typst sets some thousands of lines only in parts, and none is lost."""
    lines = [f"train/NORMAL/IM-{number:05d}.jpeg" for number in range(4000)]
    pages = pages_of(of_blocks(CodeBlock(id="files", content="\n".join(lines))))
    words = "".join(page.extract_text() for page in pages)
    assert [words.count(line) for line in (lines[0], lines[199], lines[200], lines[-1])] == [1, 1, 1, 1]
    assert words.count(".jpeg") == 4000


@pytest.mark.parametrize(("n_columns", "turned"), [(4, False), (16, False), (20, True), (40, True)])
def test_only_a_table_that_does_not_fit_upright_is_turned(n_columns, turned):
    """A table of many columns is set smaller, and only then on a turned page; the text goes on upright."""
    pages = pages_of(of_blocks(table("wide", n_rows=3, n_columns=n_columns), table("after", n_rows=2, n_columns=2)))
    assert ((A4[1], A4[0]) in map(size_of, pages)) == turned
    assert size_of(pages[-1]) == A4


def test_a_wide_table_in_a_note_stays_in_its_box():
    """What cannot be turned is set small: no page is turned for a table within a note, and it is whole."""
    note = Note(id="note", severity="note", title="Wide", blocks=(table("wide", n_rows=2, n_columns=20),))
    (page,) = pages_of(of_blocks(note))
    assert size_of(page) == A4
    assert "Measure" in page.extract_text()


def test_nothing_is_printed_beyond_the_margins():
    """However long a word is, its parts all begin within the margins."""
    blocks = (block for block in walk(hostile()) if not isinstance(block, FigureBlock | Section | Details))
    for page in pages_of(of_blocks(*blocks)):
        places: list[float] = []

        def visit(text, cm, tm, _font, _size, places=places):
            if text.strip():
                places.append(tm[4] * cm[0] + tm[5] * cm[2] + cm[4])

        page.extract_text(visitor_text=visit)
        assert all(59 <= x < A4[0] - 59 for x in places)


def test_the_template_reaches_no_file_but_its_own(tmp_path):
    """The compiler's root is the folder of the report: a path out of it is refused."""
    (tmp_path / "secret.txt").write_text("secret")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "main.typ").write_text('#read("../secret.txt")')
    with pytest.raises(typst.TypstError):
        typst.compile(str(inner / "main.typ"), root=str(inner))


def test_many_panels_are_laid_out_in_rows():
    """A figure too wide for a page is set panel by panel, two in a row, and may go over pages."""
    pages = pages_of(of_blocks(FigureBlock(id="figure", figure=chart(n_panels=14))))
    text = "".join(page.extract_text() for page in pages)
    assert len(pages) == 2
    assert [int(n) for n in re.findall(r"panel (\d+)", text)] == list(range(1, 15))


def test_a_tall_figure_is_shrunk_to_a_page():
    """A figure of many rows stands whole on one page with its caption."""
    tall = chart(n_panels=1)
    spec = {**tall.spec, "hconcat": [{**tall.spec["hconcat"][0], "height": 2400}]}
    pages = pages_of(of_blocks(FigureBlock(id="figure", figure=replace(tall, spec=spec))))
    assert len(pages) == 2
    assert "panel 1" in pages[-1].extract_text()
    assert "Figure 1." in pages[-1].extract_text()


def test_figures_and_tables_are_numbered_as_everywhere(reader):
    """Numbers follow the order of reading, as on a page, also where a table is printed after the text."""
    text = re.sub(r"\s+", " ", "".join(page.extract_text() for page in reader.pages))
    names = numbered_figures(specimen())
    for block in walk(specimen()):
        if isinstance(block, Table):
            assert f"{names[block.id]}. {block.caption}" in text


def test_what_is_no_letter_is_spelt_out():
    """A byte that is not UTF-8, as in a file's name, and control characters do not keep a document from its paper."""
    (page,) = pages_of(of_blocks(Paragraph(id="odd", content=text("a\udcff.png \x00\x07 end"))))
    assert r"a\udcff.png" in page.extract_text()
    assert "end" in page.extract_text()


def test_an_empty_document_has_a_page():
    """No facts, sections or words: one page with the title."""
    (page,) = pages_of(Document(title="Nothing", eyebrow="", facts=(), sections=()))
    assert "Nothing" in page.extract_text()


def test_without_typst_the_error_names_the_extra(monkeypatch):
    """Where the compiler is missing, the message says what to install."""
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"scantrial\[pdf\]\""):
        to_pdf(specimen())


def test_a_long_title_is_cut_above_the_pages():
    """The running title has at most so many letters."""
    assert shortened("a  b\nc", 9) == "a b c"
    assert shortened("word " * 40, 20) == "word word word word…"
