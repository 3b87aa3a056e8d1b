"""From a study folder to its report, in each format."""

from __future__ import annotations

import io
import re
import sys
import time

import pypdf
import pytest

from scantrial.api import report, reports
from scantrial.core.errors import InputError, MissingExtraError
from scantrial.report.formats import FORMATS, write_report, write_reports

NAMES = {"html": "report.html", "pdf": "report.pdf", "md": "report.md"}


def test_every_format_is_written_into_the_folder_from_one_reading(make_study, readings, tmp_path):
    """Three formats and the files for a paper come from one logged reading of the test rows."""
    folder = make_study()
    written = reports(folder.path, assets=tmp_path / "assets")
    assert {
        name: path.relative_to(folder.path / "report").as_posix() for name, path in written.reports.items()
    } == NAMES
    assert len(readings(folder)) == 1
    assert (folder.path / "report" / "report.html").read_text().startswith("<!doctype html>")
    assert (folder.path / "report" / "report.pdf").read_bytes().startswith(b"%PDF-1.7")
    text = (folder.path / "report" / "report.md").read_text()
    shown = re.findall(r"\(<(report_files/[^>]+)>\)", text)
    assert shown
    assert all((folder.path / "report" / name).is_file() for name in shown)
    assert written.assets[0] == tmp_path / "assets" / "index.md"
    assert all(path.is_file() for path in written.assets)
    assert {path.suffix for path in written.assets} == {".md", ".svg", ".pdf", ".csv", ".tex", ".png"}


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_is_one_file(make_study, name):
    """`report` writes the format that is asked for, and returns its path."""
    folder = make_study(epochs=2)
    path = report(folder.path, format=name)
    assert path == folder.path / "report" / NAMES[name]
    assert {found.name for found in (folder.path / "report").glob("report.*")} == {NAMES[name]}


def test_the_first_page_alone_is_written_beside_the_report(make_study):
    """A summary has names of its own, so that it replaces no report; assets are those of the whole report."""
    folder = make_study(epochs=2)
    written = write_reports(folder.path, FORMATS, assets=folder.path / "report" / "assets", brief=True)
    assert {path.name for path in written.reports.values()} == {"summary.html", "summary.pdf", "summary.md"}
    assert len(pypdf.PdfReader(written.reports["pdf"]).pages) == 1
    assert "summary_files/forest.svg" in written.reports["md"].read_text(encoding="utf-8")
    assert "<details class" not in written.reports["html"].read_text(encoding="utf-8").replace('class="behind"', "")
    assert "results-test-table.csv" in {path.name for path in written.assets}


def test_an_unknown_format_is_refused_with_the_nearest(make_study, readings):
    """Nothing is read for a format that there is not; the message names all formats."""
    folder = make_study()
    with pytest.raises(InputError, match=r"'docx'[\s\S]*one of html, pdf, md"):
        write_report(folder.path, format="docx")
    with pytest.raises(InputError, match="did you mean 'pdf'"):
        write_reports(folder.path, ["html", "pdff"])
    assert readings(folder) == []
    assert not (folder.path / "report").exists()


def test_without_typst_nothing_is_read(make_study, readings, monkeypatch):
    """Where PDF cannot be made, the message says what to install, before test rows are read; HTML needs no Typst."""
    folder = make_study()
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingExtraError, match=r"scantrial\[pdf\]"):
        reports(folder.path)
    assert readings(folder) == []
    assert report(folder.path, format="md").is_file()


def test_the_date_in_the_pdf_is_the_studys(make_study):
    """The file's date is that of the study's last version, whenever the report is made."""
    folder = make_study(epochs=2)
    (version,) = folder.protocol()
    made = pypdf.PdfReader(io.BytesIO(report(folder.path, format="pdf").read_bytes())).metadata.creation_date
    assert made.isoformat(timespec="seconds") == version["at"]


@pytest.mark.slow
def test_a_hundred_runs_are_on_paper_in_twenty_seconds(make_study):
    """Ten arms at ten seeds of 30 epochs with 400 test cases: PDF, from the numbers on, in under 20 s of a processor."""
    from scantrial.findings.reading import read_study_folder
    from scantrial.findings.view import build_view

    folder = make_study(
        arms={f"batch-{i}": {"batch_size": i} for i in range(1, 11)},
        seeds=range(10),
        epochs=30,
        n_cases={"train": 1600, "val": 400, "test": 400},
    )
    view = build_view(read_study_folder(folder, by="report", purpose="report"))
    start = time.process_time()
    write_reports(folder.path, ["pdf"], view=view)
    assert time.process_time() - start < 20
