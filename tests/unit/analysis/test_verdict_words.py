"""The sentence of each verdict, word for word.

Arms differ by the same amount at every seed, with a standard deviation of 1 point over samples of cases, so that every
number here is normal theory by hand: 1.96 points for 95 %, 1.645 for 90 %.
"""

from __future__ import annotations

import pytest
from tests.unit.analysis.drawn import laid_down

from scantrial.analysis.contrasts import difference, factorial_effects, linear_trend
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import analyse
from scantrial.analysis.verdict_words import (
    amount,
    at_least,
    difference_interval,
    metric_heading,
    order_of_grades,
    verdict_sentence,
)
from scantrial.analysis.verdicts import decide, evidence

BASE = [0.70, 0.72, 0.71, 0.74, 0.73]
COUNTED = "accounting for both seed-to-seed variation (5 seeds) and the limited test set (400 cases)"


def said(estimates, contrast, *, margin=None, pairing="auto"):
    result = analyse(estimates, contrast, pairing=pairing)
    found = evidence(result)
    verdict = decide(result, found, estimates, p_adjusted=found.p, margin=margin)
    return verdict.label, verdict_sentence(result, found, verdict, estimates)


def arms(gain, *, n_seeds=5, **options):
    base = BASE[:n_seeds]
    return laid_down({"a": base, "b": [value + gain for value in base]}, **options)


B_A = difference("b", "a")


def test_better():
    """The difference, its interval, and what both count as random."""
    assert said(arms(0.03), B_A) == (
        "better",
        f"b is better than a by 3.0 points of accuracy (95 % CI 1.0 to 5.0), {COUNTED}.",
    )


def test_worse_is_told_with_a_positive_number():
    """Sign and interval are turned round."""
    assert said(arms(-0.03), B_A) == (
        "worse",
        f"b is worse than a by 3.0 points of accuracy (95 % CI 1.0 to 5.0), {COUNTED}.",
    )


def test_a_higher_loss_is_worse():
    """Losses are turned round, and keep their own unit."""
    assert said(arms(0.03, metric="log_loss"), B_A) == (
        "worse",
        f"b is worse than a by 0.030 of log loss (95 % CI 0.010 to 0.050), {COUNTED}.",
    )


@pytest.mark.parametrize(
    ("metric", "named"),
    [("brier", "Brier score"), ("auroc", "AUROC"), ("mcc", "MCC"), ("f1", "F1"), ("log_loss", "log loss")],
)
def test_metrics_keep_the_capitals_that_belong_to_them(metric, named):
    """Brier is a name and AUROC an abbreviation; log loss is neither."""
    assert f" of {named} (95 % CI " in said(arms(0.03, metric=metric), B_A)[1]


def test_the_error_of_a_grade_is_in_grades():
    """Its differences and margins are grades, not points; lower is better."""
    assert said(arms(-0.03, metric="mean_absolute_error"), B_A, margin=0.1) == (
        "better",
        f"b is better than a by 0.030 grades of mean absolute error (95 % CI 0.010 to 0.050), {COUNTED}. "
        "The difference is smaller than the margin of 0.10 grades.",
    )
    assert at_least("mean_absolute_error", 1.0) == "1.0 grades"
    assert metric_heading(METRICS["mean_absolute_error"]) == "Mean absolute error, grades"


def test_the_order_of_the_grades_is_said():
    """A metric of grades names its classes in their order; other metrics, and two classes, need none."""
    assert order_of_grades("quadratic_weighted_kappa", ["none", "mild", "severe"]) == [
        "Quadratic weighted kappa takes the classes as grades, in the order none < mild < severe"
    ]
    assert order_of_grades("accuracy", ["none", "mild", "severe"]) == []
    assert order_of_grades("mean_absolute_error", ["normal", "ill"]) == []


def test_better_by_less_than_the_margin():
    """A difference that is there and does not matter is told as both."""
    assert said(arms(0.03), B_A, margin=0.10) == (
        "better",
        f"b is better than a by 3.0 points of accuracy (95 % CI 1.0 to 5.0), {COUNTED}. "
        "The difference is smaller than the margin of 10 points.",
    )


@pytest.mark.parametrize(("margin", "words"), [(0.05, "5.0 points"), (0.0515, "5.15 points"), (0.125, "12.5 points")])
def test_equivalent(margin, words):
    """The interval of the two one-sided tests, and the margin as it was declared."""
    assert said(arms(0.01), B_A, margin=margin) == (
        "equivalent",
        "b and a are equivalent: b is ahead by 1.0 points of accuracy (90 % CI −0.6 to 2.6), inside the margin of "
        f"{words}, {COUNTED}.",
    )


def test_inconclusive():
    """What cannot be told is never called no difference; the smallest margin that would do is there."""
    assert said(arms(0.01), B_A, margin=0.02) == (
        "inconclusive",
        "It is unclear whether b is better or worse than a: b is ahead by 1.0 points of accuracy (95 % CI −1.0 "
        f"to 3.0), {COUNTED}. With a margin above 2.7 points they would be equivalent.",
    )


def test_who_is_ahead_is_named_whatever_the_verdict():
    """The side that is ahead is named with a positive number, and the interval is turned round with it."""
    assert said(arms(-0.01), B_A)[1].startswith(
        "It is unclear whether b is better or worse than a: a is ahead by 1.0 points of accuracy (95 % CI −1.0 to 3.0),"
    )
    assert said(arms(-0.01), B_A, margin=0.05)[1].startswith(
        "b and a are equivalent: a is ahead by 1.0 points of accuracy (90 % CI −0.6 to 2.6), inside the margin"
    )
    assert (
        " Measured: a is ahead by 3.0 points of accuracy (95 % CI 1.0 to 5.0), " in said(arms(-0.03, n_seeds=1), B_A)[1]
    )
    assert " Measured: b is ahead by 0.030 of log loss " in said(arms(-0.03, n_seeds=1, metric="log_loss"), B_A)[1]


def test_equal_sides_are_told_as_no_difference_measured():
    """Nobody is ahead by 0 points."""
    text = said(arms(0.0, n_seeds=1), B_A)[1]
    assert " recommended. No difference measured in accuracy (95 % CI −2.0 to 2.0), for these" in text
    assert ": no difference measured in AUROC (95 % CI " in said(arms(0.0, metric="auroc"), B_A)[1]


def test_a_lead_that_rounds_to_0_is_told_with_its_own_digits():
    """0.004 points are ahead by something, and not by 0.0 points."""
    assert "b is ahead by 0.0040 points of accuracy (95 % CI −2.0 to 2.0)" in said(arms(0.00004), B_A)[1]


def test_few_seeds_are_provisional():
    """Three or four seeds are said to be few, where a verdict was given."""
    label, text = said(arms(0.03, n_seeds=3), B_A)
    assert label == "better"
    assert text.endswith(
        "(3 seeds) and the limited test set (400 cases). Provisional: with only 3 seeds the verdict may still change."
    )


def test_two_seeds_and_one_are_not_enough():
    """The numbers are there, no verdict is; one seed speaks of the trained networks alone."""
    assert said(arms(0.03, n_seeds=2), B_A) == (
        "not enough to judge",
        "No verdict on b against a is possible: 2 seeds in each arm: at least 3 are needed, 5 or more are "
        "recommended. Measured: b is ahead by 3 points of accuracy (two seeds give no usable interval), accounting for both seed-to-seed variation (2 seeds) and the "
        "limited test set (400 cases).",
    )
    assert said(arms(0.03, n_seeds=1), B_A) == (
        "not enough to judge",
        "No verdict on b against a is possible: one seed in each arm: at least 3 are needed, 5 or more are "
        "recommended. Measured: b is ahead by 3.0 points of accuracy (95 % CI 1.0 to 5.0), for these trained networks on 400 cases; networks "
        "trained with other seeds may differ.",
    )


def test_patients_are_counted():
    """Where patients were sampled, the sentence says how many."""
    assert "(400 cases of 90 patients)" in said(arms(0.03, n_patients=90), B_A)[1]


def test_seeds_that_are_not_paired():
    """An unpaired analysis says so, with the smaller number of seeds."""
    text = said(arms(0.03), B_A, pairing="unpaired")[1]
    assert "seed-to-seed variation (at least 5 seeds in each arm, not paired)" in text


def test_identical_arms():
    """Where the metric is the same at every seed, the sentence says so."""
    alike = laid_down({"a": BASE, "b": BASE}, sd_difference=0.0)
    assert said(alike, B_A) == (
        "inconclusive",
        f"It is unclear whether b is better or worse than a: no difference measured in accuracy (95 % CI 0 to "
        f"0), {COUNTED}. With a margin above 0 points they would be equivalent. They are identical on this metric at "
        "every seed.",
    )


def test_a_trend():
    """The slope, per tenfold increase; weights of 1/2 on two arms give half a point of standard deviation."""
    values = {name: [value + step for value in BASE] for name, step in (("a", 0.0), ("b", 0.03), ("c", 0.06))}
    contrast = linear_trend({"a": 1e-4, "b": 1e-3, "c": 1e-2}, factor="lr", log=True)
    assert said(laid_down(values), contrast) == (
        "better",
        f"a higher lr is better than a lower lr by 3.00 points of accuracy per tenfold increase (95 % CI 2.02 to "
        f"3.98), {COUNTED}.",
    )


def test_an_effect_and_an_interaction():
    """A main effect names its two levels, an interaction whose effect changes with what."""
    design = {
        "a": {"loss": "bce", "depth": 1},
        "b": {"loss": "bce", "depth": 3},
        "c": {"loss": "ce", "depth": 1},
        "d": {"loss": "ce", "depth": 3},
    }
    gains = {"a": 0.0, "b": 0.0, "c": 0.02, "d": 0.06}
    estimates = laid_down({name: [value + gain for value in BASE] for name, gain in gains.items()})
    loss, _, both = factorial_effects(design)
    assert said(estimates, loss)[1] == (
        f"loss = ce is better than loss = bce by 4.0 points of accuracy (95 % CI 2.6 to 5.4), {COUNTED}."
    )
    assert said(estimates, both)[1] == (
        "the effect of depth at the second level of loss is better than that at the first level by 4.0 points of "
        f"accuracy (95 % CI 1.2 to 6.8), {COUNTED}."
    )


def test_digits_follow_the_spread():
    """Two digits of the half-width are shown, one point is singular, and there is no minus before 0."""
    assert amount("accuracy", 0.0213, spread=0.0017) == "2.13 points"
    assert amount("accuracy", 0.01, spread=0.12) == "1 point"
    assert amount("accuracy", -0.01, spread=0.12) == "−1 point"
    assert amount("accuracy", -0.0001, spread=0.12) == "0 points"
    assert amount("auroc", 0.0213, spread=0.012) == "0.021"
    assert difference_interval("accuracy", -0.004, 0.038) == "−0.4 to 3.8"


@pytest.mark.parametrize(("value", "words"), [(0.0341, "3.5"), (0.0340, "3.4"), (0.00991, "1.0"), (0.1401, "15")])
def test_the_smallest_margin_is_rounded_up(value, words):
    """A margin of what is printed would have given equivalence; rounded down it would not."""
    assert at_least("accuracy", value) == f"{words} points"
