"""Confident learning and proportions against worked-out values and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from scantrial.audit.labels import confident_learning
from scantrial.audit.proportions import holm, newcombe, wilson


def test_confident_learning_has_its_reference_values():
    """Ten labels: thresholds .67 and .66, joint [[4, 1], [1, 4]], the ninth suspected first, then the fourth."""
    p1 = np.array([0.1, 0.2, 0.15, 0.9, 0.3, 0.8, 0.9, 0.7, 0.05, 0.85])
    found = confident_learning(np.repeat([0, 1], 5), np.stack([1 - p1, p1], axis=1))
    assert found.thresholds == pytest.approx([0.67, 0.66])
    assert found.joint.tolist() == [[4, 1], [1, 4]]
    assert found.suspects.tolist() == [8, 3]


def test_a_case_that_looks_like_no_class_is_not_counted():
    """Below every threshold it is neither in the joint nor suspected; an absent class has no threshold."""
    y_prob = np.array([[0.9, 0.1, 0.0], [0.5, 0.4, 0.1], [0.1, 0.9, 0.0]])
    found = confident_learning(np.array([0, 0, 1]), y_prob)
    assert found.joint.sum() == 2
    assert np.isnan(found.thresholds[2])
    assert not len(found.suspects)


@pytest.mark.parametrize(("k1", "n1", "k2", "n2"), [(56, 70, 48, 80), (9, 10, 3, 10), (0, 20, 5, 25), (10, 10, 0, 20)])
def test_intervals_are_those_of_statsmodels(k1, n1, k2, n2):
    """Wilson's and Newcombe's intervals, ends among them."""
    assert wilson(k1, n1) == pytest.approx(proportion_confint(k1, n1, method="wilson"), abs=1e-12)
    expected = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff")
    assert newcombe(k1, n1, k2, n2) == pytest.approx(expected, abs=1e-12)


def test_holm_is_that_of_statsmodels():
    """In the given order, ties and ends among them."""
    p = [0.01, 0.04, 0.03, 0.04, 1.0, 0.0]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([]) == []
