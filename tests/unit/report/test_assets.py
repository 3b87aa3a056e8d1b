"""Figures and tables as files for a paper."""

from __future__ import annotations

import csv
import io
import re

import pypdf
import pytest
from tests.unit.report.specimens import HOSTILE, hostile, specimen, table

from scantrial.report.assets import assets_of, rows_to_csv, table_to_csv, write_assets
from scantrial.report.document import Cell, Column, FigureBlock, Table, walk
from scantrial.report.latex import escape_latex, table_to_latex


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("assets") / "new"
    write_assets(specimen(), target)
    return target


def test_every_figure_and_table_is_a_file_named_by_its_id(folder):
    """Figures are SVG, PDF and CSV, tables CSV and LaTeX, kept pictures PNG; the index names all of them."""
    found = {path.name for path in folder.iterdir()}
    expected = {"index.md", *(f"results-pictures-{i}.png" for i in range(1, 7))}
    for block in walk(specimen()):
        ends = {"FigureBlock": ("svg", "pdf", "csv"), "Table": ("csv", "tex")}.get(type(block).__name__, ())
        expected |= {f"{block.id}.{end}" for end in ends}
    assert found == expected
    index = (folder / "index.md").read_text()
    assert all(f"[{name}](<{name}>)" in index for name in found - {"index.md"})
    assert "| Table 5 | Results of 2 arms. | [again-table.csv]" in index
    assert "| Pictures | The scans that most runs get wrong. | [results-pictures-1.png]" in index


def test_a_figure_as_pdf_is_one_page_of_its_own_size(folder):
    """The PDF is the drawing without a margin, its letters as text in fonts that the file holds."""
    (page,) = pypdf.PdfReader(folder / "results-figure.pdf").pages
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', (folder / "results-figure.svg").read_text())
    assert size is not None
    assert float(page.mediabox.width) / float(page.mediabox.height) == pytest.approx(
        float(size[1]) / float(size[2]), rel=0.01
    )
    assert "panel 1" in page.extract_text()


def test_the_numbers_behind_a_figure_are_unrounded(folder):
    """The CSV of a figure reads back as its table."""
    (block,) = [block for block in walk(specimen()) if isinstance(block, FigureBlock) and block.id == "results-figure"]
    header, *rows = rows_of((folder / "results-figure.csv").read_bytes())
    assert header == block.figure.table.column_names
    assert [float(row[2]) for row in rows] == block.figure.table["accuracy"].to_pylist()


def test_a_table_as_csv_has_printed_and_unrounded_values():
    """Beside each column stand its unrounded values and the lines under its cells, where it has any."""
    header, first, *_ = rows_of(table_to_csv(table("t", n_rows=2, n_columns=3)))
    assert header == [
        "Arm", "Measure 1, %", "Measure 1, % (value)", "Measure 1, % (below)",
        "Measure 2, %", "Measure 2, % (value)", "Measure 2, % (aside)"
    ]  # fmt: skip
    assert first == ["arm 0", "0.1", "0.125", "62.1 to 80.4", "0.2", "0.25", "± 0.7"]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1+cmd|x", "'-1+cmd|x"),
        ("-1.5", "-1.5"),
        ("+2", "+2"),
        ("+0.12 to +0.50", "+0.12 to +0.50"),
        ("-0.12 to −0.50", "-0.12 to −0.50"),
        ("+1 to cmd", "'+1 to cmd"),
        ("+1 to 2+cmd|x", "'+1 to 2+cmd|x"),
        ("−1.5", "−1.5"),
        ('a "b", c', 'a "b", c'),
        ("two\nlines", "two\nlines"),
    ],
)
def test_no_cell_is_a_formula(text, stored):
    """A text that a spreadsheet would reckon out gets an apostrophe; numbers and all else stay."""
    found = Table(id="t", caption="c", columns=(Column(title="x"),), rows=((Cell(text=text),),))
    assert rows_of(table_to_csv(found))[1] == [stored]


def test_a_missing_number_is_empty():
    """What is null in the table behind a figure is an empty cell."""
    import pyarrow as pa

    assert rows_of(rows_to_csv(pa.table({"a": [1.5, None], "b": ["x", None]}))) == [["a", "b"], ["1.5", "x"], ["", ""]]


# ---------------------------------------------------------------------- LaTeX

OWN = (
    r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textasciigrave|textquotedbl|dots)\{\}"
    r"|\\[{}&%$#_]|\$(-|\\(pm|times|leq|geq|rightarrow|Delta|alpha|beta|mu|Omega|kappa))\$"
)


@pytest.mark.parametrize("word", HOSTILE)
def test_escaped_words_hold_no_command_of_their_own(word):
    """Without the commands for single signs, nothing is left that LaTeX would take for more than a letter."""
    rest = re.sub(OWN, "", escape_latex(word))
    rest = re.sub(r"\{[\[\]*]\}|(?<=[-'])\{\}", "", rest)
    assert not re.search(r"[\\{}&%$#_^\[\]*`\"<>|\n]", rest.replace("~", ""))


def test_greek_letters_are_commands():
    """Every letter of the alphabet: pdflatex has none of them in its text fonts."""
    letters = [chr(n) for n in (*range(0x391, 0x3A2), *range(0x3A3, 0x3AA), *range(0x3B1, 0x3CA))]
    found = {letter: escape_latex(letter) for letter in letters}
    assert all(written.isascii() for written in found.values())
    assert (found["β"], found["Ω"], found["ε"], found["Α"]) == (r"$\beta$", r"$\Omega$", r"$\varepsilon$", "A")
    assert escape_latex("5 µm") == r"5 $\mu$m"


def test_a_number_keeps_its_per_cent_sign():
    """No line ends between them, nor before CI."""
    assert escape_latex("12.3 % (95 % CI 1 to 2)") == r"12.3~\% (95~\%~CI 1 to 2)"


def test_a_table_as_latex_is_whole():
    """Booktabs rules, a caption and a label, every row with all its cells, braces in balance."""
    tex = table_to_latex(table("results", n_rows=3, n_columns=4))
    assert r"\begin{tabular}{lrrr}" in tex
    assert r"\label{tab:results}" in tex
    assert tex.index(r"\toprule") < tex.index(r"\midrule") < tex.index(r"\bottomrule")
    body = tex[tex.index(r"\midrule") : tex.index(r"\bottomrule")]
    lines = [line for line in body.split("\n") if line.endswith(r"\\")]
    assert len(lines) == 6
    assert all(line.count("&") == 3 for line in lines)
    assert r"{\footnotesize 62.1 to 80.4}" in lines[1]
    assert r"Measure 1, \% & Measure 2, \%" in tex
    assert r"\textbf{0.2} {\footnotesize $\pm$ 0.7}" in lines[0]


def test_hostile_tables_stay_tables():
    """Names that look like commands leave braces balanced and rows of the same number of cells."""
    (asset,) = [asset for asset in assets_of(hostile()) if asset.id == "table"]
    tex = asset.files["table.tex"].decode()
    bare = re.sub(r"\\[{}&]", "", tex)
    assert bare.count("{") == bare.count("}")
    body = bare[bare.index(r"\midrule") : bare.index(r"\bottomrule")]
    assert {line.count("&") for line in body.split("\n") if line.endswith(r"\\")} == {4}
    assert r"\input" not in tex
    assert r"p{0.3\linewidth}" in tex


def test_names_of_files_are_ids_and_nothing_else():
    """Whatever a document says, a file is called by its block's id."""
    names = [name for asset in assets_of(hostile()) for name in asset.files]
    assert names
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*\.(svg|pdf|csv|tex|png)", name) for name in names)
