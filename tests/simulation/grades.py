"""Trials on four grades with a known truth: scores of every arm, seed and case, cut into grades.

As in `tests.simulation.generator`, with ``y`` from 0 to 3 and cuts half-way: ``score = y D + y / 3 (delta_i + R_j +
TR_ij) + C_k + A_ik + B_jk + E_ijk``. The luck of training moves the highest grade as it moves the positive cases there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats
from tests.simulation.generator import Structure

from scantrial.analysis import confusion
from scantrial.analysis.runs import RunScores

D = 1.5
SHARES = np.array([0.4, 0.3, 0.2, 0.1])
TOP = len(SHARES) - 1
CUTS = (np.arange(TOP) + 0.5) * D
METRICS = ("quadratic_weighted_kappa", "mean_absolute_error", "macro_f1", "weighted_f1")


def true_values(structure: Structure, *, delta: float = 0.0) -> dict[str, float]:
    """Return an arm's metrics, each the mean over trainings of its value on infinitely many cases."""
    luck, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    moved = delta + np.sqrt(structure.var_training) * luck
    grades = np.arange(TOP + 1)
    centres = grades * D + grades / TOP * moved[:, None]
    below = stats.norm.cdf(CUTS - centres[:, :, None])
    edges = np.pad(below, ((0, 0), (0, 0), (1, 1)), constant_values=(0.0, 1.0))
    matrices = SHARES[:, None] * np.diff(edges, axis=2)
    found = {
        name: getattr(confusion, f"{name}_of_counts")(matrices)[0] for name in METRICS if name != "mean_absolute_error"
    }
    found["mean_absolute_error"] = (matrices * np.abs(grades[:, None] - grades)).sum(axis=(1, 2))
    return {name: float(weights @ found[name]) for name in METRICS}


def graded_trials(
    structure: Structure, *, n_trials: int, n_seeds: int = 5, n_cases: int = 300, delta: float = 0.0, seed: int = 0
) -> Iterator[RunScores]:
    """Draw trials of arms ``0`` and ``1``, whose highest grades lie further up by `delta` in arm ``1``."""
    rng = np.random.default_rng([20261201, seed, n_seeds, n_cases])
    arms, seeds = np.repeat(["0", "1"], n_seeds).tolist(), [*range(n_seeds)] * 2
    for _ in range(n_trials):
        y_true = rng.choice(TOP + 1, size=n_cases, p=SHARES)
        training = structure.sd_seed * rng.standard_normal((1, n_seeds))
        training = training + structure.sd_arm_seed * rng.standard_normal((2, n_seeds)) + [[0.0], [delta]]
        scores = np.sqrt(structure.case) * rng.standard_normal((1, 1, n_cases))
        scores = scores + np.sqrt(structure.arm_case) * rng.standard_normal((2, 1, n_cases))
        scores = scores + np.sqrt(structure.seed_case) * rng.standard_normal((1, n_seeds, n_cases))
        scores = scores + np.sqrt(structure.error) * rng.standard_normal((2, n_seeds, n_cases))
        scores = scores + y_true * D + y_true / TOP * training[:, :, None]
        decided = np.eye(TOP + 1)[np.searchsorted(CUTS, scores)]
        y_prob = decided.reshape(2 * n_seeds, n_cases, TOP + 1)
        yield RunScores.from_probabilities(y_true, y_prob, arms=arms, seeds=seeds)
