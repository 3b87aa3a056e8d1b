"""What would change the answer: more seeds, more cases, another margin."""

from __future__ import annotations

from scantrial.figures.figure import Figure
from scantrial.findings.view import ReportView
from scantrial.report.document import Section
from scantrial.report.sections.parts import blocks, bullets, figure, paragraph


def outlook(view: ReportView, power: Figure | None) -> Section | None:
    """Say what this design can show given the spreads it has measured, and what it would take to decide."""
    found, reason = view.judgement.outlook, view.judgement.outlook_reason
    if len(view.arms) < 2 or (found is None and reason is None):
        return None
    return Section(
        id="outlook",
        title="What would change the answer",
        short="What would change it",
        blocks=blocks(
            paragraph(
                "outlook-by", "" if found is None else "Based on the spreads that this study has measured.", "small"
            ),
            bullets("outlook-said", found.sentences if found is not None else [reason or ""]),
            figure("power", power),
        ),
    )
