"""Predictive values at a stated prevalence."""

from __future__ import annotations

import json
import math

import pytest
from scipy.stats import norm, t

from scantrial.analysis.predictive import LogitShare, predictive_values, predictive_values_over_seeds
from scantrial.analysis.thresholds import OperatingPoint
from scantrial.core.errors import InputError


def point(n_tp, n_fn, n_fp, n_tn) -> OperatingPoint:
    return OperatingPoint(threshold=0, n_tp=n_tp, n_fn=n_fn, n_fp=n_fp, n_tn=n_tn)


class TestRefused:
    """What has no predictive value."""

    @pytest.mark.parametrize("prevalence", [0, 1, -0.1, math.nan])
    def test_prevalences(self, prevalence):
        """Above 0 and below 1, with and without cases."""
        for given in (point(9, 1, 1, 9), point(0, 0, 1, 9)):
            with pytest.raises(InputError, match="prevalence = "):
                predictive_values(given, prevalences=[prevalence])

    def test_levels(self):
        """Above 0 and below 1."""
        with pytest.raises(InputError, match="level = 95"):
            predictive_values(point(9, 1, 1, 9), level=95)

    @pytest.mark.parametrize(("share", "se"), [(0, 0.1), (1, 0.1), (0.5, math.nan), (0.5, math.inf), (0.5, -1)])
    def test_shares_without_a_logit(self, share, se):
        """0 and 1 have none; a standard error is finite."""
        with pytest.raises(InputError, match="a share of"):
            LogitShare(share=share, logit_se=se)


def test_at_the_prevalence_of_the_cases_they_are_the_shares_of_the_calls():
    """With 100 of 300 sick: PPV is TP / (TP + FP), NPV is TN / (TN + FN)."""
    (found,) = predictive_values(point(80, 20, 40, 160), prevalences=[1 / 3])
    assert found.ppv.value == pytest.approx(80 / 120)
    assert found.npv.value == pytest.approx(160 / 180)


def test_by_default_four_prevalences_are_shown():
    """1, 5, 10 and 50 %; PPV rises and NPV falls with the prevalence."""
    found = predictive_values(point(80, 20, 40, 160))
    assert [each.prevalence for each in found] == [0.01, 0.05, 0.10, 0.50]
    assert sorted(each.ppv.value for each in found) == [each.ppv.value for each in found]
    assert sorted((each.npv.value for each in found), reverse=True) == [each.npv.value for each in found]


@pytest.mark.parametrize("counts", [(0, 20, 40, 160), (80, 0, 40, 160), (80, 20, 0, 160), (80, 20, 40, 0)])
def test_a_count_of_0_is_adjusted_and_said(counts):
    """Shares become (count + z^2/2) / (n + z^2), and the interval is inside (0, 1) around the value."""
    (found,) = predictive_values(point(*counts), prevalences=[0.1])
    assert found.adjusted
    z2 = norm.ppf(0.975) ** 2
    n1, n0 = counts[0] + counts[1] + z2, counts[2] + counts[3] + z2
    se, sp = (counts[0] + z2 / 2) / n1, (counts[3] + z2 / 2) / n0
    half = norm.ppf(0.975) * math.sqrt((1 - se) / (se * n1) + sp / ((1 - sp) * n0))
    middle = math.log(0.1 * se / (0.9 * (1 - sp)))
    assert found.ppv.value == pytest.approx(0.1 * se / (0.1 * se + 0.9 * (1 - sp)))
    assert found.ppv.low == pytest.approx(1 / (1 + math.exp(half - middle)))
    assert 0 < found.ppv.low < found.ppv.value < found.ppv.high < 1
    assert 0 < found.npv.low < found.npv.value < found.npv.high < 1


def test_an_absent_class_is_the_reason():
    """Each prevalence says it; NaN is null in JSON."""
    found = predictive_values(point(0, 0, 5, 5))
    assert {each.reason for each in found} == {"no case is of class 1"}
    assert json.loads(json.dumps(found[0].to_dict(), allow_nan=False))["ppv"]["value"] is None
    assert predictive_values(point(0, 0, 0, 0))[0].reason == "no case is of class 0 or 1"


def test_seeds_widen_the_interval():
    """Larger standard errors and few degrees of freedom give wider intervals around the same value."""
    narrow, wide = LogitShare(share=0.8, logit_se=0.1), LogitShare(share=0.8, logit_se=0.3)
    (first,) = predictive_values_over_seeds(narrow, narrow, prevalences=[0.1])
    (second,) = predictive_values_over_seeds(wide, narrow, prevalences=[0.1])
    (third,) = predictive_values_over_seeds(narrow, narrow, prevalences=[0.1], df=4)
    for other in (second, third):
        assert other.ppv.value == first.ppv.value
        assert other.ppv.low < first.ppv.low < first.ppv.high < other.ppv.high
        assert other.npv.low < first.npv.low < first.npv.high < other.npv.high
    logit = lambda p: math.log(p / (1 - p))  # noqa: E731
    width = [logit(each.ppv.high) - logit(each.ppv.low) for each in (first, third)]
    assert width[1] / width[0] == pytest.approx(t.ppf(0.975, 4) / norm.ppf(0.975))
