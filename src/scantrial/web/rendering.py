"""Pages as HTML: one template for each record, which sees only that record of the study."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

import jinja2

import scantrial
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import metric_heading, metric_number, title_in_text
from scantrial.core import format as fmt
from scantrial.core.format import SPLIT_WORDS
from scantrial.figures.live_curves import (
    HEIGHT,
    MAX_OVERLAID,
    OVERLAY_HEIGHT,
    OVERLAY_WIDTH,
    WIDTH,
    arm_kind,
    overlays,
    panels,
)
from scantrial.figures.live_forest import FOREST_HEIGHT, FOREST_WIDTH, LiveForest, live_forest
from scantrial.report.html import page_assets, template_environment, words_in_order
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


MOST_RUNS = 300
"""Rows of the table of runs; a page that is redrawn at every epoch stays small."""


def render(page: Page, *, state: str, report_html: str = "", without: Sequence[str] = ()) -> bytes:
    """Return a page as HTML; `NONCE` is the placeholder for the nonce of each answer.

    Parameters
    ----------
    state : of what the page shows; a page reloads itself when the feed sends a different state
    report_html : the document of a `ReportPage`, rendered
    without : the pages of the study that cannot apply, as their addresses end
    """
    template = _environment().get_template(TEMPLATES[type(page)])
    html = template.render(
        page=page,
        state=state,
        nonce=NONCE.decode(),
        report_html=report_html,
        without=without,
        **(_drawings(page) if isinstance(page, StudyPage) else {}),
        version=scantrial.__version__,
        version_of=lambda name: asset(name)[1],
        split_words=SPLIT_WORDS,
        sorts=SORTS,
    )
    return words_in_order(html).encode(errors="backslashreplace")


def _drawings(page: StudyPage) -> dict[str, Any]:
    return {
        "charts": panels(page.arms),
        "chart_size": (WIDTH, HEIGHT),
        "overlays": overlays(page.arms),
        "overlay_size": (OVERLAY_WIDTH, OVERLAY_HEIGHT),
        "kinds": {arm.name: arm_kind(place) for place, arm in enumerate(page.arms[:MAX_OVERLAID])},
        "settings_of": {arm.name: arm.settings for arm in page.arms},
        "most_runs": MOST_RUNS,
        "forest": _forest(page),
        "forest_size": (FOREST_WIDTH, FOREST_HEIGHT),
    }


def _forest(page: StudyPage) -> LiveForest | None:
    found = page.results
    if found is None:
        return None
    return live_forest(found.comparisons, margin=found.margin, is_proportion=found.is_proportion)


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
        glued=fmt.glued,
        plain=fmt.plain,
        proportion=fmt.proportion,
        p_value=fmt.p_value,
        duration=duration_filter,
        spread=lambda n_seeds: fmt.spread_words(*n_seeds),
        metric=metric_filter,
        of_metric=lambda value, name: metric_number(METRICS[name], value),
        rises=lambda name: METRICS[name].higher_is_better,
        heading=lambda name: metric_heading(METRICS[name]),
        in_text=title_in_text,
        median=statistics.median_low,
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
