"""The operating threshold: chosen on validation cases by a rule, applied unchanged to other cases.

A case is called positive where its score exceeds the threshold. A threshold that is chosen on the very cases on which
sensitivity and specificity are then reported makes both too high, the more so the fewer cases (Leeflang et al. 2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.metrics import Undefined
from scantrial.analysis.number import Number, attempt
from scantrial.analysis.rows import Rows, Scale, Scores, ValidationRows, check_choosable
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain, fields_of

Rule = Literal["sensitivity", "youden", "cost", "fixed"]
TARGET_SENSITIVITY = 0.90

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Plain):
    """A threshold and how it was chosen.

    Parameters
    ----------
    value : cases with a larger score are called positive; NaN where no rule could be followed
    scale : of the scores that it belongs to
    rule : sensitivity, youden, cost or fixed
    why : the rule in words, with its numbers
    n_validation : cases that it was chosen on; 0 for cost and fixed, which look at none
    reason : why there is none, or None
    """

    value: float
    scale: Scale
    rule: Rule
    why: str
    n_validation: int
    reason: str | None = None

    @property
    def is_defined(self) -> bool:
        """Whether there is a threshold."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint(Plain):
    """What a threshold does to given cases.

    Parameters
    ----------
    threshold : cases with a larger score were called positive
    n_tp, n_fn : cases of class 1 called positive, and not
    n_fp, n_tn : cases of class 0 called positive, and not
    """

    threshold: float
    n_tp: int
    n_fn: int
    n_fp: int
    n_tn: int

    @property
    def sensitivity(self) -> Number:
        """Share of the cases of class 1 that are called positive."""
        return attempt(lambda: _share(self.n_tp, self.n_fn, of=1))

    @property
    def specificity(self) -> Number:
        """Share of the cases of class 0 that are not called positive."""
        return attempt(lambda: _share(self.n_tn, self.n_fp, of=0))

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "sensitivity": self.sensitivity, "specificity": self.specificity}


def threshold_for_sensitivity(rows: ValidationRows, *, target: float = TARGET_SENSITIVITY) -> Threshold:
    """Choose the largest threshold whose sensitivity on the validation cases is at least `target`, in (0, 1]."""
    _check_rows(rows)
    if not 0 < target <= 1:
        raise InputError(f"target = {target}", expected="a sensitivity above 0 and at most 1")
    why = f"the largest threshold with a validation sensitivity of at least {target:g}"
    return _chosen(rows, "sensitivity", why, lambda cuts: _largest_with(cuts, target))


def threshold_by_youden(rows: ValidationRows) -> Threshold:
    """Choose the threshold with the largest sensitivity + specificity - 1 on the validation cases (Youden 1950).

    Of equally good thresholds it is the lowest, the one with the highest sensitivity.
    """
    _check_rows(rows)
    why = "the largest sensitivity + specificity - 1 on the validation cases; of equal ones the lowest threshold"
    return _chosen(rows, "youden", why, _best_youden)


def threshold_by_cost(scale: Scale, *, cost_fp: float, cost_fn: float) -> Threshold:
    """Return the threshold with the least expected cost if the probabilities are right: p > FP / (FP + FN).

    It looks at no case; it is only as good as the calibration. Costs are above 0; only their ratio matters.
    """
    if not (0 < cost_fp < math.inf and 0 < cost_fn < math.inf):
        raise InputError(f"costs {cost_fp} and {cost_fn}", expected="two numbers above 0")
    p = cost_fp / (cost_fp + cost_fn)
    why = f"a false positive costs {cost_fp:g}, a false negative {cost_fn:g}: p above {p:.4g}"
    return _at_probability(scale, p, log_odds=math.log(cost_fp) - math.log(cost_fn), rule="cost", why=why)


def threshold_at_half(scale: Scale) -> Threshold:
    """Return the fixed threshold p = 0.5."""
    return _at_probability(scale, 0.5, log_odds=0.0, rule="fixed", why="probability above 0.5, fixed beforehand")


def operate(rows: Rows, threshold: Threshold) -> OperatingPoint:
    """Count right and wrong calls of rows of any split under a threshold.

    Raises
    ------
    InputError
        If there is no threshold, it belongs to another scale, or there are more than two classes.
    """
    if threshold.reason is not None:
        raise InputError(f"a threshold that could not be chosen: {threshold.reason}", expected="a threshold")
    _need_two_classes(rows)
    if rows.scale != threshold.scale:
        raise InputError(
            f"scores of the scale {rows.scale!r}", expected=f"{threshold.scale!r}, as the threshold was chosen on"
        )
    called = rows.scores > threshold.value
    return OperatingPoint(
        threshold=threshold.value,
        n_tp=int((called & rows.positive).sum()),
        n_fn=int((~called & rows.positive).sum()),
        n_fp=int((called & ~rows.positive).sum()),
        n_tn=int((~called & ~rows.positive).sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """Every threshold that tells apart, rising, and what each calls positive.

    Parameters
    ----------
    value : shape (m,): just below the lowest score, midpoints between neighbouring scores, the highest score
    n_tp, n_fp : shape (m,), cases of class 1 and of class 0 above it
    n_positive, n_negative : cases of each class
    """

    value: Scores
    n_tp: Counts
    n_fp: Counts
    n_positive: int
    n_negative: int


def cuts_of(rows: Rows) -> Cuts:
    """List the thresholds that differ in what they call positive; at least one case, two classes."""
    distinct, index = np.unique(rows.scores, return_inverse=True)
    positive = np.bincount(index, weights=rows.positive).astype(np.int64)
    negative = np.bincount(index, weights=~rows.positive).astype(np.int64)
    lower, upper = distinct[:-1], distinct[1:]
    middle = lower / 2 + upper / 2
    # Where two scores are neighbours as numbers too, their midpoint rounds to one of them.
    middle = np.where((middle >= lower) & (middle < upper), middle, lower)
    return Cuts(
        value=np.concatenate([[np.nextafter(distinct[0], -np.inf)], middle, distinct[-1:]]),
        n_tp=np.concatenate([np.cumsum(positive[::-1])[::-1], [0]]),
        n_fp=np.concatenate([np.cumsum(negative[::-1])[::-1], [0]]),
        n_positive=int(positive.sum()),
        n_negative=int(negative.sum()),
    )


def _chosen(rows: ValidationRows, rule: Rule, why: str, pick: Callable[[Cuts], float]) -> Threshold:
    value, reason = math.nan, None
    try:
        if rows.n == 0:
            raise Undefined("there are no cases")
        value = pick(cuts_of(rows))
    except Undefined as missing:
        reason = str(missing)
    return Threshold(value=value, scale=rows.scale, rule=rule, why=why, n_validation=rows.n, reason=reason)


def _largest_with(cuts: Cuts, target: float) -> float:
    if not cuts.n_positive:
        raise Undefined("no validation case is of class 1")
    return float(cuts.value[cuts.n_tp / cuts.n_positive >= target][-1])


def _best_youden(cuts: Cuts) -> float:
    absent = [str(index) for index, n in enumerate((cuts.n_negative, cuts.n_positive)) if n == 0]
    if absent:
        raise Undefined(f"no validation case is of class {absent[0]}")
    # In whole numbers, so that equal ones are equal.
    return float(cuts.value[np.argmax(cuts.n_tp * cuts.n_negative - cuts.n_fp * cuts.n_positive)])


def _at_probability(scale: Scale, p: float, *, log_odds: float, rule: Rule, why: str) -> Threshold:
    if scale == "any":
        reason = "the scores are not probabilities: only their order counts"
        return Threshold(value=math.nan, scale=scale, rule=rule, why=why, n_validation=0, reason=reason)
    value = log_odds if scale == "logit" else p
    return Threshold(value=value, scale=scale, rule=rule, why=why, n_validation=0)


def _check_rows(rows: Rows) -> None:
    check_choosable(rows)
    _need_two_classes(rows)


def _need_two_classes(rows: Rows) -> None:
    if rows.n_classes != 2:
        raise InputError(f"a threshold for {rows.n_classes} classes", expected="two classes")


def _share(n_right: int, n_wrong: int, *, of: int) -> float:
    if n_right + n_wrong == 0:
        raise Undefined(f"no case is of class {of}")
    return n_right / (n_right + n_wrong)
