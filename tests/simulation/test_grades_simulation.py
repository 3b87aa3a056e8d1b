"""How often comparisons on four grades err where the truth is known: kappa, the grade's error, averages of F1.

Full versions are 1,000 trials and carry the marker `sim`; their counts are pinned, for the draws are fixed. The short
version belongs to every commit and is held to the same bands, widened by the binomial spread of so few trials.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from tests.simulation.generator import STRUCTURES
from tests.simulation.grades import METRICS, graded_trials, true_values
from tests.simulation.test_comparison_simulation import is_within

from scantrial.analysis.contrasts import difference
from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import arm_estimate
from scantrial.analysis.metrics import METRICS as TABLE
from scantrial.analysis.mrmc import analyse
from scantrial.analysis.verdicts import decide, evidence

DIFFERENCE = difference("1", "0")
N_TRIALS = 1000


def outcomes(name: str, *, delta: float, n_trials: int) -> Counter[str]:
    """Count verdicts of better or worse, and intervals that hold the true difference and the first arm's value."""
    structure = STRUCTURES[name]
    first, second = true_values(structure), true_values(structure, delta=delta)
    count: Counter[str] = Counter()
    for runs in graded_trials(structure, n_trials=n_trials, delta=delta, seed=list(STRUCTURES).index(name)):
        for metric in METRICS:
            estimates = estimate(runs, metric)
            result = analyse(estimates, DIFFERENCE)
            found = evidence(result)
            verdict = decide(result, found, estimates, p_adjusted=found.p, margin=None)
            arm = arm_estimate(estimates, "0")
            count[f"verdict {metric}"] += verdict.label in ("better", "worse")
            true = estimates.sign * (second[metric] - first[metric])
            count[f"difference {metric}"] += found.low <= true <= found.high
            count[f"arm {metric}"] += arm.low <= first[metric] <= arm.high
    return count


def table(count: Counter[str]) -> dict[str, tuple[int, int, int]]:
    """Return by metric the three counts: verdicts, differences held, arms held."""
    return {name: tuple(count[f"{what} {name}"] for what in ("verdict", "difference", "arm")) for name in METRICS}


PINNED = {
    key: dict(zip(METRICS, counts, strict=True))
    for key, counts in {
        ("base", 0.0): ((31, 969, 956), (36, 964, 945), (36, 964, 947), (39, 961, 952)),
        ("base", 0.3): ((83, 965, 956), (30, 961, 945), (36, 962, 947), (35, 963, 952)),
        ("no_seed", 0.0): ((25, 975, 953), (22, 978, 948), (19, 981, 959), (17, 983, 947)),
        ("no_seed", 0.3): ((108, 968, 953), (33, 978, 948), (27, 985, 959), (39, 976, 947)),
        ("seed_heavy", 0.0): ((35, 965, 946), (36, 964, 944), (31, 969, 951), (31, 969, 948)),
        ("seed_heavy", 0.3): ((88, 962, 946), (42, 966, 944), (37, 961, 951), (41, 963, 948)),
        ("image_heavy", 0.0): ((42, 958, 945), (45, 955, 956), (48, 952, 942), (43, 957, 950)),
        ("image_heavy", 0.3): ((104, 953, 945), (62, 957, 956), (48, 954, 942), (58, 955, 950)),
    }.items()
}
"""Counts in 1,000 trials, by structure and true difference."""


@pytest.mark.sim
@pytest.mark.parametrize("delta", [0.0, 0.3])
@pytest.mark.parametrize("name", STRUCTURES)
def test_two_arms_on_grades(name, delta):
    """Five seeds, 300 cases of four grades.

    Equal arms are called better or worse in at most 5 % of trials, within what chance allows of 1,000; the interval
    of the difference, and that of an arm, holds the true value in at least 93 %, of equal and of unequal arms.
    """
    count = outcomes(name, delta=delta, n_trials=N_TRIALS)
    for metric in METRICS:
        if delta == 0:
            assert is_within(count[f"verdict {metric}"], N_TRIALS, 0.0, 0.05), (metric, count)
        assert count[f"difference {metric}"] >= 0.93 * N_TRIALS, (metric, count)
        assert count[f"arm {metric}"] >= 0.93 * N_TRIALS, (metric, count)
    assert table(count) == PINNED[name, delta]


@pytest.mark.sim
def test_a_very_skewed_kappa_needs_more_than_five_seeds():
    """A limit: where training moves whole grades, five seeds hold an arm's kappa in 86 % of trials, ten in 91 %.

    Kappa is then so skewed over trainings that the mean of a few lies above its expectation. The verdict on equal arms
    still errs in at most 5 %.
    """
    structure = replace(STRUCTURES["seed_heavy"], sd_seed=0.6, sd_arm_seed=0.9)
    true = true_values(structure)["quadratic_weighted_kappa"]
    held, n_false = {5: 0, 10: 0}, 0
    for n_seeds in held:
        for runs in graded_trials(structure, n_trials=500, n_seeds=n_seeds, seed=8):
            estimates = estimate(runs, "quadratic_weighted_kappa")
            arm = arm_estimate(estimates, "0")
            held[n_seeds] += arm.low <= true <= arm.high
            n_false += n_seeds == 5 and evidence(analyse(estimates, DIFFERENCE)).p < 0.05
    assert (held, n_false) == ({5: 428, 10: 457}, 8)


@pytest.mark.parametrize("name", ["base", "seed_heavy"])
def test_two_equal_arms_on_grades_in_few_trials(name):
    """The same on 100 trials, within what chance allows."""
    count = outcomes(name, delta=0.0, n_trials=100)
    for metric in METRICS:
        assert is_within(count[f"verdict {metric}"], 100, 0.0, 0.05), (metric, count)
        assert is_within(count[f"difference {metric}"], 100, 0.93, 1.0), (metric, count)
        assert is_within(count[f"arm {metric}"], 100, 0.93, 1.0), (metric, count)


def test_the_truth_is_what_many_cases_give():
    """The values that intervals are held to are those of 40 trials of 20,000 cases, within a hundredth."""
    true = true_values(STRUCTURES["base"], delta=0.3)
    runs = list(graded_trials(STRUCTURES["base"], n_trials=40, n_cases=20_000, delta=0.3, seed=9))
    for metric in METRICS:
        found = np.mean([estimate(each, metric).theta[5:].mean() for each in runs])
        assert found == pytest.approx(true[metric], abs=0.01), TABLE[metric].title
