"""Figures drawn for print, each once for all renderers: the whole chart without its title, or panel by panel."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from scantrial.figures.converter import chart_converter
from scantrial.figures.figure import Figure
from scantrial.report.document import FigureBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A drawn chart, its size in pixels."""

    svg: str
    width: float
    height: float

    def to_pdf(self) -> bytes:
        """Return the chart as a PDF of one page that holds its fonts."""
        return bytes(chart_converter().svg_to_pdf(self.svg))


@dataclass(frozen=True, slots=True)
class Drawings:
    """Draws the figures of one document and keeps what was drawn, by block id."""

    _wholes: dict[str, Drawn] = field(default_factory=dict)
    _panels: dict[str, tuple[Drawn, ...]] = field(default_factory=dict)

    def whole(self, block: FigureBlock) -> Drawn:
        """Draw the whole chart; without its title, which is in the caption."""
        if block.id not in self._wholes:
            self._wholes[block.id] = drawn(untitled(block.figure).to_svg())
        return self._wholes[block.id]

    def panels(self, block: FigureBlock) -> tuple[Drawn, ...]:
        """Draw the chart's panels one by one."""
        if block.id not in self._panels:
            self._panels[block.id] = tuple(map(drawn, block.figure.panel_svgs()))
        return self._panels[block.id]

    def text(self) -> str:
        """Return what is written in all figures that were drawn."""
        return "".join(one.svg for one in (*self._wholes.values(), *(p for ps in self._panels.values() for p in ps)))


def untitled(figure: Figure) -> Figure:
    """Return a figure whose chart does not repeat the title that is printed with it; its panels keep theirs."""
    return replace(figure, spec={key: value for key, value in figure.spec.items() if key != "title"})


def drawn(svg: str) -> Drawn:
    """Read the size of a drawn chart."""
    found = re.search(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', svg)
    if found is None:
        raise ValueError("a drawn chart has no width and height")
    return Drawn(svg=svg, width=float(found[1]), height=float(found[2]))
