"""The audit of some scans as one HTML file that fetches nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache, partial
from importlib.resources import files
from itertools import count

import jinja2

from scantrial.audit.records import Audit
from scantrial.data.scanset import ScanSet
from scantrial.report.audit_document import audit_document, scan_pictures, shown_scans
from scantrial.report.document import Document
from scantrial.report.html import png_uri, svg_panels


def audit_page(audit: Audit, scans: ScanSet, *, source: str) -> str:
    """Return an audit as one self-contained page.

    Parameters
    ----------
    scans : the scans that were audited, for their pictures
    source : what was audited, as the user named it
    """
    return render_audit(audit_document(audit, source=source, pictures=scan_pictures(scans, shown_scans(audit))))


def render_audit(document: Document) -> str:
    """Return a document of paragraphs, tables, galleries, figures, notes and folds as a page."""
    css = _resource("report.css")
    page = _template().render(
        document=document,
        css=css,
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        svg_panels=partial(svg_panels, numbers=count(1)),
    )
    return f"{page}\n"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(_resource),
    )
    environment.filters.update(kind=lambda block: type(block).__name__, png_uri=png_uri)
    return environment.get_template("audit.html.j2")


def _resource(name: str) -> str:
    return files("scantrial.report").joinpath("templates", name).read_text(encoding="utf-8")
