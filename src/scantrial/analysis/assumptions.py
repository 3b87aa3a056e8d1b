"""What a plan rests on before anything has run: assumptions in plain numbers, each with its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scantrial.analysis.metrics import METRICS, POSITIVE
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import Variances, assumed, assumed_auroc
from scantrial.core.errors import InputError

_SHARES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
"""Metrics that are shares of cases, or means of them, for which plain assumptions are enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """A number that is assumed where none is given, and where it is from."""

    value: float
    origin: str


_MEASURED = "real radiographs"
_SHARE_DEFAULTS = {
    "value": Default(value=0.75, origin=f"{_MEASURED}: 0.72 to 0.76"),
    "disagreement": Default(value=0.05, origin=f"{_MEASURED}: 0.017 (loss), 0.032 (depth)"),
    "sd_training": Default(value=0.01, origin=f"{_MEASURED}: 0.007 to 0.012"),
    "shared": Default(value=0.25, origin=f"{_MEASURED}: 0 (loss), 0.13 (depth)"),
}
_AUROC_DEFAULTS = {
    "value": Default(value=0.90, origin=f"{_MEASURED}: 0.92 to 0.94"),
    "correlation": Default(value=0.90, origin=f"{_MEASURED}: 0.99 (loss), 0.97 (depth)"),
    "sd_training": Default(value=0.005, origin=f"{_MEASURED}: 0.004 to 0.007"),
    "shared": Default(value=0.25, origin=f"{_MEASURED}: 0 (loss), 0.07 (depth)"),
}
"""For orientation: on the cautious side of what four seeds on 400 test cases gave (docs/planning.md)."""

MEANINGS = {
    "value": "expected value of the metric",
    "disagreement": "share of cases that only one of two arms gets right",
    "correlation": "correlation of two arms' AUROC over samples of cases",
    "sd_training": "standard deviation over seeds, cases held fixed",
    "shared": "share of the disagreement that remains after retraining",
}
"""What each assumption means, in one line."""


def defaults_for(metric: str) -> Mapping[str, Default]:
    """Return the assumptions that a metric needs, each with its default.

    Raises
    ------
    InputError
        If plain assumptions do not give the variances of that metric; a pilot gives them.
    """
    if metric == "auroc":
        return _AUROC_DEFAULTS
    if metric in _SHARES:
        return _SHARE_DEFAULTS
    raise InputError(
        f"no assumption in plain numbers gives the spread of {METRICS[metric].title}",
        expected=f"a pilot, or one of {', '.join((*_SHARES, 'auroc'))} as primary metric",
        do="train a few seeds first (scantrial run STUDY --seeds 3 --out pilot), then plan with --pilot pilot",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a plan rests on.

    Parameters
    ----------
    variances : on the planned number of cases
    cautious : the same with a pilot's spread over seeds at its upper limit; None without a pilot
    assumptions : by name: value and origin; empty with a pilot
    source : in words
    """

    variances: Variances
    source: str
    cautious: Variances | None = None
    assumptions: Mapping[str, Default] = field(default_factory=dict)


def assume(design: PlannedDesign, given: Mapping[str, float | None] | None = None) -> Basis:
    """Make the basis of a plan from assumptions, before anything has run.

    Parameters
    ----------
    given : by name (see `MEANINGS`), what replaces a default; None leaves it

    Raises
    ------
    InputError
        If the metric needs a pilot, does not use one of the numbers, or a number is out of its range.
    """
    defaults = defaults_for(design.metric)
    stated = {name: value for name, value in (given or {}).items() if value is not None}
    foreign = [name for name in stated if name not in defaults]
    if foreign:
        raise InputError(
            f"{METRICS[design.metric].title} takes no {', '.join(foreign)}", expected=f"any of {', '.join(defaults)}"
        )
    used = {
        name: Default(value=stated[name], origin="given") if name in stated else default
        for name, default in defaults.items()
    }
    numbers = {name: item.value for name, item in used.items()}
    if design.metric == "auroc":
        positive, negative = _two_kinds(design)
        variances = assumed_auroc(n_cases=design.n_cases, n_positive=positive, n_negative=negative, **numbers)
    else:
        variances = assumed(n_cases=design.n_cases, n_independent=design.resting_cases(), **numbers)
    return Basis(variances=variances, source=variances.source, assumptions=used)


def _two_kinds(design: PlannedDesign) -> tuple[float, float]:
    if len(design.n_by_class) != 2:
        raise InputError(
            f"AUROC of {len(design.n_by_class)} classes: its spread has no plain formula",
            expected="two classes, or a pilot",
            do="train a few seeds first, then plan with --pilot",
        )
    return design.independent[POSITIVE], design.independent[1 - POSITIVE]
