"""Metric values published in the documentation of other libraries."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.analysis.metrics import measure


def two(p: list[float]) -> np.ndarray:
    return np.column_stack([1 - np.array(p), p])


@pytest.mark.parametrize(
    ("metric", "y_true", "p", "expected"),
    [
        # scikit-learn 1.x, docstring of average_precision_score: 0.83...
        ("average_precision", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.8333),
        # scikit-learn 1.x, docstring of roc_auc_score on the same scores: 0.75
        ("auroc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
        # scikit-learn 1.x, docstring of brier_score_loss: 0.0375
        ("brier", [0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3], 0.0375),
        # scikit-learn 1.x, docstring of log_loss ("spam" is class 1): 0.21616
        ("log_loss", [1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65], 0.2162),
        # scikit-learn 1.x, docstring of balanced_accuracy_score: 0.625 (decisions 0, 1, 0, 0, 0, 1)
        ("balanced_accuracy", [0, 1, 0, 0, 1, 0], [0.1, 0.9, 0.1, 0.1, 0.1, 0.9], 0.625),
    ],
)
def test_published_values(metric, y_true, p, expected):
    """The value equals the published one to its last digit."""
    assert measure(metric, np.array(y_true), two(p)).value == pytest.approx(expected, abs=5e-5)


def test_published_brier_score_of_three_classes():
    """scikit-learn 1.9, docstring of brier_score_loss with three classes: 0.146 (0.1466...)."""
    y_prob = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.2, 0.2, 0.6]])
    assert measure("brier", np.array([0, 1, 2]), y_prob).value == pytest.approx(0.146667, abs=1e-6)
