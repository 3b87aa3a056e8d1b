"""A document as Markdown: what it says stays words, and every block has its form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.unit.report.specimens import HOSTILE, hostile, specimen

from scantrial.report.document import Bullets, Code, Document, Link, Paragraph, Section, Strong, text
from scantrial.report.markdown import MarkdownReport, code_block, code_span, escape_markdown, to_markdown

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OWN_HTML = r"</?details( id=\"[a-z0-9-]+\")?>|<summary>[^<]*</summary>|<a id=\"[a-z0-9-]+\">|</a>|</?strong>|<br>"


@pytest.fixture(scope="module")
def report() -> MarkdownReport:
    return to_markdown(specimen())


def flat(tokens):
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def html_of(markdown: str) -> list[str]:
    return [token.content for token in flat(GITHUB.parse(markdown)) if token.type in ("html_block", "html_inline")]


def test_blocks_have_the_forms_of_githubs_markdown(report):
    """Headings by depth, tables, lists, code, notes as quotations, details folded away, figures as pictures."""
    for piece in (
        "# Is cross-entropy better",
        "## In short",
        "### Within the results",
        "**Not yet known.** The interval is wide.",
        "[the long table](<#results-long>)",
        '<a id="results-long"></a>**Table 2.** Results of 60 arms.',
        "`scantrial compare DIR`; nowhere and nothing are mere words",
        "- second, **weighty**",
        "2. judge",
        "- **Data**: 1,600 scans",
        "> Only three seeds.",
        "> **Warning: The scans have changed**\n>\n> Two files differ.",
        "```yaml\nstudy:",
        '<details id="results-details">\n<summary>Every run of every arm</summary>\n\nOne row a run.',
        "| Arm | Measure 1, % |",
        "| --- | --: |",
        "| arm 0 | 0.1<br>62.1 to 80.4 |",
        "](<report_files/results-figure.svg>)\n\n**Figure 1. Accuracy over epochs.** Accuracy on",
        "![scan 2](<report_files/results-pictures-2.png>)",
        "*not kept: a scan that was not kept*",
    ):
        assert piece in report.text


def test_every_file_that_is_shown_is_there(report):
    """Each picture's address is one of the files beside the text, and each of these is shown."""
    shown = set(re.findall(r"\(<(report_files/[^>]+)>\)", report.text))
    assert shown == set(report.files)
    assert report.files["report_files/results-figure.svg"].startswith(b"<svg")
    assert report.files["report_files/results-pictures-1.png"].startswith(b"\x89PNG")
    assert all(re.fullmatch(r"report_files/[a-z0-9-]+\.(svg|png)", name) for name in shown)


@pytest.mark.parametrize("word", HOSTILE)
def test_escaped_words_are_just_words(word):
    """Parsed as Markdown, an escaped word is one paragraph of that very text: no mark, no link, no HTML."""
    tokens = GITHUB.parse(escape_markdown(word))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert all(child.type in ("text", "text_special") for child in tokens[1].children)
    assert "".join(child.content for child in tokens[1].children) == " ".join(word.split())


@given(
    st.text(alphabet=st.one_of(st.sampled_from("\\`*_{}[]<>()#+-.!|~$&@:/=\"' \n1a\t"), st.characters(codec="utf-8")))
)
def test_any_text_survives_escaping(words):
    """Whatever the text, Markdown shows it and nothing else, but for white space."""
    tokens = GITHUB.parse(f"x{escape_markdown(words)}x\n\n{escape_markdown(words)}")
    assert all(token.type in ("paragraph_open", "inline", "paragraph_close") for token in tokens)
    children = [child for token in tokens for child in token.children or []]
    assert all(child.type in ("text", "text_special") for child in children)


@given(st.lists(st.sampled_from(["a", "`", "``", " ", "!", "[", "](x)", "*", "\\", "|", "<b>", "1. "]), max_size=8))
def test_pieces_of_a_line_do_not_join_into_marks(pieces):
    """Words, code, weight and links one after the other stay what they are."""
    content = text(
        "x", *(part for piece in pieces for part in (piece, Code(piece), Link(piece, "#only"), Strong(piece)))
    )
    document = Document(
        title="t",
        eyebrow="",
        facts=(),
        sections=(Section(id="only", title="o", blocks=(Paragraph(id="p", content=content),)),),
    )
    found = GITHUB.parse(to_markdown(document).text)
    kinds = {token.type for token in flat(found)}
    assert "image" not in kinds
    assert kinds <= {"heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "html_inline",
                     "text_special", "code_inline", "link_open", "link_close", "strong_open", "strong_close"}  # fmt: skip
    assert all(re.fullmatch(OWN_HTML, content) for content in html_of(to_markdown(document).text))


def test_hostile_words_stay_words():
    """No HTML but the renderer's own, no picture but its files, no link but to its blocks, no heading more."""
    report = to_markdown(hostile())
    tokens = list(flat(GITHUB.parse(report.text)))
    own = [piece for block in html_of(report.text) for piece in re.findall(r"<[^>]*>", block)]
    assert all(re.fullmatch(OWN_HTML + r"|</?summary>", piece) for piece in own)
    pictures = [str(token.attrs["src"]) for token in tokens if token.type == "image"]
    assert set(pictures) == set(report.files)
    assert {token.attrs["href"] for token in tokens if token.type == "link_open"} == {"#table"}
    n_headings = sum(token.type == "heading_open" for token in tokens)
    assert n_headings == 1 + len(HOSTILE) + 2 + len(HOSTILE)
    assert "https\\://" in escape_markdown("https://evil.example")
    assert escape_markdown("www.evil.example") == "www\\.evil.example"


def test_every_row_of_a_table_has_all_its_cells():
    """A bar in a name does not begin a cell."""
    tokens = GITHUB.parse(to_markdown(hostile()).text)
    cells = [sum(t.type == "td_open" for t in tokens[i:j]) for i, j in _rows(tokens)]
    assert len(HOSTILE) <= len(cells)
    assert set(cells) <= {5, 4}


def _rows(tokens):
    starts = [i for i, token in enumerate(tokens) if token.type == "tr_open"]
    ends = [i for i, token in enumerate(tokens) if token.type == "tr_close"]
    body = next(i for i, token in enumerate(tokens) if token.type == "tbody_open")
    return [(i, j) for i, j in zip(starts, ends, strict=True) if i > body and tokens[i + 1].type == "td_open"]


def test_code_is_kept_whatever_fences_it_holds():
    """A fence is longer than any within the code, and a kind that is no word is left out."""
    assert code_block("```\nx\n````", "y`z") == "`````\n```\nx\n````\n`````"
    assert code_span("a`b") == "``a`b``"
    assert code_span("`a") == "`` `a ``"
    assert code_span(" ") == ""


def test_an_item_of_several_lines_is_one_item():
    """A line break within an item does not end it."""
    document = Document(
        title="t",
        eyebrow="",
        facts=(),
        sections=(Section(id="s", title="s", blocks=(Bullets(id="b", items=(text("one\n\ntwo"), text("three"))),)),),
    )
    assert "- one two\n- three" in to_markdown(document).text
