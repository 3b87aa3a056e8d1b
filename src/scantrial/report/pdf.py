"""A `Document` on paper: PDF set by Typst from a fixed template.

What is said reaches the template as JSON and is never read as markup. Typst sees one folder with these files and
nothing else: no network, no fonts but its own and those within the figures, so that one document gives the same bytes
everywhere. A document with letters that Typst's own fonts do not have is set with those of this machine.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from scantrial.core.errors import MissingExtraError
from scantrial.core.text import escaped, kept_in_order
from scantrial.report.document import (
    Block,
    Cell,
    CodeBlock,
    Column,
    Details,
    Document,
    FigureBlock,
    Gallery,
    Note,
    Picture,
    Section,
    Table,
    Targets,
    glue_document,
    numbered_figures,
    severity_label,
    targets_of,
)
from scantrial.report.drawings import Drawings, Drawn
from scantrial.report.html import stands_beside
from scantrial.report.letters import lettering

POINTS_A_PIXEL = 0.72
"""What a figure's pixel measures in print, in points: its labels of 11 pixels are then near 8 points."""

TEXT_WIDTH, FIGURE_HEIGHT = 476.0, 620.0
"""What a page has for a figure, in points: the width of its text, and its height without a caption."""

LEAST_SCALE = 0.7
"""A figure that the page's width would shrink below this share of its print size is laid out panel by panel."""

LONG_WORD = 25
"""From this length on the template breaks a word."""

SHORT_LINE = 22
"""A cell's line of so few letters, such as an interval, is broken only where a table would not fit otherwise."""

LONG_LISTING, NARROW_LINE = 24, 48
"""Code of more lines than that, none longer than that in letters, is set in two columns."""


def to_pdf(document: Document, *, drawings: Drawings | None = None) -> bytes:
    """Set a document as PDF, tagged for screen readers; equal documents are equal bytes.

    Parameters
    ----------
    drawings : where figures are drawn already, or are to be kept for another renderer

    Raises
    ------
    MissingExtraError
        If Typst is not installed.
    MissingFontError
        If a letter is in no font on this machine.
    """
    typst, document = load_typst(), glue_document(document)
    with tempfile.TemporaryDirectory(prefix="scantrial-pdf-") as name:
        folder = Path(name)
        setting = _Setting(
            folder=folder,
            targets=targets_of(document),
            names=numbered_figures(document),
            drawings=drawings or Drawings(),
        )
        content = setting.document(document)
        text = json.dumps(_kept_in_order(content), ensure_ascii=False)
        fonts = lettering(typst, text + setting.drawings.text(), needed_for="the PDF")
        (folder / "report.json").write_text(_spelt_out(text, fonts.unset), encoding="utf-8")
        (folder / "fonts.json").write_text(json.dumps(fonts.families), encoding="utf-8")
        main = folder / "report.typ"
        main.write_bytes(files("scantrial.report").joinpath("templates", "report.typ").read_bytes())
        stamp = int(datetime.fromisoformat(document.dated).timestamp()) if document.dated else 0
        own = not fonts.system_fonts
        return bytes(typst.compile(str(main), root=name, ignore_system_fonts=own, format="pdf", timestamp=stamp))


def load_typst() -> Any:
    """Return the module of the compiler; an error names the extra where it is not installed."""
    try:
        return import_module("typst")
    except ImportError as error:
        raise MissingExtraError(extra="pdf", package="Typst", needed_for="a report as PDF") from error


# ---------------------------------------------------------------------- what the template reads


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """Turns blocks into what the template reads, and writes figures and pictures beside it.

    Parameters
    ----------
    appendix : what a page folds away, in the order of reading, to be printed after the text
    """

    folder: Path
    targets: Targets
    names: dict[str, str]
    drawings: Drawings
    appendix: list[dict[str, Any]] = field(default_factory=list)

    def document(self, document: Document) -> dict[str, Any]:
        head = replace(document, sections=(), front=()).to_dict()
        front = self.blocks(document.front, within=document.title)
        sections = self.blocks(document.sections, within=document.title)
        inner = {"front": front, "sections": sections, "appendix": self.appendix}
        return {**head, **inner, "running_title": shortened(document.title, 100)}

    def blocks(self, blocks: Iterable[Block], *, within: str) -> list[dict[str, Any]]:
        """Return blocks as plain data; folded ones that stand side by side become one line of pointers."""
        found: list[dict[str, Any]] = []
        for block in blocks:
            if not isinstance(block, Details):
                found.append(self.block(block, within=within))
                continue
            if not found or found[-1]["kind"] != "pointers":
                found.append({"kind": "pointers", "parts": []})
            found[-1]["parts"].append(self._folded(block, within=within))
        return found

    def block(self, block: Block, *, within: str) -> dict[str, Any]:
        """Return a block as plain data; `within` is the heading that it stands under."""
        match block:
            case FigureBlock():
                return self._figure(block)
            case Gallery():
                pictures = [self._picture(f"{block.id}-{i}", item) for i, item in enumerate(block.pictures, 1)]
                return {**replace(block, pictures=()).to_dict(), "pictures": pictures}
            case Table():
                return self._table(block)
            case Note():
                inner = self.blocks(block.blocks, within=within)
                return {**replace(block, blocks=()).to_dict(), "label": severity_label(block), "blocks": inner}
            case Section():
                inner = self.blocks(block.blocks, within=block.title)
                return {**replace(block, blocks=()).to_dict(), "blocks": inner, "beside": stands_beside(block)}
            case CodeBlock():
                lines = block.content.split("\n")
                narrow = len(lines) > LONG_LISTING and max(map(len, lines)) <= NARROW_LINE
                return {**block.to_dict(), "narrow": narrow}
            case _:
                return dict(_with_sound_links(block.to_dict(), self.targets))

    def _table(self, block: Table) -> dict[str, Any]:
        rows = [
            [{**as_cell, "strong": cell.strong} for as_cell, cell in zip(*pair, strict=True)]
            for pair in zip(block.to_dict()["rows"], block.rows, strict=True)
        ]
        return {**block.to_dict(), "name": self.names[block.id], "columns": _measured(block), "rows": rows}

    def _folded(self, block: Details, *, within: str) -> dict[str, str]:
        """Put a block after the text and return what points to it."""
        part: dict[str, Any] = {"id": block.id, "summary": block.summary, "of": within}
        self.appendix.append(part)
        part["blocks"] = self.blocks(block.blocks, within=block.summary)
        return {"id": block.id, "summary": block.summary}

    def _figure(self, block: FigureBlock) -> dict[str, Any]:
        figure = block.figure
        words = {"title": figure.title, "caption": figure.caption, "alt": figure.alt}
        parts = [self._part(f"{block.id}-{i}", part) for i, part in enumerate(self._laid_out(block), 1)]
        return {"kind": "figureblock", "id": block.id, "name": self.names[block.id], **words, "parts": parts}

    def _laid_out(self, block: FigureBlock) -> tuple[Drawn, ...]:
        whole = self.drawings.whole(block)
        too_wide = whole.width * POINTS_A_PIXEL * LEAST_SCALE > TEXT_WIDTH
        return self.drawings.panels(block) if too_wide and len(block.figure.panels) > 1 else (whole,)

    def _part(self, name: str, drawn: Drawn) -> dict[str, Any]:
        (self.folder / f"{name}.pdf").write_bytes(drawn.to_pdf())
        width = min(drawn.width * POINTS_A_PIXEL, TEXT_WIDTH, FIGURE_HEIGHT * drawn.width / drawn.height)
        return {"file": f"{name}.pdf", "width": width}

    def _picture(self, name: str, picture: Picture) -> dict[str, Any]:
        file = None if picture.png is None else f"{name}.png"
        if file is not None and picture.png is not None:
            (self.folder / file).write_bytes(picture.png)
        return {"file": file, "alt": picture.alt, "caption": picture.caption}


def _spelt_out(content: str, unset: str) -> str:
    """Spell out in JSON what no font has, and what is no letter, as Python keeps a byte that is not UTF-8."""
    return re.sub(f"[\ud800-\udfff{unset}]", lambda found: escaped(found[0]).replace("\\", "\\\\"), content)


def shortened(line: str, n: int) -> str:
    """Return a line of at most `n` letters."""
    line = " ".join(line.split())
    return line if len(line) <= n else f"{line[: n - 1].rstrip()}…"


def _kept_in_order(data: Any) -> Any:
    """Return plain data whose numbers stay in place beside words from right to left; code is copied, and stays."""
    if isinstance(data, str):
        return kept_in_order(data)
    if isinstance(data, list | tuple):
        return [_kept_in_order(item) for item in data]
    if isinstance(data, dict) and data.get("kind") not in ("code", "codeblock"):
        return {key: item if key == "id" else _kept_in_order(item) for key, item in data.items()}
    return data


def _with_sound_links(data: Any, targets: Targets) -> Any:
    """Return plain data whose links lead somewhere, or to None."""
    if isinstance(data, list):
        return [_with_sound_links(item, targets) for item in data]
    if isinstance(data, dict):
        found = {key: _with_sound_links(item, targets) for key, item in data.items()}
        return {**found, "target": targets.sound(data["target"])} if data.get("kind") == "link" else found
    return data


def _measured(table: Table) -> list[dict[str, Any]]:
    """Return the columns with the pieces of text that decide how wide each has to be."""
    return [_measured_column(column, [row[i] for row in table.rows]) for i, column in enumerate(table.columns)]


def _measured_column(column: Column, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return a column with its longest lines, its longest pieces of a line, and those that had better stay whole."""
    lines = {f"{cell.text} {cell.aside}".strip() for cell in cells}
    below = {line for cell in cells for line in cell.below}
    return {
        "title": column.title,
        "align": column.align,
        "lines": _longest(lines),
        "below": _longest(below),
        "words": _longest(_words(lines)),
        "below_words": _longest(_words(below)),
        "short_lines": _longest(line for line in lines if len(line) <= SHORT_LINE),
        "short_below": _longest(line for line in below if len(line) <= SHORT_LINE),
        "title_words": _longest(_words([column.title])),
    }


def _words(lines: Iterable[str]) -> set[str]:
    """Return the pieces that a line is not broken within; of those that the template breaks, a part."""
    pieces = {word for line in lines for word in re.split(r"[\t\n ]+|(?<=[-/])", line)}
    return {piece if len(piece) < LONG_WORD else piece[:12] for piece in pieces}


def _longest(pieces: Iterable[str], n: int = 4) -> list[str]:
    """Return the pieces of most letters: the widest is nearly always among them."""
    return sorted(pieces, key=lambda piece: (-len(piece), piece))[:n]
