"""Trials with a known truth, with the spreads that trained networks show on chest radiographs.

``score = s (D_i + R_j + TR_ij) / 2 + C + A + B + E`` with s = 1 for a positive and -1 for a negative case, for arm i and
seed j (Roe and Metz 1997). R and TR are the luck of training; C, A, B and E are the luck of the cases, common to all runs, to
those of an arm, to those of a seed, and to none; their variances sum to 1, and a share of each belongs to the patient. A
case is called positive above 0, so that sensitivity and specificity are equal and accuracy does not depend on the mix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scantrial.analysis.runs import RunScores

AUROC = 0.93
"""Of every arm, as on the radiographs."""

D = float(stats.norm.ppf(AUROC) * np.sqrt(2))

OF_PATIENT = 0.6
"""Share of the luck of the cases that all images of a patient have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variances of what belongs to cases, standard deviations of training in units of D; the last arm may have its own."""

    case: float
    arm_case: float
    seed_case: float
    error: float
    sd_seed: float
    sd_arm_seed: float
    sd_last_arm: float | None = None

    def var_training(self, *, last: bool) -> float:
        """Variance of one run's luck of training."""
        own = self.sd_last_arm if last and self.sd_last_arm is not None else self.sd_arm_seed
        return float(self.sd_seed**2 + own**2)


SPREADS = {
    "loss": Spread(case=0.975, arm_case=0.0, seed_case=0.005, error=0.02, sd_seed=0.032, sd_arm_seed=0.034),
    "learning rate": Spread(case=0.864, arm_case=0.004, seed_case=0.002, error=0.13, sd_seed=0.0, sd_arm_seed=0.18),
    "one unstable arm": Spread(
        case=0.864, arm_case=0.004, seed_case=0.002, error=0.13, sd_seed=0.0, sd_arm_seed=0.06, sd_last_arm=0.29
    ),
    "seeds dominate": Spread(case=0.60, arm_case=0.02, seed_case=0.03, error=0.35, sd_seed=0.20, sd_arm_seed=0.30),
}
"""The first three as measured over seeds and arms of `docs/replication.md`: its losses, its learning rates, and a
learning rate at which one arm varies four times as much as another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One kind of trial.

    Parameters
    ----------
    images : mean number of images a patient, 1, 1.5 or 6
    positive : share of positive cases; with 0.05 there are 1,200 cases and not 400, so that 10 patients are positive
        even with 6 images of each
    """

    spread: str
    n_arms: int
    n_seeds: int
    images: float = 1.0
    positive: float = 0.5

    @property
    def n_cases(self) -> int:
        """Cases of a trial."""
        return 400 if self.positive == 0.5 else 1200

    @property
    def n_positive(self) -> int:
        """Positive cases of a trial."""
        return round(self.positive * self.n_cases)


def truth(metric: str, gap: float, *, var_training: float) -> float:
    """Return an arm's accuracy or AUROC at a distance `gap`, the mean over trainings and cases."""
    if metric == "auroc":
        return float(stats.norm.cdf(gap / np.sqrt(2 + var_training)))
    return float(stats.norm.cdf(gap / 2 / np.sqrt(1 + var_training / 4)))


def gap_of(metric: str, value: float, *, var_training: float) -> float:
    """Return the distance at which an arm's mean metric is `value`."""
    if metric == "auroc":
        return float(stats.norm.ppf(value) * np.sqrt(2 + var_training))
    return float(stats.norm.ppf(value) * 2 * np.sqrt(1 + var_training / 4))


def base_value(metric: str) -> float:
    """Return what every arm has that is not shifted."""
    return truth(metric, D, var_training=0.0)


def trials(cell: Cell, metric: str, *, n_trials: int, shift: float = 0.0, seed: int = 0) -> Iterator[RunScores]:
    """Draw trials of arms ``0``, ``1`` and so on; all but arm 0 have a metric that is lower by `shift`.

    Every metric sees the same draws, and every arm has exactly the mean that it is meant to have, whatever its luck.
    """
    spread = SPREADS[cell.spread]
    entropy = [20261130, seed, cell.n_arms, cell.n_seeds, round(10 * cell.images), round(100 * cell.positive)]
    rng = np.random.default_rng([*entropy, list(SPREADS).index(cell.spread)])
    y_true, patients = _cases(cell)
    values = [base_value(metric) - (shift if arm else 0.0) for arm in range(cell.n_arms)]
    lasts = [arm == cell.n_arms - 1 for arm in range(cell.n_arms)]
    gaps = np.array(
        [gap_of(metric, v, var_training=spread.var_training(last=last)) for v, last in zip(values, lasts, strict=True)]
    )
    own = [spread.sd_last_arm if last and spread.sd_last_arm is not None else spread.sd_arm_seed for last in lasts]
    runs = {"arms": np.repeat([str(arm) for arm in range(cell.n_arms)], cell.n_seeds).tolist()}
    for _ in range(n_trials):
        luck = spread.sd_seed * rng.standard_normal((1, cell.n_seeds))
        luck = luck + np.array(own)[:, None] * rng.standard_normal((cell.n_arms, cell.n_seeds))
        scores = (2 * y_true - 1) * (gaps[:, None] + luck)[:, :, None] / 2
        for variance, shape in (
            (spread.case, (1, 1)),
            (spread.arm_case, (cell.n_arms, 1)),
            (spread.seed_case, (1, cell.n_seeds)),
            (spread.error, (cell.n_arms, cell.n_seeds)),
        ):
            scores = scores + _luck_of_cases(rng, variance, shape, patients)
        yield RunScores.from_scores(
            y_true,
            scores.reshape(cell.n_arms * cell.n_seeds, cell.n_cases),
            seeds=list(range(cell.n_seeds)) * cell.n_arms,
            patients=None if cell.images == 1 else patients,
            threshold=0.0,
            **runs,
        )


def _cases(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Return classes and patients: each patient's images are of one class; 1.5 images a patient are 1 and 2 in turn."""
    y_true = (np.arange(cell.n_cases) < cell.n_positive).astype(np.int64)
    size = {1.0: [1], 1.5: [1, 2], 6.0: [6]}[cell.images]
    of_class = []
    for n in (cell.n_positive, cell.n_cases - cell.n_positive):
        numbers = np.repeat(np.arange(n), np.resize(size, n))[:n]
        of_class.append(numbers + (of_class[0].max() + 1 if of_class else 0))
    return y_true, np.concatenate(of_class)


def _luck_of_cases(
    rng: np.random.Generator, variance: float, shape: tuple[int, int], patients: np.ndarray
) -> np.ndarray | float:
    if variance == 0:
        return 0.0
    n_patients = int(patients.max()) + 1
    if n_patients == len(patients):
        return np.sqrt(variance) * rng.standard_normal((*shape, len(patients)))
    shared = np.sqrt(OF_PATIENT) * rng.standard_normal((*shape, n_patients))[:, :, patients]
    return np.sqrt(variance) * (shared + np.sqrt(1 - OF_PATIENT) * rng.standard_normal((*shape, len(patients))))
