"""A document as one HTML file that fetches nothing: it opens from disk, and its figures stand without their script."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import pyarrow as pa
from markupsafe import Markup, escape

from scantrial.core import format as fmt
from scantrial.core.text import has_turned, kept_in_order, printable
from scantrial.report.charts import Charts, is_zoomable, toggles
from scantrial.report.document import (
    Block,
    Code,
    Details,
    Document,
    Gallery,
    Inline,
    Section,
    Strong,
    Text,
    glue_document,
    numbered_figures,
    walk,
)

_SCRIPTS = ("vega.js", "report.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAssets:
    """What a page with fragments needs once: a style, and a script that makes figures move."""

    css: str
    script: str


def render_html(document: Document) -> str:
    """Return the document as one self-contained page."""
    document = glue_document(document)
    assets = page_assets()
    charts = Charts()
    body = _blocks_module(document, charts)
    page = (
        _environment()
        .get_template("document.html.j2")
        .render(
            document=document,
            blocks=body,
            charts=charts,
            css=assets.css,
            css_hash=_digest(assets.css),
            script=assets.script,
            script_hash=_digest(assets.script),
        )
    )
    return f"{words_in_order(page)}\n"


def render_fragment(part: Document | Section, *, level: int = 2, prefix: str = "f") -> str:
    """Return sections as HTML for use inside another page, which brings the style and the script (`page_assets`).

    Parameters
    ----------
    level : of the outermost headings
    prefix : of ids within drawings; two fragments of one page need two
    """
    part, charts = glue_document(part), Charts(prefix=prefix)
    body = _blocks_module(part, charts)
    outer: Iterable[Block] = (*part.front, *part.sections) if isinstance(part, Document) else (part,)
    if isinstance(part, Document) and is_folding(part):
        inside = "".join([*(str(body.render(note, level)) for note in part.front), str(body.whole(part, level))])
    else:
        inside = "".join(str(body.render(block, level)) for block in outer)
    return str(Markup('<div class="scantrial-report">{}{}</div>').format(Markup(inside), body.specs()))


@cache
def page_assets() -> PageAssets:
    """Return style and script; a page names both in its policy by hash or nonce."""
    return PageAssets(css=_resource("report.css"), script="\n".join(_resource(name).strip() for name in _SCRIPTS))


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


# ---------------------------------------------------------------------- templates


def _blocks_module(part: Document | Section, charts: Charts) -> Any:
    """Return the macros that render blocks, with what they need to know of this page."""
    template = _environment().get_template("blocks.html.j2")
    known = {"names": numbered_figures(part), "charts": charts, "folded": _folded(part)}
    return template.make_module(known)


def _folded(part: Document | Section) -> frozenset[str]:
    """Return the ids of tables that stand under a fold, which are set smaller."""
    return frozenset(inner.id for block in walk(part) if isinstance(block, Details) for inner in walk(block))


def template_environment(source: Callable[[str], str], **filters: Callable[..., Any]) -> jinja2.Environment:
    """Return what makes HTML of templates: values are escaped and printable, and an unknown name is an error.

    Parameters
    ----------
    source : gives a template's text by its name
    """
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        loader=jinja2.FunctionLoader(source),
    )
    environment.filters.update(filters)
    return environment


def _printable(value: Any) -> Any:
    """Write out what cannot be seen in a text that a template shows; HTML that was made here has been through this."""
    return printable(value, keep="\n\t") if type(value) is str else value


_NOT_READ = "code|pre|script|style|option|textarea|title"
_MARKUP = re.compile(rf"(<({_NOT_READ})\b.*?</\2>|<[^>]*>)", re.DOTALL)


def words_in_order(html: str) -> str:
    """Return HTML whose numbers stay in place beside words from right to left.

    Marks stand in what is read alone: attributes, form values and code, which are sent or copied, stay as they are.
    """
    if not has_turned(html):
        return html
    found = _MARKUP.split(html)  # text, markup and the name of its element or None, in turn
    found[::3] = map(kept_in_order, found[::3])
    return "".join(part for place, part in enumerate(found) if place % 3 != 2)


@cache
def _environment() -> jinja2.Environment:
    environment = template_environment(
        _resource,
        counted=fmt.counted,
        inlines=inlines,
        data_kind=data_kind,
        kind=kind,
        png_size=png_size,
        png_uri=png_uri,
        rows=rows,
        toggles=toggles,
        zoomable=is_zoomable,
    )
    environment.tests["beside"] = stands_beside
    environment.tests["folding"] = is_folding
    return environment


def _resource(name: str) -> str:
    return files("scantrial.report").joinpath("templates", name).read_text(encoding="utf-8")


def inlines(content: Text) -> Markup:
    """Return a text with its marks."""
    return Markup("").join(_inline(part) for part in content)


def _inline(part: Inline) -> Markup:
    match part:
        case str():
            return escape(part)
        case Code():
            return Markup("<code>{}</code>").format(part.text)
        case Strong():
            return Markup("<strong>{}</strong>").format(part.text)
    if part.target.startswith(("#", "https://", "http://")):
        return Markup('<a href="{}">{}</a>').format(part.target, part.text)
    return escape(part.text)


def stands_beside(section: Section) -> bool:
    """Whether a section begins with a single picture, which is set beside the rest."""
    first = section.blocks[0] if section.blocks else None
    return isinstance(first, Gallery) and len(first.pictures) == 1


def is_folding(document: Document) -> bool:
    """Whether a page shows a summary and folds the rest away, instead of showing all under a table of contents."""
    return any(section.part == "summary" for section in document.sections)


def png_uri(png: bytes) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def png_size(png: bytes) -> tuple[int, int]:
    """Return width and height of a PNG in pixels, as its header says."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def rows(table: pa.Table) -> Markup:
    """Return the rows behind a figure: the page's script reads them from here, so they are in the page once."""
    columns = [[escape(fmt.cell(value)) for value in column.to_pylist()] for column in table.columns]
    lines = (f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in zip(*columns, strict=True))
    return Markup("\n".join(lines))


def kind(block: Block) -> str:
    """Return the name of a block's record."""
    return type(block).__name__


def data_kind(column: pa.DataType) -> str:
    """Return what the page's script has to read a column as."""
    if pa.types.is_boolean(column):
        return "flag"
    return "text" if pa.types.is_string(column) else "number"
