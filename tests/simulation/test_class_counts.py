"""How often the interval of accuracy holds the truth where class counts are fixed and recalls are unlike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tests.simulation import generator
from tests.simulation.generator import STRUCTURES, D, trials
from tests.simulation.test_comparison_simulation import is_within

from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import arm_estimate

N_TRIALS = {"short": 100, "full": 1000}


def covered(name: str, *, n_seeds: int, n_trials: int) -> dict[bool, int]:
    """Count intervals that hold the true accuracy, with class counts taken as fixed and not."""
    structure = STRUCTURES[name]
    # Called positive above 0: half of the negatives are right, and nearly all positives.
    truth = (0.5 + stats.norm.cdf(D / np.sqrt(1 + structure.var_training))) / 2
    count = {True: 0, False: 0}
    for runs in trials(structure, n_trials=n_trials, n_seeds=n_seeds, seed=17):
        for fixed in count:
            found = arm_estimate(estimate(replace(runs, class_counts_fixed=fixed), "accuracy"), "0")
            count[fixed] += found.low <= truth <= found.high
    return count


@pytest.mark.parametrize("size", ["short", pytest.param("full", marks=pytest.mark.sim)])
@pytest.mark.parametrize(("name", "n_seeds"), [("base", 5), ("seed_heavy", 5), ("image_heavy", 10)])
def test_accuracy_with_unlike_recalls_is_covered_as_stated(name, n_seeds, size, monkeypatch):
    """Recalls of 50 and 97 %, 200 + 200 cases: within the band of accuracy; with a pooled covariance above it."""
    monkeypatch.setattr(generator, "THRESHOLD", 0.0)
    found = covered(name, n_seeds=n_seeds, n_trials=N_TRIALS[size])
    assert is_within(found[True], N_TRIALS[size], 0.915, 0.98)
    assert found[False] >= 0.97 * N_TRIALS[size]
