"""Thresholds that are chosen on validation rows, and what they do to others."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from scantrial.analysis.rows import Rows, ValidationRows
from scantrial.analysis.thresholds import (
    OperatingPoint,
    operate,
    threshold_at_half,
    threshold_by_cost,
    threshold_by_youden,
    threshold_for_sensitivity,
)
from scantrial.core.errors import InputError


def rows(y, scores, *, scale="any", kind=ValidationRows):
    return kind(y_true=np.array(y, dtype=np.int64), scores=np.array(scores, dtype=float), scale=scale)


SCORES = [10, 20, 30, 40, 50, 60]
TRUTH = [0, 0, 1, 0, 1, 1]


class TestRefused:
    """What no threshold is chosen on."""

    @pytest.mark.parametrize("choose", [threshold_for_sensitivity, threshold_by_youden])
    def test_rows_that_are_not_of_the_validation_split(self, choose):
        """Plain rows, such as test rows, are refused."""
        with pytest.raises(InputError, match="a choice on Rows"):
            choose(rows(TRUTH, SCORES, kind=Rows))

    @pytest.mark.parametrize("choose", [threshold_for_sensitivity, threshold_by_youden])
    def test_three_classes(self, choose):
        """A threshold is for two."""
        with pytest.raises(InputError, match="a threshold for 3 classes"):
            choose(rows([0, 1, 2], np.eye(3), scale="logit"))

    @pytest.mark.parametrize("target", [0, -0.1, 1.01, math.nan])
    def test_targets(self, target):
        """A sensitivity above 0 and at most 1."""
        with pytest.raises(InputError, match="a sensitivity above 0 and at most 1"):
            threshold_for_sensitivity(rows(TRUTH, SCORES), target=target)

    @pytest.mark.parametrize("cost", [0, -1, math.inf, math.nan])
    def test_costs(self, cost):
        """Above 0 and finite."""
        with pytest.raises(InputError, match="two numbers above 0"):
            threshold_by_cost("logit", cost_fp=cost, cost_fn=1)

    def test_a_threshold_of_another_scale(self):
        """A threshold on probabilities is not held against logits."""
        with pytest.raises(InputError, match=r"scores of the scale 'logit'[\s\S]*'probability'"):
            operate(rows([0, 1], [-1, 1], scale="logit"), threshold_at_half("probability"))

    def test_a_threshold_that_is_not_there(self):
        """Its reason is in the message."""
        with pytest.raises(InputError, match="no validation case is of class 1"):
            operate(rows(TRUTH, SCORES), threshold_for_sensitivity(rows([0, 0], [1, 2])))


class TestSensitivity:
    """The largest threshold that finds enough."""

    @pytest.mark.parametrize(
        ("target", "value"), [(1.0, 25), (2 / 3, 45), (0.6, 45), (0.34, 45), (1 / 3, 55), (0.01, 55), (0.9, 25)]
    )
    def test_by_hand(self, target, value):
        """Midpoints between neighbouring scores; a target that is met exactly is met."""
        found = threshold_for_sensitivity(rows(TRUTH, SCORES), target=target)
        assert found.value == value
        assert operate(rows(TRUTH, SCORES), found).sensitivity.value >= target

    def test_where_the_lowest_score_is_positive(self):
        """The threshold lies just below it, so that everything is called positive."""
        found = threshold_for_sensitivity(rows([1, 0, 1], [5, 6, 7]), target=1)
        assert 4.999 < found.value < 5
        assert operate(rows([1, 0, 1], [5, 6, 7]), found).n_tp == 2

    def test_tied_scores_are_called_alike(self):
        """Positive and negative cases of one score lie on the same side."""
        found = threshold_for_sensitivity(rows([0, 1, 0, 1, 1], [1, 2, 2, 2, 3]), target=0.5)
        point = operate(rows([0, 1, 0, 1, 1], [1, 2, 2, 2, 3]), found)
        assert found.value == 1.5
        assert (point.n_tp, point.n_fp) == (3, 1)

    def test_neighbouring_numbers_are_told_apart(self):
        """Between two scores without a number between them the lower one is the threshold."""
        upper = np.nextafter(1.0, 2)
        assert threshold_for_sensitivity(rows([0, 1], [1.0, upper])).value == 1.0

    def test_scores_of_any_range(self):
        """Huge scores do not overflow."""
        assert threshold_for_sensitivity(rows([0, 1], [-1e300, 1e300])).value == 0

    def test_without_a_positive_case_there_is_none(self):
        """The reason says so; one without negatives stands."""
        assert threshold_for_sensitivity(rows([0, 0], [1, 2])).reason == "no validation case is of class 1"
        assert threshold_for_sensitivity(rows([1, 1], [1, 2])).is_defined
        assert threshold_for_sensitivity(rows([], [])).reason == "there are no cases"

    def test_the_record_says_how_it_came_about(self):
        """Rule, target, cases; NaN is null in JSON."""
        found = threshold_for_sensitivity(rows(TRUTH, SCORES))
        assert (found.rule, found.n_validation) == ("sensitivity", 6)
        assert found.why == "the largest threshold with a validation sensitivity of at least 0.9"
        assert (
            json.loads(json.dumps(threshold_for_sensitivity(rows([], [])).to_dict(), allow_nan=False))["value"] is None
        )


class TestYouden:
    """The largest sensitivity + specificity - 1."""

    def test_of_equal_ones_the_lowest(self):
        """Above 20 and above 40, J is 2/3; the lower threshold has the higher sensitivity."""
        assert threshold_by_youden(rows(TRUTH, SCORES)).value == 25

    def test_a_class_that_is_absent(self):
        """It is named."""
        assert threshold_by_youden(rows([1, 1], [1, 2])).reason == "no validation case is of class 0"
        assert threshold_by_youden(rows([0, 0], [1, 2])).reason == "no validation case is of class 1"


class TestWithoutCases:
    """Thresholds that look at no case."""

    def test_cost(self):
        """A false negative that costs four false positives: p > 1/5, log odds of -ln 4."""
        assert threshold_by_cost("probability", cost_fp=1, cost_fn=4).value == pytest.approx(0.2)
        assert threshold_by_cost("logit", cost_fp=1, cost_fn=4).value == pytest.approx(-math.log(4))

    def test_half(self):
        """p = 1/2 is a logit of 0."""
        assert (threshold_at_half("probability").value, threshold_at_half("logit").value) == (0.5, 0)

    @pytest.mark.parametrize("found", [threshold_at_half("any"), threshold_by_cost("any", cost_fp=1, cost_fn=1)])
    def test_scores_of_any_scale_have_none(self, found):
        """There is no p."""
        assert found.reason == "the scores are not probabilities: only their order counts"


class TestOperatingPoint:
    """Counts at a threshold."""

    def test_by_hand(self):
        """A score at the threshold does not exceed it."""
        point = operate(
            rows([0, 0, 1, 1, 1], [0.5, 0.6, 0.5, 0.7, 0.8], scale="probability", kind=Rows),
            threshold_at_half("probability"),
        )
        assert (point.n_tp, point.n_fn, point.n_fp, point.n_tn) == (2, 1, 1, 1)
        assert (point.sensitivity.value, point.specificity.value) == (2 / 3, 1 / 2)

    def test_an_absent_class(self):
        """Its share is missing, with the reason."""
        point = OperatingPoint(threshold=0, n_tp=1, n_fn=0, n_fp=0, n_tn=0)
        assert point.specificity.reason == "no case is of class 0"
        json.dumps(point.to_dict(), allow_nan=False)
