"""How choices were made, and how often test predictions were read."""

from __future__ import annotations

from scantrial.core import format as fmt
from scantrial.findings.view import ReportView
from scantrial.prose import study as study_prose
from scantrial.report.document import Section, Table
from scantrial.report.sections.parts import blocks, bullets, left, right, table, whole


def choices(view: ReportView) -> Section:
    """Say how each choice was made; every reading of test rows is counted."""
    said = bullets("choices-list", study_prose.choice_sentences(view))
    readings = [_readings(view)] if view.openings else []
    return Section(id="choices", title="How choices were made", short="Choices", blocks=blocks(said, readings))


def _readings(view: ReportView) -> Table:
    return table(
        "readings",
        "Readings of stored test predictions, one for each run, including this report",
        [*left("By"), *right("Readings"), *left("First", "Last")],
        [
            [opening.by, whole(opening.n_readings), fmt.moment(opening.first), fmt.moment(opening.last)]
            for opening in view.openings
        ],
    )
