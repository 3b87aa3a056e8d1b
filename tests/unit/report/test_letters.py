"""Letters of every script on paper and in pictures: set, or refused with the package that brings a font; never boxes."""

from __future__ import annotations

import io
from typing import Any

import pypdf
import pytest
import typst
from PIL import Image

from scantrial.core.missing_letters import MissingFontError
from scantrial.core.text import kept_in_order
from scantrial.figures.case import draw_case
from scantrial.report.document import CodeBlock, Document, Paragraph, Section, text
from scantrial.report.html import render_html, words_in_order
from scantrial.report.letters import boxed, lettering
from scantrial.report.pdf import to_pdf


class BareMachine:
    """Typst on a machine without fonts of its own."""

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        return typst.compile(*args, **kwargs | {"ignore_system_fonts": True})

    def Fonts(self) -> Any:
        return typst.Fonts(include_system_fonts=False)


def document(words: str, code: str = "ls") -> Document:
    return Document(
        title=words,
        eyebrow="scantrial",
        facts=(),
        sections=(
            Section(
                id="a",
                title=words,
                blocks=(Paragraph(id="p", content=text(words)), CodeBlock(id="c", content=code)),
            ),
        ),
    )


def test_boxes_are_found_and_nothing_else():
    """Typst's own fonts have Greek, Cyrillic, Hebrew, Arabic and signs; Chinese, Korean, Thai and emoji they lack."""
    assert boxed(typst, "αЖאع→≤−✓中か한ก😀", system_fonts=False) == "中か한ก😀"


def test_common_letters_leave_typst_alone():
    """A report in Latin letters with the usual signs needs nothing of this machine."""
    found = lettering(BareMachine(), "Zeús, naïve, −3 ≤ α → “Größe” · 95 %", needed_for="the PDF")
    assert (found.system_fonts, found.families, found.unset) == (False, (), "")


@pytest.mark.parametrize(
    ("words", "package"),
    [
        ("肺炎", "fonts-noto-cjk"),
        ("モデル", "fonts-noto-cjk"),
        ("모델", "fonts-noto-cjk"),
        ("ปอด", "fonts-noto-core"),
        ("😀", "fonts-noto-color-emoji"),
    ],
)
def test_a_letter_that_no_font_has_is_refused_with_a_package(words, package):
    """The error names the letters, the package and another format."""
    with pytest.raises(MissingFontError) as caught:
        lettering(BareMachine(), f"arm {words}", needed_for="the PDF")
    assert words[0] in caught.value.got
    assert package in caught.value.do
    assert "--format html" in caught.value.do


def test_what_unicode_does_not_assign_is_written_out():
    """No font can be asked for a code point that is no letter: its number stands there."""
    assert lettering(BareMachine(), "a\u0378", needed_for="the PDF").unset == "\u0378"
    words = pypdf.PdfReader(io.BytesIO(to_pdf(document("a\u0378b")))).pages[0].extract_text()
    assert r"a\u0378b" in words


def test_chinese_is_set_where_a_font_has_it():
    """With a font of this machine the words are in the PDF; without one the error says which package to install."""
    try:
        pdf = to_pdf(document("肺炎与正常"))
    except MissingFontError as error:
        assert "fonts-noto-cjk" in error.do  # noqa: PT017 - a machine without such a font
        assert boxed(typst, "肺", system_fonts=True) == "肺"
        return
    assert "肺炎与正常" in pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text()
    assert boxed(typst, "肺", system_fonts=True) == ""


def test_a_picture_draws_other_scripts_or_refuses_them():
    """Greek and Chinese are drawn by a font that has them: no two letters look alike, as boxes do."""
    try:
        first, second = (draw_case(None, heading=[word], rows=[], details=[]) for word in ("肺", "炎"))
    except MissingFontError as error:
        assert "fonts-noto-cjk" in error.do  # noqa: PT017 - a machine without such a font
        return
    assert Image.open(io.BytesIO(first)).tobytes() != Image.open(io.BytesIO(second)).tobytes()


def test_latin_pictures_are_drawn_as_before():
    """What Pillow's own font has needs no other."""
    from scantrial.figures.letters import parts

    assert [part for part, _ in parts("case 3, truly lung opacity", 18)] == ["case 3, truly lung opacity"]


def test_numbers_stay_beside_words_from_right_to_left():
    """A mark follows the last word from right to left; other texts, and code that is copied, have none."""
    assert kept_in_order("سمين: 2 of 3") == "سمين\u200e: 2 of 3"
    assert kept_in_order("نعم لا 5") == "نعم لا\u200e 5"
    assert kept_in_order("base: 2 of 3, 肺炎") == "base: 2 of 3, 肺炎"
    page = render_html(document("سمين: 2 of 3", code="scantrial report سمين"))
    assert "سمين\u200e: 2 of 3" in page
    assert "<code>scantrial report سمين</code>" in page


def test_marks_stand_in_what_is_read_alone():
    """What a form sends or a reader copies has none; neither has a page without such letters."""
    html = '<p title="سمين">سمين: 2</p><option value="سمين">سمين</option><code>سمين</code><b>سمين</b> 3'
    marked = '<p title="سمين">سمين\u200e: 2</p><option value="سمين">سمين</option><code>سمين</code><b>سمين\u200e</b> 3'
    assert words_in_order(html) == words_in_order(marked) == marked
    assert words_in_order("<p>base: 2</p>") == "<p>base: 2</p>"
