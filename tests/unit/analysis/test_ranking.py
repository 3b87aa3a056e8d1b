"""Curves over runs: what they reach at each point, and that their areas are the metrics'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from scantrial.analysis.ranking import averaged_curve
from scantrial.core.errors import InputError

RNG = np.random.default_rng(5)
Y = np.arange(300) % 3 == 0
SCORES = [RNG.normal(Y * 1.2, 1.0).round(1) for _ in range(4)]


def test_a_curve_by_hand():
    """Scores .1 .4 .35 .8 of classes 0 0 1 1: half the positives before any negative, the rest after one of two."""
    y, p = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    roc = averaged_curve(y, [p], kind="roc", n_points=5)
    assert roc.mean.tolist() == [0.5, 0.5, 1.0, 1.0, 1.0]
    pr = averaged_curve(y, [p], kind="precision-recall", n_points=5)
    assert pr.mean == pytest.approx([1.0, 1.0, 1.0, 2 / 3, 2 / 3])


def test_ties_are_a_straight_line():
    """Equal scores cannot rank: the curve is the diagonal."""
    found = averaged_curve(Y, [np.zeros(300)], kind="roc", n_points=11)
    assert found.mean == pytest.approx(found.x)


def test_the_areas_are_those_of_the_metrics():
    """The area under the mean ROC curve is the mean AUROC, and the mean precision over sensitivities is the mean AP."""
    roc = averaged_curve(Y, SCORES, kind="roc", n_points=20_001)
    assert np.trapezoid(roc.mean, roc.x) == pytest.approx(np.mean([roc_auc_score(Y, s) for s in SCORES]), abs=2e-4)
    pr = averaged_curve(Y, SCORES, kind="precision-recall", n_points=20_001)
    assert pr.mean[1:].mean() == pytest.approx(np.mean([average_precision_score(Y, s) for s in SCORES]), abs=2e-4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n_runs=st.integers(1, 4), kind=st.sampled_from(["roc", "precision-recall"]))
def test_the_mean_lies_in_the_band_and_the_order_of_cases_does_not_count(seed, n_runs, kind):
    """Between the smallest and the largest run everywhere; a ROC curve rises from 0 or more to 1."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(25) % 4 == 0)
    scores = [rng.integers(0, 6, 25).astype(float) for _ in range(n_runs)]
    found = averaged_curve(y, scores, kind=kind, n_points=21)
    assert (found.low <= found.mean + 1e-12).all()
    assert (found.mean <= found.high + 1e-12).all()
    if kind == "roc":
        assert (np.diff(found.mean) >= -1e-12).all()
        assert found.mean[-1] == 1.0
    order = rng.permutation(25)
    again = averaged_curve(y[order], [one[order] for one in scores], kind=kind, n_points=21)
    assert again.mean == pytest.approx(found.mean)


@pytest.mark.parametrize(("y", "scores"), [(Y, []), (np.ones(5, bool), [np.zeros(5)]), (np.zeros(5, bool), [])])
def test_one_class_has_no_curve(y, scores):
    """Neither has no run."""
    with pytest.raises(InputError, match="cases of both classes"):
        averaged_curve(y, scores, kind="roc")
