"""Calibration of the probability of class 1: one record with every number, and the curve behind a diagram.

A model is calibrated if, of the cases that it gives probability p, the share p is of class 1. No single number shows
this: the debiased error says how far off the model is, in-the-large and slope say in which direction, and the
decomposition says what it costs in Brier score.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.ece import N_BINS, N_DRAWS, equal_mass, equal_width, fill, mass_bin_count, noise_of_ece
from scantrial.analysis.logistic import fit_intercept, fit_line
from scantrial.analysis.metrics import Undefined
from scantrial.analysis.number import Number, attempt, missing
from scantrial.analysis.reliability import ReliabilityCurve, decompose_brier, reliability_curve
from scantrial.analysis.rows import Rows, log_odds_of, probabilities
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration(Plain):
    """How well the probabilities of class 1 agree with the outcomes, on one set of cases.

    Parameters
    ----------
    n : cases
    n_clipped : probabilities that were clipped to [1e-7, 1 - 1e-7] for their log odds; 0 where logits were given
    error : debiased root-mean-square calibration error, the root of `error_square` or 0 where that is negative
    error_square : debiased square over bins of equal mass; 0 on average for a calibrated model, so it may be negative
    n_bins : of equal mass, before equal probabilities were put together; None where there are too few cases
    ece : expected calibration error over 15 bins of equal width; biased upwards
    ece_noise_mean, ece_noise_95 : mean and 95th percentile of the ECE that a perfectly calibrated model with these
        probabilities would show
    in_the_large : intercept at slope 1, in log odds; above 0: class 1 is more frequent than predicted
    slope : of the outcome's log odds on the predicted ones; below 1: over-confident
    spiegelhalter_z : standard normal for a calibrated model
    brier : mean of (p - y)^2
    brier_skill : 1 - Brier / (Brier of the constant share of class 1)
    miscalibration, discrimination, uncertainty : Brier = miscalibration - discrimination + uncertainty
    curve : the reliability curve; empty arrays where there is no case
    """

    n: int
    n_clipped: int
    error: Number
    error_square: Number
    n_bins: int | None
    ece: Number
    ece_noise_mean: Number
    ece_noise_95: Number
    in_the_large: Number
    slope: Number
    spiegelhalter_z: Number
    brier: Number
    brier_skill: Number
    miscalibration: Number
    discrimination: Number
    uncertainty: Number
    curve: ReliabilityCurve


def measure_calibration(rows: Rows, *, seed: int, n_draws: int = N_DRAWS, band: bool = True) -> Calibration:
    """Compute every number on calibration, and the reliability curve.

    Parameters
    ----------
    rows : of any split, two classes, logits or probabilities
    seed : of the draws behind the noise floor and the consistency band
    n_draws : default 1000, at least 1
    band : whether the consistency band is drawn, which takes most of the time; without it the band is NaN

    Raises
    ------
    InputError
        If there are more than two classes, or the scores are not probabilities.

    Notes
    -----
    What these cases cannot give is missing with its reason: without a case everything; with one class slope,
    in-the-large and skill; with too few cases the error over bins; with perfect separation the slope.
    """
    cases = _binary(rows)
    noise = noise_of_ece(cases.p, seed=seed, n_draws=n_draws) if rows.n else np.zeros(0)
    found = {name: _attempt(compute, cases) for name, compute in _NUMBERS.items()}
    return Calibration(
        n=rows.n,
        n_clipped=cases.n_clipped,
        n_bins=mass_bin_count(rows.n) if found["error_square"].is_defined else None,
        ece_noise_mean=_attempt(lambda _: float(noise.mean()), cases),
        ece_noise_95=_attempt(lambda _: float(np.quantile(noise, 0.95)), cases),
        curve=reliability_curve(cases.y, cases.p, seed=seed, n_draws=n_draws if band else 0),
        **found,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cases:
    """Outcome, probability of class 1 and its log odds, each of shape (n,)."""

    y: NDArray[np.int64]
    p: NDArray[np.float64]
    z: NDArray[np.float64]
    n_clipped: int


def _binary(rows: Rows) -> _Cases:
    if rows.n_classes != 2:
        raise InputError(f"calibration of {rows.n_classes} classes", expected="two classes")
    try:
        z, n_clipped = log_odds_of(rows)
        return _Cases(y=rows.y_true, p=probabilities(rows)[:, 1], z=z, n_clipped=n_clipped)
    except Undefined as why:
        raise InputError(str(why), expected="logits, or probabilities of class 1") from None


def _attempt(compute: Callable[[_Cases], Number | float], cases: _Cases) -> Number:
    if not len(cases.y):
        return missing("there are no cases")
    return attempt(lambda: compute(cases))


def _error_square(cases: _Cases) -> float:
    bins = equal_mass(cases.p, n_bins=mass_bin_count(len(cases.p)))
    return fill(cases.y, cases.p, bins).debiased_square


def _ece(cases: _Cases) -> float:
    return fill(cases.y, cases.p, equal_width(cases.p, n_bins=N_BINS)).mean_absolute


def _in_the_large(cases: _Cases) -> Number:
    value, se = fit_intercept(cases.z, cases.y.astype(np.float64))
    return Number(value=value, se=se)


def _slope(cases: _Cases) -> Number:
    line = fit_line(cases.z, cases.y.astype(np.float64))
    return Number(value=line.slope, se=line.slope_se)


def _spiegelhalter_z(cases: _Cases) -> float:
    """Return the sum of (y - p)(1 - 2p) over its standard deviation under calibration (Spiegelhalter 1986)."""
    lean = 1 - 2 * cases.p
    variance = float((lean**2 * cases.p * (1 - cases.p)).sum())
    if variance == 0:
        raise Undefined("every probability is 0, 1/2 or 1")
    return float(((cases.y - cases.p) * lean).sum()) / math.sqrt(variance)


def _brier_skill(cases: _Cases) -> float:
    share = float(cases.y.mean())
    if share in {0.0, 1.0}:
        raise Undefined(f"every case is of class {int(share)}")
    return 1 - float(((cases.p - cases.y) ** 2).mean()) / (share * (1 - share))


_NUMBERS: dict[str, Callable[[_Cases], Number | float]] = {
    "error": lambda cases: math.sqrt(max(_error_square(cases), 0.0)),
    "error_square": _error_square,
    "ece": _ece,
    "in_the_large": _in_the_large,
    "slope": _slope,
    "spiegelhalter_z": _spiegelhalter_z,
    "brier": lambda cases: decompose_brier(cases.y, cases.p).brier,
    "brier_skill": _brier_skill,
    "miscalibration": lambda cases: decompose_brier(cases.y, cases.p).miscalibration,
    "discrimination": lambda cases: decompose_brier(cases.y, cases.p).discrimination,
    "uncertainty": lambda cases: decompose_brier(cases.y, cases.p).uncertainty,
}
