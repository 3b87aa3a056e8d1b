"""What the numbers cannot tell."""

from __future__ import annotations

from scantrial.report.document import Section
from scantrial.report.sections.parts import bullets
from scantrial.report.sentences import limits as limits_of
from scantrial.report.view import ReportView


def limits(view: ReportView) -> Section:
    """List what limits this study; only what is true of it."""
    return Section(id="limits", title="Limits", blocks=bullets("limits-list", limits_of(view)))
