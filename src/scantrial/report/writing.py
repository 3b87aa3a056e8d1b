"""From a study folder to its report, in each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from scantrial.core.errors import InputError
from scantrial.core.files import write_atomic
from scantrial.core.names import listed, nearest
from scantrial.report.compose import build_document
from scantrial.report.document import Document
from scantrial.report.html import render_html
from scantrial.report.reading import read_study, read_thumbnails
from scantrial.report.report_figures import build_figures
from scantrial.report.sections.audit import pictured_cases
from scantrial.report.view import ReportView, build_view
from scantrial.store.folder import StudyFolder, open_folder


def write_report(folder_path: Path | str, format: str = "html", *, view: ReportView | None = None) -> Path:
    """Write the report of a study folder into it and return its path.

    Parameters
    ----------
    format : a name of `FORMATS`
    view : the folder's numbers where they have been read already; by default they are read, which is logged

    Raises
    ------
    InputError
        If there is no study, or no such format.
    """
    if format not in FORMATS:
        guess = nearest(format, list(FORMATS))
        hint = f" (did you mean {guess!r}?)" if guess else ""
        raise InputError(f"no report format is called {format!r}{hint}", expected=f"one of {listed(list(FORMATS))}")
    folder = open_folder(folder_path)
    return FORMATS[format](report_document(folder, view=view), folder.path / "report")


def report_document(folder: StudyFolder, *, view: ReportView | None = None) -> Document:
    """Return the report of a study folder as a document; scans and PyTorch are not needed."""
    if view is None:
        view = build_view(read_study(folder, by="report", purpose="report"))
    thumbnails = read_thumbnails(folder, [*(case.case for case in view.worst), *pictured_cases(view.audit)])
    return build_document(view, build_figures(view), thumbnails)


def build_report(folder: StudyFolder, *, view: ReportView | None = None) -> str:
    """Return the report of a study folder as one self-contained HTML page."""
    return render_html(report_document(folder, view=view))


def write_html(document: Document, folder: Path) -> Path:
    """Write a document as ``report.html`` into a folder."""
    target = folder / "report.html"
    write_atomic(target, render_html(document))
    return target


FORMATS: Mapping[str, Callable[[Document, Path], Path]] = {"html": write_html}
"""Every format: a function that writes a document into the folder ``report`` and returns the path of its main file."""
