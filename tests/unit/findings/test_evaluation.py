"""Calibration and thresholds of a study: chosen on validation, measured on test, in numbers and words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scantrial.analysis.metrics import listed_metrics
from scantrial.analysis.rows import rows_of, validation_rows
from scantrial.analysis.thresholds import operate, threshold_for_sensitivity
from scantrial.findings.evaluation import evaluate
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.prose import evaluation as evaluation_prose
from scantrial.report.document import walk
from scantrial.report.sections.calibration import belief

LABELS = {"base": "loss = bce", "loss-ce": "loss = ce"}
SIZES = {"train": 40, "val": 80, "test": 120}


@pytest.fixture(scope="module")
def study(make_study):
    return read_study_folder(make_study(n_cases=SIZES), by="test", purpose="evaluation")


@pytest.fixture(scope="module")
def evaluation(study):
    return evaluate(study, metric="accuracy")


def test_every_metric_has_its_interval(evaluation):
    """Each arm has all metrics that a report lists, each mean inside its interval; all of it is plain data."""
    for arm in evaluation.arms:
        assert tuple(arm.estimates) == listed_metrics(2, primary="accuracy")
        assert all(found.low <= found.mean <= found.high for found in arm.estimates.values())
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_thresholds_are_those_of_validation_and_counts_those_of_test(study, evaluation):
    """Sensitivity and specificity are the means over seeds of each run at the threshold its validation cases chose."""
    for arm in evaluation.arms:
        expected = []
        for run in study.runs_of(arm.arm):
            chosen = threshold_for_sensitivity(validation_rows(run.predictions["val"]))
            expected.append(operate(rows_of(run.predictions["test"]), chosen))
        view = arm.operating[0]
        assert view.sensitivity.mean == pytest.approx(np.mean([point.sensitivity.value for point in expected]))
        assert view.specificity.mean == pytest.approx(np.mean([point.specificity.value for point in expected]))
        assert arm.operating[1].sensitivity.mean == pytest.approx(arm.estimates["sensitivity"].mean)
        for values in view.predictive:
            se, sp, pi = view.sensitivity.mean, view.specificity.mean, values.prevalence
            assert values.ppv.value == pytest.approx(se * pi / (se * pi + (1 - sp) * (1 - pi)))


def test_changing_test_labels_changes_no_choice(study, evaluation):
    """What is chosen does not look at test cases: with their scores turned round, thresholds and temperatures stay."""
    from dataclasses import replace

    def turned(run):
        part = run.predictions["test"]
        flipped = replace(part, logits=-part.logits, y_prob=part.y_prob[:, ::-1].copy())
        return replace(run, predictions={**run.predictions, "test": flipped})

    other = evaluate(replace(study, runs=tuple(map(turned, study.runs))), metric="accuracy")
    for before, after in zip(evaluation.arms, other.arms, strict=True):
        assert after.calibration.temperature == before.calibration.temperature
        assert after.operating[0].thresholds == before.operating[0].thresholds
        assert after.operating[0].sensitivity.mean != before.operating[0].sensitivity.mean


def test_the_words_carry_the_numbers(evaluation):
    """Calibration, temperature, thresholds and the winner are each said with their numbers."""
    said = evaluation_prose.calibration_words(evaluation, LABELS)
    assert len(said) == 2
    assert all(
        " points (debiased root mean square, 95 % CI " in sentence and ", counting seeds and cases; ECE " in sentence
        for sentence in said
    )
    cooled = evaluation_prose.temperature_words(evaluation, LABELS)
    view = evaluation.arms[0].calibration
    assert cooled[0].startswith(f"loss = bce: temperature {view.temperature.mean:.2f} (")
    assert "over 3 seeds" in cooled[0]
    best = max(evaluation.arms, key=lambda arm: arm.estimates["accuracy"].mean)
    winner = evaluation_prose.winner_words(evaluation, LABELS, metric="accuracy")
    accuracy = f"{100 * best.estimates['accuracy'].mean:.2f} %"
    assert winner[0].startswith(f"{LABELS[best.arm]} is the best arm on these cases: Accuracy {accuracy}.")
    assert evaluation_prose.operating_words(evaluation)[0].startswith(
        "Thresholds: sensitivity of at least 90 % on validation and fixed at p = 0.5."
    )


@pytest.mark.parametrize(("seeds", "words"), [((0, 1, 2), "seeds and cases"), ((4,), "cases alone")])
def test_intervals_are_said_to_count_what_they_count(make_study, seeds, words):
    """With one seed it is the cases alone: over the table, at thresholds, and of the calibration error."""
    view = build_view(read_study_folder(make_study(seeds=seeds, n_cases=SIZES), by="test", purpose="test"))
    told = belief(view, None, None)
    (table,) = [block for block in walk(told) if getattr(block, "id", "") == "intervals-table"]
    assert table.caption.endswith(f"below it the 95 % CI, counting {words}.")
    assert ("mean over its seeds" in table.caption) == (len(seeds) > 1)
    assert f"Intervals count {words}. " in evaluation_prose.operating_words(view.evaluation)[0]
    assert all(
        f", counting {words};" in one for one in evaluation_prose.calibration_words(view.evaluation, view.labels)
    )


def test_more_classes_have_intervals_and_no_calibration(make_study):
    """Beyond two classes the metrics that apply have intervals; calibration and thresholds are for two."""
    folder = make_study(class_names=("a", "b", "c"), n_cases=SIZES)
    found = evaluate(read_study_folder(folder, by="test", purpose="evaluation"), metric="accuracy")
    for arm in found.arms:
        assert set(arm.estimates) == {
            "accuracy",
            "balanced_accuracy",
            "auroc",
            "average_precision",
            "macro_f1",
            "weighted_f1",
            "log_loss",
            "brier",
        }
        assert arm.calibration is None
        assert arm.operating == ()
    assert evaluation_prose.calibration_words(found, {"base": "a", "loss-ce": "b"}) == []


def test_one_arm_has_no_winner(make_study):
    """Nothing is picked where there is one arm, and nothing evaluated where no run has predictions."""
    one = read_study_folder(make_study(arms={"base": {}}, n_cases=SIZES), by="test", purpose="evaluation")
    assert evaluate(one, metric="accuracy").winner is None
    absent = make_study(missing=[(arm, seed) for arm in LABELS for seed in range(3)])
    assert evaluate(read_study_folder(absent, by="test", purpose="evaluation"), metric="accuracy").arms == ()
