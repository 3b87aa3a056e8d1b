"""Equivalence of areas: the spread at the margin, by the formulas of others and by scores that are drawn apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from scantrial.analysis.area_margin import widening, with_area_spread
from scantrial.analysis.comparison import compare_runs
from scantrial.analysis.contrasts import difference
from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import area_variance
from scantrial.analysis.mrmc import analyse, infer
from scantrial.analysis.runs import RunScores


def runs(*, n_seeds: int = 4, unpaired: bool = False, sd: float = 0.6, twins: bool = False) -> RunScores:
    """Two arms on 120 cases; the second varies more from seed to seed, or is a twin of the first."""
    rng = np.random.default_rng(0)
    y_true = np.arange(120) % 3 // 2
    luck = np.concatenate([0.1 * rng.standard_normal(n_seeds), sd * rng.standard_normal(n_seeds)])
    scores = y_true * (2.0 + luck[:, None]) + rng.standard_normal(120) + 0.5 * rng.standard_normal((2 * n_seeds, 120))
    scores[n_seeds:] = scores[:n_seeds] if twins else scores[n_seeds:]
    seeds = [*range(n_seeds), *range(10 * unpaired, 10 * unpaired + n_seeds)]
    return RunScores.from_scores(y_true, scores, arms=["a"] * n_seeds + ["b"] * n_seeds, seeds=seeds)


def inferences(found):
    return [item for item in (found.both, found.cases_only, found.seeds_only) if item is not None]


def results(**drawn):
    estimates = estimate(runs(**drawn), "auroc")
    plain = analyse(estimates, difference("b", "a"))
    return estimates, plain, with_area_spread(plain, estimates)


def test_spreads_grow_as_the_binormal_model_and_hanley_and_mcneil_say():
    """From 0.93 to 0.895: density of the normal at the quantile, and the root of the variance on a million cases."""
    training, cases = widening(0.93, 0.035)
    z = stats.norm.ppf([0.895, 0.93])
    assert training == pytest.approx(stats.norm.pdf(z[0]) / stats.norm.pdf(z[1]))
    large = [area_variance(area, 1e9, 1e9) for area in (0.895, 0.93)]
    assert cases == pytest.approx(math.sqrt(large[0] / large[1]), rel=1e-6)


@pytest.mark.parametrize(
    ("area", "fall", "like"), [(0.6, 0.3, 0.1), (0.6, 0.9, 0.1), (0.45, 0.2, 0.0), (1.0, 0.2, 0.0), (0.0, 0.2, 0.0)]
)
def test_nothing_grows_below_one_half_and_a_perfect_area_has_nothing_that_could(area, fall, like):
    """A fall beyond 0.5 counts as one to 0.5."""
    assert widening(area, fall) == widening(area, like)
    assert min(widening(area, fall)) >= 1
    if not like:
        assert widening(area, fall) == (1.0, 1.0)


@pytest.mark.parametrize("drawn", [{}, {"unpaired": True}, {"n_seeds": 1}])
def test_at_the_estimate_the_spread_is_the_one_that_was_found(drawn):
    """Standard errors and degrees of freedom of all inferences, for shared seeds, others, and one."""
    _, plain, found = results(**drawn)
    assert len(inferences(found)) == (1 if drawn == {"n_seeds": 1} else 3)
    for item, before in zip(inferences(found), inferences(plain), strict=True):
        assert item.null_spread(item.effect) == pytest.approx((before.se, before.df))
        assert (item.se, item.df, item.p, item.low, item.high) == (
            before.se,
            before.df,
            before.p,
            before.low,
            before.high,
        )


@pytest.mark.parametrize("unpaired", [False, True])
@pytest.mark.parametrize(("null", "falls"), [(-0.2, "b"), (0.15, "a")])
def test_the_spread_is_that_of_runs_whose_falling_arm_varies_more(null, falls, unpaired):
    """Luck of training and of cases of the arm that would be lower, stretched by hand and analysed anew."""
    estimates, plain, found = results(unpaired=unpaired)
    mine = np.array([arm == falls for arm in estimates.arms])
    area = estimates.theta[mine].mean()
    training, cases = (np.where(mine, growth, 1.0) for growth in widening(area, abs(null - plain.effect)))
    means = np.where(mine, area, estimates.theta[~mine].mean())
    stretched = replace(
        estimates,
        theta=means + training * (estimates.theta - means),
        influence=estimates.influence * cases[:, None],
        covariance=estimates.covariance * np.outer(cases, cases),
    )
    again = analyse(stretched, difference("b", "a"))
    for item, expected in zip(inferences(found), inferences(again), strict=True):
        assert item.null_spread(null) == pytest.approx((expected.se, expected.df))


def test_the_interval_of_equivalence_ends_where_the_test_does():
    """At a margin of the farther end, p is 0.05; with the spread that was found it would be less."""
    _, plain, found = results()
    for item, before in zip(inferences(found), inferences(plain), strict=True):
        far = max(-item.equivalence_low, item.equivalence_high)
        assert item.p_equivalence(far) == pytest.approx(0.05, abs=1e-9)
        assert item.p_equivalence(far) > before.p_equivalence(far)


def test_where_no_value_is_refused_the_interval_ends_at_the_largest_difference():
    """A standard error as large as the range, on one degree of freedom."""
    found = infer(0.1, 1.0, 1.0, scope="seeds only", level=0.95, largest=1.0, null_spread=lambda _: (1.0, 1.0))
    assert (found.equivalence_low, found.equivalence_high) == (-1.0, 1.0)


def test_the_order_of_the_arms_turns_the_interval_round():
    """b - a and a - b mirror each other."""
    estimates, _, found = results()
    turned = with_area_spread(analyse(estimates, difference("a", "b")), estimates)
    for item, other in zip(inferences(found), inferences(turned), strict=True):
        assert item.equivalence_low == pytest.approx(-other.equivalence_high)
        assert item.p_equivalence(0.1) == pytest.approx(other.p_equivalence(0.1))


def test_identical_arms_have_no_spread_at_any_margin():
    """Their TOST has no p, and their interval no width."""
    estimates = estimate(runs(twins=True), "auroc")
    found = with_area_spread(analyse(estimates, difference("b", "a")), estimates)
    assert all(math.isnan(item.p_equivalence(0.1)) for item in inferences(found))
    assert all((item.equivalence_low, item.equivalence_high) == (0.0, 0.0) for item in inferences(found))


def test_other_metrics_are_tested_as_before():
    """Accuracy is returned as it is; so is one arm alone."""
    estimates = estimate(runs(), "accuracy")
    plain = analyse(estimates, difference("b", "a"))
    assert with_area_spread(plain, estimates) is plain


def test_the_verdict_uses_it():
    """The evidence of a comparison of areas, for a family of one and for its simultaneous interval."""
    drawn = runs()
    found = compare_runs(drawn, [difference("b", "a"), difference("a", "b")], metric="auroc", margin=0.4)
    _, _, alone = results()
    p = max(item.p_equivalence(0.4) for item in inferences(alone))
    assert found.comparisons[0].verdict.p_equivalence == pytest.approx(p)
    wide = found.comparisons[0].evidence
    ends = [item.equivalence_low for item in inferences(alone)]
    assert wide.equivalence_low < min(ends) == pytest.approx(found.comparisons[0].alone.equivalence_low)
