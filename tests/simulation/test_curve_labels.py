"""How often a curve is called overfit where it is, and where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scantrial.analysis.diagnosis.curve import Guessing, LearningCurve
from scantrial.analysis.diagnosis.diagnose import diagnose

BALANCED = Guessing(accuracy=0.5, loss=math.log(2), floor=0.5032)
RHO = 0.3


def ar1(rng: np.random.Generator, n: int, *, sd: float, rho: float) -> np.ndarray:
    """Noise of standard deviation `sd` whose neighbours correlate by `rho`."""
    found = np.empty(n)
    found[0] = rng.normal(0, sd)
    steps = rng.normal(0, sd * math.sqrt(1 - rho**2), n)
    for t in range(1, n):
        found[t] = rho * found[t - 1] + steps[t]
    return found


def n_called_overfit(*, n_epochs: int, noise: float, rise: float, n_runs: int = 1000, rho: float = RHO) -> int:
    """Validation loss falls to a level, and from a quarter of the epochs on rises in a line by `rise`."""
    rng = np.random.default_rng([20, n_epochs, round(1000 * noise), round(100 * rise)])
    t = np.arange(1, n_epochs + 1)
    late = np.clip((t - n_epochs / 4) / (n_epochs * 3 / 4), 0, 1)
    level = (0.35 + 0.34 * np.exp(-t / (n_epochs / 20))) * (1 + rise * late)
    n_found = 0
    for _ in range(n_runs):
        curve = LearningCurve(
            train_loss=0.01 + 0.65 * np.exp(-t / (n_epochs / 7)),
            train_accuracy=1 - 0.45 * np.exp(-t / (n_epochs / 7)),
            val_loss=level * (1 + ar1(rng, n_epochs, sd=noise, rho=rho)),
            val_accuracy=0.88 - 0.3 * np.exp(-t / 4) + rng.normal(0, 0.005, n_epochs),
            n_val=400,
            guessing=BALANCED,
        )
        n_found += diagnose(curve).findings["LC003"].is_found
    return n_found


@pytest.mark.sim
@pytest.mark.parametrize(("noise", "n_found"), [(0.02, 5), (0.05, 54), (0.07, 60)])
def test_a_flat_curve_with_noise_is_seldom_called_overfit(noise, n_found):
    """Of 1,000 flat curves of 40 epochs at most 12 % are called overfit, whatever the noise."""
    assert n_called_overfit(n_epochs=40, noise=noise, rise=0.0) == n_found <= 120


@pytest.mark.sim
@pytest.mark.parametrize(("noise", "n_found"), [(0.02, 1000), (0.05, 1000), (0.07, 996)])
def test_a_rise_of_a_third_is_nearly_always_seen(noise, n_found):
    """Of 1,000 curves of 40 epochs that rise by 35 % at least 95 % are called overfit."""
    assert n_called_overfit(n_epochs=40, noise=noise, rise=0.35) == n_found >= 950


@pytest.mark.sim
@pytest.mark.parametrize(("rho", "n_found"), [(0.0, 13), (0.3, 54), (0.5, 129), (0.7, 234)])
def test_noise_that_wanders_is_taken_for_a_rise_more_often(rho, n_found):
    """What the documentation says of 5 % noise: the more neighbours correlate, the more flat curves are called overfit."""
    assert n_called_overfit(n_epochs=40, noise=0.05, rise=0.0, rho=rho) == n_found


@pytest.mark.sim
def test_in_twenty_noisy_epochs_more_rises_are_missed():
    """With 20 epochs and 7 % noise a rise of 35 % is seen in 88 % of the curves."""
    assert n_called_overfit(n_epochs=20, noise=0.07, rise=0.35) == 881


def test_rises_are_told_from_noise_in_a_small_simulation():
    """The same with 100 curves, at each commit."""
    assert n_called_overfit(n_epochs=40, noise=0.05, rise=0.0, n_runs=100) <= 12
    assert n_called_overfit(n_epochs=40, noise=0.05, rise=0.35, n_runs=100) >= 95
