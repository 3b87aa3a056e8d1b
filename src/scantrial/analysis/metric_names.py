"""Metrics as a user names them: by alias or the beginning of a name; and margins in the metric's own unit."""

from __future__ import annotations

import math
from collections.abc import Iterable

from scantrial.analysis.metrics import METRICS
from scantrial.core.errors import InputError
from scantrial.core.names import listed, nearest

ALIASES = {
    "accuracy_score": "accuracy",
    "ap": "average_precision",
    "aupr": "average_precision",
    "auprc": "average_precision",
    "average_precision_score": "average_precision",
    "pr_auc": "average_precision",
    "auc": "auroc",
    "auc_roc": "auroc",
    "roc": "auroc",
    "roc_auc": "auroc",
    "roc_auc_score": "auroc",
    "rocauc": "auroc",
    "bacc": "balanced_accuracy",
    "bal_acc": "balanced_accuracy",
    "balanced_acc": "balanced_accuracy",
    "balanced_accuracy_score": "balanced_accuracy",
    "brier_score": "brier",
    "brier_score_loss": "brier",
    "ce": "log_loss",
    "cross_entropy": "log_loss",
    "logloss": "log_loss",
    "nll": "log_loss",
    "f1_macro": "macro_f1",
    "f1_score": "f1",
    "f1_weighted": "weighted_f1",
    "kappa": "quadratic_weighted_kappa",
    "mae": "mean_absolute_error",
    "qwk": "quadratic_weighted_kappa",
    "f_1": "f1",
    "matthews": "mcc",
    "matthews_corrcoef": "mcc",
    "recall": "sensitivity",
    "tpr": "sensitivity",
    "tnr": "specificity",
    "acc": "accuracy",
    "sens": "sensitivity",
    "spec": "specificity",
}
"""What other libraries and papers call metrics, in small letters with ``_`` between words."""

_SYMMETRIC = frozenset(METRICS) - {"sensitivity", "specificity", "average_precision", "f1"}


def depends_on_positive(metric: str) -> bool:
    """Tell whether a metric of two classes changes where the other class is the positive one."""
    return metric not in _SYMMETRIC


def metrics_meant(name: str, known: Iterable[str] = METRICS) -> tuple[str, ...]:
    """Return the metrics that a name may mean: itself, its alias, or those that begin with it; none if none does.

    Parameters
    ----------
    known : the names to choose from, default: of all metrics
    """
    names = tuple(known)
    word = name.strip().lower().replace("-", "_").replace(" ", "_")
    if word in names:
        return (word,)
    if ALIASES.get(word) in names:
        return (ALIASES[word],)
    return tuple(known_name for known_name in names if word and known_name.startswith(word))


def metric_called(name: str) -> str:
    """Return the metric that a name means: its own, an alias, or the beginning of only one.

    Raises
    ------
    InputError
        If it means none, with the nearest name; or several, with all of them.
    """
    meant = metrics_meant(name)
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise InputError(f"{name!r} may mean several metrics", expected=f"one of {listed(meant)}")
    guess = nearest(name, (*METRICS, *ALIASES))
    raise InputError(
        f"no metric is called {name!r}" + (f" (did you mean {metrics_meant(guess)[0]!r}?)" if guess else ""),
        expected=f"one of {listed(sorted(METRICS))}",
    )


def check_metric(name: str) -> str:
    """Return a metric's name; refuse any other, an alias as well, with the name that is meant."""
    if name in METRICS:
        return name
    meant = metric_called(name)
    raise InputError(
        f"no metric is called {name!r} (did you mean {meant!r}?)", expected=f"one of {listed(sorted(METRICS))}"
    )


def may_differ_by_one(metric: str) -> bool:
    """Tell whether a difference of 1 and more is possible in practice: of losses in nats and of errors in grades."""
    return METRICS[metric].unit in ("nats", "grades")


def check_margin(metric: str, margin: float | None) -> None:
    """Refuse a margin that is not positive, or is 1 or more for a metric that cannot differ by as much.

    Raises
    ------
    InputError
        With the margin that may be meant, such as 0.03 for 3 percentage points.
    """
    if margin is None:
        return
    if not (margin > 0 and math.isfinite(margin)):
        raise InputError(f"margin {margin}", expected="a positive number, in the metric's unit")
    if margin >= 1 and not may_differ_by_one(metric):
        raise InputError(
            f"margin {margin:g} of {metric}" + (f" (did you mean {margin / 100:g}?)" if margin < 100 else ""),
            expected="less than 1: two percentage points are 0.02",
        )


def check_comparison(metric: str, margin: float | None, level: float) -> None:
    """Refuse an unknown metric, a margin that does not fit it, and a level that is none.

    Raises
    ------
    InputError
        With what would fit.
    """
    check_margin(check_metric(metric), margin)
    if not 0.5 < level < 1:
        raise InputError(f"level {level}", expected="above 0.5 and below 1, such as 0.95")
