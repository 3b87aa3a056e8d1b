"""What sections are made of: paragraphs, lists, tables and cells with the unrounded number behind them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scantrial.analysis.metrics import Metric
from scantrial.analysis.summary import SeedSummary
from scantrial.analysis.verdict_words import metric_difference, metric_number
from scantrial.core import format as fmt
from scantrial.figures.figure import Figure
from scantrial.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    FigureBlock,
    Gallery,
    Pairs,
    Paragraph,
    Picture,
    Role,
    Table,
    text,
)


def paragraph(name: str, sentences: str | Iterable[str], role: Role = "plain") -> tuple[Paragraph, ...]:
    """Return one paragraph of sentences; none where there is nothing to say."""
    said = sentences if isinstance(sentences, str) else " ".join(filter(None, sentences))
    return (Paragraph(id=name, content=text(said), role=role),) if said else ()


def paragraphs(name: str, sentences: Iterable[str], role: Role = "note") -> tuple[Paragraph, ...]:
    """Return a paragraph for each sentence, with numbers behind their id."""
    return tuple(
        Paragraph(id=f"{name}-{number}", content=text(sentence), role=role)
        for number, sentence in enumerate(sentences, start=1)
    )


def bullets(name: str, sentences: Iterable[str], *, ordered: bool = False) -> tuple[Bullets, ...]:
    """Return a list of sentences; none where there is nothing to say."""
    items = tuple(text(sentence) for sentence in sentences)
    return (Bullets(id=name, items=items, ordered=ordered),) if items else ()


def settings(name: str, values: Mapping[str, Any]) -> tuple[Pairs, ...]:
    """Return settings and their values; none where there is nothing."""
    items = tuple((key, text(fmt.plain(value))) for key, value in values.items())
    return (Pairs(id=name, items=items),) if items else ()


def figure(name: str, drawn: Figure | None) -> tuple[FigureBlock, ...]:
    """Return a figure as a block; none where it could not be drawn."""
    return () if drawn is None else (FigureBlock(id=name, figure=drawn),)


def without_caption(drawn: Figure) -> Figure:
    """Return a figure whose caption the figure before it has already given."""
    return replace(drawn, caption="")


def gallery(name: str, pictures: Iterable[Picture], caption: str = "") -> tuple[Gallery, ...]:
    """Return pictures side by side; none where there is none."""
    found = tuple(pictures)
    return (Gallery(id=name, caption=caption, pictures=found),) if found else ()


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return for each name a part of an id: small letters, digits and hyphens, no two alike."""
    found: dict[str, str] = {}
    for name in names:
        slug = base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
        number = 1
        while slug in found.values():
            number += 1
            slug = f"{base}-{number}"
        found[name] = slug
    return found


# ---------------------------------------------------------------------- tables


def left(*titles: str) -> tuple[Column, ...]:
    """Return columns of words."""
    return tuple(Column(title=title) for title in titles)


def right(*titles: str) -> tuple[Column, ...]:
    """Return columns of numbers."""
    return tuple(Column(title=title, align="right") for title in titles)


def table(
    name: str, caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]], *, wide: bool = False
) -> Table:
    """Return a table; a cell without a number behind it may be given as its text."""
    return Table(
        id=name,
        caption=caption,
        columns=tuple(columns),
        rows=tuple(tuple(Cell(text=cell) if isinstance(cell, str) else cell for cell in row) for row in rows),
        wide=wide,
    )


def whole(n: int | None) -> Cell:
    """Show a whole number."""
    return Cell(text=fmt.NONE) if n is None else Cell(text=fmt.count(n), value=n)


def number(shown: str, value: float | None) -> Cell:
    """Show a number as it is printed, with what it was before; NaN is no number."""
    return Cell(text=shown, value=None if value is None or math.isnan(value) else value)


def value_cell(metric: Metric, value: float | None, *, fine: bool = False) -> Cell:
    """Show a metric's value."""
    return number(metric_number(metric, value, fine=fine), value)


def difference_cell(metric: Metric, value: float | None) -> Cell:
    """Show a difference of a metric, with its sign."""
    return number(metric_difference(metric, value, fine=True), value)


def p_cell(p: float | None) -> Cell:
    """Show a p."""
    return number(fmt.p_value(p), p)


def summary_cell(metric: Metric, summary: SeedSummary | None, *, strong: bool = False) -> Cell:
    """Show the mean over seeds, its standard deviation beside it, and the range below."""
    if summary is None or not summary.n:
        return Cell(text=fmt.NONE)
    shown = number(metric_number(metric, summary.mean), summary.mean)
    if summary.n == 1:
        return replace(shown, strong=strong)
    return replace(
        shown,
        aside=f"± {metric_number(metric, summary.sd)}",
        below=(fmt.interval(metric_number(metric, summary.minimum), metric_number(metric, summary.maximum)),),
        strong=strong,
    )


def span(metric: Metric, low: float, high: float) -> str:
    """Show an interval of a difference."""
    return fmt.interval(metric_difference(metric, low, fine=True), metric_difference(metric, high, fine=True))


def blocks(*parts: Iterable[Block]) -> tuple[Block, ...]:
    """Put parts one after another."""
    return tuple(block for part in parts for block in part)
