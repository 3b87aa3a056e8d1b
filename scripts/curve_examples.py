"""Simulated learning curves: for each check one on which it finds what it looks for, and one on which it does not.

The documentation quotes what scantrial says of the first kind; the tests hold both against the checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from scantrial.analysis.diagnosis.curve import LearningCurve, guessing_of

N_EPOCHS = 40
T = np.arange(1, N_EPOCHS + 1, dtype=float)
CE = guessing_of({"name": "ce"}, (800, 800), (200, 200))
BCE = guessing_of({"name": "bce"}, (800, 800), (200, 200))


def fall(pace: float) -> Any:
    """Return exp(-t / pace)."""
    return np.exp(-T / pace)


def scatter(size: float, seed: int = 0) -> Any:
    """Return independent noise of this standard deviation."""
    return np.random.default_rng(seed).normal(0, size, N_EPOCHS)


def good(**changes: Any) -> LearningCurve:
    """Return a run that learns, settles, and stays; `changes` are fields of `LearningCurve`."""
    curve = LearningCurve(
        train_loss=0.15 + 0.5 * fall(4) + scatter(0.0008, 1),
        train_accuracy=0.95 - 0.4 * fall(4),
        val_loss=0.25 + 0.4 * fall(4) + scatter(0.0015, 2),
        val_accuracy=0.90 - 0.35 * fall(4) + scatter(0.003, 3),
        n_val=400,
        guessing=CE,
        lr=1e-3 * (1 + np.cos(np.pi * (T - 1) / N_EPOCHS)) / 2,
        schedule="cosine",
        dead_units=np.full(N_EPOCHS, 0.02),
        chosen_epoch=30,
        val_loss_se=0.02,
    )
    return replace(curve, **changes)


def diverged() -> LearningCurve:
    """Blow up from epoch 20 on."""
    climb = 1.3 ** np.maximum(T - 20, 0)
    return good(train_loss=(0.05 + 0.6 * fall(4)) * climb, val_loss=(0.1 + 0.6 * fall(4)) * climb)


def stuck() -> LearningCurve:
    """Score as guessing does."""
    return good(
        train_loss=math.log(2) + scatter(0.002, 1),
        val_loss=math.log(2) + scatter(0.002, 2),
        train_accuracy=0.5 + scatter(0.01, 3),
        val_accuracy=0.5 + scatter(0.01, 4),
    )


def overfit() -> LearningCurve:
    """Rise from epoch 12 on, by about a third."""
    late = np.maximum(T - 12, 0)
    return good(
        train_loss=0.01 + 0.65 * fall(6),
        val_loss=0.34 + 0.34 * fall(4) + 0.006 * late + scatter(0.003, 2),
        train_accuracy=1 - 0.45 * fall(6),
    )


def improving() -> LearningCurve:
    """Fall to the end."""
    return good(
        train_loss=0.02 + 0.65 * fall(25) + scatter(0.001, 1), val_loss=0.05 + 0.65 * fall(30) + scatter(0.001, 2)
    )


def oscillating() -> LearningCurve:
    """Swing by 18 points from epoch to epoch."""
    return good(val_accuracy=0.82 - 0.3 * fall(5) - 0.09 * (-1.0) ** T)


def underfit() -> LearningCurve:
    """Settle at a high training loss."""
    return good(
        train_loss=0.50 + 0.18 * fall(3) + scatter(0.0005, 1), val_loss=0.52 + 0.16 * fall(3) + scatter(0.0005, 2)
    )


def fits_both() -> LearningCurve:
    """Fit both kinds of cases, with a loss that doubles from 1e-4 to 2e-4 while training goes on."""
    return good(
        train_loss=0.00005 + 0.6 * fall(1.5),
        val_loss=0.0001 + 0.6 * fall(1.2) + 0.0001 * np.maximum(T - 15, 0) / 25,
        train_accuracy=np.minimum(1, 1.1 - 0.5 * fall(1.5)),
        val_accuracy=np.minimum(1, 1.1 - 0.5 * fall(1.5)),
    )


def unlike() -> LearningCurve:
    """Settle with dropout, whose training loss lies above validation loss."""
    return good(
        train_loss=0.42 + 0.25 * fall(3) + scatter(0.0008, 1), train_measured=False, only_in_training=("dropout",)
    )


def rising() -> LearningCurve:
    """Rise a little, at the very end."""
    return good(val_loss=0.25 + 0.4 * fall(4) + 0.0012 * np.maximum(T - 30, 0) + scatter(0.0002, 2))


def plateau() -> LearningCurve:
    """Settle on validation while training goes on."""
    return good(train_loss=0.02 + 0.5 * fall(15) + scatter(0.0005, 1))


def spike() -> LearningCurve:
    """Leap up at epoch 25."""
    curve = good()
    return replace(curve, val_loss=curve.val_loss + 0.5 * (T == 25))


def squashed() -> LearningCurve:
    """Learn with softmax applied before the cross-entropy."""
    return good(
        train_loss=math.log(1 + 1 / math.e) + 0.3 * fall(2) + scatter(0.0001, 1), train_accuracy=1 - 0.4 * fall(3)
    )


def overshot() -> LearningCurve:
    """Begin far worse than guessing."""
    losses = good().train_loss
    return good(moving_train_loss=np.where(T == 1, 3.1, losses))


FOUND: dict[str, Callable[[], LearningCurve]] = {
    "LC001": diverged,
    "LC002": stuck,
    "LC003": overfit,
    "LC004": improving,
    "LC005": oscillating,
    "LC006": underfit,
    "LC007": rising,
    "LC008": good,
    "LC009": plateau,
    "LC010": spike,
    "LC011": squashed,
    "LC012": overshot,
    "LC013": lambda: good(dead_units=0.8 - 0.3 * fall(3)),
    "LC014": lambda: good(
        schedule="cosine-stepped-per-epoch", lr=1e-3 * (1 + np.cos(np.pi * (T - 1) / (50 * N_EPOCHS))) / 2
    ),
    "LC015": lambda: good(chosen_epoch=2),
    "LC018": fits_both,
    "LC019": unlike,
}
"""On these the check of the code finds what it looks for."""

CLEAR: dict[str, Callable[[], LearningCurve]] = {
    **dict.fromkeys(("LC001", "LC002", "LC003", "LC004", "LC005", "LC006", "LC007", "LC010", "LC011"), good),
    **dict.fromkeys(("LC012", "LC013", "LC014", "LC015", "LC018", "LC019"), good),
    "LC008": improving,
    "LC009": improving,
}
"""On these it does not."""
