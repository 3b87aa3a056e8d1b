"""The numbers of a report, from the study folder to the view."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from scantrial.analysis.metrics import measure
from scantrial.analysis.verdict_words import metric_number
from scantrial.core.format import cell, counted, joined, plain
from scantrial.core.trees import differing_keys, flattened
from scantrial.figures.all import shared_domains
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view, primary_values
from scantrial.prose import study as study_prose
from scantrial.prose.study_limits import limit_sentences
from scantrial.recipe.spec import SelectSpec
from scantrial.store.folder import CHANGED_ABOUT, WRITTEN_DIFFERENTLY


def view_of(folder, **options):
    return build_view(read_study_folder(folder, by="report", purpose="report"), **options)


def test_arms_runs_and_metrics_are_those_of_the_folder(make_study):
    """Every run's metric in the view is the metric of its stored predictions."""
    folder = make_study()
    view = view_of(folder)
    assert (view.n_planned, view.n_finished) == (6, 6)
    assert [arm.name for arm in view.arms] == ["base", "loss-ce"]
    for arm, key in zip([a for a in view.arms for _ in a.runs], folder.run_keys(), strict=True):
        part = folder.predictions(key, ["test"], by="test", purpose="test")[0]
        run = next(run for run in arm.runs if run.seed == key.seed)
        assert run.metrics["test"]["auroc"].value == measure("auroc", part.y_true, part.y_prob).value


def test_summaries_are_over_seeds(make_study):
    """An arm's summary has the mean, deviation and range of its runs."""
    arm = view_of(make_study()).arms[0]
    values = [run.metrics["val"]["accuracy"].value for run in arm.runs]
    found = arm.summaries["val"]["accuracy"]
    assert found.mean == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    assert (found.n, found.minimum, found.maximum) == (3, min(values), max(values))


def test_confusion_is_summed_over_runs(make_study):
    """The matrix holds each test case once a run."""
    arm = view_of(make_study()).arms[0]
    assert arm.confusion is not None
    assert arm.confusion.sum() == 3 * 10
    right = sum(run.metrics["test"]["accuracy"].value * 10 for run in arm.runs)
    assert arm.confusion.trace() == pytest.approx(right)


def test_only_what_differs_is_told_of_an_arm(make_study):
    """Of two recipes that differ in the loss, the loss is the only differing setting."""
    assert [arm.differing for arm in view_of(make_study()).arms] == [{"loss.name": "bce"}, {"loss.name": "ce"}]
    assert differing_keys([{"a": 1, "b": 2}, {"a": 1, "c": 3}]) == ("b", "c")
    assert differing_keys([{"a": 1}]) == ()


def test_two_arms_of_one_label_are_told_apart(make_study):
    """Arms with the same label get their names beside it, so that no arm hides another."""
    view = view_of(make_study(labels={"base": "same", "loss-ce": "same"}))
    assert [arm.label for arm in view.arms] == ["same (base)", "same (loss-ce)"]
    assert len(primary_values(view)) == 2


def test_worst_cases_have_the_lowest_mean_probability_of_the_true_class(make_study):
    """The worst cases are those that a straight computation over all runs finds, worst first."""
    folder = make_study()
    parts = [folder.predictions(key, ["test"], by="test", purpose="test")[0] for key in folder.run_keys()]
    p_true = np.mean([part.y_prob[np.arange(len(part.y_true)), part.y_true] for part in parts], axis=0)
    order = np.argsort(p_true, kind="stable")[:5]
    worst = view_of(folder).worst
    assert [case.case for case in worst] == parts[0].cases[order].tolist()
    assert [case.mean_p_true for case in worst] == pytest.approx(p_true[order].tolist())
    first = worst[0]
    row = int(np.flatnonzero(parts[0].cases == first.case)[0])
    assert first.n_right == sum(part.y_pred[row] == part.y_true[row] for part in parts)
    assert first.n_runs == 6
    assert first.arms[0].mean_p_true == pytest.approx(
        np.mean([part.y_prob[row, part.y_true[row]] for part in parts[:3]])
    )
    assert first.source == f"a/scan-{first.case}.png"


def test_aggregates_leave_out_the_first_three_epochs_of_each_round(make_study):
    """For two rounds of six epochs there are both rounds and the whole run, each averaged run by run."""
    folder = make_study(rounds=2, seeds=(0, 1))
    arm = view_of(folder).arms[0]
    assert [stretch.round for stretch in arm.stretches] == [1, 2, None]
    histories = [folder.history(key) for key in folder.run_keys() if key.arm == "base"]
    by_hand = [np.mean([record.val_accuracy for record in history[9:12]]) for history in histories]
    assert arm.stretches[1].mean["val_accuracy"].mean == pytest.approx(np.mean(by_hand))
    whole = [np.mean([record.train_loss for record in history[3:]]) for history in histories]
    assert arm.stretches[2].mean["train_loss"].mean == pytest.approx(np.mean(whole))
    assert arm.stretches[0].at_end["val_loss"].maximum == max(history[5].val_loss for history in histories)


def test_a_diverged_run_counts_in_no_mean(make_study):
    """A diverged run without predictions is told of, and left out of results and aggregates."""
    view = view_of(make_study(diverged=[("base", 1)]))
    base = view.arms[0]
    assert base.summaries["test"]["accuracy"].n == 2
    assert base.stretches[0].n_runs == 2
    assert math.isfinite(base.stretches[0].mean["train_loss"].mean)
    assert base.n_confusion_runs == 2
    told = " ".join(study_prose.trouble(view))
    assert "base, seed 1, diverged: its loss was not finite at epoch 3. No epoch could be chosen" in told
    assert any("Leaving out diverged runs" in sentence for sentence in limit_sentences(view))


def test_missing_and_failed_runs_are_said(make_study):
    """What is missing is listed by arm and seed; what failed is told with its message, and not as missing too."""
    view = view_of(make_study(missing=[("base", 0), ("base", 2)], failed=[("loss-ce", 1)]))
    told = study_prose.trouble(view)
    assert told[0].startswith("The study is not finished: 2 runs of 6 are still missing: base (seeds 0 and 2).")
    assert told[1] == "The run of loss-ce, seed 1, failed: MemoryError: no room for 3 <b>GB</b>"
    assert len(told) == 2
    assert "6 runs, 3 of them finished" in " ".join(study_prose.what_was_done(view))


def test_what_the_source_left_out_is_told(make_study):
    """Counts by reason, in the summary and not among the facts about the source."""
    view = view_of(make_study(about={"name": "x", "excluded": {"scans of the class unsure": 1}, "n_folders": 9}))
    assert view.data.left_out == {"scans of the class unsure": 1}
    assert dict(view.data.about) == {"name": "x"}
    assert "Left out: 1 scan of the class unsure." in study_prose.what_was_done(view)


def test_a_study_without_a_finished_run_has_a_view(make_study):
    """Before the first run is finished there are no results, and nothing breaks."""
    view = view_of(make_study(missing=[(arm, seed) for arm in ("base", "loss-ce") for seed in range(3)]))
    assert view.n_finished == 0
    assert view.splits == ()
    assert view.worst == ()
    assert view.arms[0].confusion is None
    assert "1 file could not be read" in " ".join(study_prose.what_was_done(view))


def test_three_classes_leave_out_what_needs_two(make_study):
    """With three classes there is no sensitivity, and the matrix has nine cells."""
    view = view_of(make_study(class_names=("a", "b", "c"), arms={"base": {"loss": "ce"}}))
    assert "sensitivity" not in view.metrics
    assert view.arms[0].confusion.shape == (3, 3)


def test_a_class_absent_from_test_is_told(make_study):
    """With test cases of one class only, the report says which metric is not defined and why."""
    view = view_of(make_study(n_cases={"train": 12, "val": 8, "test": 1}))
    told = study_prose.undefined_values(view, "test")
    assert "AUROC is not defined in 6 runs: no case is of class “pneumonia”." in told
    assert math.isnan(view.arms[0].summaries["test"]["auroc"].mean)


def test_readings_of_test_rows_are_counted(make_study):
    """The reading for the report is logged for each run and shown, beside earlier ones."""
    folder = make_study()
    view_of(folder)
    view = view_of(folder)
    assert [(opening.by, opening.n_readings) for opening in view.openings] == [("report", 12)]
    assert any("read 12 times since" in sentence for sentence in study_prose.choice_sentences(view))


def test_a_runs_own_evaluation_is_no_reading(make_study):
    """Evaluations are told apart from readings, and "a single time" is said only where it is true."""
    once = view_of(make_study())
    assert (once.n_evaluations, once.n_evaluated) == (6, 6)
    assert "evaluated 6 times for 6 runs, each run once." in " ".join(study_prose.choice_sentences(once))
    twice = " ".join(study_prose.choice_sentences(view_of(make_study(evaluated_twice=[("base", 1)]))))
    assert "evaluated 7 times for 6 runs: if a run is stopped after its evaluation" in twice
    assert "single time" not in twice


def test_how_the_epoch_was_chosen_is_put_in_words(make_study):
    """One rule is told once; where arms differ, each rule is told with its arms."""
    assert study_prose.choice_sentences(view_of(make_study()))[0] == (
        "Each run is evaluated with the weights of the epoch with the smallest validation loss."
    )
    best = {"select": {"name": "best-val-metric", "metric": "auroc"}}
    said = study_prose.choice_sentences(
        view_of(make_study(arms={"a": {"select": "last"}, "b": best, "c": best}, seeds=(0,)))
    )[0]
    assert said.endswith("the last epoch (a); the epoch with the highest validation AUROC (b and c).")
    rule = study_prose.epoch_rule(SelectSpec(name="best-val-metric", metric="balanced_accuracy"))
    assert rule == "the epoch with the highest validation balanced accuracy"


def test_which_engine_trained_is_put_in_words(make_study):
    """One engine is told once with its reason; where runs differ, each is told with its arms."""
    view = view_of(make_study(arms={"a": {}, "b": {}}, seeds=(0, 1)))
    assert "Runs were trained by the reference engine (asked for)." in study_prose.choice_sentences(view)
    first, second = view.arms
    runs = tuple(
        replace(run, facts=replace(run.facts, engine="fused", engine_reason="auto: quick")) for run in second.runs
    )
    said = study_prose.choice_sentences(replace(view, arms=(first, replace(second, runs=runs))))
    assert "Runs of a were trained by the reference engine (asked for)." in said
    assert "Runs of b were trained by the fused engine (auto: quick)." in said


def test_a_study_of_one_seed_has_no_means_over_seeds(make_study):
    """With one seed each number is said to be of one run; with more it is a mean with its deviation."""
    one, three = view_of(make_study(seeds=(4,))), view_of(make_study())
    assert study_prose.how_to_read(one)[0] == "Each number comes from one run."
    assert "deviation" not in " ".join([*study_prose.how_to_read(one), *study_prose.what_aggregates_are(one)])
    assert study_prose.what_numbers_are(one, ["test"]) == "each number comes from one run"
    assert study_prose.what_numbers_are(three, ["test"]).startswith("mean ± standard deviation over seeds")
    assert "standard deviation over seeds" in study_prose.what_aggregates_are(three)[0]


@pytest.mark.parametrize(
    ("split", "about", "said"),
    [
        ({"train": 0.7, "val": 0.15, "test": 0.15}, {}, "Training, validation and test scans come from one source."),
        ({"folds": 5, "fold": 0}, {}, "Training, validation and test scans come from one source."),
        ({"test": "given", "val": 0.2}, {}, "The test scans are the source's own test split."),
        ({"train": 6, "val": 4, "test": 5, "per": "class"}, {}, "from the source's own test split where it has one"),
        ({"test": "given", "val": 0.2}, {"shift": 0.5}, "drawn on purpose with a different acquisition (shift 0.5)."),
        (
            {"train": 6, "val": 4, "test": 5, "per": "class"},
            {"shift": 1},
            "on purpose with a different acquisition (shift 1).",
        ),
        ({"folds": 5, "fold": 0}, {"shift": 0.5}, "(shift 0.5) were split together with the others."),
        ({"folds": 5, "fold": 0}, {"shift": 0.0}, "Scans from other sources were not tested."),
    ],
)
def test_where_test_scans_come_from_follows_the_split(make_study, split, about, said):
    """One pool is claimed only where the split was made from one; a shift of the phantom is told."""
    source = {"name": "phantom", "options": about} if about else {"name": "made-up"}
    view = view_of(make_study(split=split, about=source, seeds=(0,), arms={"base": {}}))
    assert said in " ".join(limit_sentences(view))


def test_changes_in_view_of_results_are_told(make_study):
    """A study file that was changed after runs had finished is told, in place of "no arm was chosen"."""
    folder = make_study()
    assert any("No arm was chosen" in sentence for sentence in study_prose.choice_sentences(view_of(folder)))
    folder.write_study("study: again\n", folder.plan(), sha256="1" * 64, change="added seeds: 3")
    said = " ".join(study_prose.choice_sentences(view_of(folder)))
    assert re.search(r"changed 1 time after results existed \(\d{4}-\d\d-\d\d: added seeds: 3\): arms, seeds", said)
    assert "No arm was chosen" not in said


@pytest.mark.parametrize("change", [CHANGED_ABOUT, WRITTEN_DIFFERENTLY, "spelt otherwise"])
def test_a_study_file_that_is_only_written_differently_chose_nothing(make_study, change):
    """Neither answers of the author nor another text of the same study, of 0.1.0 as well, count as a change."""
    folder = make_study()
    folder.write_study("study: again\n", folder.plan(), sha256="1" * 64, change=change)
    said = " ".join(study_prose.choice_sentences(view_of(folder)))
    assert "No arm was chosen" in said
    assert "after results existed" not in said


@pytest.mark.parametrize(
    ("losses", "class_names", "alike"),
    [
        (("bce", "ce"), ("a", "b"), True),
        (("bce", "ce"), ("a", "b", "c"), False),
        (({"name": "ce"}, {"name": "ce", "label_smoothing": 0.1}), ("a", "b"), False),
        (({"name": "bce"}, {"name": "ce", "focal_gamma": 2}), ("a", "b"), False),
        (({"name": "ce"}, {"name": "ce", "class_weights": "balanced"}), ("a", "b"), False),
    ],
)
def test_losses_that_are_different_quantities_are_told(make_study, losses, class_names, alike):
    """BCE and CE are one quantity for two classes; smoothing, focusing and weights make losses of another kind."""
    arms = {f"arm-{i}": {"loss": loss} for i, loss in enumerate(losses)}
    view = view_of(make_study(arms=arms, class_names=class_names, seeds=(0,)))
    assert view.losses_alike is alike
    assert any("different quantities" in sentence for sentence in limit_sentences(view)) is not alike
    assert (shared_domains(view)["loss_domain"] is not None) is alike


def test_three_epochs_have_no_mean_without_three(make_study):
    """Where no run is longer than the epochs left out, that is said and no mean is spoken of."""
    view = view_of(make_study(epochs=3))
    assert study_prose.what_aggregates_are(view)[0].startswith("No run has more than 3 epochs")
    assert not any("mean over epochs" in sentence.lower() for sentence in limit_sentences(view))
    assert view_of(make_study(epochs=3, rounds=2)).has_epoch_means


def test_what_seeds_change_names_dropout_and_own_classes(make_study):
    """Dropout masks are named where an arm has dropout; a user's own class starts from its own stream."""
    plain = view_of(make_study())
    assert "They change the initial weights and the order of the cases;" in " ".join(limit_sentences(plain))
    assert study_prose.how_arms_start(plain).startswith("Where two networks have a parameter")
    dropped = " ".join(limit_sentences(view_of(make_study(arms={"base": {}, "gap": {"model": "cnn-gap"}}))))
    assert "the initial weights, the order of the cases and the dropout masks;" in dropped
    own = view_of(make_study(arms={"base": {}, "own": {"model": "my.nets:Net"}}))
    assert "one stream of random numbers per seed" in study_prose.how_arms_start(own)


def test_a_primary_metric_that_does_not_apply_is_told(make_study):
    """Sensitivity as the primary metric of three classes has no values, and the reason is given."""
    view = view_of(make_study(class_names=("a", "b", "c"), arms={"base": {"loss": "ce"}}, primary="sensitivity"))
    assert primary_values(view) == {"base": {}}
    said = study_prose.primary_that_does_not_apply(view)
    assert said == ["Sensitivity is not defined here: it needs two classes, and there are 3."]
    assert study_prose.primary_that_does_not_apply(view_of(make_study())) == []


def test_undefined_metrics_name_the_absent_classes():
    """Indices in a metric's reason become names of classes; other reasons stay."""
    names = ("none", "cyst", "stone")
    assert study_prose.name_classes("no case is of class 0 or 2", names) == "no case is of class “none” or “stone”"
    assert study_prose.name_classes("there are no cases", names) == "there are no cases"


def test_limits_are_true_of_the_study(make_study):
    """Few seeds, one seed, unknown patients, the size of one case: each is said where it holds."""
    few = " ".join(limit_sentences(view_of(make_study())))
    assert "3 seeds are few" in few
    assert "There are 10 test cases, so one case changes accuracy by 10 points" in few
    assert "Patients are not identified" in few
    assert "Rounds" not in few
    one = " ".join(limit_sentences(view_of(make_study(arms={"base": {}}, seeds=(7,), rounds=2))))
    assert "There is only one seed" in one
    assert "Each round of a run continues from the round before" in one


def test_patients_in_two_splits_are_counted(make_study):
    """With five cases a patient in order, the one patient across a border of the splits is told."""
    view = view_of(make_study(cases_per_patient=5))  # splits end at cases 12 and 20
    assert view.data.n_shared_patients == 1
    told = " ".join(limit_sentences(view))
    assert "1 patient has scans in more than one split" in told
    assert "Patients are not identified" not in told
    assert view_of(make_study(cases_per_patient=4)).data.n_shared_patients == 0


def test_the_last_epoch_is_not_said_to_be_chosen(make_study):
    """Where the recipe keeps the last epoch, the report does not say that validation chose it."""
    view = view_of(make_study(arms={"base": {"select": "last"}}))
    assert "its last epoch is kept" in " ".join(study_prose.what_was_done(view))
    assert "choose its epoch" in " ".join(study_prose.what_was_done(view_of(make_study())))


def test_no_sentence_claims_that_an_arm_is_better(make_study):
    """Outside the verdicts no sentence compares arms."""
    view = view_of(make_study())
    said = [
        *study_prose.what_was_done(view),
        *study_prose.how_to_read(view),
        *study_prose.choice_sentences(view),
        study_prose.worst_heading(view),
    ]
    assert not [
        sentence for sentence in said for word in ("better", "worse", "significant") if word in sentence.lower()
    ]


def test_numbers_are_shown_as_a_reader_expects():
    """Proportions in per cent, other metrics in decimals, no number as a dash, settings as in a study file."""
    from scantrial.analysis.metrics import METRICS

    assert metric_number(METRICS["accuracy"], 0.75749) == "75.7"
    assert metric_number(METRICS["accuracy"], 0.7575, fine=True) == "75.75"
    assert metric_number(METRICS["auroc"], 0.91234) == "0.912"
    assert metric_number(METRICS["auroc"], float("nan")) == "–"
    assert (
        plain({"lr": 1e-3, "betas": [0.9, 0.999], "on": True, "x": None})
        == "lr: 0.001, betas: 0.9, 0.999, on: true, x: none"
    )
    assert cell(0.123456789) == "0.123457"
    assert (counted(1, "run"), counted(1600, "run")) == ("1 run", "1,600 runs")
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert flattened({"a": {"b": {"c": 1}}, "d": [1]}) == {"a.b.c": 1, "d": [1]}
