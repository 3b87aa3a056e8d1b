"""Numbers on calibration, and what they are where they cannot be."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from scantrial.analysis.calibration import Calibration, measure_calibration
from scantrial.analysis.ece import equal_mass, equal_width, fill, noise_of_ece
from scantrial.analysis.number import Number
from scantrial.analysis.reliability import MAX_POINTS, isotonic_fit, reliability_curve
from scantrial.analysis.rows import Rows
from scantrial.core.errors import InputError


def measured(y, scores, scale="probability", n_draws=20) -> Calibration:
    rows = Rows(y_true=np.array(y, dtype=np.int64), scores=np.array(scores, dtype=float), scale=scale)
    return measure_calibration(rows, seed=3, n_draws=n_draws)


def estimates(found: Calibration) -> dict[str, Number]:
    names = Calibration.__dataclass_fields__
    return {name: getattr(found, name) for name in names if isinstance(getattr(found, name), Number)}


def check_all_told(found: Calibration) -> None:
    for name, estimate in estimates(found).items():
        assert math.isnan(estimate.value) == (estimate.reason is not None), name
        assert not math.isinf(estimate.value), name
    json.loads(json.dumps(found.to_dict(), allow_nan=False))


class TestRefused:
    """What is not calibration of class 1."""

    def test_more_than_two_classes(self):
        """The message names the number."""
        with pytest.raises(InputError, match="calibration of 3 classes"):
            measured([0, 1], [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]])

    def test_scores_that_are_no_probabilities(self):
        """They are not taken for probabilities because they lie between 0 and 1."""
        with pytest.raises(InputError, match="only their order counts"):
            measured([0, 1], [0.2, 0.3], scale="any")


class TestDegenerate:
    """A value or a reason, never a crash."""

    def test_no_case(self):
        """Everything is missing because there are no cases, and the curve is empty."""
        found = measured([], [])
        assert {estimate.reason for estimate in estimates(found).values()} == {"there are no cases"}
        assert (found.n_bins, len(found.curve.p)) == (None, 0)
        check_all_told(found)

    def test_one_case(self):
        """A Brier score and an ECE there are; bins and slope are not."""
        found = measured([1], [0.75])
        assert found.brier.value == pytest.approx(0.0625)
        assert found.ece.value == pytest.approx(0.25)
        assert found.error.reason == "bins of equal mass need at least 20 cases, and there are 1"
        check_all_told(found)

    @pytest.mark.parametrize("label", [0, 1])
    def test_one_class(self, label):
        """The errors over bins stand; slope, in-the-large and skill tell the class that is alone."""
        found = measured([label] * 40, np.linspace(0.1, 0.6, 40))
        for name in ("slope", "in_the_large", "brier_skill"):
            assert getattr(found, name).reason == f"every case is of class {label}"
        assert found.error_square.is_defined
        assert found.uncertainty.value == 0
        check_all_told(found)

    def test_perfect_separation(self):
        """There is no finite slope; the rest stands."""
        found = measured([0] * 20 + [1] * 20, [0.2] * 20 + [0.9] * 20)
        assert found.slope.reason == "the score separates the two classes perfectly: no finite slope fits best"
        assert found.in_the_large.is_defined
        check_all_told(found)

    def test_separation_but_for_a_tie(self):
        """Classes that share only the score at the cut have no finite slope either."""
        found = measured([0, 0, 0, 1, 1, 1] * 5, [0.1, 0.2, 0.4, 0.4, 0.7, 0.8] * 5)
        assert "separates" in str(found.slope.reason)
        check_all_told(found)

    def test_probabilities_of_exactly_0_and_1(self):
        """They are clipped for the log odds and counted; Spiegelhalter's z has no variance."""
        found = measured([0, 1, 1, 0] * 10, [0.0, 1.0, 0.0, 1.0] * 10)
        assert found.n_clipped == 40
        assert found.spiegelhalter_z.reason == "every probability is 0, 1/2 or 1"
        assert found.slope.value == pytest.approx(0, abs=1e-9)
        check_all_told(found)

    def test_saturated_logits(self):
        """Logits of 1,000 leave no information about an intercept."""
        found = measured([0, 1] * 15, [-1000.0, 1000.0] * 15, scale="logit")
        assert found.in_the_large.reason == "every probability is 0 or 1 to rounding"
        check_all_told(found)

    def test_equal_probabilities(self):
        """One bin is left: its debiased square is (p - m)^2 - m (1 - m) / (n - 1)."""
        found = measured([1] * 10 + [0] * 30, [0.4] * 40)
        assert found.error_square.value == pytest.approx(0.15**2 - 0.25 * 0.75 / 39)
        assert found.slope.reason == "all scores are equal"
        assert found.discrimination.value == pytest.approx(0, abs=1e-15)
        check_all_told(found)

    @pytest.mark.parametrize("n", [2, 9, 19])
    def test_fewer_cases_than_two_a_bin(self, n):
        """The debiased error says so; the ECE, which has no such need, is there."""
        found = measured([0, 1] * (n // 2) + [1] * (n % 2), np.linspace(0.2, 0.7, n))
        assert found.error_square.reason == f"bins of equal mass need at least 20 cases, and there are {n}"
        assert found.error.reason == found.error_square.reason
        assert found.ece.is_defined
        check_all_told(found)


class TestBins:
    """Bins of equal mass and of equal width."""

    @pytest.mark.parametrize(("n", "n_bins"), [(20, 10), (299, 10), (300, 15), (1000, 15)])
    def test_the_number_of_bins(self, n, n_bins):
        """10 below 300 cases, then 15."""
        assert measured([0, 1] * (n // 2) + [1] * (n % 2), np.linspace(0.1, 0.9, n)).n_bins == n_bins

    def test_equal_probabilities_share_a_bin(self):
        """So that the order of the cases does not matter."""
        p = np.array([0.1, 0.2, 0.2, 0.2, 0.2, 0.9])
        assert equal_mass(p, n_bins=3).tolist() == [0, 0, 0, 0, 0, 1]

    def test_borders_of_equal_width_belong_to_the_lower_bin(self):
        """As in Guo et al.: (0, .5] and (.5, 1]; 0 is in the first."""
        assert equal_width(np.array([0.0, 0.5, 0.500001, 1.0]), n_bins=2).tolist() == [0, 0, 1, 1]

    def test_a_bin_of_one_case_adds_nothing_to_the_debiased_square(self):
        """Its own variance is unknown."""
        bins = fill(np.array([0, 1, 0]), np.array([0.1, 0.5, 0.5]), np.array([0, 1, 1]))
        assert bins.debiased_square == pytest.approx(2 / 3 * (0 - 0.25))

    def test_the_debiased_square_may_be_negative_and_then_the_error_is_0(self):
        """Outcomes that agree with p more evenly than chance would have it."""
        found = measured([0, 1] * 50, [0.5] * 100)
        assert found.error_square.value == pytest.approx(-0.25 / 99)
        assert found.error.value == 0


class TestNoise:
    """The noise floor of the ECE."""

    def test_one_case_by_hand(self):
        """One case of p = .5 is off by .5 whatever happens."""
        assert noise_of_ece(np.array([0.5]), seed=1, n_draws=5).tolist() == [0.5] * 5

    def test_certain_probabilities_have_none(self):
        """p of 0 and 1 leave nothing to chance."""
        assert noise_of_ece(np.array([0.0, 1.0, 1.0]), seed=1, n_draws=5) == pytest.approx(0)

    def test_the_seed_decides(self):
        """The same seed gives the same draws, another one others."""
        p = np.linspace(0.1, 0.9, 50)
        first, again, other = (noise_of_ece(p, seed=seed, n_draws=9).tolist() for seed in (1, 1, 2))
        assert first == again != other

    def test_draws_in_pieces_are_the_same_draws(self, monkeypatch):
        """How many draws are held at once changes nothing."""
        p = np.linspace(0.1, 0.9, 50)
        whole = noise_of_ece(p, seed=1, n_draws=9)
        monkeypatch.setattr("scantrial.analysis.ece.CHUNK", 101)
        assert noise_of_ece(p, seed=1, n_draws=9).tolist() == whole.tolist()


class TestCurve:
    """The reliability curve."""

    def test_pooling_by_hand(self):
        """0 1 | 0 1 at rising p: the middle pair is pooled to one half."""
        assert isotonic_fit(np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])).tolist() == [0, 0.5, 0.5, 1]

    def test_equal_probabilities_are_one_point(self):
        """Two cases at p = .3 give one point at their mean."""
        curve = reliability_curve(np.array([0, 1, 1]), np.array([0.3, 0.3, 0.6]), seed=1, n_draws=5)
        assert curve.p.tolist() == [0.3, 0.6]
        assert curve.observed.tolist() == [0.5, 1.0]

    def test_the_histogram_holds_every_case(self):
        """p of 0 and 1 are in it."""
        curve = reliability_curve(np.array([0, 1, 1]), np.array([0.0, 0.3, 1.0]), seed=1, n_draws=5)
        assert curve.histogram_counts.sum() == 3
        assert (curve.histogram_edges[0], curve.histogram_edges[-1]) == (0, 1)

    def test_the_band_of_one_probability_is_a_binomial_range(self):
        """400 cases of p = .3: 5 to 95 % of Binomial(400, .3)/400 is .2625 to .3375, by its quantiles 105 and 135."""
        curve = reliability_curve(np.zeros(400, dtype=np.int64), np.full(400, 0.3), seed=1)
        assert (curve.low[0], curve.high[0]) == pytest.approx((0.2625, 0.3375), abs=0.004)

    def test_a_long_curve_is_thinned_to_2000_points_with_its_ends(self):
        """So that a page can hold it."""
        p = np.linspace(0.001, 0.999, 5000)
        curve = reliability_curve((p > 0.4).astype(np.int64), p, seed=1, n_draws=2)
        assert len(curve.p) == len(curve.observed) == len(curve.low) == MAX_POINTS
        assert (curve.p[0], curve.p[-1]) == (p[0], p[-1])


def test_logits_and_their_probabilities_give_the_same_numbers():
    """Where p does not saturate, the scale does not matter."""
    rng = np.random.default_rng(5)
    z = rng.normal(0, 2, 120)
    y = (rng.random(120) < 1 / (1 + np.exp(-z))).astype(int)
    from_logits = estimates(measured(y, z, scale="logit"))
    from_p = estimates(measured(y, 1 / (1 + np.exp(-z))))
    for name, estimate in from_logits.items():
        assert estimate.value == pytest.approx(from_p[name].value, abs=1e-9), name


def test_without_its_band_everything_else_is_the_same():
    """The band alone is NaN: every number and the curve are those of a measurement with it."""
    y_true = np.array([0, 1, 0, 1, 1, 0, 1, 1, 0, 0])
    rows = Rows(y_true=y_true, scores=np.linspace(0.1, 0.9, 10), scale="probability")
    whole, bare = (measure_calibration(rows, seed=3, n_draws=20, band=band) for band in (True, False))
    assert np.isnan(bare.curve.low).all()
    assert np.isfinite(whole.curve.low).all()
    assert np.array_equal(whole.curve.observed, bare.curve.observed)
    assert (whole.ece_noise_95, whole.error, whole.slope) == (bare.ece_noise_95, bare.error, bare.slope)
