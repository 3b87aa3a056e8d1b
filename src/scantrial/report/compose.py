"""The order of a report: from the view's numbers and the figures to one `Document`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import scantrial
from scantrial.figures.all import ReportFigures
from scantrial.findings.view import ReportView
from scantrial.prose import chapters
from scantrial.report.document import Details, Document, Paragraph, Part, Section, children, text
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
        short(view, figures.forest),
        *_chapters(view, figures, thumbnails, sheets or {}),
        *_appendices(view),
    )
    said = tuple(section for section in sections if section is not None)
    return Document(
        title=view.question,
        eyebrow="scantrial · report of a study",
        facts=facts(view),
        front=front(view),
        sections=(*said, replace(crosswalk(said, view.about, partial=partly_known(view)), part="appendix")),
        footer=f"Made by scantrial {scantrial.__version__} from the study folder alone.",
        generator=f"scantrial {scantrial.__version__}",
        dated=max((str(version["at"]) for version in view.protocol), default=""),
    )


def _chapters(
    view: ReportView, figures: ReportFigures, thumbnails: Mapping[int, bytes], sheets: Mapping[str, bytes]
) -> Iterator[Section | None]:
    """Yield what a page folds away after the summary."""
    yield _chapter(
        verdicts(view), chapters.gist_of_verdicts(view), uncertainty(figures.variance), outlook(view, figures.power)
    )
    yield _chapter(compared(view), chapters.gist_of_arms(view), augmented_scans_section(view, sheets))
    yield _chapter(curves(view, figures.curves), chapters.gist_of_curves(view), diagnosis(view), aggregates(view))
    yield _chapter(
        results_section(view, figures.dots),
        chapters.gist_of_results(view),
        belief(view, figures.reliability, figures.decision),
        ranking(figures.ranking),
        confusion(figures.confusion),
    )
    cases = Section(id="cases", title="Single cases", blocks=(worst(view, thumbnails), disputed(view, thumbnails)))
    yield _chapter(cases, chapters.gist_of_cases(view))
    yield _chapter(audit(view, thumbnails, figures.histograms), chapters.gist_of_audit(view))
    yield _chapter(limits(view), "What these numbers cannot tell")


def _appendices(view: ReportView) -> Iterator[Section | None]:
    """Yield what only some readers look up."""
    yield _chapter(about(view), chapters.gist_of_author(view), part="appendix")
    yield _chapter(methods(view), chapters.WRITTEN_TO_COPY, choices(view), part="appendix")
    yield _chapter(again(view), chapters.RUN_AGAIN, part="appendix")


def _chapter(first: Section | None, gist: str, *more: Section | None, part: Part = "chapter") -> Section | None:
    """Make a chapter of a section and those that belong to it."""
    if first is None:
        return None
    inside = (*first.blocks, *(section for section in more if section is not None))
    return replace(first, gist=gist, part=part, blocks=inside)


FIRST_PAGE = "This is the first page of the whole report."


def summary_of(document: Document) -> Document:
    """Return the first page of a document alone: its head and its summary, with a word of what it folds away."""
    sections = tuple(_without_folds(one) for one in document.sections if one.part == "summary")
    front = tuple(map(_without_folds, document.front))
    return replace(document, front=front, sections=sections, footer=f"{document.footer} {FIRST_PAGE}".strip())


def _without_folds(block: Any) -> Any:
    if isinstance(block, Details):
        return Paragraph(id=block.id, role="small", content=text(f"{block.summary}: see the whole report."))
    return replace(block, blocks=tuple(map(_without_folds, block.blocks))) if children(block) else block
