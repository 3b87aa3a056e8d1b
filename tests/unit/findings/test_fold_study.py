"""A study by cross-validation, judged, evaluated, shown and reported from a folder that was written without training."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.studies import TWO_ARMS, StudyShape, write_study

from scantrial import api
from scantrial.analysis.rows import rows_of, validation_rows
from scantrial.analysis.thresholds import threshold_for_sensitivity
from scantrial.audit.stored import stored_scores
from scantrial.core.errors import InputError
from scantrial.findings.case import case_view
from scantrial.findings.judging import Choices, judge
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.prose.brief import answer_lines, next_commands
from scantrial.store.folder import RunKey

SHAPE = StudyShape(arms=TWO_ARMS, seeds=(0, 1), folds=(3, 2), cases_per_patient=2, n_cases={"train": 40, "val": 20})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two arms, two seeds in each of two times three folds."""
    return write_study(tmp_path_factory.mktemp("folds") / "study", SHAPE)


@pytest.fixture(scope="module")
def study(folder):
    return read_study_folder(folder, by="t", purpose="t")


def accuracies(study, arm) -> np.ndarray:
    """Return the accuracy of an arm's runs by place, then seed."""
    found: dict[object, list[float]] = {place: [] for place in study.plan.folds}
    for run in study.runs_of(arm):
        part = run.predictions["test"]
        found[run.key.place].append(float((part.y_pred == part.y_true).mean()))
    return np.array(list(found.values()))


def test_the_differences_are_means_over_the_seeds_of_a_fold(study):
    found = judge(study).by_fold
    by_hand = accuracies(study, "loss-ce").mean(axis=1) - accuracies(study, "base").mean(axis=1)
    assert found.comparisons[0].result.by_fold == pytest.approx(by_hand)
    assert found.n_cases == 60
    assert found.n_patients == 30
    assert [fold.n_train for fold in found.folds] == [40] * 6


def test_another_metric_margin_and_control_may_be_chosen(study):
    found = judge(study, choices=Choices(metric="auroc", margin=0.9, control="loss-ce")).by_fold
    assert (found.metric, found.margin, found.control) == ("auroc", 0.9, "loss-ce")
    assert found.comparisons[0].verdict.label == "equivalent"
    with pytest.raises(InputError, match="bootstrap with a cross-validation"):
        judge(study, choices=Choices(bootstrap=True))


def test_thresholds_are_chosen_in_each_fold(study):
    """Each run's threshold is of its own validation part; the sensitivity is the mean over the folds."""
    view = build_view(study)
    point = view.evaluation.arms[0].operating[0]
    shares = {place: [] for place in study.plan.folds}
    for run in study.runs_of("base"):
        chosen = threshold_for_sensitivity(validation_rows(run.predictions["val"])).value
        test = rows_of(run.predictions["test"])
        shares[run.key.place].append(float((test.scores > chosen)[test.y_true == 1].mean()))
    by_fold = np.mean(list(shares.values()), axis=1)
    assert list(point.sensitivity.by_seed.values()) == pytest.approx(by_fold)
    assert point.sensitivity.mean == pytest.approx(by_fold.mean())
    assert point.sensitivity.se == pytest.approx(np.sqrt((1 / 6 + 1 / 2) * by_fold.var(ddof=1)))
    assert len(point.thresholds) == 12


def test_a_study_whose_folds_are_not_all_tested_gets_no_verdict(tmp_path):
    """The reason names the arm and its folds; what is there is shown."""
    shape = replace(SHAPE, untested=[("loss-ce", 1, 2)])
    study = read_study_folder(write_study(tmp_path / "study", shape), by="t", purpose="t")
    found = judge(study)
    assert found.by_fold.comparisons[0].verdict.label == "not enough to judge"
    assert "loss-ce lacks scores in 1 fold (fold 2 of repeat 1)" in found.by_fold.comparisons[0].sentence
    assert len(found.by_fold.folds) == 5
    view = build_view(study)
    assert (view.n_finished, view.n_planned) == (22, 24)
    command, why = next_commands(view, ["s.yaml"], "study")[1]
    assert command == "scantrial run s.yaml --seeds 2 --out study"
    assert why == "the runs that are missing"
    waiting = api.status(tmp_path / "study").waiting
    assert waiting == (RunKey("loss-ce", 0, 1, 2), RunKey("loss-ce", 1, 1, 2))


def test_a_case_is_shown_under_the_folds_that_tested_it(folder):
    """And only these runs' readings of it are logged."""
    view = case_view(folder, 7, arm="base")
    assert [(seed.seed, seed.repeat, seed.fold) for seed in view.arms[0].seeds] == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 0),
        (1, 1, 1),
    ]
    assert "seed 1, fold 1 of repeat 1: " in view.to_text()
    last = folder.test_openings()[-1]
    assert sorted(last.runs) == sorted(str(RunKey("base", s, r, f)) for s in (0, 1) for r, f in ((0, 0), (1, 1)))


def test_the_report_says_what_is_by_fold_and_what_is_left_out(folder, tmp_path):
    """Folds one by one, runs by repeat and fold, one confusion matrix; no sentence calls folds seeds."""
    text = api.report(folder.path, format="md", out=tmp_path).read_text()
    for said in (
        "cross-validation of 2 arms: 3 folds, repeated 2 times and 2 seeds in each, the same folds for every arm",
        "| Repeat | Fold | Trained on | Tested on |",
        "| Arm | Repeat | Fold | Seed |",
        "Confusion matrices out of fold",
        "12 folds: thin lines",
        "they are left out",
        "No network of this study was trained on all scans",
        "Nadeau C, Bengio Y",
    ):
        assert said in text, said
    for wrong in ("over seeds", "seed-to-seed", "seeds and cases", "Seeds are not new"):
        assert wrong not in text, wrong


def test_the_audit_takes_scores_out_of_fold(folder, study):
    """Each case has the mean of the runs that tested it."""
    found = stored_scores(folder, np.arange(60))
    of_case = [
        run.predictions["test"].y_prob[run.predictions["test"].cases == 7][0]
        for run in study.runs
        if 7 in run.predictions["test"].cases
    ]
    assert found.rows.tolist() == list(range(60))
    assert len(of_case) == 8
    assert found.y_prob[7] == pytest.approx(np.mean(of_case, axis=0))


def test_the_terminal_answers_by_fold(study):
    lines = answer_lines(build_view(study))
    assert judge(study).by_fold.comparisons[0].result.contrast.first in lines[0]
    assert json.loads(json.dumps(judge(study).to_dict()))["by_fold"]["design"] == "cross-validation"
