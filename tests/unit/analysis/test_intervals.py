"""One arm's interval: its scale, and what happens at the ends of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special, stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from tests.unit.analysis.drawn import noisy, runs_with_errors

from scantrial.analysis.contrasts import single_arm
from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import area_bounds, arm_estimate, mover, wilson_bounds
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
    """Where each patient has two equal cases, 100 cases are worth about 50, with the t of 49 degrees of freedom.

    The design effect over patients, 99 / 49, counts for the 6 patients with wrong cases, that of equal cases, 2, for
    half a patient.
    """
    wrong = {"a": {0: [*range(8), *range(50, 54)]}}
    runs = runs_with_errors(wrong, patients=[case // 2 for case in range(100)])
    found = arm_estimate(estimate(runs, "accuracy"), "a")
    assert found.n_effective == pytest.approx(99 / ((6 * 99 / 49 + 0.5 * 2) / 6.5))
    assert found.df == pytest.approx(49)
    assert found.se == pytest.approx(math.sqrt(0.88 * 0.12 / 49))
    assert (found.low, found.high) == pytest.approx(
        wilson_bounds(0.88, found.n_effective, quantile=stats.t.ppf(0.975, 49))
    )


def test_patients_without_a_wrong_case_count_once():
    """With 20 patients of 5 cases, all right, there are 20 to bound the accuracy with."""
    runs = runs_with_errors({"a": {0: []}}, patients=[case // 5 for case in range(100)])
    assert arm_estimate(estimate(runs, "accuracy"), "a").n_effective == pytest.approx(20)


def test_one_case_a_patient_is_no_patients_at_all():
    """Patients with one case each change no interval."""
    for metric in ("accuracy", "balanced_accuracy", "auroc"):
        alone = arm_estimate(estimate(runs_of(), metric), "a")
        y_true, scores, arms, seeds = noisy()
        runs = RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0, patients=range(200))
        assert arm_estimate(estimate(runs, metric), "a").to_dict() == alone.to_dict()


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


def test_seeds_that_agree_by_luck_do_not_narrow_the_interval_over_cases():
    """Three runs of nearly equal accuracy that err on unlike cases: the interval is that over the cases alone.

    Each case is decided wrongly by one run of three, or by none: 31 of 100 have 2/3, the others 1.
    """
    wrong = {"a": {0: range(10), 1: range(10, 20), 2: range(20, 31)}}
    estimates = estimate(runs_with_errors(wrong), "accuracy")
    found = arm_estimate(estimates, "a")
    lucky = analyse(estimates, single_arm("a")).both
    assert lucky is not None
    assert lucky.se == pytest.approx(np.std([0.90, 0.90, 0.89], ddof=1) / math.sqrt(3))
    assert found.se == pytest.approx(np.std([2 / 3] * 31 + [1] * 69, ddof=1) / 10)
    assert math.isinf(found.df)
    assert found.se > 1.4 * lucky.se


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


def test_a_perfect_order_has_a_lower_bound_alone():
    """At an average precision of 1 the upper end is 1, and the method says that the interval is one-sided."""
    runs = runs_with_errors({"a": {seed: [] for seed in range(3)}}, n_positive=20)
    found = arm_estimate(estimate(runs, "average_precision"), "a")
    assert found.high == 1
    assert found.low == pytest.approx(proportion_confint(20, 20, method="wilson")[0])
    assert found.method == "one-sided: Wilson on the cases of the rarer class"


def newcombe_by_root(area: float, m: float, n: float, *, z: float = Z95) -> tuple[float, float]:
    """Newcombe's method 5 as a root of its equation multiplied out, apart from the code under test."""
    h = (m + n) / 2 - 1

    def equation(t: float) -> float:
        w = t * (1 - t)
        return m * n * (area - t) ** 2 * (2 + w) - z**2 * w * (2 + h + (1 + 2 * h) * w)

    return optimize.brentq(equation, 1e-15, area - 1e-9), optimize.brentq(equation, area + 1e-9, 1) if area < 1 else 1.0


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_perfect_order_takes_the_score_interval(n_seeds):
    """At an AUROC of 1 Newcombe's interval ends at 1, and its lower end is that of the cases of either class."""
    runs = runs_with_errors({"a": {seed: [] for seed in range(n_seeds)}}, n_positive=20)
    found = arm_estimate(estimate(runs, "auroc"), "a")
    assert found.high == 1
    assert found.low == pytest.approx(newcombe_by_root(1.0, 20, 80)[0])
    assert found.method == "score (Newcombe 2006), effective numbers of cases"
    upside_down = replace(runs, ranking=-runs.ranking)
    found = arm_estimate(estimate(upside_down, "auroc"), "a")
    assert found.low == 0
    assert found.high == pytest.approx(1 - newcombe_by_root(1.0, 20, 80)[0])


@pytest.mark.parametrize(("area", "m", "n"), [(0.55, 3, 9), (0.8, 12, 200), (0.97, 40, 40), (0.998, 200, 17.5)])
def test_the_score_interval_solves_newcombes_equation(area, m, n):
    """The bounds are the roots of his equation, and those of 1 - A are mirrored."""
    low, high = area_bounds(area, m, n, quantile=Z95)
    assert (low, high) == pytest.approx(newcombe_by_root(area, m, n), abs=1e-9)
    assert area_bounds(1 - area, n, m, quantile=Z95) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def area_by_hand(*, n_positive: int, n_seeds: int = 1):
    """The arm's interval, and its AUROC's DeLong variance and cases out of order, for scores with some overlap."""
    y_true, scores, arms, seeds = noisy(n_seeds=n_seeds, gain=(0.6,), n_positive=n_positive)
    estimates = estimate(RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0), "auroc")
    above, below = scores[:, y_true == 1], scores[:, y_true == 0]
    off = min(
        np.mean([(row < other.max()).sum() for row, other in zip(above, below, strict=True)]),
        np.mean([(row > other.min()).sum() for row, other in zip(below, above, strict=True)]),
    )
    return arm_estimate(estimates, "a"), estimates, float(off)


def test_few_cases_take_the_score_interval():
    """12 positive cases: Newcombe's interval; his variance weighs as much as twenty cases out of order beside DeLong's."""
    found, estimates, off = area_by_hand(n_positive=12)
    assert found.method == "score (Newcombe 2006), effective numbers of cases"
    a, h = found.mean, (12 + 188) / 2 - 1
    model = a * (1 - a) / (12 * 188) * (1 + h * ((1 - a) / (2 - a) + a / (1 + a)))
    effect = (off * estimates.covariance[0, 0] / model + 20) / (off + 20)
    assert 0.5 < effect < 1
    assert (found.low, found.high) == pytest.approx(newcombe_by_root(a, 12 / effect, 188 / effect), abs=1e-9)


def test_seeds_change_the_effective_numbers_of_cases():
    """With five seeds, what the variance over seeds and cases is of that of one run divides the numbers of cases."""
    found, estimates, off = area_by_hand(n_positive=12, n_seeds=5)
    one_run = float(np.diag(estimates.covariance).mean())
    a, h = found.mean, (12 + 188) / 2 - 1
    model = a * (1 - a) / (12 * 188) * (1 + h * ((1 - a) / (2 - a) + a / (1 + a)))
    ratio = one_run / model
    effect = found.se**2 / one_run * max(ratio, (off * ratio + 20) / (off + 20))
    t = stats.t.ppf(0.975, found.df)
    assert (found.low, found.high) == pytest.approx(newcombe_by_root(a, 12 / effect, 188 / effect, z=t), abs=1e-9)
    assert found.df < analyse(estimates, single_arm("a")).both.df


def test_many_cases_keep_the_logit_up_to_an_area_of_0_97():
    """40 cases of either class and an area between 0.03 and 0.97 keep the interval on the logit."""
    assert arm_estimate(estimate(runs_of(n_positive=40), "auroc"), "a").method == "logit, t"
    assert arm_estimate(estimate(runs_of(n_positive=20), "auroc"), "a").method.startswith("score")
    assert arm_estimate(estimate(runs_of(gain=(2.0, 2.0)), "auroc"), "a").method.startswith("score")


def macro(scores: np.ndarray, y_true: np.ndarray):
    weights = scores + 1.0
    y_prob = weights / weights.sum(axis=2, keepdims=True)
    return estimate(RunScores.from_probabilities(y_true, y_prob, arms=["a"], seeds=[0]), "auroc")


def test_beyond_two_classes_the_areas_are_combined():
    """Mean of three areas: MOVER by hand with each area's own interval and DeLong's correlations of the areas."""
    rng = np.random.default_rng(3)
    y_true = np.repeat([0, 1, 2], [50, 60, 90])
    estimates = macro(rng.uniform(size=(1, 200, 3)) + 0.4 * np.eye(3)[y_true], y_true)
    found = arm_estimate(estimates, "a")
    parts = estimates.sample.found.parts
    scaled = np.stack([part.values[0] for part in parts])
    sd = np.sqrt((scaled**2).sum(axis=1))
    r = scaled @ scaled.T / sd[:, None] / sd[None, :]
    below = []
    for index, part in enumerate(parts):
        a, m = part.theta[0], int((y_true == index).sum())
        n = 200 - m
        squares = [
            (part.values[0][mask] ** 2).sum() * k / (k - 1) for mask, k in ((y_true == index, m), (y_true != index, n))
        ]
        tau = Z95 * math.sqrt(sum(squares)) / (a * (1 - a))
        below.append(a - special.expit(special.logit(a) - tau))
    assert found.low == pytest.approx(found.mean - math.sqrt(np.array(below) @ r @ np.array(below)) / 3)
    assert found.method == "MOVER on the areas of each class against the rest"


def test_three_perfect_areas_go_together():
    """Areas of 1 share their cases, so that their lower bounds are averaged."""
    y_true = np.repeat([0, 1, 2], 20)
    found = arm_estimate(macro(9.0 * np.eye(3)[y_true][None], y_true), "a")
    assert found.high == 1
    assert found.low == pytest.approx(newcombe_by_root(1.0, 20, 40)[0])


# ---------------------------------------------------------------------- balanced accuracy


def test_balanced_accuracy_is_newcombes_difference_turned_over():
    """Of one run: the mean of sensitivity and specificity is that of a difference of proportions, as statsmodels has it."""
    runs = runs_with_errors({"a": {0: [0, 1, 2, 40, 41]}}, n_positive=12)
    found = arm_estimate(estimate(runs, "balanced_accuracy"), "a")
    low, high = confint_proportions_2indep(9, 12, 2, 88, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(((1 + low) / 2, (1 + high) / 2), abs=1e-9)
    assert found.method == "MOVER on Wilson limits of each recall"
    assert found.n_effective is None


def test_balanced_accuracy_of_three_classes_by_hand():
    """MOVER over the Wilson limits of three recalls, each on the cases of its class."""
    y_true = np.repeat([0, 1, 2], [10, 20, 30])
    y_pred = y_true.copy()
    y_pred[[0, 1, 2, 10, 11, 12, 13, 30]] = [1, 1, 2, 0, 0, 2, 2, 1]
    prob = 0.1 + 0.7 * np.eye(3)[y_pred][None]
    found = arm_estimate(
        estimate(RunScores.from_probabilities(y_true, prob, arms=["a"], seeds=[0]), "balanced_accuracy"), "a"
    )
    recalls, sizes = np.array([7 / 10, 16 / 20, 29 / 30]), (10, 20, 30)
    limits = np.array(
        [proportion_confint(right, n, method="wilson") for right, n in zip((7, 16, 29), sizes, strict=True)]
    )
    assert found.low == pytest.approx(recalls.mean() - np.sqrt(((recalls - limits[:, 0]) ** 2).sum()) / 3)
    assert found.high == pytest.approx(recalls.mean() + np.sqrt(((limits[:, 1] - recalls) ** 2).sum()) / 3)


def test_recalls_that_trade_off_over_seeds_leave_the_mean_narrow():
    """A threshold that wanders moves the recalls apart and hardly their mean; MOVER takes their correlation in."""
    wrong = {seed: [*range(10 * seed), *range(100, 140 - 10 * seed)] for seed in range(5)}
    runs = runs_with_errors({"a": wrong}, n_cases=200, n_positive=100)
    balanced = arm_estimate(estimate(runs, "balanced_accuracy"), "a")
    recall = arm_estimate(estimate(runs, "sensitivity"), "a")
    assert balanced.mean == pytest.approx(0.8)
    assert balanced.high - balanced.low < 0.5 * (recall.high - recall.low)


def test_mover_takes_correlations():
    """Fully correlated parts add their distances; opposite ones cancel."""
    given = [(0.6, 0.9), (0.5, 0.8)]
    assert mover([0.8, 0.7], given) == pytest.approx((0.75 - math.hypot(0.2, 0.2) / 2, 0.75 + math.hypot(0.1, 0.1) / 2))
    assert mover([0.8, 0.7], given, correlation=np.ones((2, 2))) == pytest.approx((0.55, 0.85))
    opposite = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert mover([0.8, 0.7], given, correlation=opposite) == pytest.approx((0.75, 0.75))


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
