"""One arm's interval: its scale, and what happens at the ends of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint
from tests.unit.analysis.drawn import noisy, runs_with_errors

from scantrial.analysis.contrasts import single_arm
from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import arm_estimate, wilson_bounds
from scantrial.analysis.mrmc import analyse
from scantrial.analysis.runs import RunScores

Z95 = 1.959963984540054


def runs_of(**options) -> RunScores:
    y_true, scores, arms, seeds = noisy(**options)
    return RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0)


def test_one_seed_is_wilson_on_its_cases():
    """Accuracy of one run: statsmodels' Wilson interval, and the count of cases."""
    found = arm_estimate(estimate(runs_with_errors({"a": {0: range(7)}}), "accuracy"), "a")
    assert (found.low, found.high) == pytest.approx(proportion_confint(93, 100, method="wilson"))
    assert (found.method, found.n_effective) == ("Wilson", 100)
    assert math.isnan(found.sd)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["df"] is None


def test_one_seed_by_patient_has_an_effective_number_of_cases():
    """Where each patient has two equal cases, 100 cases are worth 50, up to (n - 1) / n."""
    wrong = {"a": {0: [*range(8), *range(50, 54)]}}
    runs = runs_with_errors(wrong, patients=[case // 2 for case in range(100)])
    found = arm_estimate(estimate(runs, "accuracy"), "a")
    assert found.n_effective == pytest.approx(49)
    assert (found.low, found.high) == pytest.approx(wilson_bounds(0.88, 49, quantile=Z95))


def test_seeds_take_the_quantile_of_t():
    """With five seeds, Wilson by hand with n = theta (1 - theta) / SE^2 and Student's t."""
    estimates = estimate(runs_of(), "accuracy")
    both = analyse(estimates, single_arm("a")).both
    found = arm_estimate(estimates, "a")
    n, t = found.mean * (1 - found.mean) / both.se**2, stats.t.ppf(0.975, both.df)
    centre = found.mean + t**2 / (2 * n)
    half = t * math.sqrt(found.mean * (1 - found.mean) / n + t**2 / (4 * n**2))
    assert (found.low, found.high) == pytest.approx(
        ((centre - half) / (1 + t**2 / n), (centre + half) / (1 + t**2 / n))
    )
    assert found.n_effective == pytest.approx(n)
    assert len(found.by_seed) == 5


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_an_arm_that_is_always_right_counts_its_cases(n_seeds):
    """At 1 the effective number is that of the cases, and the interval is Wilson's."""
    runs = runs_with_errors({"a": {seed: [] for seed in range(n_seeds)}})
    found = arm_estimate(estimate(runs, "accuracy"), "a")
    assert found.n_effective == 100
    assert (found.low, found.high) == pytest.approx(proportion_confint(100, 100, method="wilson"))
    assert arm_estimate(estimate(runs, "sensitivity"), "a").n_effective == 50


def graded(*, wrong: float, n_seeds: int = 5, n_cases: int = 120) -> RunScores:
    """Draw one arm on three grades; a share `wrong` of the cases is moved by a grade or two."""
    rng = np.random.default_rng(3)
    y_true = np.arange(n_cases) % 3
    moved = (rng.uniform(size=(n_seeds, n_cases)) < wrong) * rng.integers(1, 3, (n_seeds, n_cases))
    decided = np.eye(3)[(y_true + moved) % 3]
    return RunScores.from_probabilities(y_true, decided, arms=["a"] * n_seeds, seeds=range(n_seeds))


@pytest.mark.parametrize("n_seeds", [1, 5])
def test_kappa_is_symmetric_on_fishers_z(n_seeds):
    """Kappa's interval is that of its inverse hyperbolic tangent, by hand, with Student's t over seeds."""
    estimates = estimate(graded(wrong=0.2, n_seeds=n_seeds), "quadratic_weighted_kappa")
    found = arm_estimate(estimates, "a")
    quantile = Z95 if n_seeds == 1 else stats.t.ppf(0.975, found.df)
    z, half = np.arctanh(found.mean), quantile * found.se / (1 - found.mean**2)
    assert (found.low, found.high) == pytest.approx((np.tanh(z - half), np.tanh(z + half)))
    assert found.method == ("Fisher's z, normal" if n_seeds == 1 else "Fisher's z, t")


@pytest.mark.parametrize("wrong", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("metric", ["quadratic_weighted_kappa", "mean_absolute_error", "macro_f1", "weighted_f1"])
def test_intervals_of_graded_metrics_stay_within_their_range(metric, wrong):
    """Near an end as in the middle the interval holds the mean and stays inside what is possible: 2 grades at most."""
    found = arm_estimate(estimate(graded(wrong=wrong, n_cases=30), metric), "a")
    lowest, highest = {"quadratic_weighted_kappa": (-1, 1), "mean_absolute_error": (0, 2)}.get(metric, (0, 1))
    assert lowest <= found.low < found.mean < found.high <= highest


@pytest.mark.parametrize(
    ("metric", "ends", "n", "where"),
    [
        ("quadratic_weighted_kappa", (-1, 1), 40, "the cases of the rarest class"),
        ("macro_f1", (0, 1), 40, "the cases of the rarest class"),
        ("weighted_f1", (0, 1), 120, "all cases"),
        ("mean_absolute_error", (2, 0), 120, "all cases"),
    ],
)
def test_a_grading_without_error_has_one_bound(metric, ends, n, where):
    """Where every grade is right the interval is one-sided: Wilson's, stretched over the metric's range."""
    found = arm_estimate(estimate(graded(wrong=0.0), metric), "a")
    (worst, best), bound = ends, proportion_confint(n, n, method="wilson")[0]
    limits = (found.low, found.high) if best > worst else (found.high, found.low)
    assert limits == pytest.approx((worst + (best - worst) * bound, best))
    assert found.method == f"one-sided: Wilson on {where}"


@pytest.mark.parametrize("metric", ["auroc", "average_precision"])
def test_a_perfect_order_has_a_lower_bound_alone(metric):
    """At an area of 1 the upper end is 1, and the method says that the interval is one-sided."""
    runs = runs_with_errors({"a": {seed: [] for seed in range(3)}}, n_positive=20)
    found = arm_estimate(estimate(runs, metric), "a")
    assert found.high == 1
    assert found.low == pytest.approx(proportion_confint(20, 20, method="wilson")[0])
    assert found.method == "one-sided: Wilson on the cases of the rarer class"


def test_areas_are_symmetric_on_the_logit():
    """AUROC of five seeds: logit(A) with SE / (A (1 - A)) and Student's t, by hand."""
    estimates = estimate(runs_of(), "auroc")
    both = analyse(estimates, single_arm("b")).both
    found = arm_estimate(estimates, "b")
    tau = both.se / (found.mean * (1 - found.mean)) * stats.t.ppf(0.975, both.df)
    eta = special.logit(found.mean)
    assert (found.low, found.high) == pytest.approx((special.expit(eta - tau), special.expit(eta + tau)))


def test_average_precision_of_several_classes_takes_the_jackknife():
    """Boyd's formula is for one positive class; the mean over classes has its own standard error with one seed."""
    rng = np.random.default_rng(0)
    y_true = np.repeat([0, 1, 2], [20, 30, 100])
    weights = rng.uniform(size=(1, 150, 3)) + 0.5 * np.eye(3)[y_true]
    y_prob = weights / weights.sum(axis=2, keepdims=True)
    estimates = estimate(RunScores.from_probabilities(y_true, y_prob, arms=["a"], seeds=[0]), "average_precision")
    found = arm_estimate(estimates, "a")
    tau = Z95 * math.sqrt(estimates.covariance[0, 0]) / (found.mean * (1 - found.mean))
    assert found.low == pytest.approx(special.expit(special.logit(found.mean) - tau))
    assert found.method == "logit, normal"


def test_losses_keep_their_own_scale_and_bounds():
    """Brier score: mean and t interval, in its own direction, not below 0."""
    y_true, scores, arms, seeds = noisy()
    prob = special.expit(3 * scores)
    estimates = estimate(RunScores.from_scores(y_true, prob, arms=arms, seeds=seeds), "brier")
    both = analyse(estimates, single_arm("a")).both
    found = arm_estimate(estimates, "a")
    assert found.mean == -both.effect
    half = stats.t.ppf(0.975, both.df) * both.se
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))
    assert found.method == "t"
    sure = RunScores.from_scores(y_true[[0, -1, 1]], np.array([[0.99, 0.01, 0.6]]), arms=["a"], seeds=[0])
    assert arm_estimate(estimate(sure, "brier"), "a").low == 0


def test_no_spread_at_all_is_a_point():
    """An endless effective number of cases leaves the proportion itself."""
    assert wilson_bounds(0.5, math.inf, quantile=Z95) == (0.5, 0.5)
