"""A figure as a page shows it: drawn once, and what a script needs to make it interactive.

Each panel is compiled once, from Vega-Lite to Vega, without its rows: they are in the page once, in the
table behind the figure. Panels that differ in their rows alone, as those of the arms do, share one specification.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from scantrial.figures.converter import chart_converter
from scantrial.figures.figure import VEGA_LITE, Figure
from scantrial.figures.palette import BLUE, GRID, INK, MUTED, VERMILLION

ROWS = "rows"
"""The data set of every panel that is the figure's own table."""

THEMED: Mapping[str, str] = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    BLUE: "var(--blue)",
    VERMILLION: "var(--vermillion)",
}
"""The page's own colours in place of the figure's, so that figures follow light and dark."""

TOGGLED = ("seed", "arm", "line")
"""Columns of a figure's table whose values a reader may take out of the chart."""

MAX_TOGGLES = 24

_CONTINUOUS = ("linear", "log", "pow", "sqrt", "symlog", "time", "utc")
_POINTED_AT = ("symbol", "rect", "rule", "arc", "bar", "shape")
_CLIPPED = ("line", "area", "symbol", "rule", "rect")
_SHOWN = ("x", "x2", "y", "y2", "stroke", "fill", "size", "shape", "text", "fillOpacity")
_ZOOMED = "isArray(zoom_x) || isArray(zoom_y)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPanel:
    """One panel: its drawing, and the number of its specification among the page's."""

    svg: str
    spec: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Toggle:
    """A column of the table, and the values that can be taken out."""

    column: str
    values: tuple[str, ...]


@dataclass(slots=True)
class Charts:
    """The charts of one page: their specifications, each once, and ids that no two panels share."""

    prefix: str = "f"
    specs: dict[str, int] = field(default_factory=dict)
    n_panels: int = 0

    def panels(self, figure: Figure) -> tuple[ChartPanel, ...]:
        """Draw a figure's panels."""
        return tuple(self._panel(spec, figure) for spec in figure.panels)

    def _panel(self, spec: Mapping[str, Any], figure: Figure) -> ChartPanel:
        compiled = compile_panel(spec)
        live = json.dumps(live_spec(compiled, columns=figure.table.column_names), separators=(",", ":"))
        number = self.specs.setdefault(live, len(self.specs))
        self.n_panels += 1
        svg = fit_svg(draw(compiled, spec["datasets"][ROWS]), prefix=f"{self.prefix}{self.n_panels}-")
        return ChartPanel(svg=svg, spec=number)

    def json(self) -> str:
        """Return the specifications as JSON for a script element."""
        return f"[{','.join(self.specs)}]".replace("<", "\\u003c")


def toggles(figure: Figure) -> tuple[Toggle, ...]:
    """Return what a reader may take out of a chart; arms that have a panel each stay."""
    found = []
    for name in TOGGLED:
        if name in figure.table.column_names and not (name == "arm" and len(figure.panels) > 1):
            values = tuple(dict.fromkeys(str(value) for value in figure.table[name].to_pylist()))
            if 1 < len(values) <= MAX_TOGGLES:
                found.append(Toggle(column=name, values=values))
    return tuple(found)


def is_zoomable(figure: Figure) -> bool:
    """Whether some panel draws lines over a continuous axis, which are worth a closer look."""
    return any('"line"' in json.dumps(panel.get("layer", panel.get("mark"))) for panel in figure.panels)


# ---------------------------------------------------------------------- compiling and drawing


def compile_panel(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Compile a panel to Vega without its rows; panels that are equal but for them are compiled once."""
    bare = {**spec, "datasets": {**spec["datasets"], ROWS: []}}
    found: dict[str, Any] = json.loads(_compiled(json.dumps(bare)))
    return found


@lru_cache(maxsize=256)
def _compiled(spec: str) -> str:
    return json.dumps(chart_converter().vegalite_to_vega(spec, vl_version=VEGA_LITE))


def draw(compiled: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw a compiled panel with its rows as SVG."""
    data = [{**source, "values": list(rows)} if source["name"] == ROWS else source for source in compiled["data"]]
    return str(chart_converter().vega_to_svg({**compiled, "data": data}, allowed_base_urls=[]))


def fit_svg(svg: str, *, prefix: str) -> str:
    """Make a drawn SVG part of a page: no paper of its own, the page's colours, ids that begin with `prefix`.

    What it shows is said by the element around it, so that a screen reader passes its marks over.
    """
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg).replace("<svg", '<svg aria-hidden="true"', 1)
    svg = re.sub(r'<rect width="[^"]*" height="[^"]*" fill="white"/>', "", svg, count=1)
    svg = re.sub(r' id="([^"]+)"', rf' id="{prefix}\1"', svg)
    svg = re.sub(r'"url\(#([^)]+)\)"', rf'"url(#{prefix}\1)"', svg)
    for own, page in THEMED.items():
        for attribute in ("fill", "stroke"):
            svg = svg.replace(f'{attribute}="{own}"', f'{attribute}="{page}"')
    return svg


# ---------------------------------------------------------------------- what moves


def live_spec(compiled: Mapping[str, Any], *, columns: Sequence[str]) -> dict[str, Any]:
    """Return a compiled panel that answers the pointer: values under it, axes that can be zoomed, the page's colours.

    Signals ``zoom_x`` and ``zoom_y`` hold the part of an axis that is shown, or null for all of it.
    """
    spec = copy.deepcopy(dict(compiled))
    spec.pop("$schema", None)
    spec.pop("background", None)
    for source in spec["data"]:
        if source["name"] == ROWS:
            source.pop("values", None)
    zoomed = _zoom(spec)
    _point_at(spec["marks"], columns, groupby=())
    if zoomed:
        for mark in _marks(spec["marks"]):
            if mark["type"] in _CLIPPED:
                mark["clip"] = {"signal": _ZOOMED}
    return _in_page_colours(spec)


def _zoom(spec: dict[str, Any]) -> bool:
    """Let the axes be zoomed, where lines are drawn over continuous scales."""
    has_lines = any(mark["type"] == "line" for mark in _marks(spec["marks"]))
    found = [
        scale
        for scale in spec.get("scales", ())
        if has_lines and scale["name"] in ("x", "y") and scale["type"] in _CONTINUOUS
    ]
    for scale in found:
        scale["domainRaw"] = {"signal": f"zoom_{scale['name']}"}
    if found:
        spec["signals"] = [
            *spec.get("signals", ()),
            {"name": "zoom_x", "value": None},
            {"name": "zoom_y", "value": None},
        ]
    return bool(found)


def _point_at(marks: list[dict[str, Any]], columns: Sequence[str], *, groupby: Sequence[str]) -> None:
    """Give every mark that stands for a row words under the pointer; a line gets a dot at each of its points."""
    for mark in list(marks):
        update = mark.get("encode", {}).get("update", {})
        if mark["type"] == "group":
            facet = mark.get("from", {}).get("facet", {})
            _point_at(mark.get("marks", []), columns, groupby=facet.get("groupby", ()))
        elif mark["type"] == "line":
            marks.append(_dots(mark, groupby))
        elif mark["type"] in _POINTED_AT and "data" in mark.get("from", {}):
            mark.pop("interactive", None)
            update.setdefault("tooltip", _words([*_fields(update), *columns]))


def _dots(line: Mapping[str, Any], groupby: Sequence[str]) -> dict[str, Any]:
    """Return dots on the points of a line, not seen until the pointer is near."""
    update = line["encode"]["update"]
    look = {name: update[name] for name in ("x", "y") if name in update}
    fill = update.get("stroke", {"value": INK})
    return {
        "type": "symbol",
        "from": line["from"],
        "encode": {
            "enter": {"size": {"value": 90}},
            "update": {**look, "fill": fill, "opacity": {"value": 0}, "tooltip": _words([*groupby, *_fields(update)])},
            "hover": {"opacity": {"value": 1}},
        },
    }


def _fields(update: Mapping[str, Any]) -> list[str]:
    found = [update[channel].get("field") for channel in _SHOWN if isinstance(update.get(channel), dict)]
    return [name for name in found if isinstance(name, str)]


def _words(fields: Iterable[str]) -> dict[str, str]:
    """Return the signal that gives a mark's values by name."""
    names = [json.dumps(name) for name in dict.fromkeys(fields)]
    return {"signal": f"{{{', '.join(f'{name}: datum[{name}]' for name in names)}}}"}


def _marks(marks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for mark in marks:
        yield mark
        yield from _marks(mark.get("marks", ()))


def _in_page_colours(spec: dict[str, Any]) -> dict[str, Any]:
    """Put the page's colours for the figure's; not in scales that mix colours, which need numbers."""
    mixing = [scale for scale in spec.get("scales", ()) if scale["type"] in _CONTINUOUS]
    others = {**spec, "scales": [scale for scale in spec.get("scales", ()) if scale not in mixing]}
    words = json.dumps(others)
    for own, page in THEMED.items():
        words = words.replace(f'"{own}"', f'"{page}"')
    found: dict[str, Any] = json.loads(words)
    found["scales"] = [*found["scales"], *mixing]
    return found
