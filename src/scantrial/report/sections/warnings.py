"""The notes before everything else: what went wrong, and what weakens the answer."""

from __future__ import annotations

from scantrial.findings.view import ReportView
from scantrial.prose.study import trouble
from scantrial.prose.warnings import weaknesses
from scantrial.report.document import Note
from scantrial.report.sections.parts import bullets


def front(view: ReportView) -> tuple[Note, ...]:
    """Return the notes of the first page; none where nothing went wrong and nothing weakens the answer."""
    found = [
        ("trouble", "Not everything went as planned", trouble(view)),
        ("weak", "What weakens the answer", weaknesses(view)),
    ]
    return tuple(
        Note(id=name, severity="warning", title=title, blocks=bullets(f"{name}-list", said))
        for name, title, said in found
        if said
    )
