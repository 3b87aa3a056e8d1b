"""Which arm is best: multiple comparisons with the best (Hsu 1981, 1984, 1996).

For every arm an interval of its value minus that of the best other arm, ``theta_i - max over j != i of theta_j``; all
of them hold together at one level. They say which arms may be best, and how far behind the best an arm is at most.

Each pair of arms is analysed by `scantrial.analysis.mrmc`, over seeds and cases, over cases alone and over seeds alone;
the bound of a difference is the widest of the three. Variances and correlations differ from pair to pair, so the
critical value is that of unions of one-sided comparisons with each arm as the control (Edwards and Hsu 1983), by
Bonferroni: ``1 - alpha / (k - 1)`` one-sided for k arms, valid under any dependence. The other controls need no share
of alpha: only the comparisons whose control is the truly best arm have to hold, whichever arm that is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from scantrial.analysis.contrasts import difference
from scantrial.analysis.empty_scores import EmptyScores
from scantrial.analysis.estimates import Estimates
from scantrial.analysis.intervals import arm_estimate
from scantrial.analysis.mrmc import ROUNDING, ContrastResult, analyse, infer, largest_effect
from scantrial.analysis.verdicts import FEW_SEEDS, decide, evidence
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain

MIN_ARMS = 3
"""With two arms their own verdict is the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstBest(Plain):
    """One arm against the best of the others.

    Parameters
    ----------
    effect : its lead over the best other arm; positive is better, also for losses; negative where it is behind
    low, high : interval of the true lead, with 0 in it or at its end; infinite where nothing is known. ``-low`` is how
        far it is behind the best arm at most
    may_be_best : whether it is not excluded: no other arm is surely better
    """

    arm: str
    effect: float
    low: float
    high: float
    may_be_best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BestArm(Plain):
    """Which arm is best on one metric.

    Parameters
    ----------
    level : at which all intervals of `arms` hold together
    highest : the arm with the best mean over its seeds; several where they are equal
    mean, low, high : of the first of them, with its own interval at `level`
    best : the arm that can be called best, or None
    may_be_best : the arms that are not excluded
    arms : every arm against the best of the others, in order
    n_seeds : the smallest number of seeds of a pair
    provisional : an arm is called best on three or four seeds: a few more may change that
    reasons : why no arm can be called best whatever the numbers say
    sentence : the answer in words
    """

    metric: str
    level: float
    highest: tuple[str, ...]
    mean: float
    low: float
    high: float
    best: str | None
    may_be_best: tuple[str, ...]
    arms: tuple[AgainstBest, ...]
    n_seeds: int
    provisional: bool
    reasons: tuple[str, ...] = ()
    sentence: str = ""

    def arm(self, name: str) -> AgainstBest:
        """Return one arm against the best of the others."""
        return next(arm for arm in self.arms if arm.arm == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """What is known of one arm minus another: the estimate, its one-sided upper bound, and why there is no bound."""

    effect: float
    upper: float
    n_seeds: int
    reasons: tuple[str, ...]


_Pairs = Mapping[tuple[str, str], _Pair]


def best_of(
    estimates: Estimates, *, level: float = 0.95, withheld: Sequence[str] = (), empty: EmptyScores | None = None
) -> BestArm | None:
    """Say which arm is best so far, whether it can be called best, and which arms may be.

    A pair of arms that gets no verdict, such as one of fewer than three seeds, excludes neither of its arms.

    Parameters
    ----------
    level : at which all intervals hold together, default 0.95
    withheld : reasons from outside to give no verdict, such as a leak between splits
    empty : what is empty about the runs' scores, such as seeds that are copies; None where this is not known

    Returns
    -------
    None with fewer than three arms; their verdict is the answer.
    """
    names = estimates.arm_names
    if len(names) < MIN_ARMS:
        return None
    pairs = _pairs(estimates, names, level=level, withheld=withheld, empty=empty)
    nearest = {arm: min(pairs[arm, other].upper for other in names if other != arm) for arm in names}
    remaining = [arm for arm in names if nearest[arm] >= 0]
    may_be_best = remaining or list(names)
    highest = _highest(estimates, names)
    leader = arm_estimate(estimates, highest[0], level=level)
    best = highest[0] if may_be_best == [highest[0]] else None
    n_seeds = min(pair.n_seeds for pair in pairs.values())
    about_leader = [reason for other in names if other != highest[0] for reason in pairs[highest[0], other].reasons]
    return BestArm(
        metric=estimates.metric,
        level=level,
        highest=tuple(highest),
        mean=leader.mean,
        low=leader.low,
        high=leader.high,
        best=best,
        may_be_best=tuple(may_be_best),
        arms=tuple(_against_best(arm, names, pairs, may_be_best) for arm in names),
        n_seeds=n_seeds,
        provisional=best is not None and n_seeds < FEW_SEEDS,
        reasons=() if best is not None else tuple(dict.fromkeys(about_leader)),
    )


def _highest(estimates: Estimates, names: Sequence[str]) -> list[str]:
    """Return the arm with the best mean over its seeds, and those that rounding alone keeps from it."""
    means = {
        arm: estimates.sign * float(estimates.theta[list(estimates.by_seed(arm).values())].mean()) for arm in names
    }
    top = max(means.values())
    return [arm for arm in names if top - means[arm] <= ROUNDING * max(abs(top), 1.0)]


def _against_best(arm: str, names: Sequence[str], pairs: _Pairs, may_be_best: Sequence[str]) -> AgainstBest:
    """Return the constrained interval of one arm's lead over the best of the others (Hsu 1984; Edwards, Hsu 1983)."""
    others = [other for other in names if other != arm]
    rivals = [other for other in may_be_best if other != arm]
    return AgainstBest(
        arm=arm,
        effect=min(pairs[arm, other].effect for other in others),
        low=0.0 - max([0.0, *(pairs[rival, arm].upper for rival in rivals)]),
        high=max(0.0, min(pairs[arm, other].upper for other in others)),
        may_be_best=arm in may_be_best,
    )


def _pairs(
    estimates: Estimates, names: Sequence[str], *, level: float, withheld: Sequence[str], empty: EmptyScores | None
) -> _Pairs:
    """Analyse every pair of arms, both ways."""
    share = (1 - level) / (len(names) - 1)
    found: dict[tuple[str, str], _Pair] = {}
    for first, second in combinations(names, 2):
        try:
            result = analyse(estimates, difference(first, second), level=level)
        except InputError as error:
            why = f"{first} and {second} are not compared: {error.got}"
            unknown = _Pair(effect=float("nan"), upper=math.inf, n_seeds=1, reasons=(why,))
            found[first, second] = found[second, first] = unknown
            continue
        about_scores = () if empty is None else empty.reasons(result.contrast, estimates.metric)
        reasons = _reasons(result, estimates, (*withheld, *about_scores))
        low, high = (-math.inf, math.inf) if reasons else one_sided_bounds(result, alpha=share)
        n_seeds = result.n_seeds
        found[first, second] = _Pair(effect=result.effect, upper=high, n_seeds=n_seeds, reasons=reasons)
        found[second, first] = _Pair(effect=-result.effect, upper=-low, n_seeds=n_seeds, reasons=reasons)
    return found


def _reasons(result: ContrastResult, estimates: Estimates, withheld: Sequence[str]) -> tuple[str, ...]:
    """Return why a pair of arms gets no verdict: the reasons of its own comparison."""
    found = evidence(result)
    return decide(result, found, estimates, p_adjusted=1.0, margin=None, withheld=withheld).reasons


def one_sided_bounds(result: ContrastResult, *, alpha: float) -> tuple[float, float]:
    """Return a lower and an upper bound of a contrast, each of which errs with probability `alpha`.

    Each is the widest over the three inferences: seeds and cases, cases alone, seeds alone. So a difference has to
    stand over all three (Berger 1982).
    """
    given = (result.both, result.cases_only, result.seeds_only)
    level, largest = 1 - 2 * alpha, largest_effect(result.contrast, result.metric)
    used = [
        infer(one.effect, one.se, one.df, scope=one.scope, level=level, largest=largest)
        for one in given
        if one is not None
    ]
    return min(one.low for one in used), max(one.high for one in used)
