"""Runs whose right and wrong decisions a test lays down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scantrial.analysis.estimates import Estimates, Sample
from scantrial.analysis.influence import Influence
from scantrial.analysis.runs import RunScores


def runs_with_errors(
    wrong: Mapping[str, Mapping[int, Sequence[int]]],
    *,
    n_cases: int = 100,
    n_positive: int | None = None,
    patients: Sequence[object] | None = None,
) -> RunScores:
    """Build runs from the cases that each arm's seeds get wrong; positive cases come first."""
    n_positive = n_cases // 2 if n_positive is None else n_positive
    y_true = (np.arange(n_cases) < n_positive).astype(int)
    rows, arms, seeds = [], [], []
    for arm, by_seed in wrong.items():
        for seed, cases in by_seed.items():
            right = np.ones(n_cases, dtype=bool)
            right[list(cases)] = False
            rows.append(np.where(right, y_true, 1 - y_true).astype(float))
            arms.append(arm)
            seeds.append(seed)
    return RunScores.from_scores(y_true, np.array(rows), arms=arms, seeds=seeds, patients=patients)


def noisy(
    *,
    n_seeds: int = 5,
    gain: Sequence[float] = (0.0, 0.0),
    n_cases: int = 200,
    sd_training: float = 0.05,
    seed: int = 1,
    n_positive: int | None = None,
) -> tuple[np.ndarray, np.ndarray, list[str], list[int]]:
    """Draw scores of arms ``a``, ``b``, ... that are better by `gain`: y_true, scores, arms, seeds."""
    rng = np.random.default_rng(seed)
    n_positive = n_cases // 2 if n_positive is None else n_positive
    y_true = (np.arange(n_cases) < n_positive).astype(int)
    case = rng.normal(size=n_cases) * 0.7
    rows = [
        case + rng.normal(size=n_cases) * 0.5 + (2 * y_true - 1) * (0.8 + each + sd_training * rng.normal())
        for each in gain
        for _ in range(n_seeds)
    ]
    arms = [name for name in "abcdefgh"[: len(gain)] for _ in range(n_seeds)]
    return y_true, np.array(rows), arms, list(range(n_seeds)) * len(gain)


def laid_down(
    theta: Mapping[str, Sequence[float]],
    *,
    metric: str = "accuracy",
    sd_difference: float = 0.01,
    n_by_class: tuple[int, ...] = (200, 200),
    n_patients: int | None = None,
) -> Estimates:
    """Lay down estimates by arm and seed whose errors over cases are one draw for each arm.

    Two arms then differ by a value of standard deviation `sd_difference` over samples of cases, the same at each seed.
    An arm's error is that of two cases of its own.
    """
    arms = [arm for arm, values in theta.items() for _ in values]
    n_cases = sum(n_by_class)
    means = np.concatenate([np.asarray(values, dtype=float) for values in theta.values()])
    of_cases = np.zeros((len(arms), n_cases))
    for run, arm in enumerate(arms):
        first = 2 * list(theta).index(arm)
        of_cases[run, [first, first + 1]] = sd_difference / 2 * np.sqrt((n_cases - 1) / n_cases) * np.array([1, -1])
    influence = sd_difference / np.sqrt(2) * (np.array(arms)[:, None] == np.array(list(theta))[None, :])
    return Estimates(
        metric=metric,
        arms=tuple(arms),
        seeds=tuple(seed for values in theta.values() for seed in range(len(values))),
        theta=means,
        covariance=influence @ influence.T,
        influence=influence,
        n_cases=n_cases,
        n_patients=n_patients,
        n_by_class=n_by_class,
        n_used=n_cases,
        n_patients_used=n_patients,
        method="laid down",
        sample=Sample(
            found=Influence(theta=means, values=of_cases, strata=np.zeros(n_cases, dtype=np.int64), method="laid down"),
            patients=None,
        ),
    )
