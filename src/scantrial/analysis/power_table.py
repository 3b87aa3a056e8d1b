"""What a design can show, before anything is trained: the smallest difference, its price, and the limits of both.

>>> from scantrial.analysis.assumptions import assume
>>> design = Design(n_arms=2, n_comparisons=1, n_seeds=10, n_by_class=(200, 200), metric="accuracy", margin=0.02)
>>> found = plan(design, assume(design))
>>> found.sentences[0]
'With 10 seeds and 400 test cases, a true difference of 2.2 points would be found with a probability of 80 %.'
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scantrial.analysis.assumptions import Basis
from scantrial.analysis.comparison import Comparison
from scantrial.analysis.metric_names import may_differ_by_one
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import Components
from scantrial.analysis.outlook import Outlook, curve_of, outlook_of
from scantrial.analysis.plan_words import plan_sentences, plan_warnings
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import PowerCurve, cautious, from_components, mean_area, smallest_difference
from scantrial.analysis.verdicts import MIN_SEEDS, NEEDED_SEEDS
from scantrial.core.errors import InputError
from scantrial.core.format import counted
from scantrial.core.plain import Plain

_NO_SPREAD = 1e-9
"""A standard deviation below this is rounding."""

_ESTIMAND = "Seeds stand for new training runs, not for new training data: all numbers hold for these training cases."


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPlan(Plain):
    """What a design can show, and what a reader has to know about it.

    Parameters
    ----------
    outlook, cautious : on the basis as it is, and with a pilot's spread at its upper limit (None without a pilot)
    over_seeds, over_cases : the smallest difference, and the power for `outlook.difference`, over other designs
    sentences : the answer in words, each with its numbers
    warnings : what prevents a verdict, or weakens these numbers
    """

    design: PlannedDesign
    basis: Basis
    outlook: Outlook
    cautious: Outlook | None
    over_seeds: PowerCurve
    over_cases: PowerCurve
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_power(design: PlannedDesign, basis: Basis, *, difference: float | None = None) -> PowerPlan:
    """Say what a design can show (Hillis, Obuchowski and Berbaum 2011).

    p is adjusted by Holm when the trial is analysed; here every comparison is held to ``alpha / m``, Holm's strictest
    step, so that the real power is at least what is said.

    Parameters
    ----------
    difference : the true difference to be found, in the metric's unit; default: the margin

    Raises
    ------
    InputError
        If the difference is not a positive number, or is 1 or more for a proportion.
    """
    asked = design.margin if difference is None else difference
    check_difference(design.metric, asked)
    variances = basis.variances.on(design.n_cases)
    outlook = outlook_of(design, variances, asked)
    cautious = None if basis.cautious is None else outlook_of(design, basis.cautious.on(design.n_cases), asked)
    over_cases = curve_of(design, variances, asked, over="cases")
    return PowerPlan(
        design=design,
        basis=basis,
        outlook=outlook,
        cautious=cautious,
        over_seeds=curve_of(design, variances, asked, over="seeds"),
        over_cases=over_cases,
        sentences=tuple(plan_sentences(design, variances, outlook, cautious)),
        warnings=(*plan_warnings(design, basis, outlook), _ESTIMAND),
    )


def plan_again(found: Comparison) -> PowerPlan | None:
    """Plan a study again on the spreads that it has measured: what it can show, and what would decide it.

    Returns
    -------
    PowerPlan or None
        None where nothing was compared, arms share fewer than three seeds, or nothing varied; see `why_no_plan`.
    """
    measured = found.components
    if measured is None or not found.comparisons or measured.n_seeds < MIN_SEEDS or _nothing_varied(measured):
        return None
    design = PlannedDesign(
        n_arms=measured.n_arms,
        n_comparisons=len(found.comparisons),
        n_seeds=measured.n_seeds,
        n_by_class=found.n_by_class,
        metric=found.metric,
        margin=found.margin,
        n_patients=found.n_patients,
        level=found.level,
        class_names=found.class_names,
        patients_by_class=found.patients_by_class,
    )
    area = mean_area(found.metric, [arm.mean for arm in found.arms])
    words = f"this study: {measured.n_arms} arms x {measured.n_seeds} seeds on {measured.n_cases:,} cases"
    return plan_power(
        design,
        Basis(
            variances=from_components(measured, source=words, area=area),
            cautious=cautious(measured, source=f"{words}, spread over seeds at its upper 80 % limit", area=area),
            source=words,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The smallest difference that is found with a probability of 80 %, with more seeds and with more test cases.

    Parameters
    ----------
    now : as the study is
    with_seeds, with_cases : with `more_seeds` more seeds, and with `more_cases` more test cases of the same kind
    """

    metric: str
    now: float
    more_seeds: int
    with_seeds: float
    more_cases: int
    with_cases: float


def gain_of_more(found: Comparison, *, more_seeds: int, more_cases: int) -> Gain | None:
    """Return what more seeds, and what more test cases, would buy a finished study; None where `plan_again` is None."""
    planned = plan_again(found)
    if planned is None or planned.outlook.smallest_difference is None:
        return None
    design, basis = planned.design, planned.basis.variances
    n_seeds, n_cases, alpha = design.n_seeds, design.n_cases, design.alpha
    return Gain(
        metric=design.metric,
        now=planned.outlook.smallest_difference,
        more_seeds=more_seeds,
        with_seeds=smallest_difference(basis.on(n_cases), n_seeds=n_seeds + more_seeds, alpha=alpha),
        more_cases=more_cases,
        with_cases=smallest_difference(basis.on(n_cases + more_cases), n_seeds=n_seeds, alpha=alpha),
    )


def _nothing_varied(measured: Components) -> bool:
    variances = from_components(measured, source="")
    return max(variances.var_arm_seed, variances.error) < _NO_SPREAD**2


def why_no_plan(found: Comparison) -> str | None:
    """Say why nothing is advised on seeds and cases: too few seeds, or differences that do not vary; None otherwise."""
    if not found.comparisons:
        return None
    shared = found.components
    n = min(item.result.n_seeds for item in found.comparisons) if shared is None else shared.n_seeds
    if n < MIN_SEEDS:
        return f"{counted(n, 'seed')}: {NEEDED_SEEDS}, so nothing is advised on how many seeds or cases would decide."
    if shared is not None and _nothing_varied(shared):
        return "The differences vary neither over seeds nor over cases, so nothing is advised on how many would decide."
    return None


def check_difference(metric: str, difference: float | None) -> None:
    """Refuse a true difference that cannot be, or that no trial looks for; see `plan_power`."""
    if difference is None:
        return
    unit = METRICS[metric].unit
    too_large = not may_differ_by_one(metric) and difference >= 1
    if not (difference > 0 and math.isfinite(difference)) or too_large:
        raise InputError(
            f"a difference of {difference:g}",
            expected="a positive number in the metric's unit"
            + ("; two percentage points are 0.02" if unit == "proportion" else ", below 1" * too_large),
        )
