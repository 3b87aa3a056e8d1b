"""Plans: what is said of a design before anything is trained, to the word, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from scantrial.analysis.assumptions import Basis, assume
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.plan_words import chance_words, size_words
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import (
    Variances,
    assumed_auroc,
    smallest_difference,
)
from scantrial.analysis.power_table import plan_power
from scantrial.core.errors import InputError

TEN = PlannedDesign(n_arms=2, n_comparisons=1, n_seeds=10, n_by_class=(200, 200), metric="accuracy", margin=0.02)
PILOT = Variances(n_cases=400, var_arm_seed=1e-5, error=2e-5, excess=0.0, source="pilot p")


def planned(design: PlannedDesign = TEN, **given: float) -> list[str]:
    """Return the sentences of a plan from assumptions."""
    return list(plan_power(design, assume(design, given)).sentences)


# ---------------------------------------------------------------------- the words


def test_the_answer_in_words():
    """The smallest difference, power at the margin, its price, equivalence and both floors, each with its numbers."""
    assert planned() == [
        "With 10 seeds and 400 test cases, a true difference of 2.2 points would be found with a probability of 80 %.",
        "A true difference as large as the margin, 2.0 points, would be found with a probability of 71 %.",
        "Showing 2.0 points takes 16 seeds with these 400 test cases, or about 600 test cases with 10 seeds.",
        "Arms that are truly equal would be called equivalent, within the margin of 2.0 points, with a probability of "
        "62 %.",
        "With these 400 test cases, no number of seeds can show less than 1.6 points; with 10 seeds, no number of cases "
        "can show less than 1.4 points.",
    ]


def test_below_the_floor_no_number_of_seeds_will_do():
    """A point is below what 400 cases can show: the sentence says so, and how many cases it takes."""
    found = plan_power(replace(TEN, n_seeds=30), assume(TEN), difference=0.01)
    assert found.outlook.seeds_needed is None
    assert found.sentences[1] == "A true difference of 1.0 points would be found with a probability of 34 %."
    assert found.sentences[2] == (
        "No number of seeds can show 1.0 points with these 400 test cases: you need about 2,400 test cases with 30 "
        "seeds."
    )


def test_several_comparisons_are_held_to_the_strictest_step():
    """Three comparisons share the level: the difference grows, and the sentence says why the real power is no less."""
    three = replace(TEN, n_arms=4, n_comparisons=3)
    assert three.alpha == pytest.approx(0.05 / 3)
    found = planned(three)
    assert found[0].startswith("With 10 seeds and 400 test cases, a true difference of 2.6 points")
    assert found[1] == (
        "This holds for each of 3 comparisons at once: each is tested at the level 0.05 / 3, the strictest step of "
        "Holm's correction, so the real power is at least as high."
    )


def test_one_seed_says_nothing_of_arms():
    """With one seed there is no smallest difference between arms, only between two networks."""
    found = plan_power(replace(TEN, n_seeds=1), assume(TEN))
    assert found.outlook.smallest_difference is None
    assert found.outlook.power is None
    assert found.outlook.power_of_equivalence is None
    assert found.sentences[0] == (
        "With 1 seed and 400 test cases, nothing can be said about arms: at least 3 seeds are needed before the "
        "spread between seeds can be estimated. Between two trained networks, a true difference of 3.1 points would be "
        "found with a probability of 80 %."
    )
    assert found.warnings[0] == "1 seed: no verdict is given with fewer than 3; 5 or more are recommended."


def test_between_two_trained_networks_the_cases_alone_count():
    """The normal formula by hand: (z.975 + z.80) sqrt(disagreement / n)."""
    found = plan_power(replace(TEN, n_seeds=1), assume(TEN, {"disagreement": 0.08}))
    by_hand = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * math.sqrt(0.08 / 400)
    assert found.outlook.smallest_these_networks == pytest.approx(by_hand)


def test_a_pilot_gives_a_range():
    """A pilot's own number and the cautious one stand in one sentence, for the power as well; no default is named."""
    wide = replace(PILOT, var_arm_seed=4e-5)
    found = plan_power(TEN, Basis(variances=PILOT, cautious=wide, source="pilot p"), difference=0.006)
    assert found.sentences[0] == (
        "With 10 seeds and 400 test cases, a true difference of 0.77 points would be found with a probability of 80 %. "
        "A small pilot measures seed-to-seed variation imprecisely: at the upper 80 % limit of this variation, the "
        "difference is 1.1 points."
    )
    assert found.sentences[1] == (
        "A true difference of 0.60 points would be found with a probability of 58 % (34 % at the upper limit of the pilot's seed-to-seed variation)."
    )
    assert not any("assumptions" in warning for warning in found.warnings)
    assert (
        "more seeds can always show a smaller difference, because on the same cases two arms differ"
        in found.sentences[-1]
    )


def test_a_pilot_on_other_cases_is_scaled():
    """Variances over cases shrink with the number of cases; those over seeds stay."""
    design = replace(TEN, n_by_class=(800, 800))
    found = plan_power(design, Basis(variances=PILOT, source="pilot p"))
    by_hand = smallest_difference(replace(PILOT, n_cases=1600, error=5e-6), n_seeds=10)
    assert found.outlook.smallest_difference == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"n_seeds": 2}, "2 seeds: no verdict is given with fewer than 3; 5 or more are recommended."),
        ({"n_seeds": 4}, "4 seeds: every verdict will be provisional; 5 or more are recommended."),
        ({"margin": None}, "The study declares no margin, so no two arms can be called equivalent."),
        (
            {"n_by_class": (200, 8)},
            "8 test cases of class 1: sensitivity, specificity and AUROC are not judged on fewer than 10.",
        ),
        (
            {"n_by_class": (200, 8), "metric": "sensitivity"},
            "8 cases of class 1: Sensitivity is not judged on fewer than 10.",
        ),
        (
            {"n_patients": 100, "independent_by_class": (50.0, 50.0), "n_independent": 100.0},
            "400 cases of 100 patients: the plan assumes that all scans of a patient are classified alike, "
            "which leaves 100 independent cases; a pilot measures this.",
        ),
    ],
)
def test_warnings(change, warning):
    """What stands in the way of a verdict is said; without it, it is not."""
    design = replace(TEN, **change)
    assert warning in plan_power(design, assume(design)).warnings
    assert warning not in plan_power(TEN, assume(TEN)).warnings


def test_no_room_above_the_expected_value():
    """At 0.99 there is one point to gain, less than 400 cases show: that is said."""
    found = plan_power(TEN, assume(TEN, {"value": 0.99, "disagreement": 0.02}))
    assert any("value 0.99 is only 1.0 points below the best possible value" in text for text in found.warnings)


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_with_too_few_seeds_nothing_is_advised(n_seeds):
    """With fewer seeds than a verdict needs, no number of seeds or cases is said to decide; the seeds needed are."""
    found = plan_power(replace(TEN, n_seeds=n_seeds), assume(TEN))
    assert "at least 3 seeds are needed before the spread between seeds can be estimated" in found.sentences[0]
    assert found.outlook.smallest_difference is found.outlook.cases_needed is found.outlook.power is None
    assert not any(" takes " in one or "you need" in one or "enough to show" in one for one in found.sentences)
    assert n_seeds not in found.over_seeds.counts


def test_every_default_has_an_origin_and_a_given_number_says_so():
    """No number comes from nowhere."""
    basis = assume(TEN, {"value": 0.8, "shared": None})
    assert basis.assumptions["value"].origin == "given"
    assert all(item.origin for item in basis.assumptions.values())
    assert basis.assumptions["shared"].origin != "given"


def test_a_plan_is_plain_data():
    """Everything can be written as JSON, nothing rounded."""
    found = plan_power(TEN, assume(TEN))
    told = json.loads(json.dumps(found.to_dict()))
    assert told["outlook"]["smallest_difference"] == found.outlook.smallest_difference
    assert told["over_seeds"]["counts"] == [3, 5, 10, 20, 50]
    assert told["design"]["n_cases"] == 400


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "metric", sorted(set(METRICS) - {"accuracy", "balanced_accuracy", "sensitivity", "specificity", "auroc"})
)
def test_other_metrics_need_a_pilot(metric):
    """No plain assumption gives their spread; the message says how to get a pilot."""
    with pytest.raises(InputError, match="no assumption in plain numbers") as caught:
        assume(replace(TEN, metric=metric, margin=None))
    assert "--pilot" in str(caught.value)


def test_numbers_that_cannot_be_are_refused():
    """Two arms that are right on 75 % disagree on half of the cases at most; a proportion's difference is below 1."""
    with pytest.raises(InputError, match=r"disagreement 0\.6"):
        assume(TEN, {"disagreement": 0.6})
    with pytest.raises(InputError, match="takes no correlation"):
        assume(TEN, {"correlation": 0.5})
    with pytest.raises(InputError, match=r"two percentage points are 0\.02"):
        plan_power(TEN, assume(TEN), difference=2)
    with pytest.raises(InputError, match="a difference of nan"):
        plan_power(TEN, assume(TEN), difference=math.nan)
    with pytest.raises(InputError, match="1 arm, 0 comparisons: nothing to compare"):
        replace(TEN, n_arms=1, n_comparisons=0)
    with pytest.raises(InputError, match="0 seeds"):
        replace(TEN, n_seeds=0)


def test_a_difference_of_grades_may_be_one_and_more():
    """The error of a grade has no upper limit of 1, and its plan speaks of grades; kappa has one."""
    variances = Variances(n_cases=400, var_arm_seed=1e-3, error=2e-3, excess=0.0, source="pilot p")
    basis = Basis(variances=variances, source="pilot p")
    graded = replace(TEN, metric="mean_absolute_error", margin=1.2)
    assert " true difference as large as the margin, 1.2 grades, " in " ".join(plan_power(graded, basis).sentences)
    with pytest.raises(InputError, match="a difference of 1"):
        plan_power(replace(graded, metric="quadratic_weighted_kappa", margin=None), basis, difference=1.0)


def test_auroc_of_several_classes_needs_a_pilot():
    """Hanley and McNeil's formula is for two classes."""
    design = replace(TEN, metric="auroc", n_by_class=(100, 100, 100))
    with pytest.raises(InputError, match="AUROC of 3 classes"):
        assume(design)


# ---------------------------------------------------------------------- the numbers


def test_hanley_and_mcneil_against_drawn_scores():
    """For exponential scores, which the formula is derived from, it is the variance of AUROC over samples of cases."""
    rng = np.random.default_rng(7)
    ratio, n1, n0 = 9.0, 40, 60
    positive = rng.exponential(ratio, (4000, n1))
    negative = rng.exponential(1.0, (4000, n0))
    auroc = np.array([(p[:, None] > n).mean() for p, n in zip(positive, negative, strict=True)])
    found = assumed_auroc(
        n_cases=100, n_positive=n1, n_negative=n0, value=ratio / (1 + ratio), correlation=0.0, sd_training=0.0
    )
    assert auroc.var() == pytest.approx(found.error, rel=0.1)


def test_a_spread_too_small_to_square_is_no_spread():
    """A number whose square is below the smallest float brings no division by zero."""
    tiny, none = (
        plan_power(TEN, assume(TEN, {"sd_training": sd, "shared": 1.0})).outlook.smallest_difference
        for sd in (1e-100, 0.0)
    )
    assert tiny == pytest.approx(none)


@pytest.mark.parametrize(
    ("metric", "worth"), [("accuracy", 400), ("sensitivity", 100), ("specificity", 300), ("balanced_accuracy", 300)]
)
def test_what_a_metric_rests_on(metric, worth):
    """Sensitivity rests on one class, balanced accuracy on ``k^2 / sum of 1 / n_c`` cases: 4 / (1/300 + 1/100)."""
    assert replace(TEN, metric=metric, n_by_class=(300, 100)).resting_cases() == pytest.approx(worth)


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "0 %"), (0.004, "less than 1 %"), (0.5, "50 %"), (0.996, "more than 99 %"), (1.0, "more than 99 %")],
)
def test_no_probability_is_said_to_be_certain(probability, words):
    """Power is never 100 %."""
    assert chance_words(probability) == words


def test_differences_in_the_metrics_unit():
    """Points for proportions, the plain number for AUROC; two digits."""
    assert size_words("accuracy", 0.02) == "2.0 points"
    assert size_words("auroc", 0.0213) == "0.021"
