"""Logistic fits that do not come to an end."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.analysis import logistic
from scantrial.analysis.metrics import Undefined


@pytest.mark.parametrize("limit", ["MAX_STEPS", "MAX_HALVINGS"])
def test_a_fit_that_runs_out_of_steps_has_no_value(monkeypatch, limit):
    """It is a reason, never the last step's number."""
    monkeypatch.setattr(logistic, limit, 0)
    with pytest.raises(Undefined, match="the logistic fit did not converge"):
        logistic.fit_line(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0, 1.0]))


def test_a_fit_by_hand():
    """Two scores with shares 1/4 and 3/4: the line goes through their log odds, -ln 3 and ln 3."""
    z = np.repeat([0.0, 1.0], 4)
    line = logistic.fit_line(z, np.array([1.0, 0, 0, 0, 1, 1, 1, 0]))
    assert (line.intercept, line.slope) == pytest.approx((-np.log(3), 2 * np.log(3)))
    assert line.intercept_se == pytest.approx((1 / 1 + 1 / 3) ** 0.5)
    assert line.slope_se == pytest.approx((2 * (1 / 1 + 1 / 3)) ** 0.5)
