"""Confident learning against worked-out values."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.audit.labels import confident_learning


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
