"""The steps of an epoch: which cases make up which step, and its learning rate.

With `accumulate` the weights move once for several steps; schedules count moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scantrial.core.rng import stream
from scantrial.recipe.task import RunTask
from scantrial.recipe.training import drawn_of_classes
from scantrial.train.schedules import learning_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """One step of training. Draws for a case depend only on `seed`, `epoch` and its number: they are equal in all arms.

    Parameters
    ----------
    seed : of the replicate
    epoch : counts from 1 through all rounds
    number : steps of this epoch before this one
    lr : the optimiser's learning rate at the move of the weights that this step is part of
    rows : shape (n,), rows of the training scans, on the run's device
    cases : shape (n,), the case numbers of these rows: rows of the task's `images`
    repeats : shape (n,), how often each case came before in this epoch; zeros unless cases are oversampled
    """

    seed: int
    epoch: int
    number: int
    lr: float
    rows: Tensor
    cases: NDArray[np.int64]
    repeats: NDArray[np.int64]


def epoch_steps(task: RunTask, epoch: int) -> tuple[TrainingStep, ...]:
    """Return the steps of one epoch.

    Parameters
    ----------
    epoch : counts from 1 through all rounds
    """
    recipe = task.recipe
    order = epoch_rows(task.labels[task.cases["train"]], recipe.sampling, seed=task.seed, epoch=epoch)
    rows, cases, repeats = torch.from_numpy(order).to(task.device), task.cases["train"][order], earlier(order)
    bounds = batch_bounds(len(order), recipe.batch_size)
    n_moves = math.ceil(len(bounds) / recipe.accumulate)
    before = (epoch - 1) % recipe.epochs * n_moves
    return tuple(
        TrainingStep(
            seed=task.seed,
            epoch=epoch,
            number=number,
            lr=learning_rate(
                recipe.schedule,
                recipe.optimizer.lr,
                step=before + number // recipe.accumulate,
                n_batches=n_moves,
                n_epochs=recipe.epochs,
            ),
            rows=rows[start:stop],
            cases=cases[start:stop],
            repeats=repeats[start:stop],
        )
        for number, (start, stop) in enumerate(bounds)
    )


def epoch_rows(labels: NDArray[np.int64], sampling: str, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of the training scans in the order of one epoch: the same for every arm of the same sampling.

    Parameters
    ----------
    labels : shape (n,), class indices of the training cases
    sampling : as in the recipe; drawn cases of a class come from a stream of their own. A class that is drawn more
        often than it has cases gives all of them as often as possible, and the rest without repetition
    seed, epoch : as for `epoch_order`
    """
    if sampling == "shuffled":
        return epoch_order(seed, epoch, len(labels))
    drawn = drawn_of_classes(sampling, np.bincount(labels).tolist())
    rows = np.concatenate([_drawn(labels, index, n, seed=seed, epoch=epoch) for index, n in enumerate(drawn)])
    return rows[epoch_order(seed, epoch, len(rows))]


def _drawn(labels: NDArray[np.int64], index: int, n: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return n rows of one class."""
    own = np.flatnonzero(labels == index)
    if n == 0:
        return own
    all_of_them = np.tile(own, n // len(own))
    some = stream(seed, "sampling", epoch, index).choice(own, n % len(own), replace=False)
    return np.concatenate([all_of_them, some]).astype(np.int64)


def earlier(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each place how often its row came before.

    >>> earlier(np.array([5, 7, 5, 5])).tolist()
    [0, 0, 1, 2]
    """
    by_row = np.argsort(rows, kind="stable")
    _, starts, n = np.unique(rows[by_row], return_index=True, return_counts=True)
    counts = np.empty(len(rows), dtype=np.int64)
    counts[by_row] = np.arange(len(rows)) - np.repeat(starts, n)
    return counts


def epoch_order(seed: int, epoch: int, n_cases: int) -> NDArray[np.int64]:
    """Return the order of the training cases in one epoch: the same for every arm at the same seed.

    Parameters
    ----------
    seed : of the replicate
    epoch : counts from 1 through all rounds
    n_cases : cases of the epoch; the order holds 0 to n_cases - 1
    """
    return stream(seed, "order", epoch).permutation(n_cases).astype(np.int64)


def batch_bounds(n_cases: int, batch_size: int) -> tuple[tuple[int, int], ...]:
    """Return (start, stop) of each batch of an epoch.

    The last batch holds the rest; a single case joins the batch before it, because batch normalisation divides by the
    standard deviation within a batch, which one case does not have.

    >>> batch_bounds(65, 32)
    ((0, 32), (32, 65))
    """
    starts = list(range(0, n_cases, batch_size))
    if len(starts) > 1 and batch_size > 1 and n_cases - starts[-1] == 1:
        starts.pop()
    return tuple(zip(starts, [*starts[1:], n_cases], strict=True))
