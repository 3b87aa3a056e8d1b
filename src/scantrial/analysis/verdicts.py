"""The verdict on one comparison, by rule.

Two intervals must agree: one over seeds and cases, and one over cases alone. The second stops a few lucky seeds from
looking more certain than the cases allow. The verdict uses their hull and the larger p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scantrial.analysis.estimates import Estimates
from scantrial.analysis.metrics import METRICS, POSITIVE
from scantrial.analysis.mrmc import ContrastResult, Inference
from scantrial.core.format import counted, percent
from scantrial.core.plain import Plain
from scantrial.core.positive import class_word

Label = Literal["better", "worse", "equivalent", "inconclusive", "not enough to judge"]

MIN_SEEDS = 3
"""With fewer, up to 12 % of simulated studies gave a false "better": numbers are shown, but no verdict."""

NEEDED_SEEDS = f"at least {MIN_SEEDS} seeds are needed before the spread between seeds can be estimated"

FEW_SEEDS = 5
"""With fewer, a verdict is provisional."""

MIN_OF_CLASS = 10
"""A metric that rests on one class is not judged on fewer cases of that class."""

_RESTS_ON = {
    "sensitivity": (POSITIVE,),
    "specificity": (1 - POSITIVE,),
    "balanced_accuracy": None,
    "auroc": None,
    "average_precision": None,
    "f1": None,
    "mcc": None,
}
"""Which classes a metric rests on, None for all; accuracy, log loss and Brier score rest on all cases together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict is drawn from: the hull of two inferences.

    Parameters
    ----------
    p : the larger of the two; NaN where there is none
    low, high : hull of the intervals at `level`
    equivalence_low, equivalence_high : hull of the narrower intervals that equivalence is judged by
    used : the inferences, by what they count as random
    notes : why one of them was left out
    """

    effect: float
    p: float
    low: float
    high: float
    equivalence_low: float
    equivalence_high: float
    level: float
    used: tuple[Inference, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Plain):
    """The answer of one comparison.

    Parameters
    ----------
    label : better, worse, equivalent, inconclusive, or not enough to judge; never "no difference"
    p_adjusted : by Holm over the family
    p_equivalence : TOST, the larger of the two inferences; None without a margin
    margin : the smallest difference that matters, as declared, or None
    smallest_margin : the smallest margin that would have given equivalence
    within_margin : better or worse, but by less than the margin
    provisional : three or four seeds: a few more may change the verdict
    reasons : why there is not enough to judge
    notes : what else a reader has to know
    """

    label: Label
    p_adjusted: float
    p_equivalence: float | None
    margin: float | None
    smallest_margin: float
    within_margin: bool
    provisional: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def evidence(result: ContrastResult) -> Evidence:
    """Join the inference over seeds and cases with that over cases alone.

    Where the first has no spread at all (equal values at every seed, and no covariance over cases) the second is
    used alone. With one seed there is only the second.
    """
    both, cases = result.both, result.cases_only
    used: tuple[Inference, ...] = (cases,) if both is None else (both, cases)
    notes: tuple[str, ...] = ()
    if both is not None and both.se == 0 and not result.identical:
        used, notes = (
            (cases,),
            ("the difference is the same at every seed, so the interval accounts for the cases only",),
        )
    ps = [inference.p for inference in used]
    return Evidence(
        effect=result.effect,
        p=float("nan") if any(map(math.isnan, ps)) else max(ps),
        low=min(inference.low for inference in used),
        high=max(inference.high for inference in used),
        equivalence_low=min(inference.equivalence_low for inference in used),
        equivalence_high=max(inference.equivalence_high for inference in used),
        level=cases.level,
        used=used,
        notes=notes,
    )


def decide(
    result: ContrastResult,
    found: Evidence,
    estimates: Estimates,
    *,
    p_adjusted: float,
    margin: float | None,
    withheld: Sequence[str] = (),
) -> Verdict:
    """Give the verdict on a comparison.

    In this order: too little evidence, or a reason to withhold it: *not enough to judge*; adjusted p below
    ``1 - level`` and the interval on one side of 0: *better* or *worse*; the narrower interval inside the margin:
    *equivalent* (Schuirmann 1987; Lakens 2017); else *inconclusive*.

    Parameters
    ----------
    p_adjusted : of `found.p`, over the family
    margin : in the metric's unit, or None
    withheld : reasons from outside, such as a leak between splits
    """
    reasons = (*withheld, *_too_little(result, found, estimates))
    inside = margin is not None and -margin < found.equivalence_low and found.equivalence_high < margin
    significant = p_adjusted < round(1 - found.level, 12)  # 1 - 0.95 is a little more than 0.05
    label: Label
    if reasons:
        label = "not enough to judge"
    elif significant and found.low > 0:
        label = "better"
    elif significant and found.high < 0:
        label = "worse"
    else:
        label = "equivalent" if inside else "inconclusive"
    notes = [*found.notes, *(_identical(found, estimates) if result.identical else [])]
    return Verdict(
        label=label,
        p_adjusted=p_adjusted,
        p_equivalence=None if margin is None else _p_equivalence(found, margin),
        margin=margin,
        smallest_margin=max(abs(found.equivalence_low), abs(found.equivalence_high)),
        within_margin=label in ("better", "worse") and inside,
        provisional=MIN_SEEDS <= result.n_seeds < FEW_SEEDS or result.n_seeds == 1,
        reasons=reasons,
        notes=tuple(notes),
    )


def _identical(found: Evidence, estimates: Estimates) -> list[str]:
    """Say that two arms are identical, and how little a few cases say about others: the rule of three, exactly.

    If none of n cases tells them apart, up to ``1 - (1 - level)^(1 / n)`` of all cases may, about 3 / n at 95 %.
    """
    notes = ["identical on this metric at every seed"]
    n = estimates.n_patients_used if estimates.n_patients_used is not None else estimates.n_used
    if METRICS[estimates.metric].needs == "labels" and n > 0:
        unit = "cases" if estimates.n_patients_used is None else "patients"
        share = 100 * (1 - (1 - found.level) ** (1 / n))
        notes.append(
            f"the arms do not differ on any of these {n} {unit}, but they may differ on up to {share:.2g} % of all "
            f"{unit} (rule of three, "
            f"{percent(found.level)}); the interval of width 0 does not show this"
        )
    return notes


def _p_equivalence(found: Evidence, margin: float) -> float:
    ps = [inference.p_equivalence(margin) for inference in found.used]
    return float("nan") if any(map(math.isnan, ps)) else max(ps)


def _too_little(result: ContrastResult, found: Evidence, estimates: Estimates) -> tuple[str, ...]:
    """Return why the numbers of this comparison cannot carry a verdict."""
    reasons = []
    if result.n_seeds < MIN_SEEDS:
        seeds = "one seed" if result.n_seeds == 1 else f"{result.n_seeds} seeds"
        reasons.append(f"{seeds} in each arm: at least {MIN_SEEDS} are needed, {FEW_SEEDS} or more are recommended")
    reasons += small_classes(estimates.metric, estimates.n_by_class, estimates.class_names)
    if _is_perfect(result, estimates):
        reasons.append("every run reaches the best possible value: these cases cannot tell the arms apart")
    elif math.isnan(found.p):
        reasons.append("nothing varies over the cases, so there is no standard error")
    return tuple(reasons)


def small_classes(metric: str, n_by_class: Sequence[int], class_names: Sequence[str] = ()) -> list[str]:
    """Say which classes have too few cases for a verdict on a metric that rests on each of them; empty where none."""
    if metric not in _RESTS_ON:
        return []
    classes = _RESTS_ON[metric]
    rests_on = range(len(n_by_class)) if classes is None else classes
    return [
        f"{counted(n_by_class[index], 'case')} of {class_word(index, class_names)}: {METRICS[metric].title} is not "
        f"judged on fewer than {MIN_OF_CLASS}"
        for index in rests_on
        if n_by_class[index] < MIN_OF_CLASS
    ]


def _is_perfect(result: ContrastResult, estimates: Estimates) -> bool:
    low, high = METRICS[estimates.metric].bounds
    best = high if METRICS[estimates.metric].higher_is_better else low
    used = [theta for arm, theta in zip(estimates.arms, estimates.theta, strict=True) if arm in result.contrast.weights]
    return bool(np.all(np.abs(np.asarray(used) - best) <= 1e-12))
