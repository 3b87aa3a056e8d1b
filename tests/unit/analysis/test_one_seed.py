"""One training of each arm: statements about two trained networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.unit.analysis.drawn import noisy, runs_with_errors

from scantrial.analysis.comparison import compare, compare_runs
from scantrial.analysis.contrasts import all_pairs, difference
from scantrial.analysis.one_seed import bonett_price, mcnemar_midp, paired_proportions
from scantrial.core.errors import InputError, ShapeError

B_A = difference("b", "a")
WRONG = {"a": {0: range(40, 62)}, "b": {0: range(55, 65)}}
"""Of 100 cases, of which the first 50 are positive: 15 are right with b alone, 3 with a alone."""


def test_mcnemar_and_bonett_price_stand_in_for_the_normal_interval():
    """With one seed and independent cases, accuracy is McNemar's mid-p with Bonett and Price's interval; no verdict."""
    item = compare_runs(runs_with_errors(WRONG), [B_A]).comparisons[0]
    single = item.paired_proportions
    assert (single.only_first, single.only_second, single.n, single.difference) == (15, 3, 100, 0.12)
    tail = sum(math.comb(18, k) for k in range(4)) / 2**18
    assert item.evidence.p == pytest.approx(2 * tail - math.comb(18, 3) / 2**18)
    p12, p21 = 16 / 102, 4 / 102
    half = 1.959963984540054 * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 102)
    assert (item.evidence.low, item.evidence.high) == pytest.approx((p12 - p21 - half, p12 - p21 + half))
    assert (item.alone.low, item.alone.high) == (item.evidence.low, item.evidence.high)
    assert item.verdict.label == "not enough to judge"
    assert item.verdict.provisional
    assert item.to_dict()["mcnemar"]["p"] == item.evidence.p


def test_simultaneous_intervals_of_one_seed_are_wider():
    """In a family of three the interval of Bonett and Price is taken at 1 - 0.05 / 3."""
    runs = runs_with_errors({**WRONG, "c": {0: range(20)}})
    for item in compare_runs(runs, all_pairs("abc")).comparisons:
        single = item.paired_proportions
        wide = bonett_price(single.only_first, single.only_second, 100, level=1 - 0.05 / 3)
        assert (item.evidence.low, item.evidence.high) == pytest.approx(wide)


def test_sensitivity_looks_at_positive_cases_alone():
    """McNemar's counts for sensitivity are of the 50 positive cases, for specificity of the others."""
    runs = runs_with_errors(WRONG)
    counts = {}
    for metric in ("sensitivity", "specificity"):
        single = compare_runs(runs, [B_A], metric=metric).comparisons[0].paired_proportions
        counts[metric] = (single.only_first, single.only_second, single.n)
    assert counts == {"sensitivity": (10, 0, 50), "specificity": (5, 3, 50)}


def test_several_cases_a_patient_make_mcnemar_invalid():
    """With patients known, the test is on the clustered covariance: sums over patients by hand."""
    patients = [case // 2 for case in range(100)]
    item = compare_runs(runs_with_errors(WRONG, patients=patients), [B_A]).comparisons[0]
    assert item.paired_proportions is None
    apart = np.zeros(100)
    apart[40:55] = 1
    apart[62:65] = -1
    sums = ((apart - apart.mean()) / 100).reshape(50, 2).sum(axis=1)
    se = math.sqrt(50 / 49 * (sums**2).sum())
    assert item.result.cases_only.se == pytest.approx(se)
    assert item.evidence.p == pytest.approx(math.erfc(0.12 / se / math.sqrt(2)))


def test_sensitivity_counts_the_patients_of_positive_cases():
    """The sentence names the patients that the metric looked at, not all."""
    patients = [case // 5 for case in range(100)]
    runs = runs_with_errors({arm: {seed: by[0] for seed in range(3)} for arm, by in WRONG.items()}, patients=patients)
    item = compare_runs(runs, [B_A], metric="sensitivity").comparisons[0]
    assert "(50 cases of 10 patients)" in item.sentence


def test_areas_of_one_seed_are_compared_by_delong():
    """AUROC with one seed is a z test on DeLong's covariance; no McNemar."""
    y_true, scores, arms, seeds = noisy(n_seeds=1, gain=(0.0, 0.3))
    item = compare(y_true, scores, arms=arms, seeds=seeds, metric="auroc").comparisons[0]
    assert item.paired_proportions is None
    assert item.result.both is None
    assert math.isinf(item.result.cases_only.df)
    assert math.isnan(item.result.s2)
    assert item.to_dict()["s2"] is None


def test_where_nothing_is_discordant():
    """p is 1, and the interval still has a width."""
    assert mcnemar_midp(0, 0) == 1
    assert mcnemar_midp(3, 3) == pytest.approx(1 - math.comb(6, 3) / 2**7)
    low, high = bonett_price(0, 0, 20)
    assert low == -high < 0


def test_what_cannot_be_compared():
    """Negative counts, and arrays of other lengths."""
    with pytest.raises(InputError, match="discordant counts -1 and 2\nexpected: 0 or more"):
        mcnemar_midp(-1, 2)
    with pytest.raises(ShapeError, match=r"shapes \(2,\) and \(3,\)"):
        paired_proportions(np.ones(2, dtype=bool), np.ones(3, dtype=bool))


def test_bonett_and_price_stay_within_what_is_possible():
    """Ten cases of ten: 10/12 and 1.96 standard errors of 0.16 would be above 1."""
    low, high = bonett_price(10, 0, 10)
    assert (low, high) == (pytest.approx(10 / 12 - 1.959964 * math.sqrt((1 - 100 / 144) / 12), abs=1e-6), 1)
    assert bonett_price(0, 10, 10) == (-1, -low)


def test_paired_proportions_have_the_interval_of_their_level():
    """95 % by default, 90 % where asked."""
    first, second = np.arange(40) < 30, np.arange(40) % 2 == 0
    for asked, level in (({}, 0.95), ({"level": 0.9}, 0.9)):
        found = paired_proportions(first, second, **asked)
        assert (found.only_first, found.only_second, found.level) == (15, 5, level)
        assert (found.low, found.high) == bonett_price(15, 5, 40, level=level)


@pytest.mark.parametrize("shapes", [((0,), (0,)), ((2, 2), (2, 2)), ((3,), (4,))])
def test_paired_proportions_need_cases(shapes):
    """One row of right or wrong for each classifier, of the same cases."""
    first, second = (np.ones(shape, dtype=bool) for shape in shapes)
    with pytest.raises(ShapeError) as found:
        paired_proportions(first, second)
    assert str(found.value) == f"shapes {shapes[0]} and {shapes[1]}\nexpected: (n,) for both, n of 1 or more"
