"""The report as one HTML file that fetches nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib.resources import files
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import jinja2
from ruamel.yaml import YAML

import scantrial
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.summary import SeedSummary
from scantrial.core.errors import InputError
from scantrial.core.files import write_atomic
from scantrial.report import evaluation_words, formats, sentences, verdict_words
from scantrial.report.figure import Figure
from scantrial.report.palette import BLUE, GRID, INK, MUTED, VERMILLION
from scantrial.report.reading import read_study, read_thumbnails
from scantrial.report.report_figures import ReportFigures, build_figures
from scantrial.report.view import ReportView, build_view
from scantrial.store.folder import StudyFolder, open_folder

_THEMED = {
    f'fill="{INK}"': 'fill="currentColor"',
    f'stroke="{INK}"': 'stroke="currentColor"',
    f'fill="{MUTED}"': 'fill="var(--muted)"',
    f'stroke="{MUTED}"': 'stroke="var(--muted)"',
    f'stroke="{GRID}"': 'stroke="var(--grid)"',
    f'stroke="{BLUE}"': 'stroke="var(--blue)"',
    f'stroke="{VERMILLION}"': 'stroke="var(--vermillion)"',
}
"""The page's own colours in place of the figure's, so that figures follow light and dark."""


def write_report(folder_path: Path | str, format: str = "html", *, view: ReportView | None = None) -> Path:
    """Write the report of a study folder into it and return its path.

    Parameters
    ----------
    view : the folder's numbers where they have been read already; by default they are read, which is logged

    Raises
    ------
    InputError
        If there is no study, or `format` is not ``html``.
    """
    if format != "html":
        raise InputError(f"no report format is called {format!r}", expected="html")
    folder = open_folder(folder_path)
    target = folder.path / "report" / "report.html"
    write_atomic(target, build_report(folder, view=view))
    return target


def build_report(folder: StudyFolder, *, view: ReportView | None = None) -> str:
    """Return the report of a study folder as one self-contained HTML page; scans and PyTorch are not needed."""
    if view is None:
        view = build_view(read_study(folder, by="report", purpose="report"))
    thumbnails = read_thumbnails(
        folder, [*(case.case for case in view.worst), *(case.case for case in view.disputed), *audited_pictures(view)]
    )
    return render(view, build_figures(view), thumbnails)


def audited_pictures(view: ReportView) -> list[int]:
    """Return the numbers of the cases that the section on the audit shows."""
    pairs = view.audit.pictures["most_alike"] if view.audit is not None else ()
    return [item["case"] for pair in pairs for name in ("second", "like_second") for item in pair[name]]


# ---------------------------------------------------------------------- rendering


def render(view: ReportView, figures: ReportFigures, thumbnails: Mapping[int, bytes]) -> str:
    """Return the page; `thumbnails` gives PNG bytes by case number."""
    css = _resource("report.css")
    page = _template().render(
        view=view,
        figures=figures,
        thumbnails=thumbnails,
        metrics=METRICS,
        say=sentences,
        evaluated=evaluation_words,
        judged=verdict_words,
        css=css,
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        version=scantrial.__version__,
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
    environment.filters.update(_filters())
    return environment.get_template("report.html.j2")


def _resource(name: str) -> str:
    return files("scantrial.report").joinpath("templates", name).read_text(encoding="utf-8")


def _filters() -> dict[str, Callable[..., Any]]:
    return {
        "cell": formats.cell,
        "comparison_words": verdict_words.words,
        "count": formats.count,
        "counted": formats.counted,
        "decimal": formats.decimal,
        "difference": formats.difference,
        "flattened": formats.flattened,
        "joined": formats.joined,
        "metric_heading": formats.metric_heading,
        "metric_number": formats.metric_number,
        "moment": formats.moment,
        "percent": formats.percent,
        "plain": formats.plain,
        "png_uri": png_uri,
        "p_value": formats.p_value,
        "proportion": formats.proportion,
        "summary_curve": summary_curve,
        "yaml": as_yaml,
    }


def summary_curve(summary: SeedSummary, quantity: str) -> tuple[str, str]:
    """Show the mean and the deviation of a curve's quantity: accuracies in per cent, losses as they are."""
    show = (
        partial(formats.proportion, digits=2) if quantity.endswith("accuracy") else partial(formats.decimal, digits=4)
    )
    return show(summary.mean), show(summary.sd)


def png_uri(png: bytes) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def as_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as YAML."""
    stream = StringIO()
    writer = YAML()
    writer.dump(dict(settings), stream)
    return stream.getvalue()


def svg_panels(figure: Figure, *, numbers: Iterator[int]) -> tuple[str, ...]:
    """Draw a figure's panels for this page: in its colours, with names that no other panel has."""
    return tuple(fit_svg(svg, prefix=f"f{next(numbers)}-") for svg in figure.panel_svgs())


def fit_svg(svg: str, *, prefix: str) -> str:
    """Make a drawn SVG part of a page: no paper of its own, the page's colours, ids that begin with `prefix`."""
    svg = re.sub(r'<rect width="[^"]*" height="[^"]*" fill="white"/>', "", svg, count=1)
    svg = re.sub(r' id="([^"]+)"', rf' id="{prefix}\1"', svg)
    svg = re.sub(r'"url\(#([^)]+)\)"', rf'"url(#{prefix}\1)"', svg)
    for own, page in _THEMED.items():
        svg = svg.replace(own, page)
    return svg
