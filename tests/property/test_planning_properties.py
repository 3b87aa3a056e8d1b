"""What holds of any plan: more seeds, larger differences and fewer comparisons never find less."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantrial.analysis.assumptions import assume
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import floor_over_seeds, power, smallest_difference
from scantrial.analysis.power_table import plan_power

DESIGNS = st.builds(
    PlannedDesign,
    n_arms=st.just(3),
    n_comparisons=st.integers(1, 10),
    n_seeds=st.integers(3, 30),
    n_by_class=st.tuples(st.integers(10, 2000), st.integers(10, 2000)),
    metric=st.sampled_from(["accuracy", "balanced_accuracy", "sensitivity", "specificity", "auroc"]),
    margin=st.floats(0.005, 0.1),
)
SHARES = st.integers(0, 100).map(lambda share: share / 100)
SPREADS = st.fixed_dictionaries({"sd_training": SHARES.map(lambda share: share / 20), "shared": SHARES})


@settings(max_examples=60)
@given(design=DESIGNS, spreads=SPREADS)
def test_more_seeds_never_show_less(design, spreads):
    """The smallest difference falls with the seeds, and never below the floor over seeds."""
    variances = assume(design, spreads).variances
    shown = [smallest_difference(variances, n_seeds=r, alpha=design.alpha) for r in (3, 5, 8, 20, 50)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(shown))
    # The published floor leaves out the test's other tail, a millionth of it.
    assert shown[-1] >= floor_over_seeds(variances, alpha=design.alpha) * (1 - 1e-5)


@settings(max_examples=60)
@given(design=DESIGNS, spreads=SPREADS, factor=st.integers(2, 20))
def test_more_cases_never_show_less_where_seeds_do_not_limit(design, spreads, factor):
    """Without luck of training the smallest difference falls as one over the root of the cases."""
    variances = assume(design, {**spreads, "sd_training": 0.0}).variances
    few, many = (
        smallest_difference(variances, n_seeds=design.n_seeds, n_cases=k * design.n_cases, alpha=design.alpha)
        for k in (1, factor)
    )
    assert many == pytest.approx(few / factor**0.5, rel=1e-6)


@settings(max_examples=60)
@given(design=DESIGNS, spreads=SPREADS, delta=st.floats(0.001, 0.2))
def test_a_larger_difference_is_found_more_often(design, spreads, delta):
    """Power rises with the difference, and falls with the number of comparisons."""
    variances = assume(design, spreads).variances
    at = [power(variances, k * delta, n_seeds=design.n_seeds, alpha=design.alpha) for k in (0.5, 1, 2)]
    assert at[0] <= at[1] + 1e-9 <= at[2] + 2e-9
    assert power(variances, delta, n_seeds=design.n_seeds, alpha=design.alpha / 2) <= at[1] + 1e-9


@settings(max_examples=15)
@given(design=DESIGNS, spreads=SPREADS)
def test_what_a_plan_says_agrees_with_itself(design, spreads):
    """At the smallest difference power is 80 %; the seeds and cases needed have it, one fewer has not."""
    found = plan_power(design, assume(design, spreads))
    variances, outlook = found.basis.variances, found.outlook
    shape = {"alpha": design.alpha}
    smallest = outlook.smallest_difference
    assert smallest is not None
    assert power(variances, smallest, n_seeds=design.n_seeds, **shape) == pytest.approx(0.8, abs=1e-6)
    assert outlook.floor_over_cases is not None
    assert outlook.floor_over_cases <= smallest * (1 + 1e-9)
    if outlook.seeds_needed is not None:
        assert power(variances, design.margin, n_seeds=outlook.seeds_needed, **shape) >= 0.8
        assert (
            outlook.seeds_needed == 3
            or power(variances, design.margin, n_seeds=outlook.seeds_needed - 1, **shape) < 0.8
        )
    wider = plan_power(replace(design, n_comparisons=design.n_comparisons + 3), found.basis)
    assert wider.outlook.smallest_difference >= smallest * (1 - 1e-9)
