"""The interval of an arm's calibration error over seeds and cases."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.analysis.bootstrap import crossed_bootstrap
from scantrial.analysis.calibration import measure_calibration
from scantrial.analysis.calibration_interval import WORK_LIMIT, calibration_interval
from scantrial.analysis.contrasts import single_arm
from scantrial.analysis.ece import equal_mass, fill
from scantrial.analysis.rows import Rows
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError


def drawn(slope, *, n_seeds=5, n_cases=400, seed=0, patients=None, sd=0.1):
    """Probabilities whose log odds are `slope` times the true ones, a little off at each seed."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, n_cases)
    y_true = (rng.random(n_cases) < 1 / (1 + np.exp(-z))).astype(int)
    p = 1 / (1 + np.exp(-(slope * z + sd * rng.normal(size=(n_seeds, 1)))))
    return RunScores.from_scores(y_true, p, arms=["a"] * n_seeds, seeds=range(n_seeds), patients=patients)


def test_one_seed_has_the_error_that_calibration_measures():
    """The estimate is the debiased root mean square of the run itself."""
    runs = drawn(2.0, n_seeds=1)
    assert runs.y_prob is not None
    rows = Rows(y_true=runs.y_true, scores=runs.y_prob[0, :, 1], scale="probability")
    found = calibration_interval(runs, "a", n_draws=100)
    assert found is not None
    assert found.error == pytest.approx(measure_calibration(rows, seed=0, n_draws=1).error.value)


def test_over_confidence_is_told_from_calibration():
    """An interval of probabilities that are right reaches 0, one of twice the log odds does not; both hold theirs."""
    right, over = (calibration_interval(drawn(slope, n_cases=2000), "a") for slope in (1.0, 2.0))
    assert right is not None
    assert over is not None
    assert right.low == 0
    assert over.low > 0.03
    assert all(found.low <= found.error <= found.high for found in (right, over))


def test_the_draws_are_fixed_and_whole_patients_widen_it():
    """The same seed gives the same numbers; cases that are copies of one another count once."""
    runs = drawn(2.0)
    again = np.repeat(np.arange(400), 2)
    twice = RunScores.from_scores(
        runs.y_true[again], runs.ranking[:, again, 0], arms=runs.arms, seeds=runs.seeds, patients=again
    )
    once, whole = calibration_interval(runs, "a"), calibration_interval(twice, "a")
    assert once == calibration_interval(runs, "a")
    assert once is not None
    assert whole is not None
    assert whole.high**2 - whole.low**2 > 0.8 * (once.high**2 - once.low**2)


def test_too_few_or_too_many_cases_have_none_and_scores_are_refused():
    """Below two cases a bin there is no error, above the limit nothing is resampled; scores that are no probabilities have no calibration."""
    assert calibration_interval(drawn(1.0, n_seeds=1, n_cases=1000), "a", n_draws=WORK_LIMIT) is None
    assert calibration_interval(drawn(1.0, n_cases=19), "a") is None
    scores = RunScores.from_scores([0, 1], [[-1.0, 2.0]], arms=["a"], seeds=[0])
    with pytest.raises(InputError, match="without probabilities"):
        calibration_interval(scores, "a")


@pytest.mark.sim
@pytest.mark.parametrize("slope", [1.0, 2.0])
def test_coverage(slope):
    """95 % intervals at five seeds and 400 cases cover the error of a large sample in 90 % of studies or more."""
    big = drawn(slope, n_seeds=20, n_cases=100_000, seed=99, sd=0.3)
    assert big.y_prob is not None
    squares = [
        measure_calibration(
            Rows(y_true=big.y_true, scores=p[:, 1], scale="probability"), seed=0, n_draws=1
        ).error_square.value
        for p in big.y_prob
    ]
    truth = max(np.mean(squares), 0) ** 0.5
    found = [calibration_interval(drawn(slope, seed=k, sd=0.3), "a", n_draws=200) for k in range(200)]
    assert np.mean([item is not None and item.low <= truth <= item.high for item in found]) >= 0.90


@pytest.mark.sim
@pytest.mark.parametrize(("slope", "pinned"), [(1.0, (200, 154)), (1.5, (198, 182)), (2.0, (199, 189))])
def test_about_the_draws_own_mean_more_is_covered(slope, pinned):
    """Of 200 studies of one seed and 400 cases, those whose interval holds the truth: about the draws' mean, about the estimate."""
    big = drawn(slope, n_seeds=5, n_cases=200_000, seed=99, sd=0.0)
    truth = max(squares_of(big).mean(), 0)
    held = np.zeros(2, dtype=int)
    for study in range(200):
        runs = drawn(slope, n_seeds=1, seed=study, sd=0.0)
        draws = crossed_bootstrap(runs, single_arm("a"), squares_of, seeds=runs.seeds, n_draws=200, seed=0)
        square = squares_of(runs).mean()
        ends = np.quantile(draws, [0.025, 0.975])
        for place, centre in enumerate((draws.mean(), square)):
            low, high = np.maximum(square + ends - centre, 0)
            held[place] += low <= truth <= high
    assert held[0] >= 0.95 * 200
    assert tuple(held) == pinned


def squares_of(runs):
    """The debiased square of each run over 15 bins of equal mass."""
    p = runs.y_prob[:, :, 1]
    return np.array([fill(runs.y_true, row, equal_mass(row, n_bins=15)).debiased_square for row in p])
