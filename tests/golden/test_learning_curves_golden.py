"""Ten learning curves with labels that are known, built from formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scantrial.analysis.diagnosis.curve import Guessing, LearningCurve
from scantrial.analysis.diagnosis.diagnose import diagnose

T = np.arange(1, 41, dtype=float)
BALANCED = Guessing(accuracy=0.5, loss=math.log(2), floor=0.5032)


def fall(pace: float) -> np.ndarray:
    return np.exp(-T / pace)


def noise(s: int) -> np.ndarray:
    return 0.008 * (np.modf(np.sin(12.9898 * T + 78.233 * s) * 43758.5453)[0] % 1 - 0.5)


def late(start: int) -> np.ndarray:
    return np.maximum(T - start, 0)


def blown_up(start: float, train: np.ndarray) -> np.ndarray:
    return np.where(T < 20, train, start * 1.25 ** (T - 20))


SIGN = (-1.0) ** T
A1 = (
    0.15 + 0.54 * fall(4) + noise(1),
    0.25 + 0.44 * fall(4) + noise(2),
    0.95 - 0.40 * fall(4),
    0.90 - 0.35 * fall(4),
)
A2 = (
    0.69 * fall(6) + 0.01,
    0.35 + 0.34 * fall(4) + 0.008 * late(12) + noise(2),
    1 - 0.45 * fall(6),
    0.86 - 0.3 * fall(3) - 0.004 * late(12),
)
FLAT = np.full(40, 0.6)
CURVES = {
    "A1": A1,
    "A2": A2,
    "A3": (*A2[:3], 0.88 - 0.3 * fall(4)),
    "A4": (
        0.6931 + 0.002 * np.sin(T),
        0.6935 + 0.002 * np.cos(T),
        0.5 + 0.01 * np.sin(T),
        0.5 + 0.01 * np.cos(T),
    ),
    "A5": (
        np.where(T < 9, 0.6 - 0.02 * T, np.nan),
        np.where(T < 9, 0.62 - 0.02 * T, np.nan),
        FLAT,
        FLAT,
    ),
    "A6": (
        blown_up(0.1, 0.69 * fall(5) + 0.05),
        blown_up(0.15, 0.69 * fall(5) + 0.1),
        np.full(40, 0.9),
        np.full(40, 0.85),
    ),
    "A7": (
        0.50 + 0.19 * fall(3) + noise(1) / 4,
        0.52 + 0.17 * fall(3) + noise(2) / 4,
        0.75 - 0.2 * fall(3),
        0.74 - 0.2 * fall(3),
    ),
    "A8": (
        0.69 * fall(25) + 0.02,
        0.69 * fall(30) + 0.05,
        0.95 - 0.45 * fall(25),
        0.93 - 0.43 * fall(30),
    ),
    "A9": (
        0.2 + 0.49 * fall(5) + noise(1),
        0.35 + 0.34 * fall(5) + 0.12 * SIGN,
        0.9 - 0.3 * fall(5),
        0.82 - 0.3 * fall(5) - 0.09 * SIGN,
    ),
    "A10": (A1[0], A1[1] + 0.5 * (T == 25), *A1[2:]),
}


def diagnosis_of(name: str):
    train_loss, val_loss, train_accuracy, val_accuracy = CURVES[name]
    return diagnose(
        LearningCurve(
            train_loss=train_loss,
            val_loss=val_loss,
            train_accuracy=train_accuracy,
            val_accuracy=val_accuracy,
            n_val=400,
            guessing=BALANCED,
        )
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("A1", "Converged"),
        ("A2", "Overfit"),
        ("A3", "Overfit"),
        ("A4", "Stuck at chance"),
        ("A5", "Diverged"),
        ("A6", "Diverged"),
        ("A7", "Underfit"),
        ("A8", "Still improving"),
        ("A9", "Oscillating"),
        ("A10", "Converged"),
    ],
)
def test_each_reference_curve_has_its_label(name, label):
    """The ten reference curves get the labels that they were built to show."""
    assert diagnosis_of(name).label == label


def test_overfitting_begins_after_its_best_epoch():
    """The best epoch of A2 is 11, within 2; overfitting begins at the next one, and is of loss and accuracy."""
    found = diagnosis_of("A2").findings["LC003"].numbers
    assert found["best_epoch"] == pytest.approx(11, abs=2)
    assert found["onset"] == found["best_epoch"] + 1
    assert found["confirmed"] > found["onset"]
    assert found["kind"] == "loss and accuracy"


def test_a_loss_that_rises_alone_is_told_from_one_that_takes_accuracy_along():
    """A3 is A2 with an accuracy that holds: of the loss only, from the same epoch."""
    assert diagnosis_of("A3").findings["LC003"].numbers["kind"] == "loss only"
    assert diagnosis_of("A3").onset == diagnosis_of("A2").onset


@pytest.mark.parametrize(("name", "epoch"), [("A5", 9), ("A6", 29)])
def test_divergence_is_dated(name, epoch):
    """A5 has no finite loss from epoch 9 on; A6 is worse than guessing, and 4 times its smallest loss, from 29 on."""
    assert diagnosis_of(name).findings["LC001"].numbers["epoch"] == pytest.approx(epoch, abs=2)


def test_a_spike_stands_beside_the_label():
    """A10 is A1 with a spike at epoch 25; no other reference curve has one."""
    assert diagnosis_of("A10").findings["LC010"].numbers["epochs"] == [25]
    assert [name for name in CURVES if diagnosis_of(name).findings["LC010"].is_found] == ["A10"]
