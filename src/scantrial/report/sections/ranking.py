"""How well each arm ranks the cases, at every threshold."""

from __future__ import annotations

from collections.abc import Sequence

from scantrial.figures.figure import Figure
from scantrial.report.document import FigureBlock, Section


def ranking(figures: Sequence[Figure]) -> Section | None:
    """Show ROC and precision-recall curves; none where there are none."""
    if not figures:
        return None
    shown = tuple(FigureBlock(id=f"ranking-{number}", figure=figure) for number, figure in enumerate(figures, start=1))
    return Section(id="ranking", title="ROC and precision-recall", short="ROC", blocks=shown)
