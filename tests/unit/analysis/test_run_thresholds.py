"""One threshold for each run."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError, ShapeError

Y_TRUE = np.array([0, 1, 0, 1])
SCORES = np.array([[0.1, 0.4, 0.3, 0.9], [0.2, 0.6, 0.7, 0.8]])


def make_runs(scores=SCORES) -> RunScores:
    return RunScores.from_scores(Y_TRUE, scores, arms=["a", "b"], seeds=[0, 0])


@pytest.mark.parametrize("thresholds", [[0.5], [0.5, np.nan], [[0.5, 0.5]]])
def test_each_run_needs_a_finite_threshold(thresholds):
    """Nothing is broadcast."""
    with pytest.raises(ShapeError, match="for 2 runs"):
        make_runs().decided_at(thresholds)


def test_several_classes_have_no_threshold():
    """The most probable class is decided there."""
    runs = RunScores.from_probabilities(Y_TRUE, np.full((1, 4, 3), 1 / 3), arms=["a"], seeds=[0])
    with pytest.raises(InputError, match="a threshold for 3 classes"):
        _ = runs.decision_scores


@pytest.mark.parametrize("kind", ["probabilities in one column", "in two", "other scores"])
def test_every_run_is_decided_at_its_own(kind):
    """A score that equals the threshold is negative; what ranks the cases is left alone."""
    if kind == "in two":
        y_prob = np.stack([1 - SCORES, SCORES], axis=2)
        runs = RunScores.from_probabilities(Y_TRUE, y_prob, arms=["a", "b"], seeds=[0, 0])
        cuts = [0.3, 0.65]
    else:
        scale = 1 if kind.startswith("prob") else 10
        runs, cuts = make_runs(scale * SCORES), [scale * 0.3, scale * 0.65]
    found = runs.decided_at(cuts)
    assert found.y_pred.tolist() == [[0, 1, 0, 1], [0, 0, 1, 1]]
    assert found.threshold == tuple(cuts)
    assert np.array_equal(found.ranking, runs.ranking)


def test_thresholds_go_with_their_runs():
    """A choice of runs keeps the threshold of each."""
    found = make_runs().decided_at([0.3, 0.65]).on_runs(np.array([1, 1, 0]))
    assert found.threshold == (0.65, 0.65, 0.3)
    assert make_runs().on_runs(np.array([1])).threshold == 0.5
