"""Heads: a loss together with its outputs, its target, its probabilities and its decision.

They belong together: a loss on one logit with a probability from two gives wrong
accuracies. The two losses agree: cross-entropy on two logits is binary cross-entropy on their difference,
with and without class weights, label smoothing and the focal factor.

For a case of class y with weight ``w_y``, smoothed target ``t_c = (1 - eps) [c = y] + eps / n`` (n the number of
classes of the softmax, 2 for each sigmoid) and class probabilities ``p_c``, the case's loss is::

    l = sum over c of  t_c (1 - p_c)^gamma (-log p_c)

and the loss of a batch is ``sum(w_y l) / sum(w_y)`` over its cases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scantrial.core.errors import InputError, ShapeError
from scantrial.core.names import resolve
from scantrial.recipe.losses import LOSSES, LossSpec

ClassWeights = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """What the cases of a batch are mixed with (mixup, CutMix).

    Parameters
    ----------
    y_other : shape (n,), class index of each case's partner
    share : shape (n,), how much of the mixture is the case itself, in [0, 1]
    """

    y_other: Tensor
    share: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(ABC):
    """What a network's logits mean. A new loss is a subclass with `_case_losses`, and a row of `LOSSES`.

    Parameters
    ----------
    n_classes : at least 2
    probabilities_by : ``sigmoid``: for two classes one logit, for the last class; for more, one logit for each class
        against the rest; probabilities are the sigmoids divided by their sum. ``softmax``: one logit for each class
    class_weights : the weight of a case of each class, or None for equal ones
    label_smoothing : eps in [0, 1)
    focal_gamma : 0 turns it off
    """

    n_classes: int
    probabilities_by: Literal["sigmoid", "softmax"]
    class_weights: ClassWeights | None = None
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0

    @property
    def n_outputs(self) -> int:
        """Logits that the network must give for each case."""
        return 1 if self.probabilities_by == "sigmoid" and self.n_classes == 2 else self.n_classes

    def output_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return the class that each logit is for."""
        return tuple(class_names)[-self.n_outputs :]

    def loss(self, logits: Tensor, y_true: Tensor) -> Tensor:
        """Return the scalar loss of a batch: the weighted mean over its cases.

        Parameters
        ----------
        logits : shape (n, n_outputs), n at least 1
        y_true : shape (n,), int64 class indices

        Raises
        ------
        ShapeError
            If the shapes differ from these; nothing is broadcast.
        """
        losses = self.case_losses(logits, y_true)
        if self.class_weights is None:
            return losses.mean()
        weights = self.case_weights(y_true).to(losses)
        return (weights * losses).sum() / weights.sum()

    def mixed_loss(self, logits: Tensor, y_true: Tensor, mixed: Mixed) -> Tensor:
        """Return the scalar loss of a batch of mixed cases: each half counts with its share and its class's weight.

        Where all shares are 1 it is `loss`, up to rounding. Errors are those of `loss`.
        """
        own, other = (weights.to(logits) for weights in self._mixed_weights(y_true, mixed))
        losses = own * self.case_losses(logits, y_true) + other * self.case_losses(logits, mixed.y_other)
        return losses.sum() / (own + other).sum()

    def case_losses(self, logits: Tensor, y_true: Tensor) -> Tensor:
        """Return the loss of each case, shape (n,), before class weights."""
        self._check(logits, y_true)
        return self._case_losses(logits, y_true)

    def case_weights(self, y_true: Tensor) -> Tensor:
        """Return the weight of each case, shape (n,), float32 (1 where there are no class weights)."""
        table = self.class_weights or (1.0,) * self.n_classes
        return torch.tensor(table, dtype=torch.float32, device=y_true.device)[y_true]

    def total_weight(self, y_true: Tensor, mixed: Mixed | None = None) -> float:
        """Return the sum that a batch's loss is divided by: of the weights of its cases, or of what they are mixed of.

        Batches whose losses are averaged in proportion to it have the loss of the joint batch.

        Parameters
        ----------
        y_true, mixed : on the CPU
        """
        parts = [self.case_weights(y_true)] if mixed is None else self._mixed_weights(y_true, mixed)
        return float(sum(part.double().sum() for part in parts))

    def _mixed_weights(self, y_true: Tensor, mixed: Mixed) -> tuple[Tensor, Tensor]:
        """Return the weight of each case's own half and of the other, each of shape (n,)."""
        share = mixed.share
        return share * self.case_weights(y_true).to(share), (1 - share) * self.case_weights(mixed.y_other).to(share)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return class probabilities, shape (n, n_classes), float64 on the CPU; each row sums to 1."""
        self._check_logits(logits)
        logits = logits.detach().cpu().double()
        if self.n_outputs == 1:
            return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], dim=1)
        return self.scores(logits).softmax(dim=1)

    def scores(self, logits: Tensor) -> Tensor:
        """Return the scores whose softmax gives the probabilities, shape (n, n_classes), if each class has a logit.

        For sigmoids these are their logarithms, so that the result is correct even where every sigmoid underflows.
        """
        return functional.logsigmoid(logits) if self.probabilities_by == "sigmoid" else logits

    def decide(self, logits: Tensor) -> Tensor:
        """Return the most probable class of each case, shape (n,); a tie goes to the lower index."""
        # NumPy's argmax guarantees the first of equal values, PyTorch's does not.
        return torch.from_numpy(self.probabilities(logits).numpy().argmax(axis=1).astype(np.int64))

    @abstractmethod
    def _case_losses(self, logits: Tensor, y_true: Tensor) -> Tensor: ...

    def _check(self, logits: Tensor, y_true: Tensor) -> None:
        self._check_logits(logits)
        if y_true.shape != logits.shape[:1] or len(y_true) == 0:
            raise ShapeError(
                f"logits of shape {tuple(logits.shape)} with y_true of shape {tuple(y_true.shape)}",
                expected=f"(n, {self.n_outputs}) and (n,), n at least 1",
            )

    def _check_logits(self, logits: Tensor) -> None:
        if logits.ndim != 2 or logits.shape[1] != self.n_outputs:
            raise ShapeError(f"logits of shape {tuple(logits.shape)}", expected=f"(n, {self.n_outputs})")


@dataclass(frozen=True, slots=True, kw_only=True)
class BceHead(Head):
    """Binary cross-entropy on logits: one logit for two classes; for more, one for each class against the rest.

    With more than two classes the loss of a case is the sum over the classes.
    """

    def _case_losses(self, logits: Tensor, y_true: Tensor) -> Tensor:
        target = (self._membership(y_true).to(logits)) * (1 - self.label_smoothing) + self.label_smoothing / 2
        if self.focal_gamma == 0:
            return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=1)
        log_p, log_q = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        gamma = self.focal_gamma
        terms = target * (gamma * log_q).exp() * log_p + (1 - target) * (gamma * log_p).exp() * log_q
        return -terms.sum(dim=1)

    def _membership(self, y_true: Tensor) -> Tensor:
        """Shape (n, n_outputs): whether the case is of the class that the logit is for."""
        return y_true[:, None] if self.n_classes == 2 else functional.one_hot(y_true, self.n_classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CeHead(Head):
    """Cross-entropy on the softmax of one logit for each class."""

    def _case_losses(self, logits: Tensor, y_true: Tensor) -> Tensor:
        eps = self.label_smoothing
        if self.focal_gamma == 0:
            return functional.cross_entropy(logits, y_true, reduction="none", label_smoothing=eps)
        target = functional.one_hot(y_true, self.n_classes).to(logits) * (1 - eps) + eps / self.n_classes
        log_p = logits.log_softmax(dim=1)
        factor = (self.focal_gamma * self._log_rest(logits)).exp()
        return -(target * factor * log_p).sum(dim=1)

    def _log_rest(self, logits: Tensor) -> Tensor:
        """log(1 - p_c), shape (n, n_classes), from the other classes' logits: correct even where p_c rounds to 1."""
        own = torch.eye(self.n_classes, dtype=torch.bool, device=logits.device)
        others = logits[:, None, :].masked_fill(own, -torch.inf).logsumexp(dim=2)
        return others - logits.logsumexp(dim=1, keepdim=True)


def make_head(spec: LossSpec, *, n_classes: int, class_weights: ClassWeights | None = None) -> Head:
    """Return the head of a loss.

    Parameters
    ----------
    spec : the recipe's loss
    n_classes : at least 2
    class_weights : as `resolve_class_weights` gave them; only the loss uses them, so a head for probabilities
        needs none

    Raises
    ------
    InputError
        If there are fewer than 2 classes, or the numbers of weights and classes differ.
    """
    if n_classes < 2:
        raise InputError(f"a classifier of {n_classes} class(es)", expected="at least 2 classes")
    if class_weights is not None and len(class_weights) != n_classes:
        raise InputError(
            f"{len(class_weights)} class weights for {n_classes} classes",
            expected="one weight for each class",
            do="fix recipe.loss.class_weights",
        )
    loss = LOSSES[spec.name]
    head: Head = resolve(loss.head)(
        n_classes=n_classes,
        probabilities_by=loss.probabilities,
        class_weights=class_weights,
        label_smoothing=spec.label_smoothing,
        focal_gamma=spec.focal_gamma,
    )
    return head


def resolve_class_weights(spec: LossSpec, y_train: NDArray[np.int64], *, n_classes: int) -> ClassWeights | None:
    """Return the weights as numbers: ``balanced`` becomes n / (n_classes x n_c) over the training labels.

    Raises
    ------
    InputError
        If weights are to be balanced and a class has no training case.
    """
    if spec.class_weights != "balanced":
        return spec.class_weights
    counts = np.bincount(y_train, minlength=n_classes)
    if not counts.all():
        absent = ", ".join(str(index) for index in np.flatnonzero(counts == 0))
        raise InputError(
            f"balanced class weights, but no training case of class {absent}",
            expected="a training case of each class",
            do="change data.split, or leave out class_weights",
        )
    return tuple((len(y_train) / (n_classes * counts)).tolist())
