"""`LearningCurve`: one round of one run for the checks, and the score of guessing on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from scantrial.analysis.diagnosis.series import Series
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.records import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Guessing:
    """The score of a network that only knows how common each class is.

    Parameters
    ----------
    accuracy : share of the commonest class among the validation cases
    loss : mean loss of predicting the classes' shares, as the loss weights them, for every training case; None where
        it does not apply
    reason : why there is no `loss`, or None
    floor : training loss of perfect outputs after one softmax or sigmoid too many; None as for `loss`
    """

    accuracy: float
    loss: float | None
    reason: str | None = None
    floor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """One round of one run.

    Parameters
    ----------
    train_loss, train_accuracy, val_loss, val_accuracy : shape (n_epochs,); accuracies are proportions
    n_val : validation cases
    guessing : what guessing scores
    round : which round this is
    first_epoch : number of the first epoch, counting through all rounds
    moving_train_loss : shape (n_epochs,), mean over each epoch while the weights moved; None: as `train_loss`
    train_measured : whether `train_loss` and `train_accuracy` are of the weights at the end of each epoch
    only_in_training : what makes a case harder while the network trains and is switched off on validation, such as
        dropout; empty where nothing does
    lr : shape (n_epochs,), learning rate of each epoch's last step, or None
    schedule : the schedule's name, or None
    dead_units : shape (n_epochs,), share of the hidden units with the same output for all validation cases, or None
    weight_norm, grad_norm : first and last value, or None
    chosen_epoch : whose weights were kept, if it lies in this round
    val_loss_se : standard error of the validation loss at the chosen epoch, over cases, or None
    stopped_early : whether early stopping ended the run in this round
    """

    train_loss: Series
    train_accuracy: Series
    val_loss: Series
    val_accuracy: Series
    n_val: int
    guessing: Guessing
    round: int = 1
    first_epoch: int = 1
    moving_train_loss: Series | None = None
    train_measured: bool = True
    only_in_training: tuple[str, ...] = ()
    lr: Series | None = None
    schedule: str | None = None
    dead_units: Series | None = None
    weight_norm: tuple[float, float] | None = None
    grad_norm: tuple[float, float] | None = None
    chosen_epoch: int | None = None
    val_loss_se: float | None = None
    stopped_early: bool = False

    def __post_init__(self) -> None:
        series = (self.train_loss, self.train_accuracy, self.val_loss, self.val_accuracy)
        shapes = [values.shape for values in series]
        extra = (self.moving_train_loss, self.lr, self.dead_units)
        shapes += [values.shape for values in extra if values is not None]
        if set(shapes) != {(len(self.train_loss),)} or not len(self.train_loss):
            raise ShapeError(f"curves of shapes {shapes}", expected="(n_epochs,) for all, n_epochs at least 1")
        if self.n_val < 1:
            raise InputError(f"n_val = {self.n_val}", expected="at least one validation case")

    @property
    def n_epochs(self) -> int:
        """Epochs in this round."""
        return len(self.train_loss)

    def epoch(self, index: int) -> int:
        """Return the number of an epoch, counting from 1 through all rounds, from its place in the arrays."""
        return self.first_epoch + int(index)


def guessing_of(
    loss: Mapping[str, Any] | None,
    train_counts: Sequence[int],
    val_counts: Sequence[int],
) -> Guessing:
    """Compute what guessing scores.

    Parameters
    ----------
    loss : the recipe's loss as plain data (``name``, ``class_weights``, ``label_smoothing``, ``focal_gamma``), or None
        where it is not known
    train_counts, val_counts : cases of each class, in the order of the classes: those that an epoch trains on, and
        those of validation

    Notes
    -----
    Cross-entropy of the shares: ``-sum p_c ln p_c``; with ``bce`` beyond two classes the sum over the classes of
    ``-p_c ln p_c - (1 - p_c) ln(1 - p_c)``. With class weights ``w_c`` the loss is the weighted mean over the cases,
    and the constant prediction that makes it smallest is ``p_c w_c / sum(p w)``. These are the shares then: 1/k for
    each of k classes with ``balanced``, so that guessing costs ln k under ``ce``. A smoothed or focal loss does not go
    to 0: the rules that compare with guessing are switched off, with the reason.

    Perfect outputs after softmax or sigmoid is applied twice: ``ln(1 + (k - 1)/e)`` with softmax over k classes (.5514
    for 3, .3133 for 2); ``p ln(1 + 1/e) + (1 - p) ln 2`` with a sigmoid, p the share of the positive class (.5032 if
    balanced).
    """
    accuracy = max(val_counts) / sum(val_counts)
    reason = _no_guessing_loss(loss, train_counts)
    if reason is not None or loss is None:
        return Guessing(accuracy=accuracy, loss=None, reason=reason)
    weighted = np.asarray(train_counts) * class_weights_of(loss, train_counts)
    shares = weighted / weighted.sum()
    k = len(shares)
    if loss["name"] == "ce":
        return Guessing(accuracy=accuracy, loss=_entropy(shares), floor=math.log(1 + (k - 1) / math.e))
    per_output = [_entropy(np.array([share, 1 - share])) for share in (shares[1:] if k == 2 else shares)]
    floors = [
        share * math.log(1 + 1 / math.e) + (1 - share) * math.log(2) for share in (shares[1:] if k == 2 else shares)
    ]
    return Guessing(accuracy=accuracy, loss=float(sum(per_output)), floor=float(sum(floors)))


def _no_guessing_loss(loss: Mapping[str, Any] | None, train_counts: Sequence[int]) -> str | None:
    if loss is None:
        return "the loss is not known"
    if loss["name"] not in ("bce", "ce"):
        return f"the loss of guessing under {loss['name']} is not known"
    changed = [name for key, name in (("label_smoothing", "label-smoothed"), ("focal_gamma", "focal")) if loss.get(key)]
    if changed:
        return f"the loss is {' and '.join(changed)}, so the loss of guessing is not known"
    if not all(train_counts):
        return "a class has no training case"
    return None


def class_weights_of(loss: Mapping[str, Any], train_counts: Sequence[int]) -> Series:
    """Return the weight of a case of each class, shape (n_classes,): ones without class weights.

    ``balanced`` is n / (n_classes x n_c) over the training cases, each class having at least one.
    """
    weights, counts = loss.get("class_weights"), np.asarray(train_counts, dtype=np.float64)
    if weights == "balanced":
        return np.asarray(counts.sum() / (len(counts) * counts))
    return np.ones(len(counts)) if weights is None else np.asarray(weights, dtype=np.float64)


def _entropy(shares: Series) -> float:
    inside = shares[(shares > 0) & (shares < 1)]
    return float(-(inside * np.log(inside)).sum())


def curves_of(
    history: Sequence[EpochRecord],
    *,
    n_val: int,
    guessing: Guessing,
    only_in_training: tuple[str, ...] = (),
    schedule: str | None = None,
    chosen_epoch: int | None = None,
    val_loss_se: float | None = None,
    stopped_early: bool = False,
) -> tuple[LearningCurve, ...]:
    """Return a run's rounds as curves, without rounds that never began.

    Early stopping, where it ended the run, is the end of the last round.
    Training numbers are those of the weights at the end of each epoch where every epoch has them.
    """
    rounds = [(number, list(epochs)) for number, epochs in groupby(history, key=lambda epoch: epoch.round)]
    curves = []
    for number, epochs in rounds:
        chosen = chosen_epoch if chosen_epoch in {epoch.epoch for epoch in epochs} else None
        curves.append(
            _curve(
                epochs,
                number=number,
                n_val=n_val,
                guessing=guessing,
                only_in_training=only_in_training,
                schedule=schedule,
                chosen=chosen,
                val_loss_se=None if chosen is None else val_loss_se,
                stopped_early=stopped_early and number == rounds[-1][0],
            )
        )
    return tuple(curves)


def _curve(epochs: Sequence[EpochRecord], *, number: int, chosen: int | None, **shared: Any) -> LearningCurve:
    moving = _column(epochs, "train_loss")
    measured_loss, measured_accuracy = _column(epochs, "train_eval_loss"), _column(epochs, "train_eval_accuracy")
    train_loss, train_accuracy = measured_loss, measured_accuracy
    if train_loss is None or train_accuracy is None:
        train_loss, train_accuracy = moving, _column(epochs, "train_accuracy")
    return LearningCurve(
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val_loss=_column(epochs, "val_loss"),
        val_accuracy=_column(epochs, "val_accuracy"),
        round=number,
        first_epoch=epochs[0].epoch,
        moving_train_loss=moving,
        train_measured=measured_loss is not None,
        lr=_column(epochs, "lr"),
        dead_units=_column(epochs, "dead_units"),
        weight_norm=_ends(_column(epochs, "weight_norm")),
        grad_norm=_ends(_column(epochs, "last_grad_norm")),
        chosen_epoch=chosen,
        **shared,
    )


def _column(epochs: Sequence[EpochRecord], name: str) -> Any:
    """Return one quantity over the epochs; None where an epoch does not have it."""
    values = [getattr(epoch, name) for epoch in epochs]
    return None if any(value is None for value in values) else np.array(values, dtype=np.float64)


def _ends(values: Series | None) -> tuple[float, float] | None:
    return None if values is None else (float(values[0]), float(values[-1]))
