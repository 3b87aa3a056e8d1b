"""Scored cases of one split, and the type that only validation cases have.

A threshold, a temperature, an epoch or an arm that is chosen on the test cases looks better on them than it is.
Functions that choose therefore take `ValidationRows`; functions that only measure take any `Rows`. Rows that come
from stored predictions know their split, and validation rows are not made from another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.metrics import CLIP, Labels, Undefined, check_labels, check_probabilities
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.records import SplitPredictions

Scores = NDArray[np.float64]
Scale = Literal["logit", "probability", "any"]
LARGEST = 1e300
"""Scores of a larger size are refused: there has to be room for a threshold beyond them."""

SCALES: tuple[Scale, ...] = ("logit", "probability", "any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Cases with their true class and their score; checked when made, never broadcast.

    Parameters
    ----------
    y_true : shape (n,), class indices
    scores : shape (n,) for two classes, the larger the more likely class 1; or (n, n_classes) from three classes on
    scale : what the scores are. ``logit``: the log odds of class 1, or the input of a softmax; ``probability``: of
        class 1, or one for each class; ``any``: numbers of which only the order counts (two classes only).

    Raises
    ------
    ShapeError
        If the shapes do not belong together.
    InputError
        If a score is not finite or not on its scale, or a label is no class index.
    """

    y_true: Labels
    scores: Scores
    scale: Scale

    def __post_init__(self) -> None:
        scores = np.asarray(self.scores, dtype=np.float64)
        n_classes = 2 if scores.ndim == 1 else scores.shape[-1]
        labels = check_labels(self.y_true, n_classes=n_classes, name="y_true")
        _check_shape(scores, n=len(labels))
        _check_scale(scores, self.scale)
        object.__setattr__(self, "y_true", labels)
        object.__setattr__(self, "scores", scores)

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.y_true)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return 2 if self.scores.ndim == 1 else int(self.scores.shape[1])

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Shape (n,): whether the case is of class 1."""
        return np.asarray(self.y_true == 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRows(Rows):
    """Rows of the validation split: the only ones that a choice may be made on."""


def rows_of(predictions: SplitPredictions) -> Rows:
    """Return the rows of stored predictions of any split, to measure on."""
    return Rows(y_true=predictions.y_true, scores=_logits(predictions), scale="logit")


def validation_rows(predictions: SplitPredictions) -> ValidationRows:
    """Return the rows of stored predictions to choose on; predictions of another split are refused."""
    if predictions.split != "val":
        raise InputError(
            f"predictions of the split {predictions.split!r}",
            expected="validation predictions: nothing is chosen on any other split",
            do="choose on the validation split, then apply the choice to the test split",
        )
    return ValidationRows(y_true=predictions.y_true, scores=_logits(predictions), scale="logit")


def check_choosable(rows: Rows) -> None:
    """Refuse rows that are not validation rows, at run time as well as by the type."""
    if not isinstance(rows, ValidationRows):
        raise InputError(
            f"a choice on {type(rows).__name__}",
            expected="ValidationRows: nothing is chosen on any other split",
            do="choose on the validation split, then apply the choice to the test split",
        )


def need_both_classes(rows: Rows) -> None:
    """Raise `Undefined` unless cases of at least two classes are there."""
    if rows.n == 0:
        raise Undefined("there are no cases")
    if (rows.y_true == rows.y_true[0]).all():
        raise Undefined(f"every case is of class {rows.y_true[0]}")


def probabilities(rows: Rows) -> NDArray[np.float64]:
    """Return the probability of every class: shape (n, n_classes); raise `Undefined` where only the order counts."""
    if rows.scale == "any":
        raise Undefined("the scores are not probabilities: only their order counts")
    if rows.scale == "logit":
        return probabilities_of_logits(rows.scores)
    return rows.scores if rows.scores.ndim == 2 else np.column_stack([1 - rows.scores, rows.scores])


def probabilities_of_logits(logits: Scores) -> NDArray[np.float64]:
    """Return the probability of every class: shape (n, n_classes) from logits of shape (n,) or (n, n_classes)."""
    if logits.ndim == 1:
        return np.column_stack([scipy.special.expit(-logits), scipy.special.expit(logits)])
    return np.asarray(scipy.special.softmax(logits, axis=1), dtype=np.float64)


def log_odds_of(rows: Rows) -> tuple[Scores, int]:
    """Return the log odds of class 1 of two classes and how many probabilities were clipped to [1e-7, 1 - 1e-7].

    Logits are the log odds and are never clipped.
    """
    if rows.scale == "any":
        raise Undefined("the scores are not probabilities: only their order counts")
    if rows.scale == "logit":
        return rows.scores, 0
    clipped = np.clip(rows.scores, CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped), int((clipped != rows.scores).sum())


def _logits(predictions: SplitPredictions) -> Scores:
    logits = predictions.logits.astype(np.float64)
    if predictions.y_prob.shape[1] == 2:
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    if np.allclose(scipy.special.softmax(logits, axis=1), predictions.y_prob, rtol=0, atol=1e-9):
        return logits
    # Probabilities that are no softmax of the logits (one sigmoid a class) are one of their own logarithms.
    return np.log(np.maximum(predictions.y_prob, np.finfo(np.float64).tiny))


def _check_shape(scores: Scores, *, n: int) -> None:
    fits = scores.ndim == 1 or (scores.ndim == 2 and scores.shape[1] >= 3)
    if not fits or len(scores) != n:
        raise ShapeError(
            f"scores of shape {scores.shape} for {n} cases",
            expected=f"({n},) for two classes, the score of class 1; ({n}, n_classes) from three classes on",
        )


def _check_scale(scores: Scores, scale: Scale) -> None:
    if scale not in SCALES:
        raise InputError(f"scale = {scale!r}", expected="logit, probability or any")
    usable = (np.abs(scores) <= LARGEST).all(axis=tuple(range(1, scores.ndim)))
    if not usable.all():
        row = int(np.argmin(usable))
        raise InputError(f"the score of row {row} is {scores[row]}", expected=f"finite scores of at most {LARGEST:g}")
    if scale == "probability" and scores.ndim == 1 and scores.size and (scores.min() < 0 or scores.max() > 1):
        raise InputError(f"scores from {scores.min():g} to {scores.max():g}", expected="probabilities of class 1")
    if scale == "probability" and scores.ndim == 2:
        check_probabilities(scores, n=len(scores))
    if scale == "any" and scores.ndim == 2:
        raise InputError("scores of any scale for more than two classes", expected="logits or probabilities")
