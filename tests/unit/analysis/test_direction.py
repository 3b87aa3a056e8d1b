"""Scores of the other class are told by an AUROC whose whole interval is below 0.5."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial import compare_arrays
from scantrial.analysis.direction import below_chance
from scantrial.analysis.runs import RunScores

Y_TRUE = np.arange(200) % 2
ARMS, SEEDS = ["A"] * 3 + ["B"] * 3, [0, 1, 2] * 2


def scores(*, a: float, b: float) -> np.ndarray:
    rng = np.random.default_rng(5)
    shift = np.repeat([a, b], 3)[:, None] * (2 * Y_TRUE - 1)
    return 1 / (1 + np.exp(-(shift + rng.normal(size=(6, 200)))))


@pytest.mark.parametrize("metric", ["auroc", "accuracy", "brier"])
def test_an_arm_of_the_other_class_is_named_whatever_the_metric(metric):
    """With its AUROC, its interval, and what to do; a good arm and one that guesses are not."""
    found = compare_arrays(Y_TRUE, scores(a=1.0, b=-1.2), arms=ARMS, seeds=SEEDS, metric=metric)
    (warning,) = found.warnings
    assert warning.startswith("AUROC of B is 0.0")
    assert "its whole interval below 0.5" in warning
    assert "If they are scores of class 0, give 1 − score." in warning
    assert warning.endswith("Until then the verdict may be the wrong way round.")
    assert found.to_dict()["warnings"] == [warning]
    assert compare_arrays(Y_TRUE, scores(a=1.0, b=0.0), arms=ARMS, seeds=SEEDS, metric=metric).warnings == ()


def test_both_arms_may_be_turned_round():
    """Each has its own warning, in the order of the arms."""
    found = compare_arrays(Y_TRUE, scores(a=-0.5, b=-1.2), arms=ARMS, seeds=SEEDS)
    assert [warning.split(" is ")[0] for warning in found.warnings] == ["AUROC of A", "AUROC of B"]


def test_one_minus_the_scores_is_not_warned_of():
    """What the warning says to do takes it away."""
    assert compare_arrays(Y_TRUE, 1 - scores(a=-0.5, b=-1.2), arms=ARMS, seeds=SEEDS).warnings == ()


def test_three_classes_and_one_class_have_no_direction():
    """No AUROC of two classes, no warning."""
    y_prob = np.full((1, 6, 3), 1 / 3)
    three = RunScores.from_probabilities(np.arange(6) % 3, y_prob, arms=["A"], seeds=[0])
    one = RunScores.from_scores(np.zeros(6, dtype=int), np.linspace(0, 1, 6)[None], arms=["A"], seeds=[0])
    assert below_chance(three) == below_chance(one) == ()


def test_a_verdict_names_classes_by_their_names():
    """`8 cases of polyp`, never `of class 1`, where names are known."""
    y_true = np.r_[np.zeros(60, dtype=int), np.ones(8, dtype=int)]
    values = np.random.default_rng(1).uniform(size=(6, 68))
    options = {"arms": ARMS, "seeds": SEEDS, "metric": "sensitivity"}
    named = compare_arrays(y_true, values, class_names=("adenoma", "polyp"), **options)
    assert named.comparisons[0].verdict.reasons == ("8 cases of polyp: Sensitivity is not judged on fewer than 10",)
    assert named.to_dict()["positive_class"] == "polyp"
    plain = compare_arrays(y_true, values, **options)
    assert "8 cases of class 1" in plain.comparisons[0].sentence
    assert plain.to_dict()["positive_class"] is None
