"""Pages as HTML: one template for each record, which sees only that record of the study."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from urllib.parse import quote, urlencode

import jinja2

import scantrial
from scantrial.core import format as fmt
from scantrial.core.format import SPLIT_WORDS
from scantrial.figures.live_curves import HEIGHT, WIDTH, panels
from scantrial.report.html import page_assets, template_environment
from scantrial.web.cases import SORTS
from scantrial.web.guard import NONCE
from scantrial.web.queries import to_query
from scantrial.web.records import (
    CasePage,
    CasesPage,
    ComparePage,
    ErrorPage,
    IndexPage,
    Page,
    ReportPage,
    StudyPage,
    ThresholdPage,
)

ASSETS = {"base.css": "text/css", "app.css": "text/css", "app.js": "text/javascript"}
ASSETS |= {"report.css": "text/css", "report.js": "text/javascript"}
"""Files that pages ask for, with their media types."""

TEMPLATES: dict[type, str] = {
    IndexPage: "index.html.j2",
    StudyPage: "study.html.j2",
    ReportPage: "report.html.j2",
    CasesPage: "cases.html.j2",
    CasePage: "case.html.j2",
    ComparePage: "compare.html.j2",
    ThresholdPage: "threshold.html.j2",
    ErrorPage: "error.html.j2",
}


def render(page: Page, *, state: str, report_html: str = "") -> bytes:
    """Return a page as HTML; `NONCE` is the placeholder for the nonce of each answer.

    Parameters
    ----------
    state : of what the page shows; a page reloads itself when the feed sends a different state
    report_html : the document of a `ReportPage`, rendered
    """
    template = _environment().get_template(TEMPLATES[type(page)])
    html = template.render(
        page=page,
        state=state,
        nonce=NONCE.decode(),
        report_html=report_html,
        charts=panels(page.arms) if isinstance(page, StudyPage) else {},
        chart_size=(WIDTH, HEIGHT),
        version=scantrial.__version__,
        version_of=lambda name: asset(name)[1],
        split_words=SPLIT_WORDS,
        sorts=SORTS,
    )
    return html.encode(errors="backslashreplace")


@cache
def asset(name: str) -> tuple[bytes, str]:
    """Return a file of ours and the name of its version."""
    if name in ("report.css", "report.js"):
        assets = page_assets()
        content = (assets.css if name == "report.css" else assets.script).encode()
    else:
        content = files("scantrial.web").joinpath("static", name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment() -> jinja2.Environment:
    return template_environment(
        _source,
        count=fmt.count,
        counted=fmt.counted,
        decimal=fmt.decimal,
        plain=fmt.plain,
        proportion=fmt.proportion,
        p_value=fmt.p_value,
        duration=duration_filter,
        spread=lambda n_seeds: fmt.spread_words(*n_seeds),
        metric=metric_filter,
        difference=difference_filter,
        zip_self=lambda words: [(word, word) for word in words],
        part=lambda text: quote(str(text), safe=""),
        query=to_query,
        urlquery=lambda pairs: urlencode({key: value for key, value in pairs.items() if value is not None}),
    )


def _source(name: str) -> str:
    return files("scantrial.web").joinpath("templates", name).read_text(encoding="utf-8")


def duration_filter(seconds: float | None) -> str:
    """Show a time for people: ``45 s``, ``3 min``, ``2 h 5 min``."""
    if seconds is None:
        return "not known yet"
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def metric_filter(value: float | None, is_proportion: bool) -> str:
    """Show a value of a metric: per cent for a proportion, decimals otherwise."""
    return fmt.proportion(value) if is_proportion else fmt.decimal(value)


def difference_filter(value: float | None, is_proportion: bool) -> str:
    """Show a difference with its sign: points for a proportion."""
    scale, digits = (100, 2) if is_proportion else (1, 4)
    text = "–" if value is None or value != value else f"{scale * value:+.{digits}f}"  # noqa: PLR0124 - NaN
    return text.replace("-", "−")
