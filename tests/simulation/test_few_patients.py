"""Why a verdict needs ten patients: with fewer, equal arms differ "by more than chance" too often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from tests.simulation.radiographs import D
from tests.simulation.test_verdict_simulation import most

from scantrial.analysis.comparison import compare_runs
from scantrial.analysis.contrasts import against_control
from scantrial.analysis.few_cases import MIN_OF_CLASS
from scantrial.analysis.runs import RunScores

N_TRIALS, IMAGES, N_SEEDS = 1000, 5, 5
FAMILY = against_control(["0", "1"], "0")
OF_PATIENT = 0.8


def trials(n_patients: int, *, mixed: bool) -> Iterator[RunScores]:
    """Draw two equal arms on patients with five images each, of which each arm finds others easy.

    Parameters
    ----------
    n_patients : of each class; where `mixed`, images of both classes are drawn among all patients
    """
    rng = np.random.default_rng([20261201, n_patients, mixed])
    y_true = np.repeat([1, 0], n_patients * IMAGES)
    y_true = rng.permutation(y_true) if mixed else y_true
    patients = np.repeat(np.arange(2 * n_patients), IMAGES)
    for _ in range(N_TRIALS):
        luck = 0.1 * rng.standard_normal((2, N_SEEDS))
        scores = (2 * y_true - 1) * (D + luck)[:, :, None] / 2
        for variance, shape in ((0.6, (1, 1)), (0.3, (2, 1)), (0.1, (2, N_SEEDS))):
            shared = rng.standard_normal((*shape, 2 * n_patients))[:, :, patients]
            own = rng.standard_normal((*shape, len(y_true)))
            scores = scores + np.sqrt(variance) * (np.sqrt(OF_PATIENT) * shared + np.sqrt(1 - OF_PATIENT) * own)
        yield RunScores.from_scores(
            y_true,
            scores.reshape(2 * N_SEEDS, -1),
            arms=["0"] * N_SEEDS + ["1"] * N_SEEDS,
            seeds=list(range(N_SEEDS)) * 2,
            patients=patients,
            threshold=0.0,
        )


def share_of_small_p(n_patients: int, metric: str, *, mixed: bool) -> tuple[int, int]:
    """Return how many trials have p below 0.05, and how many a verdict of better or worse."""
    found = [
        compare_runs(runs, FAMILY, metric=metric, control="0").comparisons[0]
        for runs in trials(n_patients, mixed=mixed)
    ]
    return sum(item.evidence.p < 0.05 for item in found), sum(
        item.verdict.label in ("better", "worse") for item in found
    )


@pytest.mark.sim
@pytest.mark.parametrize(
    ("n_patients", "mixed", "metric"),
    [
        (3, True, "accuracy"),
        (3, True, "balanced_accuracy"),
        (3, False, "balanced_accuracy"),
        (10, True, "accuracy"),
        (10, True, "balanced_accuracy"),
        (10, False, "accuracy"),
        (10, False, "auroc"),
        (10, False, "balanced_accuracy"),
        (20, True, "accuracy"),
        (20, False, "balanced_accuracy"),
    ],
)
def test_verdicts_over_few_patients(n_patients, mixed, metric, record_property):
    """Below ten patients nothing is called better; from ten on at most 5 % of equal arms are, within binomial bounds."""
    n_small, n_called = share_of_small_p(n_patients, metric, mixed=mixed)
    print(f"{n_patients} patients of each class, mixed {mixed}, {metric}: p < 0.05 in {n_small}, called {n_called}")
    if n_patients < MIN_OF_CLASS // 2:
        assert n_small > 0.05 * N_TRIALS
        assert n_called == 0
    else:
        assert n_called <= most(N_TRIALS, 0.05)
