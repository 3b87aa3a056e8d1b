"""The crossed bootstrap: seeds and cases resampled together, as a check on the closed-form interval.

Each draw takes seeds and, independently, patients or cases, the same for both arms (the pigeonhole bootstrap of Owen
2007). A check only: with few seeds it is too narrow (false-positive rate of 9 to 12 % at three to five seeds when
training noise dominates), so no verdict rests on it. And it counts the noise of each seed on each case up to three
times, where the closed form counts it once (Owen 2007): where that noise dominates it is too wide. `cross_check` works
out how wide it is to be expected, and flags only what this leaves unexplained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.contrasts import Contrast
from scantrial.analysis.influence import INFLUENCES
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import ContrastResult, Inference, t_quantile
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain
from scantrial.core.rng import stream

N_DRAWS = 2000

TOLERANCE = 0.30
"""Half-widths that differ by more than this share of the closed form's are flagged, unless noise explains it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck(Plain):
    """A bootstrap interval to compare with the closed form's.

    Parameters
    ----------
    low, high : percentile interval
    ratio : its half-width over that of the closed form
    expected_ratio : the ratio that the variance components lead one to expect of normal errors
    agrees : whether it is narrower by no more than 30 %, and wider by no more than 30 % of the closed form or of what
        is expected
    """

    n_draws: int
    low: float
    high: float
    ratio: float
    expected_ratio: float
    agrees: bool


def cross_check(runs: RunScores, result: ContrastResult, *, n_draws: int = N_DRAWS, seed: int = 0) -> CrossCheck | None:
    """Compute the crossed bootstrap of a paired contrast; None with one seed, unpaired seeds, or no spread."""
    if result.pairing != "paired" or result.both is None or result.both.se == 0:
        return None
    compute, sign = INFLUENCES[result.metric], 1 if METRICS[result.metric].higher_is_better else -1
    contrast, seeds = result.contrast, result.seeds
    draws = sign * crossed_bootstrap(
        runs, contrast, lambda part: compute(part).theta, seeds=seeds, n_draws=n_draws, seed=seed
    )
    alpha = 1 - result.both.level
    low, high = (float(value) for value in np.quantile(draws, [alpha / 2, 1 - alpha / 2]))
    ratio = (high - low) / (result.both.high - result.both.low)
    expected = expected_ratio(result, result.both)
    agrees = 1 - TOLERANCE <= ratio <= (1 + TOLERANCE) * max(1.0, expected)
    return CrossCheck(n_draws=n_draws, low=low, high=high, ratio=ratio, expected_ratio=expected, agrees=agrees)


def disagreement_words(found: CrossCheck, name: str, *, n_seeds: int) -> str:
    """Say what it means that the bootstrap of the comparison `name` disagrees, and what to do."""
    ratios = f"the crossed bootstrap of {name} is {found.ratio:.2f} times as wide as the interval over seeds and cases"
    if 1 - found.expected_ratio >= (1 - found.ratio) / 2 > 0:  # few seeds explain half of the gap or more
        return (
            f"{ratios}: with {n_seeds} seeds a bootstrap is too narrow ({found.expected_ratio:.2f} times is "
            "expected), and more so if one seed is outlying; look at the values of each seed, and add seeds"
        )
    return (
        f"{ratios}, where {found.expected_ratio:.2f} times is expected: the differences are skewed over seeds or "
        "cases, or one seed is outlying, so that neither interval need hold its level; look at the values of each "
        "seed, and add seeds and cases"
    )


def expected_ratio(result: ContrastResult, both: Inference) -> float:
    """Return how many times as wide as the closed form the bootstrap of a paired contrast is to be expected.

    Over r seeds drawn with replacement the variance of a mean is ``v = (r - 1) / r * s2 / r``, over cases C, that of
    cases alone. Drawing both adds ``(r - 1) / r * (C - q)``, q being what different seeds share over cases: what is
    left of C is noise of each seed on each case, and v and C hold it already (Owen 2007). The bootstrap's quantile is
    the normal one.
    """
    r = result.n_seeds
    cases = result.cases_only.se**2
    noise = max(cases - result.q_untruncated, 0.0)
    variance = (r - 1) / r * (result.s2 / r + noise) + cases
    upper = (1 + both.level) / 2
    return t_quantile(upper, math.inf) * math.sqrt(variance) / (t_quantile(upper, both.df) * both.se)


def crossed_bootstrap(
    runs: RunScores,
    contrast: Contrast,
    compute: Callable[[RunScores], NDArray[np.float64]],
    *,
    seeds: Sequence[int],
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return draws of a contrast of any statistic, shape (n_draws,).

    Cases are drawn within their class; patients, where known, are drawn whole, among those with cases of the same
    classes, so that no class is ever absent from a draw.

    Parameters
    ----------
    compute : from runs to one number a run, shape (n_runs,)
    seeds : seeds that every arm of the contrast has
    seed : of the draws, default 0
    """
    if n_draws < 100:
        raise InputError(f"{n_draws} draws", expected="100 or more")
    rng = stream(seed, "crossed bootstrap", contrast.name)
    by_run = {(arm, number): run for run, (arm, number) in enumerate(zip(runs.arms, runs.seeds, strict=True))}
    weights = np.array([contrast.weights[arm] for arm in contrast.arms])
    table = np.array([[by_run[arm, number] for number in seeds] for arm in contrast.arms])
    draws = np.empty(n_draws)
    for draw in range(n_draws):
        drawn = rng.integers(len(seeds), size=len(seeds))
        chosen, counts = np.unique(drawn, return_counts=True)
        part = runs.on_runs(table[:, chosen].ravel()).on_cases(_draw_cases(runs, rng))
        theta = compute(part).reshape(len(weights), len(chosen))
        draws[draw] = float(weights @ theta @ counts) / len(seeds)
    return draws


def _draw_cases(runs: RunScores, rng: np.random.Generator) -> NDArray[np.int64]:
    if runs.patients is None:
        groups = [np.flatnonzero(runs.y_true == index) for index in range(runs.n_classes)]
        return np.concatenate([group[rng.integers(len(group), size=len(group))] for group in groups if len(group)])
    numbers, positions = np.unique(runs.patients, return_inverse=True)
    order = np.argsort(positions, kind="stable")
    starts = np.searchsorted(positions[order], np.arange(len(numbers) + 1))
    has_class = np.zeros((len(numbers), runs.n_classes), dtype=bool)
    has_class[positions, runs.y_true] = True
    kinds = np.unique(has_class, axis=0, return_inverse=True)[1].reshape(-1)
    groups = [np.flatnonzero(kinds == kind) for kind in range(kinds.max() + 1)]
    drawn = np.concatenate([group[rng.integers(len(group), size=len(group))] for group in groups])
    return np.concatenate([order[starts[patient] : starts[patient + 1]] for patient in drawn])
