"""The crossed bootstrap beside the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.analysis.drawn import noisy, runs_with_errors

from scantrial.analysis.bootstrap import cross_check, crossed_bootstrap
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
