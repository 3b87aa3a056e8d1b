"""The notes on the first page: what went wrong, what to know before the answer, and what weakens it."""

from __future__ import annotations

from collections.abc import Sequence

from scantrial.core.format import counted
from scantrial.findings.view import ReportView
from scantrial.prose.brief import other_weaknesses, warnings_of_scores
from scantrial.prose.study import trouble
from scantrial.report.document import Details, Note
from scantrial.report.sections.parts import blocks, bullets

MAX_POINTS = 4
"""Points of a note that a page shows at once."""


def front(view: ReportView) -> tuple[Note, ...]:
    """Return the notes that stand before the answer; none where nothing went wrong."""
    return (
        *_note("trouble", "Not everything went as planned", trouble(view)),
        *_note("beware", "Read this before the answer", warnings_of_scores(view)),
    )


def weak(view: ReportView) -> tuple[Note, ...]:
    """Return the note of what weakens the answer; none where nothing does."""
    return _note("weak", "What weakens the answer", other_weaknesses(view))


def _note(name: str, title: str, said: Sequence[str]) -> tuple[Note, ...]:
    n = len(said) if len(said) <= MAX_POINTS else MAX_POINTS - 1
    more = bullets(f"{name}-others", said[n:])
    fold = [Details(id=f"{name}-more", summary=f"{counted(len(said) - n, 'more point')}", blocks=more)] if more else []
    inside = blocks(bullets(f"{name}-list", said[:n]), fold)
    return (Note(id=name, severity="warning", title=title, blocks=inside),) if said else ()
