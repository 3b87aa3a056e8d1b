"""The parts of a study's page: its table, its commands, its downloads, the answer once."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.studies import TWO_ARMS, StudyShape, rewrite, write_study

from scantrial.data.places import remember_place
from scantrial.findings.view import build_view
from scantrial.prose.brief import seconds_of
from scantrial.web.case_pages import case_page
from scantrial.web.downloads import table_csv
from scantrial.web.queries import CaseQuery
from scantrial.web.records import Progress, StudyPage
from scantrial.web.steps import first_command, next_steps, show_command, steps_before, words_for
from scantrial.web.studies import Shelf
from scantrial.web.study_page import ResultsPart, read_results, study_page


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    root = tmp_path_factory.mktemp("shelf")
    lr = {f"lr-{i}": {"optimizer": {"name": "adam", "lr": 10.0**-i}} for i in range(1, 4)}
    signal = {"lr-2": {"test": 4.0, "val": 0.1}}
    write_study(root / "done", StudyShape(arms={"base": {}, **lr}, signal=signal, diverged=[("lr-3", 1)]))
    write_study(root / "half", StudyShape(arms=TWO_ARMS, missing=[("base", 2)], failed=[("loss-ce", 0)]))
    write_study(root / "formula", StudyShape(arms=TWO_ARMS, labels={"base": "=1+1", "loss-ce": "@x"}))
    write_study(root / "one", StudyShape(arms={"base": {}}, class_names=("a", "b", "c")))
    return Shelf(root)


def page_of(shelf: Shelf, name: str) -> StudyPage:
    study = shelf.study(name)
    return study_page(study, read_results(study))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_every_run_and_the_best_arm_first(shelf):
    """Metrics are those of the report, unrounded; what differs between arms has a column."""
    study, page = shelf.study("done"), page_of(shelf, "done")
    view = build_view(study.data())
    table = page.table
    means = [arm.metrics["accuracy"].mean for arm in table.arms]
    assert means == sorted(means, reverse=True)
    assert table.arms[0].name == "lr-2"
    assert table.settings == ("optimizer.lr",)
    assert next(iter(table.metrics)) == "accuracy"
    by_name = {arm.name: arm for arm in view.arms}
    for arm in table.arms:
        assert arm.metrics["auroc"].mean == pytest.approx(by_name[arm.name].summaries["test"]["auroc"].mean)
        assert (arm.n_finished, arm.n_planned) == (3, 3)
    assert [(run.arm, run.seed) for run in table.runs] == [(arm.name, seed) for arm in view.arms for seed in (0, 1, 2)]
    first = view.arms[0].runs[0]
    assert table.runs[0].metrics["accuracy"] == first.metrics["test"]["accuracy"].value
    assert {run.state for run in table.runs if run.arm == "lr-3"} == {"finished", "diverged"}


def test_before_the_end_the_table_has_no_test_result(shelf):
    """Every planned run has a row with its state; nothing in it is of test rows."""
    study = shelf.study("half")
    page = study_page(study, ResultsPart(state="closed", note="closed"))
    states = {(run.arm, run.seed): run.state for run in page.table.runs}
    assert (states["base", 2], states["loss-ce", 0], states["base", 0]) == ("waiting", "failed", "finished")
    assert page.table.metrics == {}
    assert all(row.metrics == {} for row in (*page.table.arms, *page.table.runs))
    assert page.steps[0].command == f"scantrial run {study.shown}/study.yaml --out {study.shown}"


def test_the_time_of_one_more_seed_is_the_sum_over_the_arms(shelf):
    """Of each arm the median; unknown as soon as one arm has no time."""
    page = page_of(shelf, "done")
    known = [arm.seconds for arm in page.table.arms]
    assert page.table.seconds_a_seed == (None if None in known else pytest.approx(sum(known)))


def test_a_download_holds_the_table_and_no_formula(shelf):
    """Both files have a row for each row of the page; a name that a spreadsheet would compute is only a name."""
    page = page_of(shelf, "done")
    arms, runs = (rows_of(table_csv(page, table)) for table in ("arms", "runs"))
    assert [row["arm"] for row in arms] == [arm.name for arm in page.table.arms]
    assert [float(row["accuracy"]) for row in arms] == [arm.metrics["accuracy"].mean for arm in page.table.arms]
    assert len(runs) == len(page.table.runs)
    assert {row["optimizer.lr"] for row in runs if row["arm"] == "lr-2"} == {"0.01"}
    evil = rows_of(table_csv(page_of(shelf, "formula"), "runs"))
    assert {row["label"] for row in evil} == {"'=1+1", "'@x"}


def test_commands_have_nothing_to_fill_in(shelf):
    """Each is one line of words that the command line knows, with the folder as it was given; none stands twice."""
    study = shelf.study("done")
    steps = next_steps(build_view(study.data()), "my studies/done")
    assert len({step.command for step in steps}) == len(steps)
    for step in steps:
        words = shlex.split(step.command)
        assert words[0] == "scantrial"
        assert any(word.startswith("my studies/done") for word in words)
        assert not re.search(r"\b[A-Z]{3,}\b|<|\.\.\.|…", step.command)
        assert step.why
    seeds = next(shlex.split(step.command) for step in steps if "--seeds" in step.command)
    assert seeds == ["scantrial", "run", "my studies/done/study.yaml", "--seeds", "5", "--out", "my studies/done"]


def test_seeds_stand_last_where_they_do_not_help(shelf, tmp_path):
    """With too few test scans of a class the first command says what these scans can show."""
    n = {"train": 12, "val": 40, "test": 10}
    few = write_study(tmp_path / "few", StudyShape(arms=TWO_ARMS, n_cases=n, seeds=(0, 1), primary="auroc")).path
    steps = next_steps(build_view(Shelf(few).study("few").data()), "few")
    assert steps[0].command.startswith("scantrial plan ")
    assert "--seeds" in steps[-1].command
    steps = next_steps(build_view(shelf.study("done").data()), "done")
    assert any("--seeds" in step.command for step in steps[:2])


def test_a_time_that_no_clock_shows_is_unknown(shelf):
    """A file may say anything: the page shows a dash."""
    facts = next(iter(shelf.study("done").finished().values())).facts
    for wrong in (float("inf"), float("nan"), -1.0, "long"):
        assert seconds_of(replace(facts, times={"total_s": wrong})) is None
    assert seconds_of(replace(facts, times={"total_s": 2})) == 2.0


def test_a_name_that_cannot_be_seen_or_is_an_option_is_no_trap():
    """No command for a folder whose name a terminal would not show; a dash at its beginning stays a name."""
    assert words_for(Path("a\u202eb")) is None
    assert words_for(Path("a\nrm -rf x")) is None
    assert words_for(Path("--out")) == "./--out"
    assert shlex.split(show_command("a; rm -rf x", 3) or "") == ["scantrial", "show", "a; rm -rf x", "--case", "3"]
    assert (show_command(None, 1), first_command(None)) == (None, None)
    nothing = Progress(
        n_planned=1,
        n_finished=0,
        n_diverged=0,
        n_waiting=1,
        is_training=False,
        seconds_left=None,
        running=(),
        failed=(),
    )
    assert steps_before(nothing, None) == ()
    assert steps_before(nothing, ".")[0].command == "scantrial run ./study.yaml --out ."


def test_pages_that_cannot_apply_are_named(shelf):
    """One arm cannot be compared, three classes have no threshold."""
    assert shelf.study("one").pages_without() == ("/compare", "/threshold")
    assert shelf.study("done").pages_without() == ()


def test_no_long_sentence_stands_twice(shelf):
    """In the answer, the verdicts, the hypotheses, the notes, what weakens the study, and what is said of curves."""
    for name in ("done", "formula", "one"):
        page = page_of(shelf, name)
        found = page.results
        assert found is not None
        said = [*found.answers, *found.weak, *found.verdicts, *found.warnings, *found.decisions, *found.notes]
        said += [item.sentence for item in found.hypotheses if item.sentence]
        said += [f"{arm.name}: {item.sentence}" for arm in page.arms for item in arm.warnings]
        said += [f"{label}: {one}" for label, of_arm in found.curves_said.items() for one in of_arm]
        long = [text for text in said if len(text) > 60]
        assert len(set(long)) == len(long)
        assert not any(one != other and one in other for one in long for other in long)
    assert any("still falling" in item.sentence for arm in page.arms for item in arm.warnings)


def test_a_page_looks_by_itself_only_at_scans_that_were_read_here(tmp_path, monkeypatch):
    """A study from elsewhere that names other files of this machine does not have them read by being looked at."""
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "scans").mkdir()
    for source, known in (("scans", True), ("../scans", False), (str(tmp_path / "scans"), False), ("other", False)):
        folder = write_study(tmp_path / "shelf" / "s", StudyShape(arms=TWO_ARMS))
        remember_place("f" * 64, tmp_path / "scans", "scans")
        plan = json.loads((folder.path / "plan.json").read_text())
        plan["data"] = {"source": {"name": source}}
        rewrite(folder, folder.path / "plan.json", json.dumps(plan))
        shelf = Shelf(tmp_path / "shelf")
        asked = CaseQuery(split="test")
        page = case_page(shelf, shelf.study("s"), 25, asked, is_closed=False)
        assert page.saliency_first == ("base/0" if known else None), source
        shutil.rmtree(folder.path)
