"""`Document`: what a report says, as records, before anything is drawn or set in type.

A document is a title, some facts and a list of sections; a section holds blocks: paragraphs, lists, tables, figures,
pictures, notes, code, and further sections. Every block has an id that no other block of the document has. The
renderers (HTML, PDF, Markdown, JSON) see only these records, so that all of them say the same; neither the
scans nor PyTorch are needed.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from scantrial.core import format as fmt
from scantrial.core.plain import LEFT_OUT, Plain, fields_of
from scantrial.core.text import printable
from scantrial.figures.figure import Figure

Role = Literal["plain", "lead", "small", "note"]
"""What a paragraph is: running text, the answer itself, fine print, or a caution."""

Align = Literal["left", "right"]

Severity = Literal["blocker", "warning", "note"]

Part = Literal["summary", "chapter", "appendix"]
"""Where a section of a document stands: on its first page, after it, or at the end."""


# ---------------------------------------------------------------------- text


class _Kind(Plain):
    """What says in plain data what it is: its ``kind`` is the record's name in small letters."""

    __slots__ = ()

    def _content(self) -> dict[str, Any]:
        return {"kind": type(self).__name__.lower(), **fields_of(self)}


@dataclass(frozen=True, slots=True)
class Code(_Kind):
    """A name or a command within a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong(_Kind):
    """Words that carry the sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class Link(_Kind):
    """Words that lead somewhere: to a block of this document (``#id``) or to an address (``https://...``)."""

    text: str
    target: str


Inline = str | Code | Strong | Link
Text = tuple[Inline, ...]


def text(*parts: Inline) -> Text:
    """Return parts as the text of a block."""
    return parts


def glue_document(part: Any) -> Any:
    """Return a document, or a part of one, with no-break spaces between numbers and their per cent signs.

    HTML and PDF are rendered from it; code, charts and the tables behind them stay unchanged.
    """
    if isinstance(part, str):
        return fmt.glued(part)
    if isinstance(part, tuple):
        return tuple(map(glue_document, part))
    if isinstance(part, Figure):
        return replace(part, title=fmt.glued(part.title), caption=fmt.glued(part.caption))
    if is_dataclass(part) and not isinstance(part, type | Code | CodeBlock):
        return replace(part, **{one.name: glue_document(getattr(part, one.name)) for one in fields(part)})
    return part


def printable_document(part: Any) -> Any:
    """Return a document, or a part of one, without what cannot be seen in its words; a line's end is a blank.

    The lines of code stay lines. Figures are left alone: they are drawn up of printable words.
    """
    if isinstance(part, str):
        return printable(re.sub(r"[\n\t]", " ", part))
    if isinstance(part, tuple):
        return tuple(map(printable_document, part))
    if isinstance(part, CodeBlock):
        return replace(part, content=printable(part.content, keep="\n\t"))
    if is_dataclass(part) and not isinstance(part, type | Figure):
        return replace(part, **{one.name: printable_document(getattr(part, one.name)) for one in fields(part)})
    return part


def plain_text(content: Text) -> str:
    """Return a text without its marks."""
    return "".join(part if isinstance(part, str) else part.text for part in content)


# ---------------------------------------------------------------------- blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph(_Kind):
    """A paragraph."""

    id: str
    role: Role = "plain"
    content: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets(_Kind):
    """A list, with numbers where the order matters."""

    id: str
    ordered: bool = False
    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs(_Kind):
    """Terms and what is said of each; where terms are sentences, what is said stands below them."""

    id: str
    items: tuple[tuple[str, Text], ...]
    sentences: bool = field(default=False, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table; numbers stand to the right. A spare one may be left out where the page is narrow."""

    title: str
    align: Align = "left"
    spare: bool = field(default=False, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text : as printed
    aside : what follows the text and counts for less, such as a standard deviation
    below : lines under it, such as an interval
    value : the unrounded number behind it, for CSV and JSON; None where there is none
    strong : whether it is what the reader looks for
    """

    text: str
    aside: str = ""
    below: tuple[str, ...] = ()
    value: float | int | None = None
    strong: bool = field(default=False, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(_Kind):
    """A table; the first column names the rows.

    Parameters
    ----------
    wide : whether it holds so many columns that a narrow page must scroll it
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    wide: bool = field(default=False, metadata=LEFT_OUT)

    def __post_init__(self) -> None:
        odd = [len(row) for row in self.rows if len(row) != len(self.columns)]
        if odd:
            raise ValueError(f"table {self.id!r} has a row of {odd[0]} cells for {len(self.columns)} columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureBlock(_Kind):
    """A chart; its caption, its words for those who do not see it, and the table behind it are the figure's own."""

    id: str
    figure: Figure

    def _content(self) -> dict[str, Any]:
        return {"kind": "figureblock", "id": self.id, **self.figure.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture(Plain):
    """A picture as PNG bytes, or the place of one that was not kept (`png` is None)."""

    png: bytes | None
    alt: str
    caption: str

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "png": None if self.png is None else base64.b64encode(self.png).decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery(_Kind):
    """Pictures side by side; where they are sheets of many small ones, each is shown at its own size."""

    id: str
    caption: str
    pictures: tuple[Picture, ...]
    are_sheets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock(_Kind):
    """Lines to be kept as they are."""

    id: str
    language: str = ""
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(_Kind):
    """A finding, or what a reader must know before the rest."""

    id: str
    severity: Severity
    title: str
    blocks: tuple[Block, ...]


SEVERITIES: dict[Severity, str] = {"blocker": "Blocker", "warning": "Warning", "note": "Note"}


def severity_label(note: Note) -> str:
    """Return what to print before a note's title: ``Warning: ``; nothing where the title begins with that word.

    A renderer prints it because colour alone would not reach everybody.
    """
    word = SEVERITIES[note.severity]
    return "" if note.title.startswith(word) else f"{word}: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Details(_Kind):
    """Blocks that a page folds away under a line, and that a paper prints after the text."""

    id: str
    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(_Kind):
    """A heading and what stands under it.

    Parameters
    ----------
    short : its name in the contents
    gist : a line that says what it holds; where there is one, a page folds the section away under it
    """

    id: str
    title: str
    short: str = ""
    gist: str = ""
    part: Part = "chapter"
    blocks: tuple[Block, ...]


Block = Paragraph | Bullets | Pairs | Table | FigureBlock | Gallery | CodeBlock | Note | Details | Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Plain):
    """A whole report; what cannot be seen in a name is written out in it (`printable_document`).

    Parameters
    ----------
    title : the question
    eyebrow : what kind of document it is
    facts : terms and numbers for its head
    front : notes that stand before everything else; empty where nothing went wrong
    sections : in their order of reading
    footer : the last line
    generator : program and version
    dated : when the study was last changed, ISO 8601 with a time zone; empty where that is not known
    """

    title: str
    eyebrow: str
    facts: tuple[tuple[str, str], ...]
    front: tuple[Note, ...] = ()
    sections: tuple[Section, ...]
    footer: str = ""
    generator: str = ""
    language: str = field(default="en")
    dated: str = ""

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, printable_document(getattr(self, one.name)))
        ids = Counter(block.id for block in walk(self))
        doubled = [name for name, n in ids.items() if n > 1]
        if doubled:
            raise ValueError(f"the id {doubled[0]!r} belongs to {ids[doubled[0]]} blocks of the document")
        odd = [name for name in ids if not re.fullmatch(r"[a-z][a-z0-9-]*", name)]
        if odd:
            raise ValueError(f"the id {odd[0]!r} is no id: expected small letters, digits and hyphens")


# ---------------------------------------------------------------------- walking


def children(block: Block) -> tuple[Block, ...]:
    """Return the blocks that stand within a block."""
    return block.blocks if isinstance(block, Note | Details | Section) else ()


def walk(part: Document | Block) -> Iterator[Block]:
    """Yield every block of a document, or a block and those within it, in their order of reading, outer first."""
    first: list[Block] = [*part.front, *part.sections] if isinstance(part, Document) else [part]
    waiting = first[::-1]
    while waiting:
        block = waiting.pop()
        yield block
        waiting += children(block)[::-1]


def numbered_figures(part: Document | Block) -> dict[str, str]:
    """Return what to call each figure and table, by its id: ``Figure 1``, ``Table 2``, in their order of reading."""
    names: dict[str, str] = {}
    for kind, word in ((FigureBlock, "Figure"), (Table, "Table")):
        found = [block.id for block in walk(part) if isinstance(block, kind)]
        names |= {name: f"{word} {number}" for number, name in enumerate(found, start=1)}
    return names


def words(block: Block) -> Iterator[str]:
    """Yield what a block itself says, piece by piece, without what the blocks within it say.

    Every renderer holds each of these pieces; a test compares them.
    """
    match block:
        case Paragraph():
            yield plain_text(block.content)
        case Bullets():
            yield from (plain_text(item) for item in block.items)
        case Pairs():
            for term, content in block.items:
                yield term
                yield plain_text(content)
        case Table():
            yield from _table_words(block)
        case FigureBlock():
            yield block.figure.title
            yield block.figure.caption
        case Gallery():
            yield block.caption
            yield from (picture.caption for picture in block.pictures)
        case CodeBlock():
            yield block.content
        case Section():
            yield block.title
            yield from filter(None, [block.gist])
        case Note():
            yield block.title
        case Details():
            yield block.summary


def _table_words(table: Table) -> Iterator[str]:
    yield table.caption
    yield from (column.title for column in table.columns)
    for row in table.rows:
        for cell in row:
            yield cell.text
            yield from filter(None, (cell.aside, *cell.below))


# ---------------------------------------------------------------------- links


@dataclass(frozen=True, slots=True)
class Targets:
    """What a link of a document may lead to.

    Parameters
    ----------
    ids : of the document's blocks
    """

    ids: frozenset[str]

    def sound(self, target: str) -> str | None:
        """Return a target that leads to a block or to a page of the web; None for any other, which stays mere words."""
        if target.startswith("#"):
            return target if target[1:] in self.ids else None
        return target if re.fullmatch(r"https?://[!-;=?-\[\]-z~]+", target) else None


def targets_of(document: Document) -> Targets:
    """Return what the links of a document may lead to."""
    return Targets(frozenset(block.id for block in walk(document)))
