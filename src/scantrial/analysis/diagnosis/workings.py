"""What several checks compute from a curve, computed once; and `CurveFinding`, the result of a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, sqrt
from typing import Any, Literal

import numpy as np

from scantrial.analysis.diagnosis.curve import LearningCurve
from scantrial.analysis.diagnosis.series import Series, Trend, running_median, trend
from scantrial.analysis.diagnosis.thresholds import (
    LEAST_CHANGE,
    LEVEL_MOST,
    TAIL_LEAST,
    TAIL_SHARE,
    TREND,
    TREND_P,
)
from scantrial.core.plain import Plain

FindingState = Literal["found", "clear", "not applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFinding(Plain):
    """The result of one check on one curve.

    Parameters
    ----------
    code : of the check
    state : ``found``, ``clear`` or ``not applicable``
    numbers : what was compared, by name; epochs count through all rounds
    reason : why the check is not applicable, or None
    """

    code: str
    state: FindingState
    numbers: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    @property
    def is_found(self) -> bool:
        """Whether the check found what it looks for."""
        return self.state == "found"


Verdict = tuple[bool, dict[str, Any]]
"""Whether a rule holds, and the numbers it compared."""


class Workings:
    """A curve with its smoothed series, its tail and its best epoch; a place in the arrays counts from 0."""

    def __init__(self, curve: LearningCurve) -> None:
        self.curve = curve

    @property
    def n(self) -> int:
        """Number of epochs."""
        return self.curve.n_epochs

    @cached_property
    def is_finite(self) -> bool:
        """Whether every loss is a finite number."""
        return bool(np.isfinite(self.curve.train_loss).all() and np.isfinite(self.curve.val_loss).all())

    @cached_property
    def smooth_train(self) -> Series:
        """Smoothed training loss."""
        return running_median(self.curve.train_loss)

    @cached_property
    def smooth_val(self) -> Series:
        """Smoothed validation loss."""
        return running_median(self.curve.val_loss)

    @cached_property
    def smooth_val_accuracy(self) -> Series:
        """Smoothed validation accuracy."""
        return running_median(self.curve.val_accuracy)

    @property
    def n_tail(self) -> int:
        """Epochs in the tail."""
        return min(self.n, max(int(TAIL_LEAST.value), ceil(TAIL_SHARE.value * self.n)))

    def tail(self, values: Series) -> Series:
        """Return the tail of a series."""
        return values[-self.n_tail :]

    @cached_property
    def train_trend(self) -> Trend:
        """Trend of training loss over the tail."""
        return trend(self.tail(self.curve.train_loss))

    @cached_property
    def val_trend(self) -> Trend:
        """Trend of validation loss over the tail."""
        return trend(self.tail(self.curve.val_loss))

    @cached_property
    def best(self) -> int:
        """Place of the smallest smoothed validation loss, the first of equal ones."""
        return int(np.argmin(self.smooth_val))

    @cached_property
    def best_raw(self) -> int | None:
        """Place of the smallest finite validation loss, or None where there is none."""
        finite = np.where(np.isfinite(self.curve.val_loss), self.curve.val_loss, np.inf)
        return int(np.argmin(finite)) if np.isfinite(finite).any() else None

    @cached_property
    def last_best(self) -> int:
        """Place after which a rise begins: the later one of the smallest smoothed and the smallest raw loss."""
        return max(self.best, self.best_raw or 0)

    @property
    def least_change(self) -> float:
        """The size below which a change of a loss is not counted; 0 where the loss of guessing is not known."""
        guess = self.curve.guessing.loss
        return 0.0 if guess is None else LEAST_CHANGE.value * guess

    @property
    def unlike(self) -> tuple[str, ...]:
        """What is switched on in the training numbers and off in those of validation."""
        return () if self.curve.train_measured else self.curve.only_in_training

    @property
    def is_above_unlike(self) -> bool:
        """Whether training loss ends above validation loss, but what is switched on only in training raises it."""
        return bool(self.unlike) and bool(self.smooth_train[-1] > self.smooth_val[-1])

    def accuracy_error(self, accuracy: float) -> float:
        """Return the standard error of the difference of two accuracies of this size on the validation cases."""
        return sqrt(2 * accuracy * (1 - accuracy) / self.curve.n_val)


def is_level(trend_found: Trend) -> bool:
    """Whether a tail shows no trend: it hardly changes, or it changes little and without a direction."""
    change = abs(trend_found.change)
    return change <= TREND.value or (trend_found.p >= TREND_P.value and change <= LEVEL_MOST.value)
