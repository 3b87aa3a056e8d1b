"""Metrics: hand-worked values, scikit-learn, undefined values, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sk

from scantrial.analysis.metrics import (
    METRICS,
    checked,
    confusion_matrix,
    listed_metrics,
    log_odds_of_class,
    measure,
    measure_all,
    metrics_for,
)
from scantrial.core.errors import InputError, ShapeError


def scores(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y_true = np.arange(n) % k
    logits = np.eye(k)[y_true] + rng.normal(0, 1.5, (n, k))
    return y_true, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def two(p: list[float]) -> np.ndarray:
    return np.column_stack([1 - np.array(p), p])


def averaged_and_graded(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """Return what scikit-learn gives for the averages of F1 and for the metrics of grades."""
    return {
        "macro_f1": sk.f1_score(y_true, y_pred, average="macro", zero_division=0),
        "weighted_f1": sk.f1_score(y_true, y_pred, average="weighted", zero_division=0),
        "quadratic_weighted_kappa": sk.cohen_kappa_score(y_true, y_pred, weights="quadratic"),
        "mean_absolute_error": sk.mean_absolute_error(y_true, y_pred),
    }


def test_shapes_that_do_not_fit_are_refused_and_never_broadcast():
    """Arrays of other shapes raise ShapeError naming the shapes, even where NumPy would broadcast them."""
    y_true, y_prob = scores(6, 2)
    for bad in (y_prob[:1], y_prob[:, :1], y_prob.ravel(), y_prob.T):
        with pytest.raises(ShapeError, match="y_prob of shape"):
            measure("accuracy", y_true, bad)
    with pytest.raises(ShapeError, match=r"y_true of shape \(6, 1\)"):
        measure("accuracy", y_true[:, None], y_prob)
    with pytest.raises(ShapeError, match="the same shape"):
        measure("accuracy", y_true, y_prob, y_pred=y_true[:1])
    with pytest.raises(ShapeError):
        confusion_matrix(y_true, y_true[:1], n_classes=2)


@pytest.mark.parametrize("bad", [[[0.5, 0.6]], [[-0.1, 1.1]], [[np.nan, 1.0]], [[2.0, -3.0]], [[np.inf, 0.0]]])
def test_what_is_no_probability_is_refused(bad):
    """Logits, negative numbers, NaN and rows that do not sum to 1 raise InputError naming the row."""
    with pytest.raises(InputError, match="row 1"):
        measure("brier", np.array([0, 1]), np.array([[0.5, 0.5], *bad]))


@pytest.mark.parametrize("labels", [[0, 2], [-1, 0], [0.0, 1.0]])
def test_what_is_no_class_index_is_refused(labels):
    """A label out of range or of a fractional type raises InputError."""
    with pytest.raises(InputError, match="y_true"):
        measure("accuracy", np.array(labels), two([0.2, 0.9]))


def test_an_unknown_metric_names_the_nearest():
    """A misspelt metric is refused with the right name."""
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        measure("acuracy", *scores(4, 2))


def test_values_worked_by_hand():
    """Four cases by hand: 3 of 4 right, sensitivity 1/2, specificity 1, log loss and Brier as written out."""
    y_true, y_prob = np.array([0, 0, 1, 1]), two([0.2, 0.4, 0.3, 0.9])
    value = {found.name: found.value for found in measure_all(y_true, y_prob)}
    assert value["accuracy"] == 0.75
    assert value["sensitivity"] == 0.5
    assert value["specificity"] == 1.0
    assert value["balanced_accuracy"] == 0.75
    assert value["auroc"] == 0.75  # of 4 pairs, (0.4, 0.3) is the wrong way round
    assert value["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert value["log_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.3) + math.log(0.9)) / 4)
    assert value["brier"] == pytest.approx((0.04 + 0.16 + 0.49 + 0.01) / 4)


def test_a_tie_goes_to_the_lower_class():
    """p = 0.5 decides for class 0, as the stored predictions do."""
    assert measure("accuracy", np.array([0, 1]), two([0.5, 0.5])).value == 0.5
    assert checked(np.array([0, 1]), two([0.5, 0.5])).y_pred.tolist() == [0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_two_classes_agree_with_scikit_learn(seed):
    """All metrics of two classes equal scikit-learn's."""
    y_true, y_prob = scores(101, 2, seed)
    y_pred, p = y_prob.argmax(axis=1), y_prob[:, 1]
    expected = {
        "accuracy": sk.accuracy_score(y_true, y_pred),
        "balanced_accuracy": sk.balanced_accuracy_score(y_true, y_pred),
        "sensitivity": sk.recall_score(y_true, y_pred),
        "specificity": sk.recall_score(y_true, y_pred, pos_label=0),
        "auroc": sk.roc_auc_score(y_true, p),
        "average_precision": sk.average_precision_score(y_true, p),
        "f1": sk.f1_score(y_true, y_pred),
        "mcc": sk.matthews_corrcoef(y_true, y_pred),
        **averaged_and_graded(y_true, y_pred),
        "log_loss": sk.log_loss(y_true, y_prob),
        "brier": sk.brier_score_loss(y_true, p),
    }
    assert {found.name: found.value for found in measure_all(y_true, y_prob)} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [3, 5])
def test_more_classes_agree_with_scikit_learn(k):
    """Beyond two classes the metrics equal scikit-learn's macro averages; sensitivity and specificity are left out."""
    y_true, y_prob = scores(103, k)
    expected = {
        "accuracy": sk.accuracy_score(y_true, y_prob.argmax(axis=1)),
        "balanced_accuracy": sk.balanced_accuracy_score(y_true, y_prob.argmax(axis=1)),
        "auroc": sk.roc_auc_score(y_true, y_prob, multi_class="ovr", average="macro"),
        "average_precision": sk.average_precision_score(np.eye(k)[y_true], y_prob, average="macro"),
        **averaged_and_graded(y_true, y_prob.argmax(axis=1)),
        "log_loss": sk.log_loss(y_true, y_prob),
        "brier": ((y_prob - np.eye(k)[y_true]) ** 2).sum(axis=1).mean(),
    }
    assert {found.name: found.value for found in measure_all(y_true, y_prob)} == pytest.approx(expected, abs=1e-12)
    assert "sensitivity" not in metrics_for(k)


def test_an_absent_class_gives_nan_with_a_reason():
    """With positives only, metrics that need negatives are NaN and say so; the others have values. Nothing warns."""
    found = {value.name: value for value in measure_all(np.array([1, 1, 1]), two([0.9, 0.2, 0.7]))}
    for name in ("specificity", "balanced_accuracy", "auroc"):
        assert math.isnan(found[name].value)
        assert found[name].reason == "no case is of class 0"
        assert found[name].to_dict()["value"] is None
    assert found["sensitivity"].value == pytest.approx(2 / 3)
    assert found["average_precision"].value == 1.0
    assert found["accuracy"].is_defined
    negatives = {value.name: value for value in measure_all(np.array([0, 0]), two([0.9, 0.2]))}
    assert negatives["average_precision"].reason == "no case is of class 1"
    json.dumps([value.to_dict() for value in found.values()], allow_nan=False)


def test_a_class_that_is_never_decided_has_an_f1_of_0():
    """As scikit-learn with zero_division=0: no decision for class 2 of three lowers both averages, and nothing warns."""
    y_true = np.array([0, 0, 1, 1, 2, 2, 2])
    y_pred = np.array([0, 1, 1, 1, 0, 1, 1])
    prob = np.eye(3)[y_pred]
    of_class = [1 / 2, 4 / 7, 0.0]
    assert measure("macro_f1", y_true, prob).value == pytest.approx(np.mean(of_class))
    assert measure("weighted_f1", y_true, prob).value == pytest.approx(np.dot([2, 2, 3], of_class) / 7)
    for name, value in averaged_and_graded(y_true, y_pred).items():
        assert measure(name, y_true, prob).value == pytest.approx(value, abs=1e-12)


def test_an_absent_class_and_the_averages_of_f1():
    """Macro F1 has no value where a class has no case; weighted F1 gives that class no weight."""
    y_true, prob = np.array([0, 0, 1, 1]), np.eye(3)[[0, 1, 1, 1]]
    assert measure("macro_f1", y_true, prob).reason == "no case is of class 2"
    assert measure("weighted_f1", y_true, prob).value == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_kappa_without_agreement_beyond_chance():
    """One and the same decision for every case is kappa 0; where the truth is that one class too, there is no kappa."""
    always = np.eye(3)[[1, 1, 1, 1]]
    assert measure("quadratic_weighted_kappa", np.array([0, 1, 2, 1]), always).value == 0
    assert measure("quadratic_weighted_kappa", np.array([1, 1, 1, 1]), always).reason == (
        "all cases and all decisions are of one class"
    )


def test_kappa_and_the_error_take_classes_as_grades_in_their_order():
    """An error of two grades weighs four times, and twice, as much as one of one grade: worked by hand."""
    y_true = np.array([0, 1, 2, 2])
    near, far = np.eye(3)[[0, 1, 2, 1]], np.eye(3)[[0, 1, 2, 0]]
    assert measure("mean_absolute_error", y_true, near).value == 1 / 4
    assert measure("mean_absolute_error", y_true, far).value == 2 / 4
    # Over all 16 pairs of a true and a decided grade the squared distances sum to 6 + 2 + 12, and to 5 + 3 + 18.
    assert measure("quadratic_weighted_kappa", y_true, near).value == pytest.approx(1 - 1 / (20 / 4))
    assert measure("quadratic_weighted_kappa", y_true, far).value == pytest.approx(1 - 4 / (26 / 4))


def test_what_a_report_lists():
    """With two classes a report lists what it always did; averages of F1 from three on; grades only where they decide."""
    two_classes = listed_metrics(2, primary="accuracy")
    assert two_classes == (
        "accuracy",
        "balanced_accuracy",
        "sensitivity",
        "specificity",
        "auroc",
        "average_precision",
        "f1",
        "mcc",
        "log_loss",
        "brier",
    )
    three = listed_metrics(3, primary="accuracy")
    assert {"macro_f1", "weighted_f1"} < set(three)
    assert not {"quadratic_weighted_kappa", "mean_absolute_error"} & set(three)
    assert set(listed_metrics(3, primary="quadratic_weighted_kappa")) == {*three, "quadratic_weighted_kappa"}
    assert listed_metrics(3, primary="sensitivity") == three
    names = listed_metrics(3, primary="mean_absolute_error")
    assert tuple(value.name for value in measure_all(*scores(12, 3), names=names)) == names


def test_no_case_and_too_many_classes_are_reasons():
    """No case at all, or a metric for two classes asked of three, gives NaN with the reason."""
    assert measure("accuracy", np.array([], dtype=int), np.empty((0, 2))).reason == "there are no cases"
    assert "two classes" in str(measure("sensitivity", *scores(9, 3)).reason)


def test_log_loss_clips_and_counts():
    """A true class given probability 0 costs -ln 1e-7, and the clipped cases are counted, at both ends."""
    found = measure("log_loss", np.array([0, 1, 1]), two([1.0, 1.0, 0.5]))
    assert found.n_clipped == 2
    assert found.value == pytest.approx((-math.log(1e-7) - math.log(1 - 1e-7) - math.log(0.5)) / 3)
    assert measure("log_loss", *scores(20, 2)).n_clipped == 0


def test_confusion_matrix_equals_scikit_learns():
    """Rows are true classes, columns decisions; a class that nobody decides for keeps its column."""
    y_true, y_prob = scores(60, 4)
    y_pred = np.where(y_prob.argmax(axis=1) == 3, 0, y_prob.argmax(axis=1))
    matrix = confusion_matrix(y_true, y_pred, n_classes=4)
    assert (matrix == sk.confusion_matrix(y_true, y_pred, labels=range(4))).all()
    assert matrix[:, 3].sum() == 0


def test_decisions_of_ones_own_are_used():
    """Given decisions replace the most probable class in metrics that need labels, and only there."""
    y_true, y_prob = scores(30, 2)
    assert measure("accuracy", y_true, y_prob, y_pred=y_true).value == 1.0
    assert measure("auroc", y_true, y_prob, y_pred=y_true).value == measure("auroc", y_true, y_prob).value


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_says_what_it_is(name):
    """Each entry stands under its own name, with title, reference, and what becomes of it beyond two classes."""
    metric = METRICS[name]
    assert metric.name == name
    assert metric.title
    assert metric.reference
    assert metric.multiclass
    assert metric.bounds[0] < metric.bounds[1]
    best = measure(name, np.array([0, 1]), two([0.0, 1.0])).value
    worst = measure(name, np.array([0, 1]), two([1.0, 0.0])).value
    assert (best > worst) is metric.higher_is_better


@pytest.mark.parametrize("n_classes", [2, 3, 40])
def test_log_odds_of_a_class_take_the_others_only_near_one(n_classes):
    """Of three and more classes the others are added up only where p is too near to 1; of two, always."""
    rng = np.random.default_rng(n_classes)
    y_prob = rng.dirichlet(np.full(n_classes, 0.01), size=(3, 200))
    for index in range(n_classes):
        p, others = y_prob[..., index], np.delete(y_prob, index, axis=-1).sum(axis=-1)
        rest = np.where(p < 1 - 1e-6, 1 - p, others) if n_classes > 2 else others
        tiny = np.finfo(np.float64).tiny
        expected = np.log(np.maximum(p, tiny)) - np.log(np.maximum(rest, tiny))
        np.testing.assert_array_equal(log_odds_of_class(y_prob, index), expected)
