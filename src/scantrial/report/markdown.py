"""A `Document` as GitHub-flavoured Markdown, with its figures and pictures as files beside it.

Whatever a document says is escaped, so that no name can become markup, a link or HTML.
"""

from __future__ import annotations

import html
import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from scantrial.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    CodeBlock,
    Details,
    Document,
    FigureBlock,
    Gallery,
    Inline,
    Link,
    Note,
    Pairs,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    Targets,
    Text,
    numbered_figures,
    plain_text,
    severity_label,
    targets_of,
    walk,
)
from scantrial.report.drawings import Drawings

PICTURES_A_ROW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownReport:
    """A report as Markdown.

    Parameters
    ----------
    files : what the text shows and links to, by its path beside the text
    """

    text: str
    files: dict[str, bytes]


def to_markdown(
    document: Document, *, folder: str = "report_files", drawings: Drawings | None = None
) -> MarkdownReport:
    """Write a document as Markdown.

    Parameters
    ----------
    folder : name of the folder beside the text that holds figures and pictures
    drawings : where figures are drawn already, or are to be kept for another renderer
    """
    writer = _Writer(
        folder=folder,
        targets=targets_of(document),
        linked=_linked(document),
        names=numbered_figures(document),
        drawings=drawings or Drawings(),
    )
    parts = [
        f"*{escape_markdown(document.eyebrow)}*" if document.eyebrow else "",
        f"# {escape_markdown(document.title)}",
        "\n".join(f"- {bold(term)}: {escape_markdown(value)}" for term, value in document.facts),
        *writer.blocks(document.front, level=2),
        *writer.blocks(document.sections, level=2),
        "---" if document.footer else "",
        escape_markdown(document.footer),
    ]
    return MarkdownReport(text="\n\n".join(part for part in parts if part) + "\n", files=writer.files)


def _linked(document: Document) -> frozenset[str]:
    """Return the ids that the document's own links lead to: these need an anchor."""
    texts = [content for block in walk(document) for content in _texts(block)]
    return frozenset(part.target[1:] for content in texts for part in content if isinstance(part, Link))


def _texts(block: Block) -> Iterator[Text]:
    match block:
        case Paragraph():
            yield block.content
        case Bullets():
            yield from block.items
        case Pairs():
            yield from (content for _, content in block.items)


# ---------------------------------------------------------------------- words


def escape_markdown(words: str) -> str:
    """Return words as Markdown that says just them, on one line: nothing in them is a mark, a link or HTML."""
    line = re.sub(r"[ \t\n\r\f\v\x1c-\x1f\x85\u2028\u2029]+", " ", words).strip(" ")
    line = re.sub(r"([\\`*_{}\[\]<>#|~$&@])", r"\\\1", line)
    # Addresses become links by themselves.
    line = re.sub(r":(?=//)", r"\\:", line)
    line = re.sub(r"\b(www)\.", r"\1\\.", line, flags=re.IGNORECASE)
    # At the end of a piece it would make a picture of a link that follows.
    line = re.sub(r"!$", r"\\!", line)
    # What is a list, a rule or an underline is so at the start of a line only.
    line = re.sub(r"^([-+=])(?=[-+= ]|$)", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])(?= |$)", r"\1\\\2", line)


def bold(words: str, *, before: str = "", after: str = "") -> str:
    """Return words as Markdown in bold, between these letters."""
    inner = escape_markdown(words)
    if not inner:
        return ""
    marked = _may_touch(inner[0], before[-1:]) and _may_touch(inner[-1], after[:1])
    return f"**{inner}**" if marked else f"<strong>{inner}</strong>"


def _may_touch(inner: str, outer: str) -> bool:
    """Return whether stars between two letters mark: between a sign and a letter they would stay stars."""
    return inner.isalnum() or outer == "" or outer in string.whitespace or outer in string.punctuation


def code_span(content: str) -> str:
    """Return a text as code within a line."""
    line = re.sub(r"\s+", " ", content)
    if not line.strip():
        return ""
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def code_block(content: str, language: str = "") -> str:
    """Return lines as a fenced block, the fence longer than any within it."""
    fence = "`" * max(3, _longest_run(content) + 1)
    kind = language if re.fullmatch(r"[A-Za-z0-9+-]+", language) else ""
    return "\n".join([f"{fence}{kind}", *content.rstrip("\n").split("\n"), fence])


def _longest_run(content: str) -> int:
    return max((len(run) for run in re.findall(r"`+", content)), default=0)


def pipe_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[bool] | None = None) -> str:
    """Return a table of cells that are Markdown already; `right` says which columns are set to the right."""
    flags = right or [False] * len(header)
    rule = ["--:" if flag else "---" for flag in flags]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


# ---------------------------------------------------------------------- blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    folder: str
    targets: Targets
    linked: frozenset[str]
    names: dict[str, str]
    drawings: Drawings
    files: dict[str, bytes] = field(default_factory=dict)

    def blocks(self, blocks: Iterable[Block], *, level: int) -> list[str]:
        return [self.block(block, level=level) for block in blocks]

    def block(self, block: Block, *, level: int) -> str:
        """Return a block as Markdown without an empty line around it; `level` is that of a heading in it."""
        anchor = f'<a id="{block.id}"></a>' if block.id in self.linked else ""
        match block:
            case Paragraph():
                return ("> " if block.role == "note" else "") + anchor + self.text(block.content)
            case Bullets():
                return _after(anchor, "\n".join(self._items(block)))
            case Pairs():
                lines = (f"- {bold(term)}: {self.text(content)}" for term, content in block.items)
                return _after(anchor, "\n".join(lines))
            case Table():
                return f"{anchor}**{self.names[block.id]}.** {escape_markdown(block.caption)}\n\n{_table(block)}"
            case FigureBlock():
                return self._figure(block, anchor)
            case Gallery():
                return _after(
                    anchor,
                    "\n\n".join(part for part in (escape_markdown(block.caption), self._pictures(block)) if part),
                )
            case CodeBlock():
                return _after(anchor, code_block(block.content, block.language))
            case Note():
                title = anchor + bold(f"{severity_label(block)}{block.title}")
                return _quoted("\n\n".join([title, *self.blocks(block.blocks, level=level)]))
            case Details():
                inner = "\n\n".join(self.blocks(block.blocks, level=level))
                summary = html.escape(" ".join(block.summary.split()))
                opened = f'<details id="{block.id}">\n<summary>{summary}</summary>'
                return "\n\n".join(part for part in (opened, inner, "</details>") if part)
            case Section():
                heading = f"{'#' * min(level, 6)} {anchor}{escape_markdown(block.title)}"
                gist = [f"*{escape_markdown(block.gist)}*"] if block.gist else []
                return "\n\n".join([heading, *gist, *self.blocks(block.blocks, level=level + 1)])

    def text(self, content: Text) -> str:
        """Return the text of a block."""
        line = ""
        for i, part in enumerate(content):
            piece = self._inline(part, before=line, after=plain_text(content[i + 1 :]))
            # Two stretches of code that touch would be one.
            line += f" {piece}" if line.endswith("`") and piece.startswith("`") else piece
        return line.strip()

    def _inline(self, part: Inline, *, before: str, after: str) -> str:
        match part:
            case Code():
                return code_span(part.text)
            case Strong():
                return _spaced(part.text, partial(bold, before=before, after=after))
            case Link():
                target = self.targets.sound(part.target)
                return _spaced(part.text) if target is None else f"[{escape_markdown(part.text)}](<{target}>)"
            case _:
                return _spaced(part)

    def _items(self, block: Bullets) -> Iterator[str]:
        for i, item in enumerate(block.items, start=1):
            yield f"{i}. {self.text(item)}" if block.ordered else f"- {self.text(item)}"

    def _keep(self, name: str, content: bytes) -> str:
        path = f"{self.folder}/{name}"
        self.files[path] = content
        return path

    def _figure(self, block: FigureBlock, anchor: str) -> str:
        figure = block.figure
        path = self._keep(f"{block.id}.svg", self.drawings.whole(block).svg.encode())
        words = (
            f"**{self.names[block.id]}. {escape_markdown(figure.title)}.** {escape_markdown(figure.caption)}".rstrip()
        )
        return f"{anchor}![{escape_markdown(figure.alt)}](<{path}>)\n\n{words}"

    def _pictures(self, block: Gallery) -> str:
        shown = [self._picture(f"{block.id}-{i}.png", item) for i, item in enumerate(block.pictures, 1)]
        captions = [escape_markdown(item.caption) for item in block.pictures]
        n = min(PICTURES_A_ROW, len(shown))
        rows: list[list[str]] = []
        for start in range(0, len(shown), n or 1):
            for cells in (shown[start : start + n], captions[start : start + n]):
                rows.append([*cells, *[""] * (n - len(cells))])
        return pipe_table(rows[0], rows[1:]) if rows else ""

    def _picture(self, name: str, picture: Picture) -> str:
        if picture.png is None:
            return f"*not kept: {escape_markdown(picture.alt)}*"
        return f"![{escape_markdown(picture.alt)}](<{self._keep(name, picture.png)}>)"


def _table(table: Table) -> str:
    header = [escape_markdown(column.title) for column in table.columns]
    rows = [["<br>".join((_cell_line(cell), *map(escape_markdown, cell.below))) for cell in row] for row in table.rows]
    return pipe_table(header, rows, right=[column.align == "right" for column in table.columns])


def _cell_line(cell: Cell) -> str:
    shown = bold(cell.text) if cell.strong else escape_markdown(cell.text)
    return f"{shown} {escape_markdown(cell.aside)}" if cell.aside else shown


def _spaced(words: str, mark: Callable[[str], str] = escape_markdown) -> str:
    """Escape a piece of a line and keep the space around it."""
    inner = mark(words)
    before = " " if words[:1].isspace() else ""
    after = " " if words[-1:].isspace() and inner else ""
    return f"{before}{inner}{after}"


def _after(anchor: str, body: str) -> str:
    return f"{anchor}\n\n{body}" if anchor else body


def _quoted(body: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in body.split("\n"))
