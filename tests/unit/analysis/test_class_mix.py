"""Fixed class counts, and a metric at another set's class mix."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from scantrial.analysis.class_mix import by_mix, within_classes
from scantrial.analysis.comparison import compare
from scantrial.analysis.estimates import estimate
from scantrial.analysis.gaps import accuracy_gap, case_covariance
from scantrial.analysis.influence import Influence, accuracy
from scantrial.analysis.intervals import arm_estimate, wilson_bounds
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError

ALL_OR_MEAN = (
    *("accuracy", "log_loss", "brier", "mean_absolute_error", "f1", "macro_f1", "weighted_f1", "mcc"),
    *("average_precision", "quadratic_weighted_kappa"),
)


def runs_of(y_true, *rows, arms=None, **options):
    """Runs by their probabilities of class 1, all of one arm unless `arms` says otherwise."""
    names = ["a"] * len(rows) if arms is None else arms
    seeds = [names[:place].count(name) for place, name in enumerate(names)]
    return RunScores.from_scores(np.array(y_true), np.array(rows, dtype=float), arms=names, seeds=seeds, **options)


def drawn(rng, *, n=(60, 60), shares=(0.5, 0.95), n_runs=1, arms=None, **options):
    """Runs that decide cases of class 0 and 1 rightly with these probabilities, independently."""
    y_true = np.repeat([0, 1], n)
    right = rng.random((n_runs, len(y_true))) < np.array(shares)[y_true]
    prob = np.where(right == (y_true == 1), 0.9, 0.1)
    return runs_of(y_true, *prob, arms=arms, **options)


# ---------------------------------------------------------------------- the covariance


def test_the_variance_of_a_stratified_mean_by_hand():
    """Three of four of class 0 and one of two of class 1: ``(4/6)^2 .25/4 + (2/6)^2 .5/2``, s2 .25 and .5."""
    runs = runs_of([0, 0, 0, 0, 1, 1], [0.1, 0.1, 0.1, 0.9, 0.9, 0.1], class_counts_fixed=True)
    found = estimate(runs, "accuracy")
    assert found.theta == pytest.approx([4 / 6])
    assert found.covariance[0, 0] == pytest.approx((4 / 6) ** 2 * 0.25 / 4 + (2 / 6) ** 2 * 0.5 / 2)
    assert found.by_class
    assert found.method == "mean over cases, class counts fixed"


def test_what_varies_between_classes_is_taken_off():
    """Pooled variance (over n) is the stratified one plus the spread of the class means, as in an analysis of variance."""
    runs = drawn(np.random.default_rng(3), n_runs=2)
    pooled, fixed = (estimate(each, "accuracy") for each in (runs, replaced(runs)))
    right = runs.y_pred == runs.y_true
    means = np.stack([right[:, runs.y_true == index].mean(axis=1) for index in (0, 1)])
    n, n_class = 120, 60
    between = (means - means.mean(axis=0)).T @ (means - means.mean(axis=0)) / 2 / n
    within = fixed.covariance * (n_class - 1) / n_class
    assert pooled.covariance * (n - 1) / n == pytest.approx(within + between)
    assert fixed.theta == pytest.approx(pooled.theta)


def replaced(runs, **options):
    """The same runs with class counts fixed."""
    return RunScores.from_scores(
        runs.y_true, runs.decision_scores, arms=runs.arms, seeds=runs.seeds, class_counts_fixed=True, **options
    )


def test_one_patient_a_case_changes_little_and_copies_change_nothing():
    """Patients of one case give the stratified covariance but for n/(n - 1); two equal scans of each give it as well."""
    runs = drawn(np.random.default_rng(4), n_runs=2)
    alone = estimate(replaced(runs), "accuracy").covariance
    singles = estimate(replaced(runs, patients=np.arange(120)), "accuracy").covariance
    assert singles == pytest.approx(alone * (59 / 60) * (120 / 119))
    twice = RunScores.from_scores(
        np.repeat(runs.y_true, 2),
        np.repeat(runs.decision_scores, 2, axis=1),
        arms=runs.arms,
        seeds=runs.seeds,
        patients=np.repeat(np.arange(120), 2),
        class_counts_fixed=True,
    )
    assert estimate(twice, "accuracy").covariance == pytest.approx(singles)


def test_a_patient_with_cases_of_both_classes_is_summed_over_both():
    """Values less their class's mean are summed over the patient's cases, whatever their classes."""
    y_true, patients = [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2]
    runs = runs_of(y_true, [0.1, 0.9, 0.9, 0.9, 0.1, 0.1], patients=patients, class_counts_fixed=True)
    # Right: 1 1, 0 1, 1 0; both class means are 2/3; sums by patient are 2/3, -1/3, -1/3, each over 6.
    assert estimate(runs, "accuracy").covariance[0, 0] == pytest.approx(3 / 2 * (4 + 1 + 1) / 9 / 36)


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_that_are_by_class_already_stay(metric):
    """Sensitivity, specificity, balanced accuracy and AUROC have the same covariance; the others a smaller one here."""
    rng = np.random.default_rng(5)
    y_true = np.repeat([0, 1], 80)
    scores = np.clip(rng.normal(0.35 + 0.5 * y_true, 0.25, (2, 160)), 0.01, 0.99)
    pooled, fixed = (
        estimate(RunScores.from_scores(y_true, scores, arms="aa", seeds=[0, 1], class_counts_fixed=given), metric)
        for given in (False, True)
    )
    assert fixed.theta == pytest.approx(pooled.theta)
    assert fixed.by_class == (metric in ALL_OR_MEAN)
    if metric not in ALL_OR_MEAN:
        assert fixed.covariance == pytest.approx(pooled.covariance)
    else:
        assert np.trace(fixed.covariance) < np.trace(pooled.covariance) * 1.02


@pytest.mark.parametrize("metric", ["accuracy", "brier", "f1", "mcc", "average_precision"])
def test_the_standard_error_is_the_spread_of_samples_with_fixed_counts(metric):
    """Over 600 samples of 60 + 90 cases the mean of SE^2 is the variance of the estimates, within its own error."""
    rng = np.random.default_rng(6)
    y_true = np.repeat([0, 1], [60, 90])
    values, squares, pooled = [], [], []
    for _ in range(600):
        scores = 1 / (1 + np.exp(-rng.normal(-0.2 + 1.8 * y_true, 1.0)))
        for fixed in (True, False):
            runs = RunScores.from_scores(y_true, scores[None], arms="a", seeds=[0], class_counts_fixed=fixed)
            found = estimate(runs, metric)
            (squares if fixed else pooled).append(found.covariance[0, 0])
        values.append(found.theta[0])
    ratio = np.mean(squares) / np.var(values, ddof=1)
    # Standard error of a variance from 600 samples: sqrt(2 / 599) = 5.8 %.
    assert ratio == pytest.approx(1, abs=3 * 0.058)
    assert np.mean(pooled) > np.mean(squares)


# ---------------------------------------------------------------------- intervals


def covers(*, fixed, n_trials=1500, n=(60, 60), shares=(0.5, 0.95), n_runs=1):
    """Share of trials whose interval of accuracy holds the true accuracy at this class mix."""
    rng = np.random.default_rng(7)
    truth = float(np.average(shares, weights=n))
    held = 0
    for _ in range(n_trials):
        found = arm_estimate(
            estimate(drawn(rng, n=n, shares=shares, n_runs=n_runs, class_counts_fixed=fixed), "accuracy"), "a"
        )
        held += found.low <= truth <= found.high
    return held / n_trials


@pytest.mark.parametrize(("n", "shares"), [((60, 60), (0.5, 0.95)), ((30, 90), (0.55, 0.98))])
def test_intervals_of_accuracy_hold_the_truth_in_95_of_100_trials(n, shares):
    """With fixed class counts: about 95 % with the stratified covariance, above 97 % with the pooled one."""
    least, most = stats.binom.ppf([0.0005, 0.9995], 1500, 0.95) / 1500
    assert least - 0.01 <= covers(fixed=True, n=n, shares=shares) <= most + 0.005
    assert covers(fixed=False, n=n, shares=shares) > 0.97


def test_equal_arms_with_unlike_errors_are_not_found_different_too_seldom():
    """Arms that err on opposite classes: 5 % false findings with the stratified covariance, 1 % with the pooled one."""
    rng = np.random.default_rng(8)
    y_true = np.repeat([0, 1], 60)
    found = {True: 0, False: 0}
    for _ in range(1500):
        right = rng.random((2, 120)) < np.array([[0.5, 0.98], [0.98, 0.5]])[:, y_true]
        scores = np.where(right == (y_true == 1), 0.9, 0.1)
        for fixed in found:
            runs = RunScores.from_scores(y_true, scores, arms="ab", seeds=[0, 0], class_counts_fixed=fixed)
            estimates = estimate(runs, "accuracy")
            difference = estimates.theta[1] - estimates.theta[0]
            se = math.sqrt(np.array([-1, 1]) @ estimates.covariance @ np.array([-1, 1]))
            found[fixed] += abs(difference) > 1.96 * se
    assert 0.03 < found[True] / 1500 < 0.075
    assert found[False] / 1500 < 0.02


def test_wilsons_interval_takes_the_number_of_cases_from_the_stratified_error():
    """One run of independent cases: n is ``p (1 - p) / SE^2``, more than the cases there are."""
    runs = drawn(np.random.default_rng(9), class_counts_fixed=True)
    estimates = estimate(runs, "accuracy")
    found = arm_estimate(estimates, "a")
    n = found.mean * (1 - found.mean) / estimates.covariance[0, 0]
    assert n > 120
    assert (found.low, found.high) == pytest.approx(wilson_bounds(found.mean, n, quantile=stats.norm.ppf(0.975)))
    assert found.method == "Wilson, effective number of cases"


def test_a_run_that_says_one_class_has_the_interval_of_all_cases():
    """It has no spread within a class, and its interval is not a point."""
    runs = runs_of(np.repeat([0, 1], 50), np.full(100, 0.9), class_counts_fixed=True)
    found = arm_estimate(estimate(runs, "accuracy"), "a")
    assert (found.low, found.high) == pytest.approx(wilson_bounds(0.5, 100, quantile=stats.norm.ppf(0.975)))


@pytest.mark.parametrize("other", ["says the other class", "is always right"])
def test_arms_that_differ_by_whole_classes_are_neither_identical_nor_beyond_judging(other):
    """The spread within classes says nothing about them: cases count as one sample, and no verdict becomes false.

    Two arms that each give all cases one class get no verdict, for whatever they show makes no difference to them.
    """
    y_true = np.repeat([0, 1], 100)
    second = np.full(200, 0.1) if other == "says the other class" else np.where(y_true == 1, 0.9, 0.1)
    scores = np.stack([np.full(200, 0.9)] * 5 + [second] * 5)
    options = {"arms": ["a"] * 5 + ["b"] * 5, "seeds": [*range(5)] * 2, "margin": 0.05}
    found, pooled = (compare(y_true, scores, class_counts_fixed=fixed, **options) for fixed in (True, False))
    assert found.comparisons[0].verdict == pooled.comparisons[0].verdict
    assert not found.comparisons[0].result.identical
    assert found.comparisons[0].verdict.label == ("not enough to judge" if "other" in other else "better")


def test_a_class_of_one_case_leaves_the_cases_one_sample():
    """It shows no spread of its own; a class without a case is no class."""
    runs = runs_of([0, 0, 0, 1], [0.1, 0.9, 0.1, 0.9], class_counts_fixed=True)
    assert not estimate(runs, "accuracy").by_class
    y_prob = np.full((1, 4, 3), 1 / 3)
    three = RunScores.from_probabilities(np.array([0, 0, 2, 2]), y_prob, arms="a", seeds=[0], class_counts_fixed=True)
    assert estimate(three, "accuracy").covariance[0, 0] == 0


def test_runs_without_a_value_stay_as_they_are():
    """Where every value is 0, as for a perfect run, classes change nothing."""
    zeros = Influence(theta=np.ones(1), values=np.zeros((1, 4)), strata=np.zeros(4, dtype=np.int64), method="mean")
    assert within_classes(zeros, np.array([0, 0, 1, 1])).values.tolist() == [[0.0] * 4]


# ---------------------------------------------------------------------- gaps


def test_a_gap_takes_either_set_within_its_classes():
    """The covariance of a set is that of the arms' comparison; each set's own design counts."""
    rng = np.random.default_rng(10)
    first, second = (drawn(rng, n_runs=3) for _ in range(2))
    right = [part.y_pred == part.y_true for part in (first, second)]
    assert case_covariance(right[0], classes=first.y_true) == pytest.approx(
        estimate(replaced(first), "accuracy").covariance
    )
    plain = accuracy_gap(*right)
    one = accuracy_gap(*right, classes=(first.y_true, None))
    both = accuracy_gap(*right, classes=(first.y_true, second.y_true))
    assert both.se < one.se < plain.se
    assert both.value == plain.value
    assert (plain.class_counts_fixed, one.class_counts_fixed) == ((False, False), (True, False))


def test_the_gap_of_one_run_has_wilsons_limits_at_the_stratified_error():
    """Newcombe's interval from two Wilson intervals, each with its effective number of cases."""
    rng = np.random.default_rng(11)
    parts = [drawn(rng), drawn(rng, shares=(0.4, 0.9))]
    right = [part.y_pred == part.y_true for part in parts]
    found = accuracy_gap(*right, classes=(parts[0].y_true, parts[1].y_true))
    limits = []
    for part in parts:
        share, se2 = float(accuracy(part).theta[0]), float(estimate(replaced(part), "accuracy").covariance[0, 0])
        limits.append((share, *wilson_bounds(share, share * (1 - share) / se2, quantile=stats.norm.ppf(0.975))))
    (p1, low1, high1), (p2, low2, high2) = limits
    assert found.low == pytest.approx(p1 - p2 - math.hypot(p1 - low1, high2 - p2))
    assert found.high == pytest.approx(p1 - p2 + math.hypot(high1 - p1, p2 - low2))


# ---------------------------------------------------------------------- at another mix


def test_a_mean_at_a_given_mix_by_hand():
    """Shares right 3/4 and 1/2: at a mix of .2 and .8 that is .55, SE^2 ``.2^2 .25/4 + .8^2 .5/2``."""
    runs = runs_of([0, 0, 0, 0, 1, 1], [0.1, 0.1, 0.1, 0.9, 0.9, 0.1]).at_mix((0.2, 0.8))
    found = estimate(runs, "accuracy")
    assert found.theta == pytest.approx([0.55])
    assert found.covariance[0, 0] == pytest.approx(0.2**2 * 0.25 / 4 + 0.8**2 * 0.5 / 2)
    interval = arm_estimate(found, "a")
    assert interval.n_effective == pytest.approx(0.55 * 0.45 / found.covariance[0, 0])


@pytest.mark.parametrize("metric", METRICS)
def test_the_own_mix_changes_no_value_and_another_only_where_it_is_weighted(metric):
    """At the cases' own shares every value stays; at another mix plain means move, and nothing else does."""
    rng = np.random.default_rng(12)
    y_true = np.repeat([0, 1], [90, 30])
    scores = np.clip(rng.normal(0.3 + 0.5 * y_true, 0.25, (1, 120)), 0.01, 0.99)
    runs = RunScores.from_scores(y_true, scores, arms="a", seeds=[0])
    assert runs.class_shares == (0.75, 0.25)
    own, other = (estimate(runs.at_mix(mix), metric).theta for mix in (runs.class_shares, (0.5, 0.5)))
    assert own == pytest.approx(estimate(runs, metric).theta)
    kind = by_mix(metric, n_classes=2)
    assert (other != pytest.approx(own)) == (kind == "weighted")
    expected = {"sensitivity", "specificity", "balanced_accuracy", "auroc"}
    assert (kind == "the same") == (metric in expected)


def test_at_equal_shares_accuracy_is_balanced_accuracy():
    """Value, covariance and all."""
    runs = drawn(np.random.default_rng(13), n=(90, 30), n_runs=3)
    found, balanced = estimate(runs.at_mix((0.5, 0.5)), "accuracy"), estimate(runs, "balanced_accuracy")
    assert found.theta == pytest.approx(balanced.theta)
    assert found.covariance == pytest.approx(balanced.covariance)


def test_a_class_with_a_share_needs_cases():
    """A mean at a mix is not had without cases of a class; a class of no share needs none."""
    runs = runs_of([0, 0, 0], [0.1, 0.9, 0.1])
    with pytest.raises(InputError, match="no case is of class 1"):
        estimate(runs.at_mix((0.5, 0.5)), "accuracy")
    assert estimate(runs.at_mix((1.0, 0.0)), "accuracy").theta == pytest.approx([2 / 3])


@pytest.mark.parametrize("mix", [(1.0,), (0.5, 0.6), (1.5, -0.5)])
def test_shares_have_to_sum_to_one(mix):
    """One share for each class, none below 0."""
    with pytest.raises(InputError, match="class shares"):
        runs_of([0, 0, 1, 1], [0.1, 0.9, 0.1, 0.9]).at_mix(mix)


def test_an_area_depends_on_the_mix_beyond_two_classes():
    """One class is then ranked against a mixture of the others; a metric that is not known is taken to depend on it."""
    assert by_mix("auroc", n_classes=3) == "another"
    assert by_mix("balanced_accuracy", n_classes=3) == "the same"
    assert by_mix("some other metric", n_classes=2) == "another"
