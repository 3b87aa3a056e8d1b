"""Recalibration on validation rows, and what it does to others."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from scantrial.analysis.recalibration import (
    WHY_DEFAULT,
    apply_recalibration,
    fit_recalibration,
    recalibrated_logits,
)
from scantrial.analysis.recalibration_effect import judge_recalibration
from scantrial.analysis.rows import Rows, ValidationRows
from scantrial.core.errors import InputError


def drawn(n: int, *, scale: float = 1.0, shift: float = 0.0, seed: int = 0, kind=ValidationRows):
    """Rows whose true log odds are z, with logits scale * z + shift."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(np.int64)
    return kind(y_true=y, scores=scale * z + shift, scale="logit")


def rows(y, scores, kind=ValidationRows):
    return kind(y_true=np.array(y), scores=np.array(scores, dtype=float), scale="logit")


class TestRefused:
    """What nothing is fitted on, and what no map is applied to."""

    def test_rows_that_are_not_of_the_validation_split(self):
        """Plain rows, such as test rows, are refused."""
        with pytest.raises(InputError, match="a choice on Rows"):
            fit_recalibration(drawn(50, kind=Rows))  # type: ignore[arg-type]

    def test_probabilities(self):
        """They are not turned into logits in silence."""
        given = ValidationRows(y_true=np.array([0, 1]), scores=np.array([0.2, 0.7]), scale="probability")
        with pytest.raises(InputError, match="scores of the scale 'probability'"):
            fit_recalibration(given)

    def test_an_unknown_method(self):
        """The message lists the known ones."""
        with pytest.raises(InputError, match=r"method = 'beta'[\s\S]*temperature, platt or isotonic"):
            fit_recalibration(drawn(50), method="beta")  # type: ignore[arg-type]

    @pytest.mark.parametrize("method", ["platt", "isotonic"])
    def test_two_class_methods_for_three_classes(self, method):
        """The way out is temperature."""
        three = rows([0, 1, 2], np.eye(3))
        with pytest.raises(InputError, match=rf"{method} for 3 classes[\s\S]*use temperature"):
            fit_recalibration(three, method=method)

    def test_a_map_that_is_not_there(self):
        """Its reason is in the message."""
        fitted = fit_recalibration(rows([0, 0], [1, 2]))
        with pytest.raises(InputError, match="every case is of class 0"):
            apply_recalibration(fitted, rows([0, 1], [1, 2], Rows))

    def test_rows_of_another_number_of_classes(self):
        """A map for two classes is not broadcast over three."""
        with pytest.raises(InputError, match="logits of 2 classes"):
            apply_recalibration(fit_recalibration(drawn(50)), rows([0, 1, 2], np.eye(3), Rows))

    def test_the_effect_on_probabilities(self):
        """Rows that are no logits are not judged."""
        given = Rows(y_true=np.array([0, 1]), scores=np.array([0.2, 0.7]), scale="probability")
        with pytest.raises(InputError, match="recalibration works on them"):
            judge_recalibration(fit_recalibration(drawn(50)), given, seed=1)

    def test_logits_after_isotonic_regression(self):
        """There are none: p may be 0 or 1."""
        fitted = fit_recalibration(drawn(1000), method="isotonic")
        with pytest.raises(InputError, match="isotonic gives p itself"):
            recalibrated_logits(fitted, drawn(5, kind=Rows))


class TestCannotBeEstimated:
    """A reason in place of a map."""

    @pytest.mark.parametrize(
        ("y", "scores", "method", "reason"),
        [
            ([], [], None, "there are no cases"),
            ([1, 1, 1], [1, -2, 3], None, "every case is of class 1"),
            ([1, 1, 1], [1, -2, 3], "platt", "every case is of class 1"),
            ([0, 1, 1], [0, 0, 0], None, "all logits are equal"),
            ([0, 1, 1], [2, 2, 2], "platt", "all scores are equal"),
            ([0, 0, 1, 1], [-2, -1, 1, 2], None, "T runs to its lower bound 0.0067"),
            ([0, 0, 1, 1], [2, 1, -1, -2], None, "T runs to its upper bound 148.4"),
            ([0, 1, 0, 1], [1, 1, -1, -1], None, "T runs to its upper bound 148.4"),
            (
                [0, 1] * 100,
                range(200),
                "isotonic",
                "isotonic regression needs 1000 validation cases, and there are 200",
            ),
        ],
    )
    def test_reasons(self, y, scores, method, reason):
        """No case, one class, equal logits, separation, logits without information, too few for isotonic."""
        fitted = fit_recalibration(rows(np.array(y, dtype=np.int64), list(scores)), method=method)
        assert str(fitted.reason).startswith(reason)
        assert math.isnan(fitted.temperature)
        json.dumps(fitted.to_dict(), allow_nan=False)

    def test_the_effect_tells_what_was_before(self):
        """There is no after, and the reason is kept."""
        effect = judge_recalibration(fit_recalibration(rows([0, 1], [-1, 1])), drawn(60, kind=Rows), seed=1, n_draws=5)
        assert (effect.after, effect.n_decisions_changed) == (None, None)
        assert effect.before.log_loss.is_defined
        assert "lower bound" in str(effect.to_dict()["recalibration"]["reason"])


class TestTemperature:
    """The default."""

    def test_the_choice_and_its_reason_are_fields(self):
        """Left open, it is temperature and says why; asked for, it says so."""
        assert (fit_recalibration(drawn(99)).method, fit_recalibration(drawn(99)).why) == ("temperature", WHY_DEFAULT)
        assert fit_recalibration(drawn(99), method="temperature").why == "asked for"

    def test_over_confident_logits_have_a_temperature_above_1(self):
        """Logits three times too large come out near T = 3."""
        assert fit_recalibration(drawn(4000, scale=3)).temperature == pytest.approx(3, abs=0.25)

    def test_logits_that_separate_within_reach_of_the_bound(self):
        """Scaling all logits scales T by the same factor."""
        fitted = [fit_recalibration(drawn(300, scale=factor)).temperature for factor in (1.0, 10.0)]
        assert fitted[1] == pytest.approx(10 * fitted[0], rel=1e-9)

    def test_what_it_does_to_test_rows(self):
        """Log loss, Brier score and calibration are better; ranking and decisions are the same."""
        test = drawn(1500, scale=4, seed=1, kind=Rows)
        effect = judge_recalibration(fit_recalibration(drawn(1500, scale=4)), test, seed=1, n_draws=5)
        before, after = effect.before, effect.after
        assert after is not None
        assert after.calibration is not None
        assert before.calibration is not None
        assert after.log_loss.value < before.log_loss.value
        assert after.brier.value < before.brier.value
        assert after.calibration.error.value < before.calibration.error.value
        assert before.calibration.slope.value == pytest.approx(0.25, abs=0.03)
        # T and the slope are fitted on 1,500 cases each: their errors add.
        assert abs(after.calibration.slope.value - 1) < 3 * math.sqrt(2) * after.calibration.slope.se
        assert after.auroc.value == before.auroc.value
        assert effect.n_decisions_changed == 0
        json.dumps(effect.to_dict(), allow_nan=False)

    def test_three_classes(self):
        """Logits of a softmax, twice too large: T is near 2, and no decision changes; calibration is for two classes."""
        rng = np.random.default_rng(0)
        z = rng.normal(0, 1.5, (4000, 3))
        y = np.array([rng.choice(3, p=np.exp(row) / np.exp(row).sum()) for row in z])
        fitted = fit_recalibration(rows(y, 2 * z))
        assert fitted.temperature == pytest.approx(2, abs=0.15)
        effect = judge_recalibration(fitted, rows(y, 2 * z, Rows), seed=1)
        assert effect.n_decisions_changed == 0
        assert effect.after is not None
        assert effect.after.log_loss.value < effect.before.log_loss.value
        assert effect.before.calibration is None
        assert 0.5 < effect.before.auroc.value < 1
        lacking = judge_recalibration(fitted, rows([0, 1], 2 * z[:2], Rows), seed=1)
        assert lacking.before.auroc.reason == "no case is of class 2"

    def test_two_columns_of_a_softmax_are_one_logit(self):
        """Three columns of which one is never likely give the temperature of the two others' difference."""
        given = drawn(200, scale=2)
        zeros = np.zeros(given.n)
        columns = np.column_stack([zeros, given.scores, zeros - 1e5])
        assert fit_recalibration(rows(given.y_true, columns)).temperature == pytest.approx(
            fit_recalibration(given).temperature, rel=1e-9
        )


class TestPlatt:
    """Slope and shift."""

    def test_it_mends_a_shift_that_temperature_cannot(self):
        """Logits off by 2: in-the-large is 2 off before, and within two standard errors of 0 after."""
        effect = judge_recalibration(
            fit_recalibration(drawn(3000, shift=2), method="platt"),
            drawn(3000, shift=2, seed=1, kind=Rows),
            seed=1,
            n_draws=5,
        )
        assert effect.before.calibration is not None
        assert effect.after is not None
        assert effect.after.calibration is not None
        assert effect.before.calibration.in_the_large.value == pytest.approx(-2, abs=0.2)
        found = effect.after.calibration.in_the_large
        assert abs(found.value) < 2 * math.sqrt(2) * found.se

    def test_temperature_says_where_platt_is_called_for(self):
        """A shift is told with its size, and nothing is switched; without a shift there is nothing to tell."""
        shifted = fit_recalibration(drawn(3000, shift=2))
        assert shifted.method == "temperature"
        assert "Platt scaling (platt) corrects this, a temperature cannot" in str(shifted.advice)
        assert fit_recalibration(drawn(3000)).advice is None

    def test_separated_classes_have_a_finite_map(self):
        """Smoothed targets are never 0 or 1."""
        fitted = fit_recalibration(rows([0, 0, 1, 1], [-2, -1, 1, 2]), method="platt")
        p = apply_recalibration(fitted, rows([0, 1], [-1.5, 1.5], Rows))[:, 1]
        assert 0 < p[0] < 0.5 < p[1] < 1


class TestIsotonic:
    """Many cases only."""

    def test_it_is_constant_beyond_the_validation_scores(self):
        """Scores beyond the range get the value at its end, and p sums to 1."""
        fitted = fit_recalibration(drawn(1000), method="isotonic")
        y_prob = apply_recalibration(fitted, rows([0, 0, 1, 1], [-99, -98, 98, 99], Rows))
        assert y_prob[0].tolist() == y_prob[1].tolist()
        assert y_prob[2].tolist() == y_prob[3].tolist()
        assert y_prob.sum(axis=1) == pytest.approx(1)

    def test_its_effect(self):
        """Bent logits are straightened; the record goes to JSON."""
        bend = lambda given, kind: kind(y_true=given.y_true, scores=given.scores**3, scale="logit")  # noqa: E731
        fitted = fit_recalibration(bend(drawn(3000), ValidationRows), method="isotonic")
        effect = judge_recalibration(fitted, bend(drawn(3000, seed=1), Rows), seed=1, n_draws=5)
        assert effect.after is not None
        assert effect.after.log_loss.value < effect.before.log_loss.value
        json.dumps(effect.to_dict(), allow_nan=False)
