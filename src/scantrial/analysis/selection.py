"""Selection bias: how much better the best of many looks than it is.

The best of M epochs or arms by the score on some cases owes part of that score to those cases. How much, roughly, is
the expected maximum of M normal numbers times their standard error; without an assumption, the bootstrap gives it: pick
the best on the cases drawn, score it on the cases left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.core.errors import InputError, ShapeError
from scantrial.core.plain import Plain
from scantrial.core.rng import stream

N_RESAMPLES = 1000

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Scorer = Callable[[Indices], Floats]
"""From indices of cases, repeats allowed, to one score an arm, shape (n_arms,); NaN where these cases give none."""


def expected_maximum(n: int) -> float:
    """Return c_n, the expected maximum of n independent standard normal numbers; 0 for one.

    The integral of ``1 - Phi(x)^n`` above 0 minus that of ``Phi(x)^n`` below, to about 1e-9.
    """
    if n < 1:
        raise InputError(f"the best of {n}", expected="1 or more")

    if n == 1:
        return 0.0

    def tail(x: float) -> float:
        return -math.expm1(n * float(scipy.special.log_ndtr(x))) - math.exp(n * float(scipy.special.log_ndtr(-x)))

    peak = math.sqrt(2 * math.log(n + 1))
    return float(scipy.integrate.quad(tail, 0, peak)[0] + scipy.integrate.quad(tail, peak, peak + 10)[0])


def expected_optimism(se: float, n: int, *, correlation: float = 0.0) -> float:
    """Return by how much the best of `n` epochs or arms of equal worth is too good on average.

    Parameters
    ----------
    se : standard error of one score on these cases, above or equal to 0
    correlation : between two scores through the shared cases, 0 to 1, default 0 (which gives the most)

    Notes
    -----
    ``se sqrt(1 - correlation) c_n``. Epochs of one run and arms of one study share cases and are much alike, so the
    true figure lies below that of correlation 0.
    """
    if not (se >= 0 and 0 <= correlation <= 1):
        raise InputError(
            f"se = {se}, correlation = {correlation}", expected="se of at least 0, a correlation from 0 to 1"
        )
    return se * math.sqrt(1 - correlation) * expected_maximum(n)


@dataclass(frozen=True, slots=True, kw_only=True)
class WinnerScore(Plain):
    """The best arm's score, as it looks and corrected for having been picked.

    Parameters
    ----------
    winner : index of the arm with the best score on all cases; the first of equal ones
    apparent : its score on all cases, which picked it
    corrected : bootstrap bias-corrected score of "the best arm"
    optimism : apparent - corrected
    low, high : 2.5 and 97.5 percentiles of the scores on the cases left out; these are fewer cases than all, so the
        span is rather wide
    share_won : shape (n_arms,), how often each arm was picked; equal ones share
    n_cases : all cases
    n_used, n_skipped : resamples with a score inside and outside, and without
    reason : why there is no corrected score, or None; then it is NaN
    """

    winner: int
    apparent: float
    corrected: float
    optimism: float
    low: float
    high: float
    share_won: tuple[float, ...]
    n_cases: int
    n_used: int
    n_skipped: int
    reason: str | None = None


def mean_scorer(scores: NDArray[Any]) -> Scorer:
    """Return the scorer of a mean over cases, such as accuracy, from scores of each case: shape (n_arms, n_cases).

    Larger has to be better: hand over losses with their sign turned.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2:
        raise ShapeError(f"scores of shape {table.shape}", expected="(n_arms, n_cases)")
    return lambda cases: np.asarray(table[:, cases].mean(axis=1))


def score_of_winner(
    scorer: Scorer,
    *,
    n_cases: int,
    seed: int,
    patients: NDArray[Any] | None = None,
    n_resamples: int = N_RESAMPLES,
) -> WinnerScore:
    """Correct the score of the best arm for having been picked on the same cases (BBC).

    Parameters
    ----------
    scorer : from indices of cases to one score an arm, larger is better; the arms share the cases
    n_cases : at least 1
    patients : shape (n_cases,), any labels; whole patients are drawn. Default: each case is its own patient.
    n_resamples : default 1000

    Notes
    -----
    Draw as many patients as there are, with replacement; pick the arm with the best score on the cases drawn; score
    it on the cases of patients never drawn; average. Arms that are equal inside share their scores outside, so that
    the order of the arms does not matter. Resamples in which an arm has no score, inside or outside (no case left
    out, one class only), are skipped and counted.

    References
    ----------
    Tsamardinos, Greasidou and Borboudakis (2018), Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation, Machine Learning 107:1895.
    """
    patient = _numbered(n_cases, patients)
    whole = np.asarray(scorer(np.arange(n_cases)), dtype=np.float64)
    if whole.ndim != 1 or not len(whole):
        raise ShapeError(f"a score of shape {whole.shape}", expected="(n_arms,): one for each arm")
    if np.isnan(whole).any():
        return _without(whole, n_cases, 0, "an arm has no score on these cases")
    rng = stream(seed, "selection", "winner")
    drawn = (_one_resample(scorer, patient, rng) for _ in range(n_resamples))
    kept = [pair for pair in drawn if pair is not None]
    if not kept:
        return _without(
            whole, n_cases, n_resamples, "no resample has a score both on the cases drawn and on the cases left out"
        )
    outside = np.array([score for score, _ in kept])
    low, high = np.quantile(outside, [0.025, 0.975])
    apparent, corrected = float(whole.max()), float(outside.mean())
    return WinnerScore(
        winner=int(whole.argmax()),
        apparent=apparent,
        corrected=corrected,
        optimism=apparent - corrected,
        low=float(low),
        high=float(high),
        share_won=tuple(np.mean([won for _, won in kept], axis=0).tolist()),
        n_cases=n_cases,
        n_used=len(kept),
        n_skipped=n_resamples - len(kept),
    )


def _one_resample(scorer: Scorer, patient: Indices, rng: np.random.Generator) -> tuple[float, Floats] | None:
    """Return the outside score of the arm that was best inside, and each arm's share in being it."""
    n_patients = int(patient.max()) + 1
    times = np.bincount(rng.integers(0, n_patients, n_patients), minlength=n_patients)[patient]
    left_out = np.flatnonzero(times == 0)
    if not len(left_out):
        return None
    inside = scorer(np.repeat(np.arange(len(patient)), times))
    outside = scorer(left_out)
    if np.isnan(inside).any() or np.isnan(outside).any():
        return None
    best = inside == inside.max()
    return float(outside[best].mean()), best / best.sum()


def _numbered(n_cases: int, patients: NDArray[Any] | None) -> Indices:
    """Return the patient of each case as a number from 0 on."""
    if n_cases < 1:
        raise InputError(f"{n_cases} cases", expected="at least 1")
    if patients is None:
        return np.arange(n_cases)
    labels = np.asarray(patients)
    if labels.shape != (n_cases,):
        raise ShapeError(f"patients of shape {labels.shape} for {n_cases} cases", expected=f"({n_cases},)")
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _without(whole: Floats, n_cases: int, n_skipped: int, reason: str) -> WinnerScore:
    known = np.where(np.isnan(whole), -np.inf, whole)
    nan = math.nan
    return WinnerScore(
        winner=int(known.argmax()),
        apparent=float(whole[known.argmax()]),
        corrected=nan,
        optimism=nan,
        low=nan,
        high=nan,
        share_won=(),
        n_cases=n_cases,
        n_used=0,
        n_skipped=n_skipped,
        reason=reason,
    )
