"""What must hold of calibration, recalibration, thresholds and selection, whatever the scores are."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scantrial.analysis.calibration import Calibration, measure_calibration
from scantrial.analysis.decision_curve import decision_curve
from scantrial.analysis.ece import equal_mass, fill
from scantrial.analysis.number import Number
from scantrial.analysis.predictive import predictive_values
from scantrial.analysis.recalibration import fit_recalibration
from scantrial.analysis.recalibration_effect import judge_recalibration
from scantrial.analysis.reliability import decompose_brier, reliability_curve
from scantrial.analysis.rows import Rows, ValidationRows
from scantrial.analysis.selection import expected_optimism
from scantrial.analysis.thresholds import OperatingPoint, operate, threshold_by_youden, threshold_for_sensitivity

FEW = settings(max_examples=40, deadline=None)
PROBABILITY = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
LOGIT = st.floats(-50, 50, width=32)
ANY = st.floats(-1e300, 1e300)


@st.composite
def scored(draw, elements, *, min_size=0, max_size=60, kind=Rows, scale="probability"):
    """Rows of two classes."""
    n = draw(st.integers(min_size, max_size))
    scores = draw(arrays(np.float64, n, elements=elements))
    y = draw(arrays(np.int64, n, elements=st.integers(0, 1)))
    return kind(y_true=y, scores=scores, scale=scale)


def estimates(found: Calibration) -> dict[str, Number]:
    values = {name: getattr(found, name) for name in Calibration.__dataclass_fields__}
    return {name: value for name, value in values.items() if isinstance(value, Number)}


@given(scored(PROBABILITY))
@FEW
def test_every_number_is_finite_or_has_a_reason(rows):
    """Nothing crashes, nothing is NaN in silence, and the record goes to JSON."""
    found = measure_calibration(rows, seed=1, n_draws=2)
    for name, estimate in estimates(found).items():
        assert math.isfinite(estimate.value) == (estimate.reason is None), name
    json.dumps(found.to_dict(), allow_nan=False)


@given(scored(st.floats(-800, 800), scale="logit"))
@FEW
def test_large_logits_do_no_harm(rows):
    """Probabilities that saturate give numbers or reasons as well."""
    for estimate in estimates(measure_calibration(rows, seed=1, n_draws=2)).values():
        assert math.isfinite(estimate.value) == (estimate.reason is None)


@given(scored(PROBABILITY, min_size=1), st.randoms(use_true_random=False))
@FEW
def test_the_order_of_cases_does_not_matter(rows, random):
    """Shuffled cases give the same numbers; the draws of the noise floor aside, which go by case."""
    order = list(range(rows.n))
    random.shuffle(order)
    other = Rows(y_true=rows.y_true[order], scores=rows.scores[order], scale=rows.scale)
    first, second = (estimates(measure_calibration(each, seed=1, n_draws=2)) for each in (rows, other))
    for name in first.keys() - {"ece_noise_mean", "ece_noise_95"}:
        assert first[name].reason == second[name].reason
        assert first[name].value == pytest.approx(second[name].value, rel=1e-6, abs=1e-9, nan_ok=True), name


@given(scored(PROBABILITY, min_size=1))
@FEW
def test_exchanging_the_classes_turns_the_signs(rows):
    """With y and p turned round: the same errors, slope, score and z; in-the-large with the other sign."""
    # Off the borders of the bins, and 1 - p is exact.
    p = (np.floor(rows.scores * 30) * 2 + 1) / 64
    there = measure_calibration(Rows(y_true=rows.y_true, scores=p, scale="probability"), seed=1, n_draws=2)
    back = measure_calibration(Rows(y_true=1 - rows.y_true, scores=1 - p, scale="probability"), seed=1, n_draws=2)
    same = (
        "ece",
        "slope",
        "brier",
        "brier_skill",
        "spiegelhalter_z",
        "miscalibration",
        "discrimination",
        "uncertainty",
    )
    for name in same:
        assert getattr(there, name).value == pytest.approx(getattr(back, name).value, rel=1e-6, abs=1e-9, nan_ok=True)
    found, other = there.in_the_large, back.in_the_large
    assert found.value == pytest.approx(-other.value, rel=1e-6, abs=1e-9, nan_ok=True)


@given(scored(PROBABILITY, min_size=1))
@FEW
def test_the_decomposition_adds_up(rows):
    """Brier = miscalibration - discrimination + uncertainty, and none of the parts is negative."""
    parts = decompose_brier(rows.y_true, rows.scores)
    assert parts.brier == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty, abs=1e-12)
    assert min(parts.miscalibration, parts.discrimination, parts.uncertainty) >= -1e-12


@given(scored(PROBABILITY, min_size=1))
@FEW
def test_the_reliability_curve_rises(rows):
    """Curve and band rise with p, within [0, 1], the band around itself."""
    curve = reliability_curve(rows.y_true, rows.scores, seed=1, n_draws=9)
    for line in (curve.observed, curve.low, curve.high):
        assert (np.diff(line) >= -1e-12).all()
        assert line.min() >= 0
        assert line.max() <= 1
    assert (curve.low <= curve.high).all()
    assert curve.histogram_counts.sum() == rows.n


@given(scored(PROBABILITY, min_size=1), st.integers(1, 20))
@FEW
def test_bins_hold_every_case_once_and_none_is_empty(rows, n_bins):
    """The counts add up, equal p share a bin, and means lie in [0, 1]."""
    index = equal_mass(rows.scores, n_bins=n_bins)
    bins = fill(rows.y_true, rows.scores, index)
    assert bins.n.sum() == rows.n
    assert bins.n.min() > 0
    assert len(bins.n) == index.max() + 1 <= n_bins
    assert len(set(zip(rows.scores.tolist(), index.tolist(), strict=True))) == len(np.unique(rows.scores))
    assert bins.debiased_square <= bins.root_mean_square**2 + 1e-15


@given(scored(LOGIT, kind=ValidationRows, scale="logit"), scored(LOGIT, scale="logit"))
@example(  # a logit so small that its probability, divided by the temperature, rounds to 0.5
    ValidationRows(y_true=np.array([0, 1, 0, 0]), scores=np.array([2.0, 0.0, -9.0, 6.0]), scale="logit"),
    Rows(y_true=np.array([0]), scores=np.array([9.99999982e-15]), scale="logit"),
)
@FEW
def test_a_temperature_changes_neither_auroc_nor_decisions(validation, test):
    """For any float32 logits; and where there is none, there is a reason."""
    effect = judge_recalibration(fit_recalibration(validation), test, seed=1, n_draws=2)
    if effect.after is None:
        assert effect.recalibration.reason
        return
    assert effect.before.auroc.reason == effect.after.auroc.reason
    assert effect.before.auroc.value == pytest.approx(effect.after.auroc.value, abs=0, nan_ok=True)
    assert effect.n_decisions_changed == 0


@given(scored(LOGIT, kind=ValidationRows, scale="logit"))
@FEW
def test_a_temperature_never_harms_the_cases_it_was_fitted_on(rows):
    """Their log loss falls or stays, and no neighbouring temperature is better."""
    fitted = fit_recalibration(rows)
    if not fitted.is_defined:
        return

    def loss(t: float) -> float:
        z = rows.scores / t
        return float((np.logaddexp(0, z) - rows.y_true * z).mean())

    at = loss(fitted.temperature)
    for other in (1.0, fitted.temperature * 1.01, fitted.temperature / 1.01):
        assert at <= loss(other) + 1e-12 * (1 + at)


@given(scored(ANY, min_size=1, kind=ValidationRows, scale="any"), st.floats(0.01, 1))
@FEW
def test_the_largest_threshold_with_enough_sensitivity(rows, target):
    """It has enough, and the next larger cut that changes a call has not; scores of any range."""
    found = threshold_for_sensitivity(rows, target=target)
    if not rows.positive.any():
        assert found.reason
        return
    assert operate(rows, found).sensitivity.value >= target
    larger = rows.scores[rows.scores > found.value]
    called = rows.scores > larger.min()
    assert (called & rows.positive).sum() / rows.positive.sum() < target


@given(scored(ANY, min_size=1, kind=ValidationRows, scale="any"))
@FEW
def test_no_threshold_has_a_larger_youden_index(rows):
    """Against every cut at a score of the rows and below the lowest."""
    found = threshold_by_youden(rows)
    if not found.is_defined:
        return
    point = operate(rows, found)
    best = point.sensitivity.value + point.specificity.value
    for cut in [-np.inf, *rows.scores]:
        called = rows.scores > cut
        assert called[rows.positive].mean() + (~called)[~rows.positive].mean() <= best + 1e-12


@given(*[st.integers(0, 50)] * 4, st.floats(0.001, 0.999))
@FEW
def test_predictive_values_lie_in_their_intervals(n_tp, n_fn, n_fp, n_tn, prevalence):
    """For any counts: within (0, 1) and their interval, or with a reason."""
    point = OperatingPoint(threshold=0, n_tp=n_tp, n_fn=n_fn, n_fp=n_fp, n_tn=n_tn)
    (found,) = predictive_values(point, prevalences=[prevalence])
    if found.reason is not None:
        assert 0 in (n_tp + n_fn, n_fp + n_tn)
        return
    for each in (found.ppv, found.npv):
        assert 0 < each.low <= each.value <= each.high <= 1


@given(scored(PROBABILITY, min_size=2), st.floats(0.01, 0.99))
@FEW
def test_net_benefit_is_at_most_the_prevalence(rows, prevalence):
    """No model finds more than all; below the lowest p it acts on everybody."""
    found = decision_curve(rows, prevalence=prevalence)
    if found.reason is not None:
        return
    assert (found.model <= prevalence + 1e-12).all()
    everybody = found.threshold < rows.scores.min()
    assert found.model[everybody] == pytest.approx(found.treat_all[everybody])
    assert (found.model[found.threshold >= rows.scores.max()] == 0).all()


@given(st.floats(0, 1), st.integers(1, 10_000), st.floats(0, 1))
@FEW
def test_optimism_grows_with_the_number_and_falls_with_correlation(se, n, correlation):
    """More to choose from, more luck; more alike, less."""
    found = expected_optimism(se, n, correlation=correlation)
    assert 0 <= found <= expected_optimism(se, n + 1, correlation=correlation) + 1e-12
    assert found <= expected_optimism(se, n) + 1e-12
