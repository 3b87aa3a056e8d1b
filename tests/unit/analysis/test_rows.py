"""Scored rows, and what may be chosen on."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scantrial.analysis.metrics import Undefined
from scantrial.analysis.rows import (
    Rows,
    ValidationRows,
    check_choosable,
    log_odds_of,
    probabilities,
    rows_of,
    validation_rows,
)
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.records import SplitPredictions


def predictions(logits, y_prob, *, split="val") -> SplitPredictions:
    n, n_outputs = np.shape(logits)
    return SplitPredictions(
        split=split,
        cases=np.arange(n),
        y_true=np.zeros(n, dtype=np.int64),
        logits=np.asarray(logits, dtype=np.float32),
        output_names=tuple("abcd"[:n_outputs]),
        y_prob=np.asarray(y_prob, dtype=np.float64),
    )


def softmax(z):
    e = np.exp(np.asarray(z, dtype=np.float64))
    return e / e.sum(axis=1, keepdims=True)


class TestRefused:
    """Rows that are none."""

    @pytest.mark.parametrize(
        ("scores", "scale", "message"),
        [
            ([[0.5, 0.5], [0.1, 0.9]], "logit", "scores of shape (2, 2) for 2 cases"),
            ([0.5, 0.5, 0.1], "logit", "scores of shape (3,) for 2 cases"),
            ([0.5, np.nan], "logit", "the score of row 1 is nan"),
            ([0.5, np.inf], "any", "the score of row 1 is inf"),
            ([0.5, -1.1e300], "any", "the score of row 1 is -1.1e+300\nexpected: finite scores of at most 1e+300"),
            ([0.5, 1.5], "probability", "scores from 0.5 to 1.5"),
            ([[0.5, 0.5, 0.5], [0.1, 0.8, 0.1]], "probability", "y_prob row 0 is [0.5, 0.5, 0.5]"),
            ([[0.5, 0.5, 0.5], [0.1, 0.8, 0.1]], "any", "scores of any scale for more than two classes"),
            ([0.5, 0.5], "log odds", "scale = 'log odds'"),
        ],
    )
    def test_scores(self, scores, scale, message):
        """Other shapes, values that are not finite or off their scale, an unknown scale."""
        with pytest.raises(InputError, match=re.escape(message)):
            Rows(y_true=np.array([0, 1]), scores=np.array(scores), scale=scale)

    def test_labels_out_of_range(self):
        """One score a case means two classes."""
        with pytest.raises(InputError, match="y_true from 0 to 2"):
            Rows(y_true=np.array([0, 2]), scores=np.array([0.1, 0.2]), scale="logit")

    def test_labels_of_another_shape(self):
        """Labels in a column are refused, not broadcast."""
        with pytest.raises(ShapeError, match="y_true of shape"):
            Rows(y_true=np.array([[0], [1]]), scores=np.array([0.1, 0.2]), scale="logit")


class TestChoosing:
    """Only validation rows are for choosing."""

    @pytest.mark.parametrize("split", ["train", "test"])
    def test_predictions_of_another_split_make_no_validation_rows(self, split):
        """The stored split decides, not what the caller calls them."""
        given = predictions([[1.0]], [[0.25, 0.75]], split=split)
        with pytest.raises(InputError, match=f"predictions of the split '{split}'"):
            validation_rows(given)
        assert type(rows_of(given)) is Rows

    def test_rows_of_no_known_split_are_refused_at_run_time(self):
        """Without a type checker the mistake is found as well."""
        with pytest.raises(InputError, match="a choice on Rows"):
            check_choosable(rows_of(predictions([[1.0]], [[0.25, 0.75]])))
        check_choosable(validation_rows(predictions([[1.0]], [[0.25, 0.75]])))


class TestFromPredictions:
    """Logits of every kind of head."""

    def test_one_logit(self):
        """It is the log odds of class 1."""
        rows = validation_rows(predictions([[1.5], [-2.0]], [[0.2, 0.8], [0.9, 0.1]]))
        assert isinstance(rows, ValidationRows)
        assert rows.scores.tolist() == [1.5, -2.0]

    def test_two_logits(self):
        """The log odds of class 1 are their difference."""
        z = [[1.0, 3.0], [0.5, -0.25]]
        rows = rows_of(predictions(z, softmax(z)))
        assert rows.scores.tolist() == [2.0, -0.75]
        assert probabilities(rows) == pytest.approx(softmax(z))

    def test_three_logits_of_a_softmax(self):
        """They are taken as they are."""
        z = [[1.0, 3.0, 0.0], [0.5, -0.25, 2.0]]
        assert rows_of(predictions(z, softmax(z))).scores.tolist() == z

    def test_three_sigmoids(self):
        """Probabilities that are no softmax of the logits come back from the rows all the same."""
        z = np.array([[1.0, 3.0, 0.0], [0.5, -0.25, 2.0]])
        p = 1 / (1 + np.exp(-z))
        p /= p.sum(axis=1, keepdims=True)
        assert probabilities(rows_of(predictions(z, p))) == pytest.approx(p, abs=1e-12)


class TestScales:
    """Probabilities and log odds."""

    def test_logits_are_never_clipped(self):
        """Log odds of 100 stay what they are, though p rounds to 1."""
        z, n_clipped = log_odds_of(Rows(y_true=np.array([0, 1]), scores=np.array([-100.0, 100.0]), scale="logit"))
        assert (z.tolist(), n_clipped) == ([-100.0, 100.0], 0)

    def test_probabilities_of_0_and_1_are_clipped_and_counted(self):
        """Their log odds are those of 1e-7 and 1 - 1e-7."""
        rows = Rows(y_true=np.array([0, 1, 1]), scores=np.array([0.0, 1.0, 0.5]), scale="probability")
        z, n_clipped = log_odds_of(rows)
        assert n_clipped == 2
        assert z == pytest.approx([-np.log(1e7 - 1), np.log(1e7 - 1), 0.0], rel=1e-9)

    @pytest.mark.parametrize("function", [log_odds_of, probabilities])
    def test_scores_of_any_scale_are_no_probabilities(self, function):
        """They are not guessed from their values."""
        with pytest.raises(Undefined, match="only their order counts"):
            function(Rows(y_true=np.array([0, 1]), scores=np.array([0.1, 0.9]), scale="any"))
