"""The crossed bootstrap beside the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.analysis.drawn import noisy, runs_with_errors

from scantrial.analysis.bootstrap import TOLERANCE, cross_check, crossed_bootstrap
from scantrial.analysis.comparison import compare_runs, cross_checked
from scantrial.analysis.contrasts import difference
from scantrial.analysis.estimates import estimate
from scantrial.analysis.mrmc import analyse
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError

B_A = difference("b", "a")


def runs_of(*, patients=None, **options) -> RunScores:
    y_true, scores, arms, seeds = noisy(**options)
    return RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0, patients=patients)


@pytest.mark.parametrize("metric", ["auroc", "accuracy"])
def test_it_agrees_where_seeds_are_many(metric):
    """With ten seeds the percentile interval is about that of the closed form, and the same on every call."""
    runs = runs_of(n_seeds=10, gain=(0.0, 0.3))
    result = analyse(estimate(runs, metric), B_A)
    found = cross_check(runs, result, n_draws=400)
    assert found.agrees
    assert found.ratio == pytest.approx(1, abs=0.3)
    assert found.low < result.effect < found.high
    assert found == cross_check(runs, result, n_draws=400)


def drawn(
    seed: int,
    *,
    n_seeds: int,
    n_positive: int = 100,
    n_cases: int = 200,
    gap: float = 0.8,
    shared: float = 0.7,
    noise: float = 0.5,
    outlying: float = 0.0,
) -> RunScores:
    """Draw two arms whose seeds share `shared` of a case's luck and have `noise` each; one of b's may lie apart."""
    rng = np.random.default_rng(seed)
    y_true = (np.arange(n_cases) < n_positive).astype(int)
    case = shared * rng.normal(size=n_cases)
    luck = np.zeros((2, n_seeds))
    luck[1, 0] = outlying
    centre = (2 * y_true - 1) * (gap + luck.reshape(-1, 1))
    scores = centre + case + noise * rng.normal(size=(2 * n_seeds, n_cases))
    arms, seeds = ["a"] * n_seeds + ["b"] * n_seeds, [*range(n_seeds)] * 2
    return RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0)


@pytest.mark.parametrize("metric", ["accuracy", "auroc"])
def test_noise_of_each_seed_on_each_case_makes_it_wide_and_no_alarm(metric):
    """Arms that differ by such noise alone: the bootstrap is far too wide, as wide as it is to be expected; silent."""
    runs = drawn(5, n_seeds=8, shared=0.3, noise=0.9, n_positive=50, n_cases=100)
    found = cross_check(runs, analyse(estimate(runs, metric), B_A))
    assert found.ratio > 1 + 1.5 * TOLERANCE
    assert found.ratio == pytest.approx(found.expected_ratio, rel=0.1)
    assert found.agrees
    compared = compare_runs(runs, [B_A], metric=metric)
    assert cross_checked(compared, runs).notes == compared.notes


def test_one_outlying_seed_of_five_is_said_with_what_to_do():
    """The bootstrap over five seeds, one of them far out, is too narrow: the note says why and what to look at."""
    runs = drawn(1, n_seeds=5, outlying=-1.2)
    compared = cross_checked(compare_runs(runs, [B_A], metric="auroc"), runs, n_draws=1000)
    found = compared.comparisons[0].cross_check
    assert not found.agrees
    assert compared.notes[-1] == (
        f"the crossed bootstrap of b - a is {found.ratio:.2f} times as wide as the interval over seeds and cases: "
        f"with 5 seeds a bootstrap is too narrow ({found.expected_ratio:.2f} times is expected), and more so if one "
        "seed is outlying; look at the values of each seed, and add seeds"
    )


def test_a_skewed_metric_near_its_bound_is_said():
    """AUROC near 1 with five positive cases: the bootstrap is wider than noise leads one to expect."""
    runs = drawn(2, n_seeds=5, n_positive=5, n_cases=100, gap=2.2)
    compared = cross_checked(compare_runs(runs, [B_A], metric="auroc"), runs, n_draws=1000)
    found = compared.comparisons[0].cross_check
    assert found.ratio > (1 + TOLERANCE) * found.expected_ratio > 1 + TOLERANCE
    assert not found.agrees
    assert compared.notes[-1] == (
        f"the crossed bootstrap of b - a is {found.ratio:.2f} times as wide as the interval over seeds and cases, "
        f"where {found.expected_ratio:.2f} times is expected: the differences are skewed over seeds or cases, or one "
        "seed is outlying, so that neither interval need hold its level; look at the values of each seed, and add "
        "seeds and cases"
    )


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_the_expected_width_is_that_of_many_draws(n_seeds):
    """Over ten sets of accuracies, seeds and cases both at work, widths are expected to within 15 %, on average 4 %."""
    ratios = []
    for seed in range(10):
        runs = drawn(seed, n_seeds=n_seeds, noise=0.6, outlying=0.1)
        found = cross_check(runs, analyse(estimate(runs, "accuracy"), B_A), n_draws=1000)
        ratios.append(found.ratio / found.expected_ratio)
    assert ratios == pytest.approx(np.ones(10), abs=0.15)
    assert np.mean(ratios) == pytest.approx(1, abs=0.04)


def test_losses_are_turned_round_like_the_effect():
    """For a loss the interval has the sign of the effect: positive is better."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8))
    prob = 1 / (1 + np.exp(-scores))
    runs = RunScores.from_scores(y_true, prob, arms=arms, seeds=seeds)
    result = analyse(estimate(runs, "log_loss"), B_A)
    found = cross_check(runs, result, n_draws=200)
    assert result.effect > 0
    assert found.low < result.effect < found.high


def test_a_class_of_few_patients_is_in_every_draw():
    """Three positive patients of forty: drawn by class, each draw has positive cases, and AUROC is always defined."""
    patients = [case // 4 for case in range(12)] + [100 + case // 4 for case in range(148)]
    runs = runs_of(n_cases=160, n_positive=12, patients=patients)
    draws = crossed_bootstrap(runs, B_A, lambda part: part.y_true.mean() * np.ones(part.n_runs), seeds=range(5))
    assert draws == pytest.approx(0)
    found = cross_check(runs, analyse(estimate(runs, "auroc"), B_A), n_draws=400)
    assert np.isfinite([found.low, found.high]).all()


def test_patients_are_drawn_whole():
    """A patient's cases come together: where all cases are of one kind, as many patients as there are."""
    runs = runs_of(n_cases=40, patients=[case // 2 for case in range(40)])
    sizes = []

    def count(part: RunScores) -> np.ndarray:
        counts = np.bincount(part.patients)
        sizes.append((part.n_cases, set((counts[counts > 0] % 2).tolist())))
        return np.zeros(part.n_runs)

    crossed_bootstrap(runs, B_A, count, seeds=range(5), n_draws=100)
    assert set(map(str, sizes)) == {"(40, {0})"}


def test_there_is_none_where_nothing_can_be_drawn():
    """One seed, unpaired seeds and equal arms have no cross-check."""
    runs = runs_of(n_seeds=1)
    assert cross_check(runs, analyse(estimate(runs, "auroc"), B_A)) is None
    runs = runs_of()
    assert cross_check(runs, analyse(estimate(runs, "auroc"), B_A, pairing="unpaired")) is None
    runs = runs_with_errors({arm: {seed: [1] for seed in range(3)} for arm in "ab"})
    assert cross_check(runs, analyse(estimate(runs, "accuracy"), B_A)) is None


def test_too_few_draws_are_refused():
    """A percentile needs a hundred draws."""
    with pytest.raises(InputError, match="99 draws\nexpected: 100 or more"):
        crossed_bootstrap(runs_of(), B_A, lambda part: np.zeros(part.n_runs), seeds=range(5), n_draws=99)
