"""Net benefit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scantrial.analysis.decision_curve import decision_curve
from scantrial.analysis.rows import Rows
from scantrial.core.errors import InputError


def rows(y, scores, scale="probability"):
    return Rows(y_true=np.array(y, dtype=np.int64), scores=np.array(scores, dtype=float), scale=scale)


@pytest.mark.parametrize("thresholds", [[0.0], [1.0], [[0.5]], [np.nan]])
def test_thresholds_that_are_refused(thresholds):
    """One row of probabilities above 0 and below 1."""
    with pytest.raises(InputError, match="thresholds of shape"):
        decision_curve(rows([0, 1], [0.1, 0.9]), thresholds=np.array(thresholds))


def test_other_refusals():
    """Three classes, and a prevalence that is none."""
    with pytest.raises(InputError, match="3 classes"):
        decision_curve(rows([0, 1, 2], np.eye(3)))
    with pytest.raises(InputError, match=r"prevalence = 1\.5"):
        decision_curve(rows([0, 1], [0.1, 0.9]), prevalence=1.5)


def test_by_hand():
    """At t = .25, 2 of 3 positives and 1 of 3 negatives exceed it: 2/6 - 1/6 * 1/3; a p at t does not exceed it."""
    found = decision_curve(rows([1, 1, 1, 0, 0, 0], [0.9, 0.3, 0.25, 0.4, 0.2, 0.1]), thresholds=np.array([0.25]))
    assert found.model[0] == pytest.approx(2 / 6 - 1 / 6 / 3)
    assert found.treat_all[0] == pytest.approx(3 / 6 - 3 / 6 / 3)
    assert found.treat_none[0] == 0


def test_a_stated_prevalence_weighs_the_classes():
    """At a prevalence of .1: .1 * 2/3 - .9 * 1/3 * 1/3."""
    given = rows([1, 1, 1, 0, 0, 0], [0.9, 0.3, 0.25, 0.4, 0.2, 0.1])
    found = decision_curve(given, prevalence=0.1, thresholds=np.array([0.25]))
    assert found.model[0] == pytest.approx(0.1 * 2 / 3 - 0.9 / 9)
    assert found.treat_all[0] == pytest.approx(0.1 - 0.9 / 3)
    assert found.prevalence == 0.1


def test_a_perfect_model_gains_the_prevalence_everywhere():
    """It finds all and alarms nobody; logits will do as well."""
    found = decision_curve(rows([0, 0, 0, 1], [-50, -40, -60, 50], scale="logit"))
    assert found.model == pytest.approx(0.25)
    assert len(found.threshold) == 99


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (rows([], []), "there are no cases"),
        (rows([1, 1], [0.1, 0.2]), "every case is of class 1"),
        (rows([0, 1], [1, 2], scale="any"), "the scores are not probabilities: only their order counts"),
    ],
)
def test_reasons(given, reason):
    """No case, one class, no probabilities; NaN is null in JSON."""
    found = decision_curve(given)
    assert found.reason == reason
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["model"][0] is None
