"""How records look in a notebook: a heading, a table, some lines; every word escaped, no script, no style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape as escape_html

from scantrial.core.text import printable


def notebook_html(
    title: str,
    *,
    columns: Sequence[str] = (),
    rows: Iterable[Sequence[object]] = (),
    lines: Iterable[str] = (),
) -> str:
    """Return HTML for ``_repr_html_``: `title`, a table of `rows` below `columns`, and `lines` as a list."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    return f"<div><p><strong>{escape(title)}</strong></p>{table}{f'<ul>{items}</ul>' if items else ''}</div>"


def escape(text: str) -> str:
    """Return a text as HTML that says just it."""
    return escape_html(printable(text, keep="\n"))
