"""Aggregates of a run's learning curve: means without the first epochs, values at the end of each round.

A mean over epochs averages many half-trained networks; no single network has that accuracy. Epochs of one run
are not replicates of each other, and neither are rounds; only runs with different seeds are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import scipy

from scantrial.core.errors import InputError
from scantrial.core.plain import Plain
from scantrial.core.records import EpochRecord

SKIPPED_EPOCHS = 3
"""Epochs left out of a mean unless another number is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint(Plain):
    """Loss and accuracy on training and validation cases; accuracies are proportions, NaN where there is none."""

    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float


QUANTITIES: tuple[str, ...] = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchAggregates(Plain):
    """Aggregates over a stretch of epochs: one round, or the whole run.

    Parameters
    ----------
    round : which round, or None for the whole run
    first_epoch, last_epoch : counting from 1 through all rounds
    skipped : epochs left out at the stretch's beginning
    mean : over the other epochs; NaN where none is left
    at_end : of the last epoch
    """

    round: int | None
    first_epoch: int
    last_epoch: int
    skipped: int
    mean: CurvePoint
    at_end: CurvePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveAggregates(Plain):
    """A run's learning curve in a few numbers.

    Parameters
    ----------
    whole : the whole run; the first epochs are left out once
    rounds : each round by itself; the first epochs are left out in each
    """

    whole: StretchAggregates
    rounds: tuple[StretchAggregates, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedMeans(Plain):
    """The difference of one number a run between two arms, over the seeds that both have.

    Parameters
    ----------
    n_seeds : such seeds
    low, high, p : of a paired t-test; the cases are taken as fixed, so the result says nothing about other cases
    """

    n_seeds: int
    difference: float
    low: float
    high: float
    p: float
    level: float


def paired_means(first: Mapping[int, float], second: Mapping[int, float], *, level: float = 0.95) -> PairedMeans | None:
    """Compare one number a run, such as a mean over epochs, between two arms: a paired t over seeds.

    Seeds are the only replicates: epochs share a network, rounds go on from each other. The cases are fixed.

    Parameters
    ----------
    first, second : by seed; values that are not finite, and seeds that one lacks, are left out

    Returns
    -------
    PairedMeans or None
        None with fewer than two shared seeds. Where all differences are equal there is no spread: p is 1 for a
        difference of 0 and otherwise NaN.
    """
    shared = sorted(seed for seed in first.keys() & second.keys() if np.isfinite([first[seed], second[seed]]).all())
    if len(shared) < 2:
        return None
    differences = np.array([first[seed] - second[seed] for seed in shared])
    mean, se = float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(shared)))
    half = float(scipy.special.stdtrit(len(shared) - 1, (1 + level) / 2)) * se
    without_spread = 1.0 if mean == 0 else float("nan")
    p = 2 * float(scipy.special.stdtr(len(shared) - 1, -abs(mean) / se)) if se > 0 else without_spread
    return PairedMeans(n_seeds=len(shared), difference=mean, low=mean - half, high=mean + half, p=p, level=level)


def curve_aggregates(history: Sequence[EpochRecord], *, skip: int = SKIPPED_EPOCHS) -> CurveAggregates:
    """Compute the means without the first `skip` epochs and the values at the end, per round and in all.

    Raises
    ------
    InputError
        If there is no epoch, or `skip` is negative.
    """
    if not history:
        raise InputError("a learning curve without an epoch", expected="at least one epoch")
    if skip < 0:
        raise InputError(f"skip = {skip}", expected="0 or more epochs")
    rounds = [(number, list(epochs)) for number, epochs in groupby(history, key=lambda epoch: epoch.round)]
    return CurveAggregates(
        whole=_stretch(history, skip=skip, number=None),
        rounds=tuple(_stretch(epochs, skip=skip, number=number) for number, epochs in rounds),
    )


def _stretch(epochs: Sequence[EpochRecord], *, skip: int, number: int | None) -> StretchAggregates:
    return StretchAggregates(
        round=number,
        first_epoch=epochs[0].epoch,
        last_epoch=epochs[-1].epoch,
        skipped=skip,
        mean=_mean(epochs[skip:]),
        at_end=_mean(epochs[-1:]),
    )


def _mean(epochs: Sequence[EpochRecord]) -> CurvePoint:
    if not epochs:
        return CurvePoint(**dict.fromkeys(QUANTITIES, float("nan")))
    return CurvePoint(**{name: float(np.mean([getattr(epoch, name) for epoch in epochs])) for name in QUANTITIES})
