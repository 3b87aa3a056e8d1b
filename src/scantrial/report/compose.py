"""The order of a report: from the view's numbers and the figures to one `Document`."""

from __future__ import annotations

from collections.abc import Mapping

import scantrial
from scantrial.figures.all import ReportFigures
from scantrial.findings.view import ReportView
from scantrial.report.document import Document
from scantrial.report.sections.about import about
from scantrial.report.sections.answer import facts, short
from scantrial.report.sections.audit import audit
from scantrial.report.sections.augmented import augmented_scans_section
from scantrial.report.sections.calibration import belief
from scantrial.report.sections.choices import choices
from scantrial.report.sections.compared import compared
from scantrial.report.sections.crosswalk import crosswalk
from scantrial.report.sections.curves import aggregates, curves, diagnosis
from scantrial.report.sections.disputed import disputed
from scantrial.report.sections.limits import limits
from scantrial.report.sections.methods import methods, partly_known
from scantrial.report.sections.outlook import outlook
from scantrial.report.sections.ranking import ranking
from scantrial.report.sections.reproduce import again
from scantrial.report.sections.results import confusion, results_section
from scantrial.report.sections.uncertainty import uncertainty
from scantrial.report.sections.verdicts import verdicts
from scantrial.report.sections.warnings import front
from scantrial.report.sections.worst import worst


def build_document(
    view: ReportView,
    figures: ReportFigures,
    thumbnails: Mapping[int, bytes],
    sheets: Mapping[str, bytes] | None = None,
) -> Document:
    """Return the report; `thumbnails` gives PNG bytes by case number, `sheets` of augmented scans by arm.

    A section that has nothing to say of a study is left out.
    """
    sections = (
        # the answer
        short(view),
        # what was compared
        compared(view),
        augmented_scans_section(view, sheets or {}),
        # the verdicts
        verdicts(view, figures.forest),
        # the curves
        curves(view, figures.curves),
        diagnosis(view),
        aggregates(view),
        # the evaluation
        results_section(view, figures.dots),
        belief(view, figures.reliability, figures.decision),
        ranking(figures.ranking),
        confusion(figures.confusion),
        # single cases
        worst(view, thumbnails),
        disputed(view, thumbnails),
        # the scans
        audit(view, thumbnails, figures.histograms),
        # what would change the answer, and what limits it
        uncertainty(figures.variance),
        outlook(view, figures.power),
        limits(view),
        # the author's own words
        about(view),
        # methods
        methods(view),
        choices(view),
        # how to run it again
        again(view),
    )
    said = tuple(section for section in sections if section is not None)
    return Document(
        title=view.question,
        eyebrow="scantrial · report of a study",
        facts=facts(view),
        front=front(view),
        sections=(*said, crosswalk(said, view.about, partial=partly_known(view))),
        footer=f"Made by scantrial {scantrial.__version__} from the study folder alone.",
        generator=f"scantrial {scantrial.__version__}",
        dated=max((str(version["at"]) for version in view.protocol), default=""),
    )
