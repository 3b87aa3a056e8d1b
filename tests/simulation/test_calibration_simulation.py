"""Calibration numbers under a known truth: calibrated probabilities, known slopes, equal arms.

Each check has a short version for every commit and a long one (`make sim`). The seed is fixed: the value seen is
pinned, and the band says where it has to lie whatever the seed.
"""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.analysis.ece import equal_mass, equal_width, fill, noise_of_ece
from scantrial.analysis.logistic import fit_intercept, fit_line
from scantrial.analysis.predictive import predictive_values
from scantrial.analysis.reliability import reliability_curve
from scantrial.analysis.selection import expected_optimism, mean_scorer, score_of_winner
from scantrial.analysis.thresholds import OperatingPoint

LONG = pytest.mark.sim


def calibrated(rng, n=400):
    """p from Beta(.6, .6) and outcomes that are of class 1 with just that probability."""
    p = rng.beta(0.6, 0.6, n)
    return (rng.random(n) < p).astype(np.int64), p


def binomial_band(share: float, n: int) -> float:
    """Three standard errors of a share."""
    return 3 * (share * (1 - share) / n) ** 0.5


@pytest.mark.parametrize(
    ("n_studies", "seen"),
    [(200, -5.72720e-5), pytest.param(1000, 2.01395e-6, marks=LONG), pytest.param(10_000, -3.43170e-5, marks=LONG)],
)
def test_the_debiased_square_is_0_on_average_for_a_calibrated_model(n_studies, seen):
    """Mean within 3 x .0022 / sqrt(R) of 0, standard deviation near .0022: 400 cases, 15 bins of equal mass."""
    rng = np.random.default_rng(2501)
    found = []
    for _ in range(n_studies):
        y, p = calibrated(rng)
        found.append(fill(y, p, equal_mass(p, n_bins=15)).debiased_square)
    assert abs(np.mean(found)) < 3 * 0.0022 / n_studies**0.5
    assert np.std(found) == pytest.approx(0.0022, abs=0.0003)
    assert np.mean(found) == pytest.approx(seen, abs=5e-10)


@pytest.mark.parametrize(
    ("n_studies", "seen"),
    [(200, 0.0560656), pytest.param(1000, 0.0555794, marks=LONG), pytest.param(10_000, 0.0560551, marks=LONG)],
)
def test_the_ece_of_a_calibrated_model_is_056(n_studies, seen):
    """The plain ECE of 15 bins of equal width and 400 cases: mean within .053 and .059."""
    rng = np.random.default_rng(2502)
    found = []
    for _ in range(n_studies):
        y, p = calibrated(rng)
        found.append(fill(y, p, equal_width(p, n_bins=15)).mean_absolute)
    assert 0.053 < np.mean(found) < 0.059
    assert np.mean(found) == pytest.approx(seen, abs=1e-6)


@pytest.mark.parametrize(("n_studies", "seen"), [(100, 5), pytest.param(1000, 49, marks=LONG)])
def test_the_noise_floor_covers_a_calibrated_model(n_studies, seen):
    """Its 95th percentile is exceeded by 5 % of calibrated models."""
    rng = np.random.default_rng(2503)
    above = 0
    for study in range(n_studies):
        y, p = calibrated(rng)
        limit = np.quantile(noise_of_ece(p, seed=study, n_draws=200), 0.95)
        above += fill(y, p, equal_width(p, n_bins=15)).mean_absolute > limit
    assert abs(above / n_studies - 0.05) < binomial_band(0.05, n_studies)
    assert above == seen


@pytest.mark.parametrize(("n_studies", "seen"), [(200, [193, 193]), pytest.param(2000, [1905, 1899], marks=LONG)])
def test_intervals_of_slope_and_in_the_large_cover_the_truth(n_studies, seen):
    """True slope .5 and true intercept at slope 1 of .4: value +- 1.96 standard errors covers 95 %."""
    rng = np.random.default_rng(2504)
    covered = np.zeros(2, dtype=int)
    for _ in range(n_studies):
        z = rng.normal(0, 2, 400)
        y = (rng.random(400) < 1 / (1 + np.exp(-z / 2))).astype(float)
        line = fit_line(z, y)
        shifted = (rng.random(400) < 1 / (1 + np.exp(-z - 0.4))).astype(float)
        value, se = fit_intercept(z, shifted)
        covered += [abs(line.slope - 0.5) < 1.96 * line.slope_se, abs(value - 0.4) < 1.96 * se]
    assert (abs(covered / n_studies - 0.95) < binomial_band(0.95, n_studies)).all()
    assert covered.tolist() == seen


@pytest.mark.parametrize(("n_studies", "seen"), [(20, 0.901875), pytest.param(500, 0.912965, marks=LONG)])
def test_the_consistency_band_holds_a_calibrated_model_at_most_places(n_studies, seen):
    """Pointwise 90 %: averaged over p and over calibrated models the fit is inside about nine times in ten."""
    rng = np.random.default_rng(2505)
    inside = []
    for study in range(n_studies):
        y, p = calibrated(rng)
        curve = reliability_curve(y, p, seed=study, n_draws=200)
        inside.append(((curve.observed >= curve.low) & (curve.observed <= curve.high)).mean())
    assert np.mean(inside) == pytest.approx(0.90, abs=3 * np.std(inside) / n_studies**0.5 + 0.02)
    assert np.mean(inside) == pytest.approx(seen, abs=1e-6)


@pytest.mark.parametrize(("n_studies", "seen"), [(500, [476, 473]), pytest.param(5000, [4749, 4752], marks=LONG)])
def test_intervals_of_predictive_values_cover_the_truth(n_studies, seen):
    """Sensitivity .85, specificity .8, 100 cases of each class, prevalence .1: between 93 % and 97.5 %."""
    rng = np.random.default_rng(2506)
    truth = (0.1 * 0.85 / (0.1 * 0.85 + 0.9 * 0.2), 0.9 * 0.8 / (0.9 * 0.8 + 0.1 * 0.15))
    covered = np.zeros(2, dtype=int)
    for _ in range(n_studies):
        n_tp, n_tn = rng.binomial(100, [0.85, 0.8])
        point = OperatingPoint(threshold=0, n_tp=int(n_tp), n_fn=int(100 - n_tp), n_fp=int(100 - n_tn), n_tn=int(n_tn))
        (found,) = predictive_values(point, prevalences=[0.1])
        covered += [each.low < true < each.high for each, true in zip((found.ppv, found.npv), truth, strict=True)]
    assert ((covered / n_studies > 0.93) & (covered / n_studies < 0.975)).all()
    assert covered.tolist() == seen


@pytest.mark.parametrize(
    ("n_studies", "seen"), [(40, (0.85075, 0.799260)), pytest.param(400, (0.852037, 0.801046), marks=LONG)]
)
def test_the_best_of_twenty_equal_arms(n_studies, seen):
    """Right 80 % of the time on 200 cases: the best looks better by about se c_20; corrected it is 80 % to 1 point."""
    rng = np.random.default_rng(2507)
    found = [
        score_of_winner(mean_scorer(rng.random((20, 200)) < 0.8), n_cases=200, seed=study, n_resamples=100)
        for study in range(n_studies)
    ]
    apparent = np.array([each.apparent for each in found])
    corrected = np.array([each.corrected for each in found])
    assert apparent.mean() - 0.8 == pytest.approx(expected_optimism((0.8 * 0.2 / 200) ** 0.5, 20), abs=0.006)
    assert abs(corrected.mean() - 0.8) < 0.01 + 3 * corrected.std() / n_studies**0.5
    assert (apparent.mean(), corrected.mean()) == pytest.approx(seen, abs=1e-6)
