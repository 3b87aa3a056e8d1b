"""`Figure`: one chart with the table behind it, for a notebook, a page or a paper.

Drawn by vl-convert: no browser, no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.core.plain import Plain
from scantrial.core.text import printable, printable_data
from scantrial.figures.converter import chart_converter
from scantrial.figures.palette import GRID, INK, MUTED, PAPER

VEGA_LITE = "6.4"
"""The grammar that the specs are written in and drawn with."""

_AXIS = {
    "domainColor": MUTED,
    "gridColor": GRID,
    "labelColor": INK,
    "labelFontSize": 11,
    "labelLimit": 240,
    "tickColor": MUTED,
    "tickSize": 4,
    "titleColor": INK,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
}
_THEME: dict[str, Any] = {
    "background": PAPER,
    "font": "Arial, Helvetica, Liberation Sans, sans-serif",
    "axis": _AXIS,
    "legend": {"labelColor": INK, "labelFontSize": 11, "labelLimit": 240},
    "title": {"color": INK, "fontSize": 12, "fontWeight": "bold", "anchor": "start", "limit": 600, "offset": 8},
    "view": {"stroke": None},
    "aria": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Plain):
    """A chart and what belongs to it.

    Parameters
    ----------
    spec : Vega-Lite, the data within it
    panels : Vega-Lite, the parts of `spec` one by one, for a page that stacks them where it is narrow
    table : the numbers behind the chart
    title, caption : to print above and below
    alt : what the chart shows, for those who do not see it
    """

    spec: dict[str, Any]
    panels: tuple[dict[str, Any], ...]
    table: pa.Table
    title: str
    caption: str
    alt: str

    def to_svg(self) -> str:
        """Draw the whole chart as SVG."""
        return _svg(self.spec)

    def panel_svgs(self) -> tuple[str, ...]:
        """Draw each panel as SVG."""
        return tuple(_svg(panel) for panel in self.panels)

    def to_png(self, *, scale: float = 2.0) -> bytes:
        """Draw the whole chart as PNG, with `scale` pixels to a unit."""
        png = chart_converter().vegalite_to_png(self.spec, vl_version=VEGA_LITE, scale=scale, allowed_base_urls=[])
        return bytes(png)

    def _content(self) -> dict[str, Any]:
        words = {"title": self.title, "caption": self.caption, "alt": self.alt}
        return {**words, "spec": self.spec, "table": self.table.to_pydict()}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002
        """Show the chart in a notebook."""
        return {"image/svg+xml": self.to_svg(), "text/plain": f"{self.title}. {self.caption}"}


ROWS: Any = alt.NamedData(name="rows")
"""Placeholder for the figure's table in a chart; `build_figure` puts the rows in."""


def inline(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return data for a chart that is not of the figure's table."""
    return alt.InlineData(values=[dict(row) for row in rows])


def build_figure(charts: Sequence[Any], *, table: pa.Table, title: str, caption: str, alt_text: str) -> Figure:
    """Set Altair charts side by side as one figure in the house's look; their `ROWS` become those of `table`.

    What cannot be seen in a name is written out, in the charts and in the table.
    """
    parts: list[dict[str, Any]] = printable_data([chart.to_dict(validate=False) for chart in charts])
    table = _printable_table(table)
    rows = {"rows": table.to_pylist()}
    panels = tuple({**part, "config": _THEME, "datasets": {**part.get("datasets", {}), **rows}} for part in parts)
    title, caption, alt_text = printable(title), printable(caption), printable(alt_text)
    return Figure(
        spec=_side_by_side(panels, title), panels=panels, table=table, title=title, caption=caption, alt=alt_text
    )


def _printable_table(table: pa.Table) -> pa.Table:
    """Return a table with every text in it printable, its columns' names among them."""
    columns = [
        pa.array(printable_data(column.to_pylist()), pa.string()) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=[printable(name) for name in table.column_names])


def _side_by_side(panels: Sequence[dict[str, Any]], title: str) -> dict[str, Any]:
    """Join panels as `altair.hconcat` does, without its copies of copies, which take longer than drawing."""
    shared = ("$schema", "config", "datasets")
    return {
        "$schema": panels[0]["$schema"],
        "config": _THEME,
        "datasets": {name: rows for panel in panels for name, rows in panel["datasets"].items()},
        "title": title,
        "spacing": 28,
        "hconcat": [{key: value for key, value in panel.items() if key not in shared} for panel in panels],
    }


def _svg(spec: dict[str, Any]) -> str:
    return str(chart_converter().vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[]))
