"""What the uncertainty of each comparison is due to: seeds, cases, or both together."""

from __future__ import annotations

from scantrial.figures.figure import Figure
from scantrial.report.document import FigureBlock, Section


def uncertainty(variance: Figure | None) -> Section | None:
    """Show the parts of each comparison's variance; none where there are not two seeds to tell them by."""
    if variance is None:
        return None
    shown = (FigureBlock(id="variance", figure=variance),)
    return Section(id="uncertainty", title="What the uncertainty is due to", short="Uncertainty", blocks=shown)
