"""Arms whose order on test is the other way round on validation, with both differences real.

Someone who chooses an arm on validation then picks the one that is worse on test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scantrial.analysis.class_mix import is_weighted
from scantrial.analysis.comparison import Compared, Comparison, compare_runs
from scantrial.analysis.contrasts import Contrast
from scantrial.analysis.estimates import Estimates, estimate
from scantrial.analysis.gaps import shared_covariance
from scantrial.analysis.mrmc import ContrastResult, Inference, analyse, infer, largest_effect
from scantrial.analysis.multiplicity import holm
from scantrial.analysis.runs import RunScores
from scantrial.analysis.selection import expected_optimism
from scantrial.analysis.verdicts import Evidence, evidence
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain

CHOICES = ("difference", "main effect")
"""Kinds of contrast whose two sides someone chooses between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal(Plain):
    """A comparison that is real on test and on validation, the other way round; effects are positive where better.

    Parameters
    ----------
    name : of the comparison
    better, worse : its two sides as they are on test; on validation it is the other way round
    metric : of both
    test, val : the evidence on either split, with intervals that hold for the whole family
    change : the effect on validation minus that on test, likewise
    test_p, val_p, change_p : adjusted over the family; the last two after `luck` is taken off
    luck : the most that the choice of the epoch can add to the lead on validation, if both sides gain an equal share of
        what it can add to each; 0 where it adds nothing
    epochs_chosen : whether validation chose the epoch of some of these arms
    at_val_mix : the effect on test at the class mix of validation; None where the metric is not taken at another mix
    at_val_mix_is_real : whether its p-value, adjusted over the family, is below 1 - level
    """

    name: str
    better: str
    worse: str
    metric: str
    test: Evidence
    val: Evidence
    change: Evidence
    test_p: float
    val_p: float
    change_p: float
    luck: float
    epochs_chosen: bool
    at_val_mix: float | None
    at_val_mix_is_real: bool

    @property
    def is_mix(self) -> bool:
        """Whether the class mix explains it: at that of validation, the order on test is really that on validation."""
        return self.may_be_mix and self.at_val_mix_is_real

    @property
    def may_be_mix(self) -> bool:
        """Whether at the class mix of validation the order on test is that on validation, by chance or not."""
        return self.at_val_mix is not None and self.at_val_mix * self.val.effect > 0


def find_reversals(
    on_test: Comparison, test: RunScores, val: RunScores, *, n_epochs: Mapping[str, int]
) -> tuple[Reversal, ...]:
    """Return the comparisons of a family that are real on test, and real the other way round on validation.

    Four conditions, each after the adjustment that the verdicts use (Holm 1979, over the same family):

    1. the verdict on test is better or worse;
    2. on validation, by the same rules on the same pairs of runs, it is the opposite;
    3. that lead is real beyond what the choice of the epoch can add. The epoch was chosen on these cases, by the same
       rule in both arms, so both numbers are too good, by at most ``L = sqrt(Var - Cov2) c_n`` each: n epochs that
       agree on the cases at least as well as two trainings of the arm do (`expected_optimism`). If both arms gain an
       equal share of that, which is not known, the lead is too large by at most ``L`` of the leading side minus ``L``
       of the other;
    4. the effect on validation minus that on test, paired on seeds, is real too: a difference of differences, in which
       the cases of the two splits are independent. Where training is luck that acts on both splits, it is the direct
       measure.

    If two arms have one order in truth, on both splits, one of the first two errs in its direction, for which the
    chance is at most ``1 - level``, and near 0 where they are equal (Berger 1982).

    Parameters
    ----------
    on_test : the comparisons on `test`
    test, val : scores of runs on the cases of either split; runs that one of them lacks are left out
    n_epochs : by arm, how many epochs the kept one was chosen from on validation; 1 where it was not chosen there
    """
    asked = [_is_real(item) and item.result.contrast.kind in CHOICES for item in on_test.comparisons]
    test, val = _common(test, val)
    if not any(asked) or not test.n_runs:
        return ()
    family = [item.result.contrast for item in on_test.comparisons]
    try:
        on_val = compare_runs(val, family, metric=on_test.metric, level=on_test.level)
        of_val, of_test = estimate(val, on_test.metric), estimate(test, on_test.metric)
        changes = [analyse(_minus(of_val, of_test), _unbounded(one), level=on_test.level) for one in family]
        at_mix = _at_mix(test, val, family, on_test)
    except InputError:
        # What validation cannot give, such as a class of one case, contradicts nothing.
        return ()
    luck = [_luck_of(item.result, of_val, n_epochs) for item in on_val.comparisons]
    val_p = holm([evidence(_less(one.result, add)).p for one, add in zip(on_val.comparisons, luck, strict=True)])
    change_p = holm([evidence(_less(one, add)).p for one, add in zip(changes, luck, strict=True)])
    mix_p = None if at_mix is None else holm([evidence(one).p for one in at_mix])
    alpha = round(1 - on_test.level, 12)
    return tuple(
        _reversal(
            on_test.comparisons[k],
            on_val.comparisons[k],
            change=evidence(changes[k], n_comparisons=len(family)),
            p=(val_p[k], change_p[k]),
            luck=luck[k],
            epochs_chosen=any(n_epochs.get(arm, 1) > 1 for arm in family[k].arms),
            at_val_mix=None if at_mix is None else at_mix[k].effect,
            at_val_mix_is_real=mix_p is not None and mix_p[k] < alpha,
        )
        for k, item in enumerate(on_val.comparisons)
        if asked[k]
        and _is_real(item)
        and item.result.effect * on_test.comparisons[k].result.effect < 0
        and max(val_p[k], change_p[k]) < alpha
    )


def _at_mix(
    test: RunScores, val: RunScores, family: Sequence[Contrast], on_test: Comparison
) -> list[ContrastResult] | None:
    """Return the comparisons on test at the class mix of validation; None where the metric is not taken at another."""
    if not is_weighted(on_test.metric):
        return None
    estimates = estimate(test.at_mix(val.class_shares), on_test.metric)
    return [analyse(estimates, one, level=on_test.level) for one in family]


def _is_real(item: Compared) -> bool:
    return item.verdict.label in ("better", "worse")


def _reversal(
    on_test: Compared, on_val: Compared, *, change: Evidence, p: tuple[float, float], luck: float, **known: Any
) -> Reversal:
    contrast = on_test.result.contrast
    sides = (contrast.first, contrast.second)
    better, worse = sides if on_test.result.effect > 0 else sides[::-1]
    return Reversal(
        name=on_test.name,
        better=better,
        worse=worse,
        metric=on_test.result.metric,
        test=on_test.evidence,
        val=on_val.evidence,
        change=change,
        test_p=on_test.verdict.p_adjusted,
        val_p=p[0],
        change_p=p[1],
        luck=luck,
        **known,
    )


def _common(test: RunScores, val: RunScores) -> tuple[RunScores, RunScores]:
    """Return both with the runs that both have, in one order."""
    at = [{run: k for k, run in enumerate(zip(part.arms, part.seeds, strict=True))} for part in (test, val)]
    both = [run for run in at[0] if run in at[1]]
    first, second = (np.array([part[run] for run in both], dtype=np.int64) for part in at)
    return test.on_runs(first), val.on_runs(second)


def _unbounded(contrast: Contrast) -> Contrast:
    """Return a contrast whose intervals are not cut at the largest effect: a change of effects can be twice that."""
    return replace(contrast, kind="arm")


def _minus(val: Estimates, test: Estimates) -> Estimates:
    """Return each run's metric on validation minus that on test; their cases are independent."""
    return replace(
        val,
        theta=val.theta - test.theta,
        covariance=val.covariance + test.covariance,
        influence=np.concatenate([val.influence, -test.influence], axis=1),
        sample=None,
    )


def _luck_of(found: ContrastResult, estimates: Estimates, n_epochs: Mapping[str, int]) -> float:
    """Return by how much the choice of epochs can make the lead on validation too large: see `find_reversals`."""
    ahead = math.copysign(1.0, found.effect)
    weights = found.contrast.weights
    return max(sum(ahead * weights[arm] * _optimism(estimates, arm, n_epochs.get(arm, 1)) for arm in weights), 0.0)


def _optimism(estimates: Estimates, arm: str, n_epochs: int) -> float:
    runs = list(estimates.by_seed(arm).values())
    covariance = estimates.covariance[np.ix_(runs, runs)]
    variance = float(np.diag(covariance).mean())
    if n_epochs < 2 or len(runs) < 2 or variance <= 0:
        return 0.0
    alike = min(max(shared_covariance(covariance) / variance, 0.0), 1.0)
    return expected_optimism(math.sqrt(variance), n_epochs, correlation=alike)


def _less(found: ContrastResult, luck: float) -> ContrastResult:
    """Return a result whose effect is nearer to 0 by `luck`, and 0 where that is all of it."""
    effect = math.copysign(max(abs(found.effect) - luck, 0.0), found.effect)
    largest = largest_effect(found.contrast, found.metric)

    def moved(item: Inference) -> Inference:
        return infer(effect, item.se, item.df, scope=item.scope, level=item.level, largest=largest)

    return replace(
        found,
        effect=effect,
        both=None if found.both is None else moved(found.both),
        cases_only=moved(found.cases_only),
        seeds_only=None if found.seeds_only is None else moved(found.seeds_only),
    )
