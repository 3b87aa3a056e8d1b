"""What a report says of the curves and the gaps of a study."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from scantrial.api import results
from scantrial.core.format import glued
from scantrial.core.records import EpochRecord
from scantrial.findings.diagnosis import loss_error
from scantrial.findings.reading import read_study_folder
from scantrial.findings.watching import WatchedRun, watch_curves
from scantrial.report.formats import build_report


@pytest.fixture(scope="module")
def diagnosis(make_study):
    return results(make_study(epochs=12).path).diagnosis


def test_every_arm_is_judged_over_all_of_its_runs(diagnosis):
    """One entry an arm, with one round of three runs, and words for all of it."""
    assert [arm.name for arm in diagnosis.arms] == ["base", "loss-ce"]
    for arm in diagnosis.arms:
        (only,) = arm.rounds
        assert only.n_runs == sum(only.counts.values()) == 3
        assert list(only.runs) == [0, 1, 2]
        assert arm.train_gap.n_seeds == arm.test_gap.n_seeds == 3
        assert (arm.train_gap.n_first, arm.train_gap.n_second, arm.test_gap.n_second) == (12, 8, 10)
        assert [finding.code for finding in arm.gap_findings] == ["LC016", "LC017"]
        assert len(arm.shift_said) == len(arm.steps)


def test_gaps_are_of_the_stored_decisions(make_study):
    """The mean gap is the difference of the arm's mean accuracies on the two splits."""
    view = results(make_study().path)
    for arm, told in zip(view.arms, view.diagnosis.arms, strict=True):
        means = {split: np.mean([run.metrics[split]["accuracy"].value for run in arm.runs]) for split in view.splits}
        assert told.train_gap.value == pytest.approx(means["train"] - means["val"])
        assert told.test_gap.value == pytest.approx(means["val"] - means["test"])


def test_patients_with_several_scans_widen_the_interval(make_study):
    """The same decisions, with two scans a patient, have another standard error."""
    alone, shared = (results(make_study(cases_per_patient=n).path).diagnosis.arms[0].test_gap for n in (None, 2))
    assert alone.value == shared.value
    assert alone.se != shared.se


def test_rounds_are_judged_one_by_one(make_study):
    """Two rounds of six epochs are two diagnoses a run, and it is said so."""
    told = results(make_study(rounds=2).path).diagnosis
    assert [part.round for part in told.arms[0].rounds] == [1, 2]
    assert [run.first_epoch for run in told.arms[0].rounds[1].runs.values()] == [7, 7, 7]
    assert any("Each round is judged by itself" in sentence for sentence in told.caveats)


def test_a_run_that_diverged_is_told_and_has_no_gap(make_study):
    """Its label is said with its epoch; where no run has predictions there is no gap, and the check says why."""
    told = results(make_study(diverged=[("base", seed) for seed in (0, 1, 2)]).path).diagnosis.arms[0]
    assert told.said[0].startswith(
        "Diverged (3 of 3 runs). Training diverged at epoch 3: the loss was no longer finite"
    )
    assert (told.train_gap, told.test_gap, told.steps) == (None, None, ())
    assert {finding.reason for finding in told.gap_findings} == {"predictions of one split are missing"}


def test_a_study_of_which_nothing_ran_has_nothing_to_say(make_study):
    """Arms without runs have no rounds and no words, and the page says that no run is finished."""
    folder = make_study(missing=[(arm, seed) for arm in ("base", "loss-ce") for seed in (0, 1, 2)])
    told = results(folder.path).diagnosis
    assert [arm.said for arm in told.arms] == [(), ()]
    assert told.factors == ()
    page = build_report(folder)
    assert "No run is finished yet" in page.split('id="diagnosis"')[1].split("</section>")[0]


def test_the_setting_that_arms_differ_in_is_told_along_its_levels(make_study):
    """Arms that differ from the first in one setting alone are levels of it; others are left out."""
    arms = {
        "base": {},
        "lr-0.01": {"optimizer": {"name": "adam", "lr": 0.01}},
        "lr-0.0001": {"optimizer": {"name": "adam", "lr": 0.0001}},
        "loss-ce": {"loss": "ce"},
    }
    told = dict(results(make_study(arms=arms, epochs=12).path).diagnosis.factors)
    assert list(told) == ["loss", "optimizer.lr"]
    assert told["optimizer.lr"][0].startswith("As optimizer.lr grows (0.0001, 0.001, 0.01), the commonest label is: ")
    assert told["loss"][0].startswith("With loss at bce, ce, the commonest label is: ")


def test_a_smoothed_loss_switches_off_what_compares_with_guessing(make_study):
    """And the page says so with the reason."""
    folder = make_study(arms={"base": {"loss": {"name": "ce", "label_smoothing": 0.1}}})
    told = results(folder.path).diagnosis
    assert any("switched off: the loss is label-smoothed" in sentence for sentence in told.caveats)
    assert "switched off: the loss is label-smoothed" in build_report(folder)
    assert told.arms[0].rounds[0].runs[0].best.one_error is None


def test_class_weights_leave_the_rules_of_guessing_on(make_study):
    """Balanced weights have a loss of guessing: ln k, in the studies that are finished and in those that train."""
    weighted = {"base": {"loss": {"name": "ce", "class_weights": "balanced"}}}
    folder = make_study(arms=weighted, class_names=("a", "b", "c"), epochs=8)
    told = results(folder.path).diagnosis
    assert not any("switched off" in sentence for sentence in told.caveats)
    run = told.arms[0].rounds[0].runs[0]
    assert run.findings["LC002"].numbers["guessing_loss"] == pytest.approx(np.log(3))
    assert run.best.one_error is not None
    stuck = [
        replace(record(epoch), train_loss=np.log(3), val_loss=np.log(3), val_accuracy=1 / 3) for epoch in range(1, 6)
    ]
    counts = {"train": {"a": 70, "b": 20, "c": 10}, "val": {"a": 7, "b": 2, "c": 1}}
    recipe = folder.plan().arm("base").recipe
    (warning,) = watch_curves({0: WatchedRun(history=tuple(stuck), chosen_epoch=None)}, recipe=recipe, counts=counts)
    assert warning.title == "Stuck at chance"


def record(epoch: int) -> EpochRecord:
    return EpochRecord(round=1, epoch=epoch, lr=1e-3, train_loss=1, train_accuracy=0.3, val_loss=1, val_accuracy=0.3)


@pytest.mark.parametrize("weights", [None, (2.0, 2.0), (1.0, 4.0), "balanced"])
def test_the_error_of_a_weighted_loss_is_that_of_repeated_samples(make_study, weights):
    """The range of one standard error rests on the error of the weighted mean, as found by resampling the cases."""
    folder = make_study(
        arms={"base": {"loss": {"name": "ce", "class_weights": weights}}},
        n_cases={"train": 13, "val": 300, "test": 10},
        seeds=(0,),
    )
    study = read_study_folder(folder, by="test", purpose="a test")
    (run,), recipe = study.runs, study.plan.arm("base").recipe
    part = run.predictions["val"]
    losses = -np.log(part.y_prob[np.arange(300), part.y_true])
    of_class = {None: (1.0, 1.0), "balanced": (13 / (2 * 7), 13 / (2 * 6))}.get(weights, weights)
    w = np.array(of_class)[part.y_true]
    drawn = np.random.default_rng(0).integers(0, 300, (4000, 300))
    repeated = ((w * losses)[drawn].sum(axis=1) / w[drawn].sum(axis=1)).std()
    assert loss_error(run, recipe, train_counts=(7, 6)) == pytest.approx(repeated, rel=0.06)


def test_dropout_is_known_from_the_recipe(make_study):
    """A training loss above validation loss is said not to be measured alike under dropout, and only there."""
    network = {"name": "mlp", "hidden": [8]}
    arms = {"base": {"model": network}, "drop": {"model": {**network, "dropout": 0.5}}}
    folder = make_study(arms=arms)
    recipes = [folder.plan().arm(name).recipe for name in arms]
    assert [recipe.only_in_training for recipe in recipes] == [(), ("dropout",)]
    high = tuple(replace(record(epoch), train_loss=0.6, val_loss=0.3, val_accuracy=0.9) for epoch in range(1, 9))
    counts = {"train": {"a": 50, "b": 50}, "val": {"a": 20, "b": 20}}
    said = [
        [item.title for item in watch_curves({0: WatchedRun(history=high, chosen_epoch=8)}, recipe=one, counts=counts)]
        for one in recipes
    ]
    assert said == [["Underfit"], []]


def test_the_page_holds_every_sentence_and_json_every_number(make_study):
    """What the report, the terminal and the JSON say is one and the same text."""
    folder = make_study(epochs=12)
    told = results(folder.path).diagnosis
    page = build_report(folder).replace("&#39;", "'")
    for arm in told.arms:
        for sentence in (*arm.said, *arm.gap_said, *arm.shift_said):
            assert glued(sentence) in page
    plain = json.loads(json.dumps(told.to_dict()))
    assert plain["arms"][0]["said"] == list(told.arms[0].said)
    assert plain["arms"][0]["rounds"][0]["runs"][0]["findings"][0]["code"] == "LC001"


def test_a_run_that_diverged_did_not_stop_early(make_study):
    """Its last epochs are missing, and it has a best one: its schedule is judged, that of a run that stopped is not."""
    recipe = make_study(arms={"base": {"epochs": 10, "schedule": "cosine"}}).plan().arm("base").recipe
    flat = tuple(record(epoch) for epoch in range(1, 9))
    counts = {"train": {"a": 50, "b": 50}, "val": {"a": 20, "b": 20}}
    codes = [
        {
            item.code
            for item in watch_curves(
                {0: WatchedRun(history=flat, chosen_epoch=5, stopped_early=stopped)}, recipe=recipe, counts=counts
            )
        }
        for stopped in (False, True)
    ]
    assert codes[0] - codes[1] == {"LC014"}
