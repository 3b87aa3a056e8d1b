"""The steps of an epoch: which cases make up which step, and its learning rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scantrial.core.rng import stream
from scantrial.recipe.task import RunTask
from scantrial.train.schedules import learning_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """One step of training. Draws for a case depend only on `seed`, `epoch` and its number: they are equal in all arms.

    Parameters
    ----------
    seed : of the replicate
    epoch : counts from 1 through all rounds
    number : steps of this epoch before this one
    lr : learning rate
    rows : shape (n,), rows of the training scans, on the run's device
    cases : shape (n,), the case numbers of these rows: rows of the task's `images`
    """

    seed: int
    epoch: int
    number: int
    lr: float
    rows: Tensor
    cases: NDArray[np.int64]


def epoch_steps(task: RunTask, epoch: int) -> tuple[TrainingStep, ...]:
    """Return the steps of one epoch.

    Parameters
    ----------
    epoch : counts from 1 through all rounds
    """
    recipe, cases = task.recipe, task.cases["train"]
    order = epoch_order(task.seed, epoch, len(cases))
    rows, cases = torch.from_numpy(order).to(task.device), cases[order]
    bounds = batch_bounds(len(order), recipe.batch_size)
    before = (epoch - 1) % recipe.epochs * len(bounds)
    return tuple(
        TrainingStep(
            seed=task.seed,
            epoch=epoch,
            number=number,
            lr=learning_rate(
                recipe.schedule,
                recipe.optimizer.lr,
                step=before + number,
                n_batches=len(bounds),
                n_epochs=recipe.epochs,
            ),
            rows=rows[start:stop],
            cases=cases[start:stop],
        )
        for number, (start, stop) in enumerate(bounds)
    )


def epoch_order(seed: int, epoch: int, n_cases: int) -> NDArray[np.int64]:
    """Return the order of the training cases in one epoch: the same for every arm at the same seed.

    Parameters
    ----------
    seed : of the replicate
    epoch : counts from 1 through all rounds
    n_cases : training cases; the order holds 0 to n_cases - 1
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
