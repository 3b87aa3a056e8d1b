"""The report of a study as it would be written now, within a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantrial.findings.view import build_view
from scantrial.report.formats import report_document
from scantrial.report.html import render_fragment
from scantrial.web.records import ReportPage
from scantrial.web.studies import OpenStudy
from scantrial.web.study_page import ResultsPart, fault_in_words


def report_page(study: OpenStudy, part: ResultsPart, document: Mapping[str, Any] | None = None) -> ReportPage:
    """Return the page of a report, with the document where there is one."""
    return ReportPage(name=study.name, question=study.plan().study, state=part.state, note=part.note, document=document)


def live_report(study: OpenStudy) -> tuple[ReportPage, str]:
    """Compute the report, seconds for a large study; return its page and its HTML."""
    try:
        document = report_document(study.folder, view=build_view(study.data()))
        return report_page(study, ResultsPart(state="ready"), document.to_dict()), render_fragment(document)
    except Exception as error:  # a damaged folder raises nearly anything; the page says so
        note = f"The report cannot be created: {fault_in_words(error)}"
        return report_page(study, ResultsPart(state="failed", note=note)), ""
