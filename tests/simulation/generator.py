"""Trials with a known truth: scores of every arm, seed and case, drawn from a model of Roe and Metz (1997).

``score = y (D + delta_i + R_j + TR_ij) + C_k + A_ik + B_jk + E_ijk`` for arm i, seed j, case k: R and TR are the luck of
training, C, A, B and E the luck of the cases. Variances of C, A, B and E sum to 1; a case is called positive above
``D / 2``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scantrial.analysis.runs import RunScores

D, N_CASES, THRESHOLD = 2.0, 400, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Variances of the parts that belong to cases, standard deviations of those that belong to training."""

    case: float
    arm_case: float
    seed_case: float
    error: float
    sd_seed: float
    sd_arm_seed: float

    @property
    def var_training(self) -> float:
        """How much training moves the positive cases of one run."""
        return self.sd_seed**2 + self.sd_arm_seed**2


STRUCTURES = {
    "base": Structure(case=0.50, arm_case=0.10, seed_case=0.05, error=0.35, sd_seed=0.05, sd_arm_seed=0.10),
    "no_seed": Structure(case=0.50, arm_case=0.10, seed_case=0.05, error=0.35, sd_seed=0.0, sd_arm_seed=0.0),
    "seed_heavy": Structure(case=0.60, arm_case=0.02, seed_case=0.03, error=0.35, sd_seed=0.20, sd_arm_seed=0.30),
    "image_heavy": Structure(case=0.40, arm_case=0.35, seed_case=0.05, error=0.20, sd_seed=0.05, sd_arm_seed=0.05),
}


def true_auroc(structure: Structure, *, delta: float = 0.0) -> float:
    """Return an arm's AUROC, the mean over trainings and over samples of cases."""
    return float(stats.norm.cdf((D + delta) / np.sqrt(2 + structure.var_training)))


def true_accuracy(structure: Structure, *, delta: float = 0.0) -> float:
    """Return an arm's accuracy on as many positive as negative cases, the mean over trainings and cases."""
    sensitivity = stats.norm.cdf((D - THRESHOLD + delta) / np.sqrt(1 + structure.var_training))
    return float((sensitivity + stats.norm.cdf(THRESHOLD)) / 2)


def trials(
    structure: Structure,
    *,
    n_trials: int,
    n_seeds: int,
    n_arms: int = 2,
    delta: float = 0.0,
    seed: int = 0,
    shifts: Sequence[float] | None = None,
    unstable: float = 1.0,
) -> Iterator[RunScores]:
    """Draw trials of arms ``0``, ``1`` and so on; the last arm is better by `delta`.

    `shifts`, one for each arm, take the place of `delta`. The luck of training that belongs to the last arm alone is
    `unstable` times as large as that of the others.
    """
    rng = np.random.default_rng([20260701, seed, n_seeds, n_arms])
    y_true = np.repeat([0, 1], N_CASES // 2)
    shift = np.zeros((n_arms, 1))
    shift[-1] = delta
    if shifts is not None:
        shift[:, 0] = shifts
    luck = np.full((n_arms, 1), structure.sd_arm_seed)
    luck[-1] *= unstable
    arms = np.repeat([str(arm) for arm in range(n_arms)], n_seeds).tolist()
    seeds = list(range(n_seeds)) * n_arms
    for _ in range(n_trials):
        training = structure.sd_seed * rng.standard_normal((1, n_seeds))
        training = training + luck * rng.standard_normal((n_arms, n_seeds))
        scores = np.sqrt(structure.case) * rng.standard_normal((1, 1, N_CASES))
        scores = scores + np.sqrt(structure.arm_case) * rng.standard_normal((n_arms, 1, N_CASES))
        scores = scores + np.sqrt(structure.seed_case) * rng.standard_normal((1, n_seeds, N_CASES))
        scores = scores + np.sqrt(structure.error) * rng.standard_normal((n_arms, n_seeds, N_CASES))
        scores = scores + y_true * (D + shift + training)[:, :, None]
        yield RunScores.from_scores(
            y_true, scores.reshape(n_arms * n_seeds, N_CASES), arms=arms, seeds=seeds, threshold=THRESHOLD
        )
