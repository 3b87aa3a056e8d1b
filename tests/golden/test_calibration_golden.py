"""Published values of calibration, recalibration and predictive values; the numbers are typed in from their sources."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from scantrial.analysis.calibration import measure_calibration
from scantrial.analysis.ece import equal_mass, equal_width, fill
from scantrial.analysis.predictive import LogitShare, predictive_values, predictive_values_over_seeds
from scantrial.analysis.recalibration import apply_recalibration, fit_recalibration
from scantrial.analysis.recalibration_effect import judge_recalibration
from scantrial.analysis.rows import Rows, ValidationRows
from scantrial.analysis.thresholds import OperatingPoint


class TestRow21Ece:
    """Row 21: the example of torchmetrics' BinaryCalibrationError, two bins of equal width."""

    def test_norms(self):
        """The l1, l2 and maximum errors are .2900, .2918 and .3167."""
        p = np.array([0.25, 0.25, 0.55, 0.75, 0.75])
        bins = fill(np.array([0, 0, 1, 1, 1]), p, equal_width(p, n_bins=2))
        found = (bins.mean_absolute, bins.root_mean_square, bins.maximum)
        assert found == pytest.approx((0.2900, 0.2918, 0.3167), abs=5e-5)


class TestRow22DebiasedError:
    """Row 22: 200 cases from a recurrence; values as of uncertainty-calibration's lower_bound_scaling_ce(debias=True)."""

    @pytest.fixture
    def cases(self):
        i = np.arange(200)
        p = (i + 0.5) / 200
        y = (np.modf(i * 0.6180339887498949)[0] < 0.5 + 0.6 * (p - 0.5)).astype(np.int64)
        assert y.sum() == 100
        return y, p

    def test_ten_bins_of_equal_mass(self, cases):
        """Raw error .11618950; debiased square .00207895."""
        y, p = cases
        bins = fill(y, p, equal_mass(p, n_bins=10))
        assert bins.root_mean_square == pytest.approx(0.11618950, abs=1e-8)
        assert bins.debiased_square == pytest.approx(0.00207895, abs=1e-8)

    def test_the_record(self, cases):
        """With 200 cases there are 10 bins; the root is .04559548; the Brier score .23003125."""
        y, p = cases
        found = measure_calibration(Rows(y_true=y, scores=p, scale="probability"), seed=1, n_draws=10)
        assert found.n_bins == 10
        assert found.error_square.value == pytest.approx(0.00207895, abs=1e-8)
        assert found.error.value == pytest.approx(0.04559548, abs=1e-8)
        assert found.brier.value == pytest.approx(0.23003125, abs=1e-8)

    def test_ten_bins_of_equal_width(self, cases):
        """The ECE is .09."""
        y, p = cases
        assert fill(y, p, equal_width(p, n_bins=10)).mean_absolute == pytest.approx(0.09, abs=1e-12)

    def test_log_loss(self, cases):
        """The log loss is .70962403, from logits as well."""
        y, p = cases
        logits = ValidationRows(y_true=y, scores=np.log(p / (1 - p)), scale="logit")
        effect = judge_recalibration(fit_recalibration(logits), logits, seed=1, n_draws=10)
        assert effect.before.log_loss.value == pytest.approx(0.70962403, abs=1e-8)


def test_row_23_temperature():
    """Row 23: logits of +4 (40 of 50 positive) and -4 (10 of 50): T = 4 / ln 4, log loss .818150 to .500402."""
    logits = np.repeat([4.0, -4.0], 50)
    y = np.repeat([1, 0, 1, 0], [40, 10, 10, 40])
    rows = ValidationRows(y_true=y, scores=logits, scale="logit")
    fitted = fit_recalibration(rows)
    assert fitted.temperature == pytest.approx(2.885390, abs=1e-6)
    assert fitted.temperature == pytest.approx(4 / np.log(4), abs=1e-12)
    effect = judge_recalibration(fitted, rows, seed=1, n_draws=10)
    assert effect.after is not None
    assert effect.before.log_loss.value == pytest.approx(0.818150, abs=1e-6)
    assert effect.after.log_loss.value == pytest.approx(0.500402, abs=1e-6)


def test_row_24_platt():
    """Row 24: logits of +1 (24 of 30 positive) and -1 (10 of 50): p = .78194444 and .21111111."""
    logits = np.repeat([1.0, -1.0], [30, 50])
    y = np.repeat([1, 0, 1, 0], [24, 6, 10, 40])
    rows = ValidationRows(y_true=y, scores=logits, scale="logit")
    p = apply_recalibration(fit_recalibration(rows, method="platt"), rows)[:, 1]
    assert (p[0], p[-1]) == pytest.approx((0.78194444, 0.21111111), abs=1e-6)


def test_row_25_corp_and_slope(refdata: Path):
    """Row 25: the EMOS forecasts of rain in Niamey, as R's reliabilitydiag and glm give them."""
    with (refdata / "precip_Niamey_2016.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    y = np.array([int(row["obs"]) for row in table])
    p = np.array([float(row["EMOS"]) for row in table])
    found = measure_calibration(Rows(y_true=y, scores=p, scale="probability"), seed=1, n_draws=10)
    parts = (found.brier, found.miscalibration, found.discrimination, found.uncertainty)
    assert [part.value for part in parts] == pytest.approx([0.232025, 0.018283, 0.030469, 0.244211], abs=1e-6)
    assert (found.slope.value, found.slope.se) == pytest.approx((1.169468, 0.515451), abs=1e-6)
    assert (found.in_the_large.value, found.in_the_large.se) == pytest.approx((0.253900, 0.216709), abs=1.01e-6)
    assert found.spiegelhalter_z.value == pytest.approx(-0.371224, abs=1e-6)
    logits = Rows(y_true=y, scores=np.log(p / (1 - p)), scale="logit")
    fitted = fit_recalibration(ValidationRows(y_true=y, scores=logits.scores, scale="logit"))
    assert judge_recalibration(fitted, logits, seed=1, n_draws=10).before.auroc.value == pytest.approx(
        0.642961, abs=1e-6
    )


class TestRow26PredictiveValues:
    """Row 26: Mercaldo, Lau and Zhou (2007), ApoE4 and Alzheimer's disease, as R's bdpv gives them."""

    ppv = (0.07109937, 0.05887097, 0.08563667)
    npv = (0.98314039, 0.98094879, 0.98508371)

    def test_from_counts(self):
        """TP 240, FN 178, FP 87, TN 288 at a prevalence of 3 %."""
        point = OperatingPoint(threshold=0.5, n_tp=240, n_fn=178, n_fp=87, n_tn=288)
        (found,) = predictive_values(point, prevalences=[0.03])
        assert (found.ppv.value, found.ppv.low, found.ppv.high) == pytest.approx(self.ppv, abs=1e-8)
        assert (found.npv.value, found.npv.low, found.npv.high) == pytest.approx(self.npv, abs=1e-8)
        assert not found.adjusted

    def test_from_standard_errors(self):
        """The same shares with their binomial standard errors, stated on the logit scale, give the same."""
        sensitivity = LogitShare(share=240 / 418, logit_se=(1 / 240 + 1 / 178) ** 0.5)
        specificity = LogitShare(share=288 / 375, logit_se=(1 / 288 + 1 / 87) ** 0.5)
        (found,) = predictive_values_over_seeds(sensitivity, specificity, prevalences=[0.03])
        assert (found.ppv.value, found.ppv.low, found.ppv.high) == pytest.approx(self.ppv, abs=1e-8)
        assert (found.npv.value, found.npv.low, found.npv.high) == pytest.approx(self.npv, abs=1e-8)
