"""What must hold of every metric, whatever the predictions are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantrial.analysis.metrics import METRICS, confusion_matrix, measure, measure_all, metrics_for
from scantrial.analysis.summary import summarise


@st.composite
def predictions(draw, max_classes: int = 4):
    """Labels and probabilities of 1 to 40 cases and 2 to `max_classes` classes, with ties and zeros among them."""
    k, n = draw(st.integers(2, max_classes)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(0, draw(st.sampled_from([3, 100])), (n, k)) + 0.0
    weights[weights.sum(axis=1) == 0] = 1.0
    return rng.integers(0, k, n), weights / weights.sum(axis=1, keepdims=True)


def same(a, b, tolerance: float = 1e-12) -> bool:
    return all(
        (math.isnan(x.value) and math.isnan(y.value)) or abs(x.value - y.value) < tolerance
        for x, y in zip(a, b, strict=True)
    )


@given(predictions())
@settings(max_examples=60, deadline=None)
def test_every_value_is_within_its_bounds_or_nan_with_a_reason(data):
    """A metric's value lies within the bounds that it declares, and NaN comes with a reason."""
    for found in measure_all(*data):
        low, high = METRICS[found.name].bounds
        assert found.reason if math.isnan(found.value) else low - 1e-12 <= found.value <= high + 1e-12


@given(predictions(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_cases_does_not_matter(data, random):
    """Shuffling the cases changes no metric."""
    y_true, y_prob = data
    order = list(range(len(y_true)))
    random.shuffle(order)
    assert same(measure_all(y_true, y_prob), measure_all(y_true[order], y_prob[order]))


@given(predictions(max_classes=2))
@settings(max_examples=40, deadline=None)
def test_swapping_two_classes_swaps_sensitivity_and_specificity(data):
    """With the classes' names exchanged (no ties), sensitivity and specificity change places, the symmetric ones stay."""
    y_true, y_prob = data
    keep = y_prob[:, 0] != y_prob[:, 1]
    y_true, y_prob = y_true[keep], y_prob[keep]
    before = {value.name: value for value in measure_all(y_true, y_prob)}
    after = {value.name: value for value in measure_all(1 - y_true, y_prob[:, ::-1])}
    pairs = [
        ("sensitivity", "specificity"),
        ("accuracy", "accuracy"),
        ("auroc", "auroc"),
        ("log_loss", "log_loss"),
        ("brier", "brier"),
    ]
    assert all(same([before[a]], [after[b]]) for a, b in pairs)


@given(predictions(max_classes=2))
@settings(max_examples=40, deadline=None)
def test_ranking_metrics_do_not_change_under_a_monotone_map(data):
    """Squaring p, which keeps the order, changes neither AUROC nor average precision."""
    y_true, y_prob = data
    p = y_prob[:, 1] ** 2
    mapped = np.column_stack([1 - p, p])
    for name in ("auroc", "average_precision"):
        assert same([measure(name, y_true, y_prob)], [measure(name, y_true, mapped)])


@given(predictions())
@settings(max_examples=40, deadline=None)
def test_twice_the_cases_give_the_same_value(data):
    """Every metric is a property of the distribution: repeating all cases changes nothing."""
    y_true, y_prob = data
    assert same(measure_all(y_true, y_prob), measure_all(np.tile(y_true, 2), np.tile(y_prob, (2, 1))), 1e-9)


@given(predictions())
@settings(max_examples=40, deadline=None)
def test_the_confusion_matrix_holds_every_case_once(data):
    """Its sum is the number of cases, its rows the classes' counts, its trace the number decided rightly."""
    y_true, y_prob = data
    k = y_prob.shape[1]
    matrix = confusion_matrix(y_true, y_prob.argmax(axis=1), n_classes=k)
    assert matrix.sum() == len(y_true)
    assert matrix.sum(axis=1).tolist() == np.bincount(y_true, minlength=k).tolist()
    assert matrix.trace() == pytest.approx(measure("accuracy", y_true, y_prob).value * len(y_true))
    assert len(metrics_for(k)) == (14 if k == 2 else 10)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_summary_lies_within_its_range(values):
    """Minimum, mean and maximum are in order, and the deviation is at most the range."""
    found = summarise(values)
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert found.minimum - slack <= found.mean <= found.maximum + slack
    assert 0 <= found.sd <= (found.maximum - found.minimum) * math.sqrt(0.5) * math.sqrt(len(values)) + slack
