"""What the numbers cannot tell."""

from __future__ import annotations

from scantrial.findings.view import ReportView
from scantrial.prose.limits import limits_of_audit, limits_of_design, limits_of_evidence, limits_of_results
from scantrial.prose.study_limits import limit_sentences as limits_of
from scantrial.report.document import Section
from scantrial.report.sections.parts import bullets


def limits(view: ReportView) -> Section:
    """List what limits this study; only what is true of it."""
    said = [
        *limits_of(view),
        *limits_of_design(view),
        *limits_of_results(view),
        *limits_of_audit(view),
        *limits_of_evidence(view),
    ]
    return Section(id="limits", title="Limits", blocks=bullets("limits-list", said))
