"""The state of a run: the constant part, and the part that training changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn, optim

from scantrial.core.records import EpochRecord
from scantrial.data.preprocess import Preprocessing
from scantrial.nets.heads import Head
from scantrial.recipe.task import RunTask
from scantrial.train.batches import Batches
from scantrial.train.features import Inputs
from scantrial.train.selection import Best
from scantrial.train.stopping import is_patience_over


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The constant part of a run.

    Parameters
    ----------
    image_shape : (channels, height, width)
    train, val : the scans on the device, or the features that a frozen backbone makes of them
    y_train, y_val : shape (n,), on the CPU
    y_train_device : the same as `y_train`, on the device
    n_at_once : cases to evaluate together
    batches : makes the batch of a step
    """

    task: RunTask
    image_shape: tuple[int, int, int]
    preprocessing: Preprocessing
    head: Head
    train: Inputs
    val: Inputs
    y_train: Tensor
    y_train_device: Tensor
    y_val: Tensor
    n_at_once: int
    batches: Batches

    @property
    def n_epochs(self) -> int:
        """Epochs of all rounds, if nothing ends the run early."""
        return self.task.recipe.n_epochs


@dataclass(slots=True, kw_only=True)
class TrainState:
    """What training changes; a checkpoint holds all of it, and the generators.

    Parameters
    ----------
    history : one record for each epoch done
    best : the chosen epoch so far
    epoch_s : seconds that each epoch took
    started : when the run first started, ISO 8601 in UTC
    earlier_s : seconds spent before the last resumption
    scores : of each epoch done, by the recipe's rule, the larger the better
    average : moving average of the network's parameters and buffers by name; empty without one
    """

    network: nn.Module
    optimizer: optim.Optimizer
    history: list[EpochRecord]
    best: Best
    epoch_s: list[float]
    started: str
    earlier_s: float
    scores: list[float] = field(default_factory=list)
    average: dict[str, Tensor] = field(default_factory=dict)

    @property
    def diverged_epoch(self) -> int | None:
        """The epoch of the first loss that was not finite, or None; training ends with it."""
        return next((record.epoch for record in self.history if has_diverged(record)), None)

    def is_over(self, setup: Setup) -> bool:
        """Whether no epoch is left to train."""
        is_stopped = is_patience_over(self.scores, setup.task.recipe.early_stopping)
        return is_stopped or len(self.history) >= setup.n_epochs or self.diverged_epoch is not None


def has_diverged(record: EpochRecord) -> bool:
    """Return whether a loss of this epoch is not finite."""
    losses = (record.train_loss, record.val_loss, record.train_eval_loss or 0.0)
    return not all(math.isfinite(loss) for loss in losses)
