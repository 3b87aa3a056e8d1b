"""What a cross-validation can show: the corrected t-test's power, and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from scantrial import api
from scantrial.analysis.assumptions import assume
from scantrial.analysis.fold_power import FoldDesign, plan_folds
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.core.errors import InputError

DESIGN = PlannedDesign(n_arms=2, n_comparisons=1, n_seeds=1, n_by_class=(75, 75), metric="accuracy", margin=0.1)
FOLDS = FoldDesign(design=DESIGN, n_folds=5, n_repeats=4)


def planned(folds: FoldDesign = FOLDS, **more):
    return plan_folds(folds, assume(folds.design), **more)


def test_the_smallest_difference_is_found_in_four_of_five_trials():
    """By the noncentral t with 19 degrees of freedom and the variance of one fold of 30 cases, written out."""
    found = planned()
    error = 0.05 / (2 * 30)
    s2 = 2 * (0.01**2 + error - 0.25 * error + 0.25 * error)
    se = np.sqrt((1 / 20 + 1 / 4) * s2)
    t = stats.t.ppf(0.975, 19)
    shift = found.smallest_difference / se
    assert stats.nct.sf(t, 19, shift) + stats.nct.cdf(-t, 19, shift) == pytest.approx(0.8, abs=1e-6)
    assert found.floor_over_repeats == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * np.sqrt(s2 / 4))


def test_more_repeats_and_more_cases_show_less_and_repeats_have_a_floor():
    found = planned()
    for curve in (found.over_repeats, found.over_cases):
        assert list(curve.smallest_difference) == sorted(curve.smallest_difference, reverse=True)
        assert list(curve.power) == sorted(curve.power)
    assert min(found.over_repeats.smallest_difference) > found.floor_over_repeats
    assert "No number of repeats can show less" in found.sentences[-1]
    many = planned(replace(FOLDS, design=replace(DESIGN, n_comparisons=5)))
    assert many.smallest_difference > found.smallest_difference


def test_few_folds_are_told_and_impossible_differences_refused():
    assert any(
        "3 folds: every verdict will be provisional" in said
        for said in planned(FoldDesign(design=DESIGN, n_folds=3, n_repeats=1)).warnings
    )
    with pytest.raises(InputError, match="a difference of 2"):
        planned(difference=2.0)


def test_a_study_is_planned_by_its_folds(tmp_path):
    """All cases are counted, each is tested once a repeat; time counts every fold."""
    (tmp_path / "s.yaml").write_text(
        "study: q\n"
        "data: {source: {name: phantom, n_cases: 60, size: 32}, split: {folds: 5, repeats: 2}}\n"
        "factors: {loss: [bce, ce]}\n"
    )
    found = api.plan(tmp_path / "s.yaml")
    said = found.to_dict()
    assert (said["design"]["n_folds"], said["design"]["n_repeats"], said["design"]["n_seeds"]) == (5, 2, 1)
    assert said["time"]["n_folds"] == 10
    assert found.cases.n == 60
    assert "With 5 folds, repeated 2 times, of 60 cases, 12 tested in each" in found.plan.sentences[0]
