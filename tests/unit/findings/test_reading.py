"""Reading a study folder: once, logged, and also where nothing has been run yet."""

from __future__ import annotations

import pytest

from scantrial.api import compare, report, report_and_results, results, verify
from scantrial.findings.reading import read_study_folder


def test_one_reading_is_one_line_for_all_runs(make_study, readings):
    """Reading a study logs one opening that names every run whose test rows it hands out."""
    folder = make_study()
    study = read_study_folder(folder, by="somebody", purpose="a look")
    (opening,) = readings(folder)
    assert (opening.by, opening.purpose) == ("somebody", "a look")
    assert opening.runs == tuple(map(str, folder.run_keys()))
    assert [run.key for run in study.runs] == folder.run_keys()
    assert [o.runs for o in study.openings if o.by != "run"] == [opening.runs]


def test_a_study_stopped_before_its_first_run_is_reported(make_study, readings):
    """A folder without environment.json and without a run has a report that says so, and no opening."""
    folder = make_study(missing=[(arm, seed) for arm in ("base", "loss-ce") for seed in (0, 1, 2)])
    (folder.path / "environment.json").unlink()
    page = report(folder.path).read_text(encoding="utf-8")
    assert "No run is finished yet, so there are no results to show." in page
    assert "Is cross-entropy better than BCE?" in page
    view = results(folder.path)
    assert (view.n_finished, view.n_planned, dict(view.environment)) == (0, 6, {})
    assert readings(folder) == []


def test_report_and_results_come_from_one_reading(make_study, readings):
    """The report that is written with the printed results has their numbers, and test rows are opened once."""
    folder = make_study(seeds=(0,))
    path, view = report_and_results(folder.path)
    (opening,) = readings(folder)
    assert opening.by == "report"
    assert view.n_finished == 2
    page = path.read_text(encoding="utf-8")
    for arm in view.arms:
        assert f"{100 * arm.summaries['test']['accuracy'].mean:.1f}" in page
    assert len(readings(folder)) == 1


@pytest.mark.parametrize("reader", [compare, report, results])
def test_a_deleted_log_of_openings_is_told_by_whoever_reads_first_and_after(make_study, reader):
    """The line that a reading adds names every run, but is not the line of the run itself."""
    folder = make_study(seeds=(0,))
    (folder.path / "test-openings.jsonl").unlink()
    first = read_study_folder(folder, by="somebody", purpose="a look").mismatches
    assert {item.kind for item in first} == {"not logged"}
    reader(folder.path)
    assert results(folder.path).judgement.mismatches == first
    assert set(first) <= set(verify(folder.path).mismatches)
