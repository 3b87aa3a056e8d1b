"""What a study shows: its numbers, verdicts and report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scantrial.analysis.metric_names import check_margin, check_metric
from scantrial.findings.judging import Choices, Judgement, judge
from scantrial.findings.reading import read_study_folder as read_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.store.folder import open_folder

if TYPE_CHECKING:
    from scantrial.report.formats import Written


def report(
    folder: str | Path,
    *,
    format: str = "html",
    assets: str | Path | None = None,
    out: str | Path | None = None,
    brief: bool = False,
) -> Path:
    """Write the report of a study folder and return its path.

    Needs neither the scans nor PyTorch.

    Parameters
    ----------
    format : ``html``, one file; ``pdf``, for paper; ``md``, Markdown with its figures beside it
    assets : a folder to write every figure and table to as well, as files for a paper
    out : the folder to write it to; default: ``report`` in the study folder
    brief : write its first page alone; as PDF that is one sheet

    Raises
    ------
    InputError
        If the folder is not a study folder, or the format does not exist.
    MissingExtraError
        If PDF is asked for and Typst is not installed.
    """
    return reports(folder, formats=(format,), assets=assets, out=out, brief=brief).reports[format]


def reports(
    folder: str | Path,
    *,
    formats: Sequence[str] = ("html", "pdf", "md"),
    assets: str | Path | None = None,
    out: str | Path | None = None,
    brief: bool = False,
) -> Written:
    """Write the report of a study folder in several formats from one logged reading; see `report`."""
    from scantrial.report.formats import write_reports  # noqa: PLC0415 - drawing takes a second to load

    return write_reports(folder, formats, assets=assets, out=out, brief=brief)


def report_and_results(folder: str | Path) -> tuple[Path, ReportView]:
    """Write the report of a study folder; return its path and the numbers in it, from one logged reading."""
    from scantrial.report.formats import write_report  # noqa: PLC0415 - drawing takes a second to load

    store = open_folder(folder)
    view = build_view(read_folder(store, by="report", purpose="report and printed results"))
    return write_report(store.path, view=view), view


def results(folder: str | Path) -> ReportView:
    """Return all the numbers of a study folder: per run, over seeds per arm, and the verdicts.

    Reads test rows, which is logged.
    """
    return build_view(read_folder(open_folder(folder), by="results", purpose="metrics of every run"))


def compare(
    folder: str | Path,
    *,
    metric: str | None = None,
    margin: float | None = None,
    control: str | None = None,
    pairs: bool = False,
    level: float = 0.95,
    bootstrap: bool | None = None,
) -> Judgement:
    """Judge a study folder: which arms are better, worse or equivalent, and the answers to its hypotheses.

    Without further words the comparisons, the metric and the margin are those that the study file declares. Reads
    test rows, which is logged.

    Parameters
    ----------
    metric : another metric than the declared one; it has no margin of its own
    margin : the smallest difference that matters, in the metric's unit
    control : compare every other arm with this one
    pairs : compare all pairs of arms
    level : confidence level, default 0.95
    bootstrap : whether to check the comparisons with a crossed bootstrap, which takes seconds each; default: no

    Raises
    ------
    InputError
        If there is no study, or what is asked for is no metric or no arm of it.
    """
    choices = Choices(
        metric=metric, margin=margin, control=control, pairs=pairs, level=level, bootstrap=bool(bootstrap)
    )
    store = open_folder(folder)
    check_margin(check_metric(metric or store.plan().primary.metric), margin)
    return judge(read_folder(store, by="compare", purpose="verdicts"), choices=choices)
