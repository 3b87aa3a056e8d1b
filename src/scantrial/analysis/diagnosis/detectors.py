"""The rules in addition to the labels: signs of a bug or of an unlucky setting in one curve."""

from __future__ import annotations

import numpy as np

from scantrial.analysis.diagnosis.labels import DIVERGED, Found
from scantrial.analysis.diagnosis.thresholds import (
    DEAD_SHARE,
    FLOOR_ABOVE,
    FLOOR_ACCURACY,
    FLOOR_BELOW,
    LR_RANGE,
    OVERSHOOT,
    TRAIN_RISE,
    TRAIN_RISE_SHARE,
)
from scantrial.analysis.diagnosis.workings import Verdict, Workings, is_level


def loss_floor(work: Workings, _found: Found) -> Verdict:
    """Judge whether training flattens at the loss of perfect outputs after softmax or sigmoid is applied twice."""
    floor, guessing = work.curve.guessing.floor, work.curve.guessing
    assert floor is not None
    at_end = float(np.median(work.tail(work.curve.train_loss)))
    accuracy = float(np.median(work.tail(work.curve.train_accuracy)))
    above = at_end / floor - 1
    # Outputs after one softmax or sigmoid too many may still be decided rightly, or all be decided for one class.
    fits = accuracy >= FLOOR_ACCURACY.value or accuracy <= guessing.accuracy + 0.01
    flat = is_level(work.train_trend)
    numbers = {"train_loss": at_end, "floor": floor, "train_accuracy": accuracy}
    return -FLOOR_BELOW.value <= above <= FLOOR_ABOVE.value and fits and flat, numbers


def rate_too_high(work: Workings, found: Found) -> Verdict:
    """Judge whether the steps were too long: training overshot at its start, or kept rising sharply."""
    curve, guess = work.curve, work.curve.guessing.loss
    assert guess is not None
    losses = curve.train_loss if curve.moving_train_loss is None else curve.moving_train_loss
    rises = np.diff(losses) > TRAIN_RISE.value * guess
    n_rises = int(rises.sum())
    numbers = {
        "first_loss": float(losses[0]),
        "guessing_loss": guess,
        "n_rises": n_rises,
        "n_epochs": work.n,
        "lr": None if curve.lr is None else float(curve.lr.max()),
    }
    # Rounds after the first begin with trained weights: there the first epoch says nothing.
    overshot = curve.round == 1 and not losses[0] <= OVERSHOOT.value * guess
    leaps = n_rises >= max(2.0, TRAIN_RISE_SHARE.value * work.n)
    signs = {"overshot": overshot, "leaps": leaps, "diverged": found[DIVERGED].is_found}
    return any(signs.values()), {**numbers, **signs}


def dead_units(work: Workings, _found: Found) -> Verdict:
    """Judge whether many hidden units give the same output for every validation case."""
    dead = work.curve.dead_units
    assert dead is not None
    return bool(dead[-1] >= DEAD_SHARE.value), {"first": float(dead[0]), "last": float(dead[-1])}


def schedule_still(work: Workings, _found: Found) -> Verdict:
    """Judge whether a schedule that should change the learning rate hardly does."""
    lr = work.curve.lr
    assert lr is not None
    moved = float(np.ptp(lr) / lr.max())
    numbers = {"schedule": work.curve.schedule, "range": moved, "lr_first": float(lr[0]), "lr_last": float(lr[-1])}
    return moved < LR_RANGE.value and not work.curve.stopped_early, {**numbers, "n_epochs": work.n}


def chosen_epoch(work: Workings, _found: Found) -> Verdict:
    """Judge whether the epoch whose weights were kept is one of those that the validation cases cannot tell apart."""
    curve = work.curve
    assert curve.chosen_epoch is not None
    within = one_error_range(work)
    numbers = {"chosen_epoch": curve.chosen_epoch, "best_epoch": curve.epoch(work.best), "range": within}
    assert within is not None
    return not within[0] <= curve.chosen_epoch <= within[1], numbers


def one_error_range(work: Workings) -> tuple[int, int] | None:
    """Return the first and last epoch whose smoothed validation loss is within one standard error of the smallest.

    The error is over cases at the chosen epoch (Breiman 1984). Two epochs are judged on the same cases, so their
    difference is less uncertain than that: the range may be too wide.
    """
    error = work.curve.val_loss_se
    if error is None or not work.is_finite:
        return None
    near = np.flatnonzero(work.smooth_val <= work.smooth_val[work.best] + error)
    return work.curve.epoch(near[0]), work.curve.epoch(near[-1])
