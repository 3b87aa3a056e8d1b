"""The numbers of figures and tables, the same in every renderer: those of the text first, then what is folded away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from scantrial.report.document import Block, Details, Document, FigureBlock, Table, children


def numbers(document: Document) -> dict[str, int]:
    """Return the number of each figure and of each table by its id; figures and tables are counted apart."""
    figures, tables = count(1), count(1)
    found: dict[str, int] = {}
    for block in in_print(document):
        if isinstance(block, FigureBlock):
            found[block.id] = next(figures)
        elif isinstance(block, Table):
            found[block.id] = next(tables)
    return found


def in_print(document: Document) -> Iterator[Block]:
    """Yield every block in the order of a paper, which prints `Details` after the text, outer before inner."""
    folded: list[Details] = []
    yield from _text([*document.front, *document.sections], folded)
    while folded:
        yield from _part(folded)


def _part(folded: list[Details]) -> Iterator[Block]:
    """Yield the first of the folded blocks and what stands in it; what is folded within it comes right after."""
    first = folded.pop(0)
    inner: list[Details] = []
    yield first
    yield from _text(first.blocks, inner)
    folded[:0] = inner


def _text(blocks: Iterable[Block], folded: list[Details]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, Details):
            folded.append(block)
        else:
            yield block
            yield from _text(children(block), folded)
