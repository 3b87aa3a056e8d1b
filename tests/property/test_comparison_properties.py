"""What must hold of every comparison, whatever the scores are."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
from confidenceinterval import roc_auc_score as roc_auc_with_interval
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    f1_score,
    matthews_corrcoef,
    mean_absolute_error,
    roc_auc_score,
)
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from scantrial.analysis import confusion
from scantrial.analysis.comparison import compare, compare_runs
from scantrial.analysis.contrasts import all_pairs, difference, factorial_effects, linear_trend, single_arm
from scantrial.analysis.estimates import estimate
from scantrial.analysis.influence import INFLUENCES, jackknife_auroc
from scantrial.analysis.intervals import arm_estimate
from scantrial.analysis.metrics import METRICS, confusion_matrix, measure
from scantrial.analysis.mrmc import analyse, components, global_test
from scantrial.analysis.multiplicity import holm
from scantrial.analysis.one_seed import mcnemar_midp
from scantrial.analysis.runs import RunScores
from scantrial.analysis.verdicts import decide, evidence
from scantrial.core.errors import InputError, ShapeError

BINARY = tuple(METRICS)
MULTICLASS = tuple(name for name, metric in METRICS.items() if not metric.binary_only)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Arrays as `compare` takes them."""

    y_true: np.ndarray
    scores: np.ndarray
    arms: tuple[str, ...]
    seeds: tuple[int, ...]

    def runs(self, **options) -> RunScores:
        build = RunScores.from_probabilities if self.scores.ndim == 3 else RunScores.from_scores
        return build(self.y_true, self.scores, arms=self.arms, seeds=self.seeds, **options)

    def compare(self, **options):
        return compare(self.y_true, self.scores, arms=self.arms, seeds=self.seeds, **options)


def make_trial(seed: int, *, n_arms: int = 2, n_seeds: int = 3, n_cases: int = 40, levels: int = 8) -> Trial:
    """Draw scores on a grid of `levels` steps in (0, 1), so that there are ties; every class has cases."""
    rng = np.random.default_rng(seed)
    y_true = np.concatenate([[0, 0, 1, 1], rng.integers(0, 2, n_cases - 4)])
    raw = rng.normal(size=(n_arms * n_seeds, n_cases)) * 0.8 + rng.normal(size=n_cases) * 0.6 + (y_true - 0.5)
    raw = np.clip(np.round(levels * (0.5 + raw / 6)), 1, levels - 1) / levels
    arms = np.repeat([f"arm {index}" for index in range(n_arms)], n_seeds).tolist()
    return Trial(y_true=y_true, scores=raw, arms=tuple(arms), seeds=tuple(list(range(n_seeds)) * n_arms))


@st.composite
def binary_trials(draw, n_arms: int = 2, min_seeds: int = 2, min_cases: int = 12):
    """Two classes, `n_arms` arms, 2 to 5 seeds, 12 to 60 cases, few or many ties."""
    return make_trial(
        draw(st.integers(0, 2**32 - 1)),
        n_arms=n_arms,
        n_seeds=draw(st.integers(min_seeds, 5)),
        n_cases=draw(st.integers(min_cases, 60)),
        levels=draw(st.sampled_from([4, 16, 256])),
    )


@st.composite
def multiclass_trials(draw):
    """3 to 5 classes, two arms of 3 seeds; probabilities with ties, every class with two cases or more."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k, n = draw(st.integers(3, 5)), draw(st.integers(20, 50))
    y_true = np.concatenate([np.repeat(np.arange(k), 2), rng.integers(0, k, n - 2 * k)])
    weights = rng.integers(1, draw(st.sampled_from([4, 50])), (6, n, k)) + 2.0 * np.eye(k)[y_true]
    y_prob = weights / weights.sum(axis=2, keepdims=True)
    return Trial(y_true=y_true, scores=y_prob, arms=("a",) * 3 + ("b",) * 3, seeds=(0, 1, 2) * 2)


def estimates_or_none(runs: RunScores, metric: str):
    """Return None where the metric is undefined for some run, which the engine refuses by name."""
    try:
        return estimate(runs, metric)
    except InputError as error:
        if "undefined" not in str(error):
            raise
        return None


def numbers(result) -> list[float]:
    """Return every number of an analysis, in a fixed order."""
    found = [result.effect, result.s2, result.q, result.q_untruncated]
    for inference in (result.both, result.cases_only, result.seeds_only):
        if inference is not None:
            found += [inference.se, min(inference.df, 1e12), inference.p, inference.low, inference.high]
    return found


# ---------------------------------------------------------------------- against other code


@given(binary_trials())
@settings(max_examples=40)
def test_every_metric_is_that_of_a_single_run(trial):
    """The metric of each run equals `measure` on its probabilities, for two classes, with ties."""
    runs = trial.runs()
    for metric in BINARY:
        estimates = estimates_or_none(runs, metric)
        if estimates is None:
            continue
        for theta, y_prob, y_pred in zip(estimates.theta, runs.y_prob, runs.y_pred, strict=True):
            assert theta == pytest.approx(measure(metric, trial.y_true, y_prob, y_pred=y_pred).value, abs=1e-12)


@given(multiclass_trials())
@settings(max_examples=25)
def test_every_metric_is_that_of_a_single_run_beyond_two_classes(trial):
    """The same with three to five classes."""
    runs = trial.runs()
    for metric in MULTICLASS:
        theta = estimate(runs, metric).theta
        expected = [measure(metric, trial.y_true, y_prob).value for y_prob in trial.scores]
        assert theta == pytest.approx(expected, abs=1e-12)


def brute_force_jackknife(theta, y_true, columns) -> np.ndarray:
    """Return ``(n - 1) / n * sum of products of centred leave-one-out values`` over runs."""
    n = len(y_true)
    keep = ~np.eye(n, dtype=bool)
    without = np.array([[theta(y_true[row], column[row]) for row in keep] for column in columns])
    centred = without - without.mean(axis=1, keepdims=True)
    return (n - 1) / n * centred @ centred.T


@given(binary_trials(min_cases=20))
@settings(max_examples=8)
def test_the_jackknife_is_that_of_leaving_out_each_case(trial):
    """Covariances of average precision, F1, MCC and jackknifed AUROC equal scikit-learn run once for each case."""
    runs = trial.runs()
    scores, decisions = trial.scores[:2], runs.y_pred[:2]
    first = runs.on_runs(np.array([0, 1]))
    for metric, theta, columns in (
        ("average_precision", average_precision_score, scores),
        ("f1", f1_score, decisions),
        ("mcc", matthews_corrcoef, decisions),
    ):
        estimates = estimates_or_none(first, metric)
        if estimates is not None:
            expected = brute_force_jackknife(theta, trial.y_true, columns)
            assert estimates.covariance == pytest.approx(expected, abs=1e-12)
    found = estimate(first, "auroc", covariance="jackknife").covariance
    assert found == pytest.approx(brute_force_jackknife(roc_auc_score, trial.y_true, scores), abs=1e-12)


@given(multiclass_trials())
@settings(max_examples=4)
def test_the_jackknife_beyond_two_classes_is_that_of_leaving_out_each_case(trial):
    """The same for average precision averaged over classes."""

    def macro(y_true, y_prob):
        k = y_prob.shape[1]
        return np.mean([average_precision_score(y_true == index, y_prob[:, index]) for index in range(k)])

    found = estimate(trial.runs(), "average_precision").covariance[:2, :2]
    assert found == pytest.approx(brute_force_jackknife(macro, trial.y_true, trial.scores[:2]), abs=1e-12)


def f1_over(classes: range, average: str):
    """Return scikit-learn's F1 averaged over classes, also over those that a draw lacks."""
    return lambda y_true, y_pred: f1_score(y_true, y_pred, labels=classes, average=average, zero_division=0)


@given(multiclass_trials())
@settings(max_examples=8)
def test_metrics_of_decisions_have_the_covariance_of_leaving_out_each_case(trial):
    """Covariances of kappa, the grade's error and the averages of F1 equal scikit-learn run once for each case."""
    runs = trial.runs().on_runs(np.array([0, 1]))
    classes = range(runs.n_classes)
    for metric, theta in (
        ("quadratic_weighted_kappa", lambda a, b: cohen_kappa_score(a, b, labels=classes, weights="quadratic")),
        ("mean_absolute_error", mean_absolute_error),
        ("macro_f1", f1_over(classes, "macro")),
        ("weighted_f1", f1_over(classes, "weighted")),
    ):
        expected = brute_force_jackknife(theta, trial.y_true, runs.y_pred)
        assert estimate(runs, metric).covariance == pytest.approx(expected, abs=1e-12)


@given(multiclass_trials(), st.sampled_from(["quadratic_weighted_kappa", "macro_f1", "weighted_f1"]))
@settings(max_examples=20)
def test_the_jackknife_of_many_cases_is_the_influence_function(trial, metric):
    """With each case forty times, a case moves the metric by its derivative in that case's weight, over n."""
    many = replace(trial, y_true=np.repeat(trial.y_true, 40), scores=np.repeat(trial.scores, 40, axis=1))
    runs = many.runs()
    k, n, step = runs.n_classes, runs.n_cases, 1e-6
    shares = confusion_matrix(runs.y_true, runs.y_pred[0], n_classes=k) / n
    formula = getattr(confusion, f"{metric}_of_counts")
    cells = np.eye(k * k).reshape(-1, k, k)
    slopes = (
        (formula((1 - step) * shares + step * cells)[0] - formula((1 + step) * shares - step * cells)[0]) / 2 / step
    )
    expected = slopes[k * runs.y_true + runs.y_pred[0]]
    found = INFLUENCES[metric](runs).values[0] * n
    assert found == pytest.approx(expected, abs=0.03 * np.abs(expected).max() + 1e-6)


@given(binary_trials())
@settings(max_examples=15)
def test_delong_is_that_of_confidenceinterval(trial):
    """An area's variance equals that of the package confidenceinterval, which computes in single precision."""
    estimates = estimate(trial.runs(), "auroc")
    half = 1.959963984540054 * math.sqrt(estimates.covariance[0, 0])
    area = float(estimates.theta[0])
    assume(area - half > 0 and area + half < 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value, (low, high) = roc_auc_with_interval(trial.y_true, trial.scores[0], confidence_level=0.95)
    assert (value, low, high) == pytest.approx((area, area - half, area + half), abs=1e-5)


@given(binary_trials())
@settings(max_examples=20)
def test_delong_is_that_of_pairs_counted_one_by_one(trial):
    """Placement values counted pair by pair, ties one half, give the same covariance over classes."""
    positive = trial.y_true == 1
    order = np.sign(trial.scores[:, positive, None] - trial.scores[:, None, ~positive]) / 2 + 0.5
    expected = np.cov(order.mean(axis=2)) / positive.sum() + np.cov(order.mean(axis=1)) / (~positive).sum()
    assert estimate(trial.runs(), "auroc").covariance == pytest.approx(expected, abs=1e-12)


@given(binary_trials())
@settings(max_examples=20)
def test_means_have_the_covariance_of_means(trial):
    """Accuracy, Brier score and log loss: `numpy.cov` over all cases by n; sensitivity: over the positive ones."""
    runs, positive = trial.runs(), trial.y_true == 1
    of_true = np.where(positive, trial.scores, 1 - trial.scores)
    right = (runs.y_pred == trial.y_true).astype(float)
    for metric, per_case, keep in (
        ("accuracy", right, np.ones(len(positive), dtype=bool)),
        ("brier", (1 - of_true) ** 2, np.ones(len(positive), dtype=bool)),
        ("log_loss", -np.log(of_true), np.ones(len(positive), dtype=bool)),
        ("sensitivity", right, positive),
        ("specificity", right, ~positive),
    ):
        expected = np.cov(per_case[:, keep]) / keep.sum()
        assert estimate(runs, metric).covariance == pytest.approx(expected, abs=1e-14)
    both = [estimate(runs, metric).covariance for metric in ("sensitivity", "specificity")]
    assert estimate(runs, "balanced_accuracy").covariance == pytest.approx((both[0] + both[1]) / 4, abs=1e-14)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mid_p_lies_below_the_exact_p_by_the_point_probability(b, c):
    """McNemar's mid-p is the exact p of statsmodels less the probability of what was seen, and never 0."""
    exact = float(mcnemar([[0, b], [c, 0]], exact=True).pvalue) if b + c else 1.0
    point = math.comb(b + c, b) / 2 ** (b + c)
    found = mcnemar_midp(b, c)
    assert found == pytest.approx(1.0 if b + c == 0 else 1 - point / 2 if b == c else exact - point, abs=1e-9)
    assert 0 < found <= 1
    assert found == mcnemar_midp(c, b)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=40)
def test_holm_is_that_of_statsmodels(p_values):
    """Adjusted p equal `multipletests`, never fall below what was given, and keep its order."""
    found = holm(p_values)
    assert found == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)
    assert all(p <= adjusted <= 1 for p, adjusted in zip(p_values, found, strict=True))


@given(binary_trials(n_arms=4, min_seeds=2))
@settings(max_examples=20)
def test_two_arms_are_the_published_test(trial):
    """The contrast of two arms has SE, df and p of Obuchowski and Rockette's F test with Hillis's df."""
    for metric in ("auroc", "accuracy"):
        estimates = estimate(trial.runs(), metric)
        for contrast in (difference("arm 1", "arm 0"), difference("arm 3", "arm 2")):
            found, both = components(estimates, contrast.arms), analyse(estimates, contrast).both
            r = found.n_seeds
            error = found.ms_arm_seed + r * max(found.cov2 - found.cov3, 0)
            if found.ms_arm_seed < 1e-12:
                continue
            assert both.se**2 == pytest.approx(2 / r * error, rel=1e-9)
            assert both.df == pytest.approx(error**2 / (found.ms_arm_seed**2 / (r - 1)), rel=1e-9)
            assert both.p == pytest.approx(global_test(found).p, rel=1e-6, abs=1e-12)
            cases = 2 / r * (found.var_error - found.cov1 + (r - 1) * (found.cov2 - found.cov3))
            assert analyse(estimates, contrast).cases_only.se ** 2 == pytest.approx(cases, rel=1e-9, abs=1e-14)


# ---------------------------------------------------------------------- what changes nothing


@given(binary_trials(n_arms=3), st.randoms(use_true_random=False), st.sampled_from(["auroc", "accuracy", "mcc"]))
@settings(max_examples=25)
def test_the_order_of_runs_and_cases_does_not_matter(trial, random, metric):
    """Shuffling runs and cases, and naming the seeds otherwise, changes no number and no verdict."""
    order, cases = list(range(len(trial.arms))), list(range(len(trial.y_true)))
    random.shuffle(order)
    random.shuffle(cases)
    shuffled = Trial(
        y_true=trial.y_true[cases],
        scores=trial.scores[order][:, cases],
        arms=tuple(trial.arms[run] for run in order),
        seeds=tuple(100 - 7 * trial.seeds[run] for run in order),
    )
    if estimates_or_none(trial.runs(), metric) is None:
        return
    family = all_pairs(("arm 0", "arm 1", "arm 2"))
    one, other = (compare_runs(each.runs(), family, metric=metric, margin=0.1) for each in (trial, shuffled))
    for before, after in zip(one.comparisons, other.comparisons, strict=True):
        # Where nothing varies over seeds, rounding alone would decide the digits of df.
        if before.result.s2 > 1e-12:
            assert numbers(before.result) == pytest.approx(numbers(after.result), rel=1e-6, abs=1e-9)
        assert before.verdict.label == after.verdict.label


@given(binary_trials(), st.sampled_from(BINARY))
@settings(max_examples=40)
def test_swapping_arms_turns_the_sign(trial, metric):
    """The other way round has the same p and the mirrored effect, intervals and verdict."""
    estimates = estimates_or_none(trial.runs(), metric)
    if estimates is None:
        return
    one, other = (analyse(estimates, difference(*pair)) for pair in (("arm 0", "arm 1"), ("arm 1", "arm 0")))
    found, mirrored = evidence(one), evidence(other)
    assert one.effect == -other.effect
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-12, nan_ok=True)
    assert found.p == pytest.approx(mirrored.p, abs=1e-12, nan_ok=True)
    turned = {"better": "worse", "worse": "better"}
    first, second = (
        decide(result, item, estimates, p_adjusted=item.p, margin=0.05).label
        for result, item in ((one, found), (other, mirrored))
    )
    assert turned.get(first, first) == second


@given(binary_trials(), st.integers(-1000, 1000))
@settings(max_examples=20)
def test_ranking_looks_at_order_alone(trial, shift):
    """A constant added to all logits, or any rising map of all scores, leaves AUROC and average precision as they are."""
    for change in (lambda s: s + shift, lambda s: 3 * s - 1, np.exp, lambda s: s**3):
        moved = replace(trial, scores=change(trial.scores))
        for metric in ("auroc", "average_precision"):
            before, after = estimate(trial.runs(), metric), estimate(moved.runs(), metric)
            assert np.array_equal(before.theta, after.theta)
            assert np.array_equal(before.covariance, after.covariance)


@given(binary_trials(), st.sampled_from(["auroc", "accuracy", "brier", "sensitivity"]))
@settings(max_examples=30)
def test_copies_of_cases_are_no_evidence_where_patients_are_known(trial, metric):
    """With every case in twice under its patient's number, no interval is narrower than with each case once."""
    patients = np.arange(len(trial.y_true))
    twice = np.tile(patients, 2)
    once = estimate(trial.runs(patients=patients), metric)
    double = replace(trial, y_true=trial.y_true[twice], scores=trial.scores[:, twice])
    again = estimate(double.runs(patients=twice), metric)
    assert again.theta == pytest.approx(once.theta, abs=1e-12)
    assert again.covariance == pytest.approx(once.covariance, abs=1e-14)
    contrast = difference("arm 1", "arm 0")
    before, after = (evidence(analyse(each, contrast)).used for each in (once, again))
    assert len(before) == len(after)
    assert all(b.high - b.low >= a.high - a.low - 1e-9 for a, b in zip(before, after, strict=True))


@given(binary_trials())
@settings(max_examples=20)
def test_one_case_a_patient_is_no_clustering(trial):
    """With a patient for every case the covariance is the plain one, up to n / (n - 1) of its classes."""
    n = len(trial.y_true)
    n_positive = int(trial.y_true.sum())
    runs = trial.runs()
    clustered = trial.runs(patients=[f"p{index}" for index in range(n)])
    for metric, sizes in (
        ("accuracy", (n,)),
        ("sensitivity", (n_positive,)),
        ("average_precision", (n,)),
        ("auroc", (n_positive, n - n_positive)),
        ("balanced_accuracy", (n_positive, n - n_positive)),
    ):
        used = n_positive if metric == "sensitivity" else n
        plain, by_patient = estimate(runs, metric).covariance, estimate(clustered, metric).covariance
        ratios = np.array([(size - 1) / size for size in sizes]) * used / (used - 1)
        for run in range(len(plain)):
            low, high = sorted((ratios.min() * plain[run, run], ratios.max() * plain[run, run]))
            assert low - 1e-15 <= by_patient[run, run] <= high + 1e-15
        if len(sizes) == 1:
            assert by_patient == pytest.approx(plain, abs=1e-14)


# ---------------------------------------------------------------------- what bounds what


@given(binary_trials(n_arms=3), st.booleans())
@settings(max_examples=25)
def test_covariances_are_symmetric_and_positive(trial, clustered):
    """The covariance of every metric is symmetric and has no negative eigenvalue, by cases and by patients."""
    patients = np.arange(len(trial.y_true)) // 2 if clustered else None
    for metric in BINARY:
        estimates = estimates_or_none(trial.runs(patients=patients), metric)
        if estimates is not None:
            assert np.array_equal(estimates.covariance, estimates.covariance.T)
            assert np.linalg.eigvalsh(estimates.covariance).min() > -1e-12


@given(binary_trials(n_arms=3), st.sampled_from(BINARY), st.sampled_from([None, 0.02, 0.3]), st.floats(0.6, 0.99))
@settings(max_examples=60)
def test_a_verdict_never_says_more_than_its_numbers(trial, metric, margin, level):
    """The hull holds all intervals; a verdict follows from adjusted p, effect and margin, and from nothing else."""
    if estimates_or_none(trial.runs(), metric) is None:
        return
    found = trial.compare(metric=metric, margin=margin, level=level)
    alpha = 1 - level
    for item in found.comparisons:
        hull, family, verdict = item.alone, item.evidence, item.verdict
        assert math.isnan(hull.low) == (item.result.n_seeds == 2)
        for inference in hull.used:
            assert inference.p <= hull.p or math.isnan(hull.p)
            if item.result.n_seeds == 2:
                continue
            assert hull.low <= inference.low <= inference.high <= hull.high
            assert hull.equivalence_low <= inference.equivalence_low
            assert inference.equivalence_high <= hull.equivalence_high
            assert family.low <= hull.low + 1e-12
            assert family.high >= hull.high - 1e-12
            largest = 2.0 if metric == "mcc" else 1.0
            assert metric in ("log_loss", "brier") or -largest <= family.low <= family.high <= largest
        assert verdict.p_adjusted >= (0 if math.isnan(hull.p) else hull.p)
        if verdict.label == "better":
            assert verdict.p_adjusted < alpha
            assert hull.low > 0
        if verdict.label == "worse":
            assert verdict.p_adjusted < alpha
            assert hull.high < 0
        if verdict.label in ("better", "worse", "equivalent", "inconclusive"):
            assert item.result.n_seeds >= 3
            assert not verdict.reasons
        if verdict.label == "equivalent":
            assert margin is not None
            assert -margin < hull.equivalence_low <= hull.equivalence_high < margin
            assert item.result.identical or verdict.p_equivalence <= verdict.p_equivalence_adjusted < alpha + 1e-9
        if verdict.label == "inconclusive" and margin is not None:
            assert verdict.smallest_margin >= margin
        assert verdict.provisional == (item.result.n_seeds in (1, 3, 4))
        assert verdict.label != "not enough to judge" or verdict.reasons
        assert "no difference" not in item.sentence


def holds_and_stays_within(estimates, metric, *, n_classes):
    found = arm_estimate(estimates, estimates.arms[0])
    least, most = METRICS[metric].bounds
    if metric == "brier" and n_classes == 2:
        most = 1.0
    assert least - 1e-12 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= most + 1e-12
    assert found.mean == pytest.approx(np.mean(list(found.by_seed.values())), abs=1e-12)
    assert found.df > 0
    assert found.n_effective is None or found.n_effective > 0


@given(binary_trials(n_arms=1, min_seeds=1), st.sampled_from(BINARY), st.sampled_from([0, 2, 7]))
@settings(max_examples=80)
def test_an_arm_s_interval_holds_its_mean_and_stays_in_bounds(trial, metric, cases_a_patient):
    """An arm's interval lies round its mean and within what the metric can be, with patients and without."""
    n = len(trial.y_true)
    patients = None if cases_a_patient == 0 else np.random.default_rng(n).permutation(n) // cases_a_patient
    estimates = estimates_or_none(trial.runs(patients=patients), metric)
    if estimates is not None:
        holds_and_stays_within(estimates, metric, n_classes=2)


@given(st.integers(0, 2**32 - 1), st.sampled_from(BINARY), st.sampled_from([1, 3]), st.sampled_from([1, 4]))
@settings(max_examples=60)
def test_an_arm_s_interval_stays_in_bounds_at_the_ends(seed, metric, n_seeds, cases_a_patient):
    """Arms that are nearly always right, or nearly always wrong, with patients of one class."""
    rng = np.random.default_rng(seed)
    y_true = np.repeat([0, 1], [24, 8])
    off = rng.uniform(size=(n_seeds, 32)) < rng.choice([0.0, 0.02, 0.98, 1.0])
    scores = np.where(off, 1 - y_true, y_true) * 0.8 + 0.1 + 0.05 * rng.uniform(size=off.shape)
    trial = Trial(y_true=y_true, scores=scores, arms=("arm 0",) * n_seeds, seeds=tuple(range(n_seeds)))
    estimates = estimates_or_none(trial.runs(patients=np.arange(32) // cases_a_patient), metric)
    if estimates is not None:
        holds_and_stays_within(estimates, metric, n_classes=2)


@given(multiclass_trials(), st.sampled_from(MULTICLASS), st.booleans())
@settings(max_examples=60)
def test_an_arm_s_interval_stays_in_bounds_beyond_two_classes(trial, metric, by_patient):
    """The same for three classes and more."""
    patients = np.arange(len(trial.y_true)) // 3 if by_patient else None
    holds_and_stays_within(estimate(trial.runs(patients=patients), metric), metric, n_classes=trial.scores.shape[2])


@given(binary_trials(), st.sampled_from(BINARY), st.sampled_from([0.01, 0.99]))
@settings(max_examples=25)
def test_equal_predictions_differ_by_nothing(trial, metric, margin):
    """Arms with the same predictions differ by 0 with p = 1; no p is 0, and no verdict prefers one."""
    half = len(trial.arms) // 2
    same = replace(trial, scores=np.tile(trial.scores[:half], (2, 1)))
    if estimates_or_none(same.runs(), metric) is None:
        return
    item = same.compare(metric=metric, margin=margin).comparisons[0]
    assert (item.result.effect, item.evidence.p, item.verdict.p_adjusted) == (0, 1, 1)
    assert item.result.identical
    assert item.verdict.label in ("equivalent", "not enough to judge")
    assert item.verdict.p_equivalence != 0
    assert any("identical" in note for note in item.verdict.notes)


# ---------------------------------------------------------------------- contrasts


@given(binary_trials(n_arms=4))
@settings(max_examples=20)
def test_factorial_effects_are_means_by_hand(trial):
    """Main effects are differences of means over two arms each, the interaction a difference of differences."""
    settings_ = {
        "arm 0": {"loss": "bce", "depth": 1},
        "arm 1": {"loss": "bce", "depth": 3},
        "arm 2": {"loss": "ce", "depth": 1},
        "arm 3": {"loss": "ce", "depth": 3},
    }
    estimates = estimate(trial.runs(), "auroc")
    mean = estimates.theta.reshape(4, -1).mean(axis=1)
    loss, depth, both = (analyse(estimates, effect).effect for effect in factorial_effects(settings_))
    assert loss == pytest.approx((mean[2] + mean[3]) / 2 - (mean[0] + mean[1]) / 2, abs=1e-12)
    assert depth == pytest.approx((mean[1] + mean[3]) / 2 - (mean[0] + mean[2]) / 2, abs=1e-12)
    assert both == pytest.approx((mean[3] - mean[2]) - (mean[1] - mean[0]), abs=1e-12)


@given(binary_trials(n_arms=4), st.booleans(), st.sampled_from(["auroc", "log_loss"]))
@settings(max_examples=20)
def test_a_trend_is_the_slope_of_least_squares(trial, log, metric):
    """The trend along a factor is `numpy.polyfit`'s slope through the arms' means, losses turned round."""
    levels = [0.0001, 0.001, 0.003, 0.1]
    estimates = estimate(trial.runs(), metric)
    contrast = linear_trend({f"arm {i}": level for i, level in enumerate(levels)}, factor="lr", log=log)
    slope = np.polyfit(np.log10(levels) if log else levels, estimates.theta.reshape(4, -1).mean(axis=1), 1)[0]
    assert analyse(estimates, contrast).effect == pytest.approx(estimates.sign * slope, rel=1e-9, abs=1e-12)


@given(binary_trials(n_arms=2))
@settings(max_examples=10)
def test_a_single_arm_is_the_contrast_with_weight_one(trial):
    """An arm alone has its runs' variance over seeds and the mean covariance of two of its seeds."""
    estimates = estimate(trial.runs(), "auroc")
    result, r = analyse(estimates, single_arm("arm 1")), len(trial.arms) // 2
    block = estimates.covariance[r:, r:]
    q = max((block.sum() - np.trace(block)) / (r * (r - 1)), 0)
    s2 = estimates.theta[r:].var(ddof=1)
    assert result.both.se == pytest.approx(math.sqrt(s2 / r + q), abs=1e-9)


# ---------------------------------------------------------------------- what is refused


@given(binary_trials())
@settings(max_examples=10)
def test_a_run_that_stands_twice_is_refused(trial):
    """A copy of a run under its own seed would count as new evidence, and is refused with its name."""
    with pytest.raises(InputError, match="arm arm 0 has seed 0 twice"):
        compare(
            trial.y_true,
            np.concatenate([trial.scores, trial.scores[:1]]),
            arms=[*trial.arms, "arm 0"],
            seeds=[*trial.seeds, 0],
        )


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(2, 6),
    st.integers(2, 6),
    st.sampled_from([None, 0, 1]),
)
def test_shapes_that_do_not_belong_together_are_refused(n_rows, n_arms, n_seeds, n_cases, n_labels, n_extra):
    """Nothing is broadcast: rows, arms, seeds, cases, labels and patients have to match."""
    if (n_rows, n_cases, n_extra) == (n_arms, n_labels, None) and n_arms == n_seeds:
        return
    patients = None if n_extra is None else [str(index) for index in range(n_cases + 1 + n_extra)]
    with pytest.raises(ShapeError):
        RunScores.from_scores(
            np.arange(n_labels) % 2,
            np.zeros((n_rows, n_cases)),
            arms=["a"] * n_arms,
            seeds=list(range(n_seeds)),
            patients=patients,
        )


@given(binary_trials(), st.integers(2, 4))
@settings(max_examples=10)
def test_influence_values_know_every_metric(trial, n_axes):
    """Every metric has influence values, that of AUROC twice; scores of another number of axes are refused."""
    assert set(INFLUENCES) == set(METRICS)
    assert jackknife_auroc(trial.runs()).theta == pytest.approx(INFLUENCES["auroc"](trial.runs()).theta, abs=1e-12)
    if n_axes == 4:
        with pytest.raises(ShapeError):
            RunScores.from_scores(trial.y_true, trial.scores[..., None, None], arms=trial.arms, seeds=trial.seeds)
