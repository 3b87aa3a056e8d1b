"""Metrics by alias and by the beginning of a name; margins in the metric's unit."""

from __future__ import annotations

import pytest

from scantrial.analysis.metric_names import (
    ALIASES,
    check_margin,
    check_metric,
    depends_on_positive,
    metric_called,
    metrics_meant,
)
from scantrial.analysis.metrics import METRICS
from scantrial.core.errors import InputError


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("acc", "accuracy"),
        ("accuracy", "accuracy"),
        ("auc", "auroc"),
        ("AUROC", "auroc"),
        ("roc_auc", "auroc"),
        ("ap", "average_precision"),
        ("bacc", "balanced_accuracy"),
        ("balanced-accuracy", "balanced_accuracy"),
        ("bal", "balanced_accuracy"),
        ("sens", "sensitivity"),
        ("spec", "specificity"),
        ("nll", "log_loss"),
        ("logloss", "log_loss"),
        ("log", "log_loss"),
        ("mc", "mcc"),
    ],
)
def test_a_metric_is_found_by_its_other_names(name, metric):
    """By alias, by case, and by a beginning that is that of no other."""
    assert metric_called(name) == metric


def test_every_name_means_itself_and_every_alias_a_metric():
    """No metric is hidden by an alias or by a longer name."""
    assert all(metric_called(name) == name for name in METRICS)
    assert set(ALIASES.values()) <= set(METRICS)
    assert not set(ALIASES) & set(METRICS)


def test_what_may_mean_several_is_refused_with_all_of_them():
    """And what means none with the nearest."""
    with pytest.raises(InputError) as several:
        metric_called("a")
    assert several.value.expected == "one of accuracy, auroc, average_precision"
    with pytest.raises(InputError, match=r"no metric is called 'acuracy' \(did you mean 'accuracy'\?\)"):
        metric_called("acuracy")
    with pytest.raises(InputError, match=r"no metric is called 'xyz'\n"):
        metric_called("xyz")
    assert metrics_meant("") == ()


def test_where_a_name_has_to_be_exact_the_right_one_is_suggested():
    """In Python and in study files."""
    with pytest.raises(InputError, match=r"no metric is called 'nll' \(did you mean 'log_loss'\?\)"):
        check_metric("nll")
    assert metrics_meant("acc", ["auroc", "log_loss"]) == ()


@pytest.mark.parametrize("metric", [name for name, one in METRICS.items() if one.unit not in ("nats", "grades")])
def test_a_margin_in_per_cent_is_refused(metric):
    """3 for 0.03: no difference is as large."""
    with pytest.raises(InputError, match=rf"margin 3 of {metric} \(did you mean 0.03\?\)"):
        check_margin(metric, 3.0)
    check_margin(metric, 0.03)
    check_margin(metric, None)
    check_margin("log_loss", 3.0)


@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan"), float("inf")])
def test_a_margin_is_a_positive_number(margin):
    """Nothing else."""
    with pytest.raises(InputError, match="a positive number"):
        check_margin("accuracy", margin)


def test_metrics_that_change_with_the_positive_class():
    """Of two classes named the other way round, these and no others have another value."""
    assert {name for name in METRICS if depends_on_positive(name)} == {
        "sensitivity",
        "specificity",
        "average_precision",
        "f1",
    }


def test_an_error_in_grades_may_be_one_and_more():
    """Two grades are a possible margin; a kappa differs by less than 1 where it matters."""
    check_margin("mean_absolute_error", 1.5)
    with pytest.raises(InputError, match=r"margin 1.5 of quadratic_weighted_kappa \(did you mean 0.015\?\)"):
        check_margin("quadratic_weighted_kappa", 1.5)
