"""The sources of each comparison's uncertainty: seeds, cases, or both together."""

from __future__ import annotations

from scantrial.figures.figure import Figure
from scantrial.report.document import FigureBlock, Section


def uncertainty(variance: Figure | None) -> Section | None:
    """Show the parts of each comparison's variance; none without two seeds in common."""
    if variance is None:
        return None
    shown = (FigureBlock(id="variance", figure=variance),)
    return Section(id="uncertainty", title="Sources of uncertainty", short="Uncertainty", blocks=shown)
