"""From a study folder to its report, in each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scantrial.core.errors import InputError
from scantrial.core.files import write_atomic
from scantrial.core.names import listed, nearest
from scantrial.figures.all import build_figures
from scantrial.findings.reading import read_sheets, read_study_folder, read_thumbnails
from scantrial.findings.view import ReportView, build_view
from scantrial.report.assets import write_assets
from scantrial.report.compose import build_document, summary_of
from scantrial.report.document import Document
from scantrial.report.drawings import Drawings
from scantrial.report.html import render_html
from scantrial.report.markdown import to_markdown
from scantrial.report.pdf import load_typst, to_pdf
from scantrial.report.sections.audit import pictured_cases
from scantrial.store.folder import StudyFolder, open_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written of a study folder.

    Parameters
    ----------
    reports : the path of each report by its format, in the order asked for
    assets : figures and tables as files, their index first
    """

    reports: Mapping[str, Path]
    assets: tuple[Path, ...]
    view: ReportView


def write_report(folder_path: Path | str, format: str = "html", *, view: ReportView | None = None) -> Path:
    """Write the report of a study folder into it and return its path; see `write_reports`."""
    return write_reports(folder_path, [format], view=view).reports[format]


def write_reports(
    folder_path: Path | str,
    formats: Sequence[str] = ("html",),
    *,
    assets: Path | str | None = None,
    out: Path | str | None = None,
    view: ReportView | None = None,
    brief: bool = False,
) -> Written:
    """Write the report of a study folder, in each of some formats, from one reading.

    Parameters
    ----------
    formats : names of `FORMATS`
    assets : a folder to write every figure and table to, as files
    out : the folder to write to; default: ``report`` in the study folder
    view : the folder's numbers where they have been read already; by default they are read, which is logged
    brief : write the first page alone, as ``summary`` instead of ``report``; of assets nothing is left out

    Raises
    ------
    InputError
        If there is no study, or no such format.
    MissingExtraError
        If PDF is asked for and Typst is not installed.
    """
    check_formats(formats)
    folder = open_folder(folder_path)
    if view is None:
        view = build_view(read_study_folder(folder, by="report", purpose="report"))
    document, drawings = report_document(folder, view=view), Drawings()
    target = folder.path / "report" if out is None else Path(out)
    written, stem = (summary_of(document), "summary") if brief else (document, "report")
    reports = {name: FORMATS[name](written, target, drawings, stem) for name in formats}
    files = () if assets is None else write_assets(document, Path(assets), drawings=drawings)
    return Written(reports=reports, assets=files, view=view)


def check_formats(formats: Sequence[str]) -> None:
    """Refuse a format that is unknown or cannot be made here, before anything is read."""
    for name in formats:
        if name not in FORMATS:
            guess = nearest(name, list(FORMATS))
            hint = f" (did you mean {guess!r}?)" if guess else ""
            raise InputError(f"no report format is called {name!r}{hint}", expected=f"one of {listed(list(FORMATS))}")
    if "pdf" in formats:
        load_typst()


def report_document(folder: StudyFolder, *, view: ReportView | None = None) -> Document:
    """Return the report of a study folder as a document; scans and PyTorch are not needed."""
    if view is None:
        view = build_view(read_study_folder(folder, by="report", purpose="report"))
    shown = [*(case.case for case in view.worst), *(case.case for case in view.disputed), *pictured_cases(view.audit)]
    thumbnails = read_thumbnails(folder, shown)
    return build_document(view, build_figures(view), thumbnails, read_sheets(folder))


def build_report(folder: StudyFolder, *, view: ReportView | None = None) -> str:
    """Return the report of a study folder as one self-contained HTML page."""
    return render_html(report_document(folder, view=view))


# ---------------------------------------------------------------------- formats


def write_html(document: Document, folder: Path, _: Drawings, stem: str) -> Path:
    """Write a document as ``STEM.html`` into a folder."""
    target = folder / f"{stem}.html"
    write_atomic(target, render_html(document), parents=True)
    return target


def write_pdf(document: Document, folder: Path, drawings: Drawings, stem: str) -> Path:
    """Write a document as ``STEM.pdf`` into a folder."""
    target = folder / f"{stem}.pdf"
    write_atomic(target, to_pdf(document, drawings=drawings), parents=True)
    return target


def write_markdown(document: Document, folder: Path, drawings: Drawings, stem: str) -> Path:
    """Write a document as ``STEM.md`` into a folder, its figures and pictures into ``STEM_files`` beside it."""
    target = folder / f"{stem}.md"
    report = to_markdown(document, folder=f"{stem}_files", drawings=drawings)
    for name, content in report.files.items():
        write_atomic(folder / name, content, parents=True)
    write_atomic(target, report.text, parents=True)
    return target


FORMATS: Mapping[str, Callable[[Document, Path, Drawings, str], Path]] = {
    "html": write_html,
    "pdf": write_pdf,
    "md": write_markdown,
}
"""Every format: a function that writes a document into a folder under a name and returns the path of its main file."""
