"""The verdict on one comparison, by rule.

Three intervals must agree: over seeds and cases, over cases alone, and over seeds alone. A difference has to hold for
each (intersection-union, Berger 1982): the last two stop a few seeds or cases that are alike by luck from making the
first too narrow. The verdict uses the hull of all three and the largest p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scantrial.analysis.estimates import Estimates
from scantrial.analysis.few_cases import small_classes
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import ContrastResult, Inference, infer, largest_effect
from scantrial.analysis.multiplicity import simultaneous_level
from scantrial.core.format import percent
from scantrial.core.plain import Plain

Label = Literal["better", "worse", "equivalent", "inconclusive", "not enough to judge"]

MIN_SEEDS = 3
"""With fewer, up to 12 % of simulated studies gave a false "better": numbers are shown, but no verdict."""

NEEDED_SEEDS = f"at least {MIN_SEEDS} seeds are needed before the spread between seeds can be estimated"

FEW_SEEDS = 5
"""With fewer, a verdict is provisional."""

TOO_FEW_FOR_INTERVAL = 2
"""Two seeds have a spread on one degree of freedom: its interval is 13 standard errors wide, so none is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict is drawn from: the hull of up to three inferences.

    Parameters
    ----------
    p : the largest of theirs, for this comparison alone; NaN where there is none
    low, high : hull of the intervals; NaN with two seeds, which give no usable one
    equivalence_low, equivalence_high : hull of the narrower intervals that equivalence is judged by; NaN likewise
    level : at which the intervals of all `n_comparisons` hold together
    used : the inferences, by what they count as random; their own intervals are for one comparison
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
    n_comparisons: int = 1
    notes: tuple[str, ...] = ()

    def p_equivalence(self, margin: float) -> float:
        """Return the p of TOST, the largest of the inferences; NaN where nothing varies."""
        ps = [inference.p_equivalence(margin) for inference in self.used]
        return float("nan") if any(map(math.isnan, ps)) else max(ps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Plain):
    """The answer of one comparison.

    Parameters
    ----------
    label : better, worse, equivalent, inconclusive, or not enough to judge; never "no difference"
    p_adjusted : by Holm over the family
    p_equivalence : TOST, the largest of the inferences; None without a margin
    p_equivalence_adjusted : by Holm over the family; None without a margin
    margin : the smallest difference that matters, as declared, or None
    smallest_margin : a margin that would have given equivalence, by the simultaneous interval; NaN with two seeds
    within_margin : better or worse, but by less than the margin
    provisional : three or four seeds: a few more may change the verdict
    reasons : why there is not enough to judge
    notes : what else a reader has to know
    """

    label: Label
    p_adjusted: float
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    margin: float | None
    smallest_margin: float
    within_margin: bool
    provisional: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """The p of a comparison, adjusted over its family, and that of equivalence; its own where that is None."""

    p: float
    p_equivalence: float | None = None


def evidence(result: ContrastResult, *, n_comparisons: int = 1) -> Evidence:
    """Join the inferences over seeds and cases, over cases alone and over seeds alone.

    One with seeds that has no spread (equal values at every seed) is left out. With one seed only the cases are
    random.

    Parameters
    ----------
    n_comparisons : the family whose intervals hold together (Bonferroni), default this comparison alone
    """
    used, notes = _used(result)
    level = result.cases_only.level
    wide = used if n_comparisons == 1 else tuple(_together(result, item, n_comparisons) for item in used)
    usable = result.n_seeds != TOO_FEW_FOR_INTERVAL
    bounds = (
        min(item.low for item in wide),
        max(item.high for item in wide),
        min(item.equivalence_low for item in wide),
        max(item.equivalence_high for item in wide),
    )
    low, high, equivalence_low, equivalence_high = bounds if usable else (float("nan"),) * 4
    ps = [item.p for item in used]
    return Evidence(
        effect=result.effect,
        p=float("nan") if any(map(math.isnan, ps)) else max(ps),
        low=low,
        high=high,
        equivalence_low=equivalence_low,
        equivalence_high=equivalence_high,
        level=level,
        used=used,
        n_comparisons=n_comparisons,
        notes=notes,
    )


def _used(result: ContrastResult) -> tuple[tuple[Inference, ...], tuple[str, ...]]:
    with_seeds = [item for item in (result.both, result.seeds_only) if item is not None]
    kept = [item for item in with_seeds if item.se > 0 or result.identical]
    return (*kept, result.cases_only), _same_at_every_seed() if len(kept) < len(with_seeds) else ()


def _same_at_every_seed() -> tuple[str, ...]:
    return ("the difference is the same at every seed, so the interval accounts for the cases only",)


def _together(result: ContrastResult, item: Inference, n_comparisons: int) -> Inference:
    """Return an inference with intervals that hold for a whole family."""
    level = simultaneous_level(item.level, n_comparisons)
    largest = largest_effect(result.contrast, result.metric)
    return infer(
        item.effect,
        item.se,
        item.df,
        scope=item.scope,
        level=level,
        largest=largest,
        null_spread=item.null_spread,
    )


def decide(
    result: ContrastResult,
    found: Evidence,
    estimates: Estimates,
    *,
    p_adjusted: float,
    margin: float | None,
    p_equivalence_adjusted: float | None = None,
    withheld: Sequence[str] = (),
) -> Verdict:
    """Give the verdict on a comparison.

    In this order: too little evidence, or a reason to withhold it: *not enough to judge*; adjusted p below
    ``1 - level``: *better* or *worse*; adjusted p of the two one-sided tests below it: *equivalent* (Schuirmann 1987;
    Lakens 2017); else *inconclusive*.

    Parameters
    ----------
    found : with the intervals of the family
    p_adjusted : of `found.p`, over the family
    margin : in the metric's unit, or None
    p_equivalence_adjusted : of TOST, over the family; by default its p for this comparison alone
    withheld : reasons from outside, such as a leak between splits
    """
    return verdict_on(
        found,
        Adjusted(p=p_adjusted, p_equivalence=p_equivalence_adjusted),
        margin=margin,
        reasons=(*withheld, *_too_little(result, found, estimates)),
        same=_identical(found, estimates) if result.identical else [],
        provisional=MIN_SEEDS <= result.n_seeds < FEW_SEEDS or result.n_seeds == 1,
    )


def verdict_on(
    found: Evidence,
    adjusted: Adjusted,
    *,
    margin: float | None,
    reasons: tuple[str, ...],
    same: Sequence[str],
    provisional: bool,
) -> Verdict:
    """Give the verdict that evidence supports, of whatever design it is; see `decide`.

    Parameters
    ----------
    reasons : why there is not enough to judge; empty where there is
    same : what to say of arms that are identical, so that nothing varies that could be tested; empty for others
    provisional : whether a few more of what the spread is measured over may change the verdict
    """
    alpha = round(1 - found.level, 12)  # 1 - 0.95 is a little more than 0.05
    p_equivalence = None if margin is None else found.p_equivalence(margin)
    p_inside = p_equivalence if adjusted.p_equivalence is None else adjusted.p_equivalence
    inside = margin is not None and p_inside is not None and (p_inside < alpha or bool(same))
    label: Label
    if reasons:
        label = "not enough to judge"
    elif adjusted.p < alpha:
        label = "better" if found.effect > 0 else "worse"
    else:
        label = "equivalent" if inside else "inconclusive"
    return Verdict(
        label=label,
        p_adjusted=adjusted.p,
        p_equivalence=p_equivalence,
        p_equivalence_adjusted=p_equivalence if p_equivalence is None or math.isnan(p_equivalence) else p_inside,
        margin=margin,
        smallest_margin=max(abs(found.equivalence_low), abs(found.equivalence_high)),
        within_margin=label in ("better", "worse") and inside,
        provisional=provisional,
        reasons=reasons,
        notes=(*found.notes, *same, *_wider_than_test(found, label, margin)),
    )


def _wider_than_test(found: Evidence, label: Label, margin: float | None) -> list[str]:
    """Say where Holm's test shows what the simultaneous interval, which is Bonferroni's, does not show."""
    if label in ("better", "worse") and found.low <= 0 <= found.high:
        what = "contains 0"
    elif label == "equivalent" and max(-found.equivalence_low, found.equivalence_high) >= (margin or 0.0):
        what = "reaches beyond the margin"
    else:
        return []
    return [
        f"the simultaneous interval {what}, but Holm's stepwise test, which is more powerful than simultaneous "
        "intervals, decides"
    ]


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


def _too_little(result: ContrastResult, found: Evidence, estimates: Estimates) -> tuple[str, ...]:
    """Return why the numbers of this comparison cannot carry a verdict."""
    reasons = []
    if result.n_seeds < MIN_SEEDS:
        seeds = "one seed" if result.n_seeds == 1 else f"{result.n_seeds} seeds"
        reasons.append(f"{seeds} in each arm: at least {MIN_SEEDS} are needed, {FEW_SEEDS} or more are recommended")
    reasons += small_classes(estimates.metric, estimates)
    if _is_perfect(result, estimates):
        reasons.append("every run reaches the best possible value: these cases cannot tell the arms apart")
    elif math.isnan(found.p):
        reasons.append("nothing varies over the cases, so there is no standard error")
    return tuple(reasons)


def _is_perfect(result: ContrastResult, estimates: Estimates) -> bool:
    low, high = METRICS[estimates.metric].bounds
    best = high if METRICS[estimates.metric].higher_is_better else low
    used = [theta for arm, theta in zip(estimates.arms, estimates.theta, strict=True) if arm in result.contrast.weights]
    return bool(np.all(np.abs(np.asarray(used) - best) <= 1e-12))
