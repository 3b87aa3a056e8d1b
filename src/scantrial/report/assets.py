"""Figures and tables of a `Document` as files for a paper: SVG, PDF, CSV, LaTeX, named by the ids of their blocks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from scantrial.core.files import write_atomic
from scantrial.report.document import Cell, Document, FigureBlock, Gallery, Table, numbered_figures, walk
from scantrial.report.drawings import Drawings
from scantrial.report.latex import table_to_latex
from scantrial.report.markdown import escape_markdown, pipe_table

INDEX = "index.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A figure, a table or the pictures of a document, as files.

    Parameters
    ----------
    id : of its block
    name : as a paper calls it: ``Figure 2``
    title : what it shows
    files : by name
    """

    id: str
    name: str
    title: str
    files: dict[str, bytes]


def write_assets(document: Document, folder: Path, *, drawings: Drawings | None = None) -> tuple[Path, ...]:
    """Write every figure and table of a document into a folder, with an index; return the paths, the index first.

    A figure is written as SVG and PDF with the table behind it as CSV; a table as CSV and LaTeX; pictures as PNG.
    Other files of the folder stay.
    """
    assets = assets_of(document, drawings=drawings)
    found = {name: content for asset in assets for name, content in asset.files.items()}
    for name, content in found.items():
        write_atomic(folder / name, content, parents=True)
    write_atomic(folder / INDEX, index_of(document, assets), parents=True)
    return (folder / INDEX, *(folder / name for name in found))


def assets_of(document: Document, *, drawings: Drawings | None = None) -> tuple[Asset, ...]:
    """Return every figure and table of a document as files, in the order of reading."""
    drawn, names = drawings or Drawings(), numbered_figures(document)
    found = []
    for block in walk(document):
        match block:
            case FigureBlock():
                found.append(_figure(block, names[block.id], drawn))
            case Table():
                found.append(_table(block, names[block.id]))
            case Gallery() if any(item.png is not None for item in block.pictures):
                found.append(_pictures(block))
    return tuple(found)


def index_of(document: Document, assets: Iterable[Asset]) -> str:
    """Return the index of a folder of assets as Markdown."""
    rows = [
        [
            escape_markdown(asset.name),
            escape_markdown(asset.title),
            ", ".join(f"[{name}](<{name}>)" for name in asset.files),
        ]
        for asset in assets
    ]
    table = pipe_table(["in the paper", "what it shows", "files"], rows)
    return f"# {escape_markdown(document.title)}\n\n{table}\n\n{escape_markdown(document.generator)}\n"


def _figure(block: FigureBlock, name: str, drawings: Drawings) -> Asset:
    drawn = drawings.whole(block)
    files = {
        f"{block.id}.svg": drawn.svg.encode(),
        f"{block.id}.pdf": drawn.to_pdf(),
        f"{block.id}.csv": rows_to_csv(block.figure.table),
    }
    return Asset(id=block.id, name=name, title=block.figure.title, files=files)


def _table(block: Table, name: str) -> Asset:
    files = {f"{block.id}.csv": table_to_csv(block), f"{block.id}.tex": table_to_latex(block).encode()}
    return Asset(id=block.id, name=name, title=block.caption, files=files)


def _pictures(block: Gallery) -> Asset:
    kept = {f"{block.id}-{i}.png": item.png for i, item in enumerate(block.pictures, start=1) if item.png is not None}
    return Asset(id=block.id, name="Pictures", title=block.caption or block.pictures[0].alt, files=kept)


# ---------------------------------------------------------------------- CSV


def rows_to_csv(table: pa.Table) -> bytes:
    """Return the table behind a figure as CSV, unrounded; what is missing is empty."""
    return _csv([table.column_names, *(row.values() for row in table.to_pylist())])


def table_to_csv(table: Table) -> bytes:
    """Return a table as CSV.

    Each column is as printed; next to it, where there are any, ``(value)``, the unrounded numbers,
    ``(aside)``, what follows in the cell, such as a standard deviation, and ``(below)``, the lines under it, such as
    an interval.
    """
    columns = [
        part
        for i, column in enumerate(table.columns)
        for part in _csv_columns(column.title, [row[i] for row in table.rows])
    ]
    return _csv(zip(*columns, strict=True))


def _csv_columns(title: str, cells: Sequence[Cell]) -> list[list[Any]]:
    found: list[list[Any]] = [[title, *(cell.text for cell in cells)]]
    if any(cell.value is not None for cell in cells):
        found.append([f"{title} (value)", *(cell.value for cell in cells)])
    if any(cell.aside for cell in cells):
        found.append([f"{title} (aside)", *(cell.aside for cell in cells)])
    if any(cell.below for cell in cells):
        found.append([f"{title} (below)", *("; ".join(cell.below) for cell in cells)])
    return found


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([no_formula(value) for value in row] for row in rows)
    return stream.getvalue().encode(errors="backslashreplace")


def no_formula(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe."""
    if not isinstance(value, str) or not re.match(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]", value):
        return value
    return value if _NUMBERS.fullmatch(value) else f"'{value}"


_NUMBER = r"[+\-\u2212]?\d+(?:\.\d+)?"
_NUMBERS = re.compile(rf"{_NUMBER}(?: to {_NUMBER})?")
"""A number, or an interval as a cell has it."""
