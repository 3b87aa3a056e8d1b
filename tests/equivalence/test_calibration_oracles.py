"""Our fits against scikit-learn's and statsmodels' on the same cases."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from scantrial.analysis.logistic import fit_intercept, fit_line
from scantrial.analysis.recalibration import apply_recalibration, fit_recalibration
from scantrial.analysis.recalibration_effect import judge_recalibration
from scantrial.analysis.reliability import isotonic_fit
from scantrial.analysis.rows import Rows, ValidationRows
from scantrial.analysis.selection import expected_maximum


def two_classes(n: int, *, seed: int, step: float = 0.0):
    """Log odds of half the size of the logits, which lie on a grid where `step` is not 0."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0.3, 3, n)
    z = np.round(z / step) * step if step else z
    return z, (rng.random(n) < 1 / (1 + np.exp(-z / 2))).astype(np.int64)


def frozen(n_classes: int) -> FrozenEstimator:
    """A classifier whose decision function is its input."""
    model = LogisticRegression()
    n_columns = 1 if n_classes == 2 else n_classes
    model.classes_ = np.arange(n_classes)
    model.coef_, model.intercept_ = np.eye(n_columns), np.zeros(n_columns)
    model.n_features_in_ = n_columns
    return FrozenEstimator(model)


@pytest.mark.parametrize("step", [0.0, 0.5])
@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"),
    [("temperature", "temperature", 1e-6), ("platt", "sigmoid", 1e-6), ("isotonic", "isotonic", 1e-12)],
)
def test_recalibration_as_scikit_learn(ours, theirs, tolerance, step):
    """New cases get the probabilities that CalibratedClassifierCV of a frozen classifier gives them."""
    z, y = two_classes(1200, seed=1, step=step)
    new = np.linspace(-15, 15, 301)
    model = CalibratedClassifierCV(frozen(2), method=theirs).fit(z[:, None], y)
    fitted = fit_recalibration(ValidationRows(y_true=y, scores=z, scale="logit"), method=ours)
    found = apply_recalibration(fitted, Rows(y_true=np.zeros(301, dtype=np.int64), scores=new, scale="logit"))
    assert found == pytest.approx(model.predict_proba(new[:, None]), abs=tolerance)


def test_temperature_of_three_classes_as_scikit_learn():
    """The softmax of logits over T."""
    rng = np.random.default_rng(2)
    z = rng.normal(0, 3, (600, 3))
    y = np.array([rng.choice(3, p=np.exp(row / 2) / np.exp(row / 2).sum()) for row in z])
    model = CalibratedClassifierCV(frozen(3), method="temperature").fit(z, y)
    rows = ValidationRows(y_true=y, scores=z, scale="logit")
    assert apply_recalibration(fit_recalibration(rows), rows) == pytest.approx(model.predict_proba(z), abs=1e-6)


@pytest.mark.parametrize(
    ("n", "scale", "shift"), [(30, 1.0, 0.0), (200, 0.01, 5.0), (200, 100.0, -50.0), (5000, 3.0, 1.0)]
)
def test_slope_and_intercept_as_statsmodels(n, scale, shift):
    """Values and standard errors of a binomial GLM, with and without the slope held at 1 by an offset."""
    z, y = two_classes(n, seed=3)
    line = fit_line(scale * z + shift, y.astype(float))
    model = sm.GLM(y, sm.add_constant(scale * z + shift), family=sm.families.Binomial()).fit(tol=1e-14)
    assert [line.intercept, line.slope] == pytest.approx(model.params, rel=1e-7)
    assert [line.intercept_se, line.slope_se] == pytest.approx(model.bse, rel=1e-6)
    alone = sm.GLM(y, np.ones(n), family=sm.families.Binomial(), offset=z).fit(tol=1e-14)
    assert fit_intercept(z, y.astype(float)) == pytest.approx((alone.params[0], alone.bse[0]), rel=1e-6)


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_isotonic_fit_as_scikit_learn(step):
    """The pooled values at each case, with and without ties."""
    z, y = two_classes(300, seed=4, step=step)
    p = 1 / (1 + np.exp(-z))
    assert isotonic_fit(y, p) == pytest.approx(IsotonicRegression().fit(p, y).predict(p), abs=1e-12)


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_auroc_as_scikit_learn(step):
    """Ranks give scikit-learn's area, ties counting one half."""
    z, y = two_classes(300, seed=5, step=step)
    rows = ValidationRows(y_true=y, scores=z, scale="logit")
    effect = judge_recalibration(fit_recalibration(rows), rows, seed=1, n_draws=2)
    assert effect.before.auroc.value == pytest.approx(roc_auc_score(y, z), abs=1e-12)


def test_expected_maximum_as_drawn():
    """The mean of the largest of 7 in a million draws, within four of its standard errors."""
    drawn = np.random.default_rng(6).standard_normal((1_000_000, 7)).max(axis=1)
    assert expected_maximum(7) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 1000)
