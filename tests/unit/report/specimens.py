"""A document with every kind of block, and one whose every word tries to be a command: what renderers are tested on."""

from __future__ import annotations

import io

import altair as alt
import numpy as np
import pyarrow as pa
from PIL import Image

from scantrial.figures.figure import ROWS, Figure, build_figure
from scantrial.report.document import (
    Bullets,
    Cell,
    Code,
    CodeBlock,
    Column,
    Details,
    Document,
    FigureBlock,
    Gallery,
    Link,
    Note,
    Pairs,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    text,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "../../etc/passwd",
    '#let x = read("/etc/passwd")',
    "$x_1$ \\(y\\)",
    "\\input{/etc/passwd} \\write18{ls}",
    "a | b || c",
    "[x](javascript:alert(1)) ![y](z) `code` **bold** _it_ ~~s~~",
    "# heading\n- item\n> quote",
    "=1+1",
    "שלום עולם مرحبا",
    "肺炎 👩‍⚕️ 🫁",
    "%&{}~^\\_#$ <!-- --> &amp; --",
    "long" * 75,
    "many words " * 27,
)


def png(size: int = 96, shade: int = 2) -> bytes:
    pixels = np.add.outer(np.arange(size), np.arange(size)) * shade % 256
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def chart(title: str = "Accuracy over epochs", *, n_panels: int = 2, name: str = "base", width: int = 300) -> Figure:
    rows = [{"arm": name, "epoch": epoch, "accuracy": 1 - 0.3 / epoch} for epoch in range(1, 7)]
    base = alt.Chart(ROWS).mark_line(point=True).encode(x="epoch:Q", y=alt.Y("accuracy:Q"), color="arm:N")
    panels = [base.properties(width=width, height=160, title=f"panel {i + 1}") for i in range(n_panels)]
    return build_figure(
        panels,
        table=pa.Table.from_pylist(rows),
        title=title,
        caption="Accuracy on validation scans; the axis does not start at zero.",
        alt_text="Line charts of accuracy over six epochs, which goes from 70 % to 95 %.",
    )


def table(name: str, *, n_rows: int, n_columns: int, wide: bool = False, width: int = 0) -> Table:
    columns = (Column(title="Arm"), *(Column(title=f"Measure {i}, %", align="right") for i in range(1, n_columns)))
    rows = tuple(
        (
            Cell(text=f"arm {row}" + " of a long name" * width),
            *(
                Cell(
                    text=f"{row + i / 8:.1f}",
                    below=("62.1 to 80.4",) * (i == 1),
                    value=row + i / 8,
                    aside="± 0.7" * (i == 2),
                    strong=i == 2,
                )
                for i in range(1, n_columns)
            ),
        )
        for row in range(n_rows)
    )
    return Table(id=name, caption=f"Results of {n_rows} arms.", columns=columns, rows=rows, wide=wide)


def specimen() -> Document:
    """Return a document with every kind of block."""
    inner = Section(
        id="results-inner",
        title="Within the results",
        blocks=(
            table("results-long", n_rows=60, n_columns=4),
            table("results-wide", n_rows=6, n_columns=20, wide=True),
            Details(
                id="results-details",
                summary="Every run of every arm",
                blocks=(
                    Paragraph(id="details-words", content=text("One row a run.")),
                    table("details-table", n_rows=12, n_columns=6, width=3),
                    Details(
                        id="details-deeper",
                        summary="Deeper still",
                        blocks=(CodeBlock(id="details-code", content="deep: true\n"),),
                    ),
                ),
            ),
        ),
    )
    short = Section(
        id="short",
        title="In short",
        blocks=(
            Paragraph(id="short-lead", role="lead", content=text(Strong("Not yet known."), " The interval is wide.")),
            Paragraph(
                id="short-words",
                content=text(
                    "See ",
                    Link("the long table", "#results-long"),
                    ", ",
                    Link("the details", "#results-details"),
                    ", ",
                    Link("a page", "https://example.org/a?b=c#d"),
                    " or ",
                    Code("scantrial compare DIR"),
                    "; ",
                    Link("nowhere", "#nowhere"),
                    " and ",
                    Link("nothing", "javascript:alert(1)"),
                    " are mere words. Difference −1.5 points, p ≥ 0.05, 95 % → “wide”.",
                ),
            ),
            Bullets(id="short-list", items=(text("first"), text("second, ", Strong("weighty")))),
            Bullets(id="short-steps", ordered=True, items=(text("train"), text("judge"))),
            Pairs(
                id="short-pairs", items=(("Data", text("1,600 scans")), ("Primary", text(Code("accuracy"), " on test")))
            ),
            Paragraph(id="short-small", role="small", content=text("Rule: two one-sided tests at 5 %.")),
            Paragraph(id="short-note", role="note", content=text("Only three seeds.")),
        ),
        short="Short",
    )
    results = Section(
        id="results",
        title="Results",
        blocks=(
            table("results-table", n_rows=3, n_columns=4),
            FigureBlock(id="results-figure", figure=chart()),
            FigureBlock(id="results-panels", figure=chart("Six panels", n_panels=6)),
            Gallery(
                id="results-pictures",
                caption="The scans that most runs get wrong.",
                pictures=(
                    *(
                        Picture(png=png(shade=i), alt=f"scan {i}", caption=f"case {i}: 3 of 3 wrong")
                        for i in range(1, 7)
                    ),
                    Picture(png=None, alt="a scan that was not kept", caption="case 7"),
                ),
            ),
            inner,
        ),
    )
    again = Section(
        id="again",
        title="How to run it again",
        blocks=(
            CodeBlock(
                id="again-yaml",
                language="yaml",
                content='study: "Is CE better?"\nseeds: 10\n' + "key: value # long\n" * 4,
            ),
            Note(
                id="again-warning",
                severity="warning",
                title="The scans have changed",
                blocks=(
                    Paragraph(id="again-words", content=text("Two files differ.")),
                    table("again-table", n_rows=2, n_columns=3),
                ),
            ),
            Note(id="again-note", severity="note", title="Nothing else", blocks=()),
        ),
    )
    return Document(
        title="Is cross-entropy better than BCE on these radiographs?",
        eyebrow="Report of a trial",
        facts=(
            ("Arms", "2"),
            ("Seeds", "10 (0 to 9)"),
            ("Scans", "1,600 / 400 / 400"),
            ("Primary", "accuracy on test"),
            ("Runs", "20"),
        ),
        front=(
            Note(
                id="front",
                severity="blocker",
                title="Not everything went as planned",
                blocks=(Bullets(id="front-list", items=(text("1 run of 20 failed: MemoryError"),)),),
            ),
        ),
        sections=(short, results, again),
        footer="Written by scantrial from the study folder alone.",
        generator="scantrial 0.1.0",
        dated="2026-03-01T12:00:00+00:00",
    )


def hostile() -> Document:
    """Return a document each word of which tries to be a command."""
    column = tuple(Column(title=word, align="right" if i else "left") for i, word in enumerate(HOSTILE[:5]))
    rows = tuple(
        tuple(Cell(text=word, below=(word,), value=i, aside=word, strong=i == 1) for i in range(5)) for word in HOSTILE
    )
    blocks = tuple(
        block
        for i, word in enumerate(HOSTILE)
        for block in (
            Paragraph(
                id=f"words-{i}", content=text(word, Code(word), Strong(word), Link(word, word), Link(word, "#table"))
            ),
            Bullets(id=f"list-{i}", items=(text(word),), ordered=bool(i % 2)),
            Pairs(id=f"pairs-{i}", items=((word, text(word)),)),
            CodeBlock(id=f"code-{i}", content=word, language=word),
            Note(id=f"note-{i}", severity="note", title=word, blocks=()),
            Details(id=f"details-{i}", summary=word, blocks=(Section(id=f"inner-{i}", title=word, blocks=()),)),
        )
    )
    return Document(
        title=HOSTILE[0] + HOSTILE[-1],
        eyebrow=HOSTILE[2],
        facts=tuple((word, word) for word in HOSTILE),
        front=(Note(id="front", severity="blocker", title=HOSTILE[3], blocks=()),),
        sections=(
            *(Section(id=f"section-{i}", title=word, blocks=(), short=word) for i, word in enumerate(HOSTILE)),
            Section(id="blocks", title="Blocks", blocks=blocks),
            Section(
                id="rest",
                title="Rest",
                blocks=(
                    Table(id="table", caption=HOSTILE[6], columns=column, rows=rows),
                    FigureBlock(id="figure", figure=chart(HOSTILE[0], name=HOSTILE[5])),
                    Gallery(
                        id="gallery",
                        caption=HOSTILE[7],
                        pictures=tuple(Picture(png=png(8), alt=word, caption=word) for word in HOSTILE),
                    ),
                ),
            ),
        ),
        footer=HOSTILE[4],
        generator=HOSTILE[1],
    )
