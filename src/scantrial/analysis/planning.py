"""What a design can show, before anything is trained: the smallest difference, its price, and the limits of both.

>>> design = Design(n_arms=2, n_comparisons=1, n_seeds=10, n_by_class=(200, 200), metric="accuracy", margin=0.02)
>>> found = plan(design, assume(design))
>>> found.sentences[0]
'With 10 seeds and 400 test cases, a true difference of 2.2 points would be found with a probability of 80 %.'
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from scantrial.analysis.comparison import Comparison
from scantrial.analysis.metrics import METRICS, POSITIVE
from scantrial.analysis.multiplicity import simultaneous_level
from scantrial.analysis.power import (
    MAX_CASES_FACTOR,
    MAX_SEEDS,
    POWER,
    Curve,
    Variances,
    assumed,
    assumed_auroc,
    best_over_cases,
    cases_needed,
    cautious,
    curve_over,
    floor_over_seeds,
    from_components,
    power,
    power_of_equivalence,
    seeds_needed,
    smallest_difference,
)
from scantrial.analysis.verdicts import FEW_SEEDS, MIN_OF_CLASS, MIN_SEEDS, small_classes
from scantrial.analysis.wording import amount
from scantrial.core.errors import InputError

_SHARES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
"""Metrics that are shares of cases, or means of them, for which plain assumptions are enough."""

_ESTIMAND = "Seeds stand for new training runs, not for new training data: all of this is for these training cases."

_SEEDS_SHOWN = (3, 5, 10, 20, 50)
_CASES_SHOWN = (0.5, 1, 2, 5, 10)


# ---------------------------------------------------------------------- what is planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A trial as it is planned.

    Parameters
    ----------
    n_comparisons : pairs of arms that are compared together; p is adjusted for them
    n_by_class : test cases of each class
    independent_by_class : how many independent cases those are worth; fewer where patients have several
    n_independent : the same for all classes together
    n_patients : None where patients are not known
    margin : the smallest difference that matters, in the metric's unit, or None
    """

    n_arms: int
    n_comparisons: int
    n_seeds: int
    n_by_class: tuple[int, ...]
    metric: str
    margin: float | None = None
    independent_by_class: tuple[float, ...] = ()
    n_independent: float | None = None
    n_patients: int | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        METRICS[self.metric]  # an unknown name is refused with the nearest right one
        if self.n_arms < 2 or self.n_comparisons < 1:
            raise InputError(
                f"{self.n_arms} arm{'s' * (self.n_arms != 1)}, {self.n_comparisons} comparisons: nothing to compare",
                expected="at least two arms",
                do="name a factor with a second level",
            )
        if self.n_seeds < 1 or self.n_cases < 2 or not 0.5 < self.level < 1:
            raise InputError(
                f"{self.n_seeds} seeds, {self.n_cases} test cases, level {self.level:g}",
                expected="a seed, two test cases or more, and a level above 0.5 and below 1",
            )

    @property
    def n_cases(self) -> int:
        """Test cases of all classes."""
        return sum(self.n_by_class)

    @property
    def independent(self) -> tuple[float, ...]:
        """Independent cases of each class."""
        return self.independent_by_class or tuple(map(float, self.n_by_class))

    @property
    def alpha(self) -> float:
        """The level of each test that holds for all of them together, ``alpha / m``: Holm's strictest step."""
        return 1 - simultaneous_level(self.level, self.n_comparisons)

    def resting_cases(self) -> float:
        """Return how many independent cases the metric is worth: of one class, or a mean over classes."""
        worth = self.independent
        if self.metric in ("sensitivity", "specificity"):
            return worth[POSITIVE if self.metric == "sensitivity" else 1 - POSITIVE]
        if self.metric == "balanced_accuracy":
            return len(worth) ** 2 / sum(1 / max(n, 1e-9) for n in worth)
        return self.n_independent or sum(worth)


# ---------------------------------------------------------------------- assumptions


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
"""Orientation, not truth: on the careful side of what four seeds on 400 test cases gave (docs/planning.md)."""

MEANINGS = {
    "value": "expected value of the metric",
    "disagreement": "share of cases that only one of two arms gets right",
    "correlation": "of two arms' AUROC over samples of cases",
    "sd_training": "standard deviation over seeds, cases aside",
    "shared": "part of the disagreement that stays when trained again",
}
"""What each assumption says, in a line."""


def defaults_for(metric: str) -> Mapping[str, Default]:
    """Return the assumptions that a metric needs, each with its default.

    Raises
    ------
    InputError
        If plain assumptions do not give the variances of that metric: a pilot does.
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
    """What a plan stands on.

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


def assume(design: Design, given: Mapping[str, float | None] | None = None) -> Basis:
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


def _two_kinds(design: Design) -> tuple[float, float]:
    if len(design.n_by_class) != 2:
        raise InputError(
            f"AUROC of {len(design.n_by_class)} classes: its spread has no plain formula",
            expected="two classes, or a pilot",
            do="train a few seeds first, then plan with --pilot",
        )
    return design.independent[POSITIVE], design.independent[1 - POSITIVE]


# ---------------------------------------------------------------------- the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a design can show on one set of variances.

    Parameters
    ----------
    smallest_difference : found with probability 0.80; None with one seed
    smallest_these_networks : the same for these trained networks alone, cases random and seeds fixed
    floor_over_seeds : what no number of seeds can get below
    best_over_cases : what these cases, or any larger number of them, cannot get below; None with one seed
    difference : the one asked about: the margin, or the user's; None for neither
    power : to find it; power_of_equivalence : to call equal arms equivalent at the margin
    seeds_needed : with these cases; None where up to 50 do not do
    cases_needed : with these seeds; None where 100 times as many do not do
    """

    smallest_difference: float | None
    smallest_these_networks: float
    floor_over_seeds: float
    best_over_cases: float | None
    difference: float | None
    power: float | None
    power_of_equivalence: float | None
    seeds_needed: int | None
    cases_needed: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a design can show, and what a reader has to know of it.

    Parameters
    ----------
    outlook, cautious : on the basis as it is, and with a pilot's spread at its upper limit (None without a pilot)
    over_seeds, over_cases : the smallest difference, and the power for `outlook.difference`, over other designs
    sentences : the answer in words, each with its numbers
    warnings : what stands in the way of a verdict, or of trusting these numbers
    """

    design: Design
    basis: Basis
    outlook: Outlook
    cautious: Outlook | None
    over_seeds: Curve
    over_cases: Curve
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, nothing rounded."""
        return {
            "design": {**asdict(self.design), "n_cases": self.design.n_cases, "alpha": self.design.alpha},
            "basis": asdict(self.basis),
            "outlook": self.outlook.to_dict(),
            "cautious": None if self.cautious is None else self.cautious.to_dict(),
            "over_seeds": self.over_seeds.to_dict(),
            "over_cases": self.over_cases.to_dict(),
            "sentences": list(self.sentences),
            "warnings": list(self.warnings),
        }


def plan(design: Design, basis: Basis, *, difference: float | None = None) -> Plan:
    """Say what a design can show (Hillis, Obuchowski and Berbaum 2011).

    p is adjusted by Holm when the trial is analysed; here every comparison is held to ``alpha / m``, Holm's strictest
    step, so that the real power is at least what is said.

    Parameters
    ----------
    difference : the true difference to be found, in the metric's unit; default: the margin

    Raises
    ------
    InputError
        If the difference is no positive number, or of a proportion and 1 or more.
    """
    asked = design.margin if difference is None else difference
    _check_difference(design.metric, asked)
    variances = basis.variances.on(design.n_cases)
    outlook = _outlook(design, variances, asked)
    cautious = None if basis.cautious is None else _outlook(design, basis.cautious.on(design.n_cases), asked)
    over_cases = _curve(design, variances, asked, over="cases")
    return Plan(
        design=design,
        basis=basis,
        outlook=outlook,
        cautious=cautious,
        over_seeds=_curve(design, variances, asked, over="seeds"),
        over_cases=over_cases,
        sentences=tuple(_sentences(design, variances, outlook, cautious)),
        warnings=(*_warnings(design, basis, outlook), *_rising(over_cases), _ESTIMAND),
    )


def plan_again(found: Comparison) -> Plan | None:
    """Plan a study again on the spreads that it has measured: what it can show, and what would decide it.

    Returns
    -------
    Plan or None
        None where nothing was compared, or arms share fewer than two seeds.
    """
    measured = found.components
    if measured is None or not found.comparisons:
        return None
    design = Design(
        n_arms=measured.n_arms,
        n_comparisons=len(found.comparisons),
        n_seeds=measured.n_seeds,
        n_by_class=found.n_by_class,
        metric=found.metric,
        margin=found.margin,
        n_patients=found.n_patients,
        level=found.level,
    )
    words = f"this study: {measured.n_arms} arms x {measured.n_seeds} seeds on {measured.n_cases:,} cases"
    return plan(
        design,
        Basis(
            variances=from_components(measured, source=words),
            cautious=cautious(measured, source=f"{words}, spread over seeds at its upper 80 % limit"),
            source=words,
        ),
    )


def _check_difference(metric: str, difference: float | None) -> None:
    if difference is None:
        return
    unit = METRICS[metric].unit
    too_large = unit != "nats" and difference >= 1
    if not (difference > 0 and math.isfinite(difference)) or too_large:
        raise InputError(
            f"a difference of {difference:g}",
            expected="a positive number in the metric's unit"
            + ("; two percentage points are 0.02" if unit == "proportion" else ", below 1" * too_large),
        )


def _outlook(design: Design, variances: Variances, asked: float | None) -> Outlook:
    alpha, r = design.alpha, design.n_seeds
    several = r >= 2
    shape: dict[str, Any] = {"n_seeds": r, "alpha": alpha}
    return Outlook(
        smallest_difference=smallest_difference(variances, **shape) if several else None,
        smallest_these_networks=_these_networks(variances, **shape),
        floor_over_seeds=floor_over_seeds(variances, alpha=alpha),
        best_over_cases=best_over_cases(variances, **shape) if several else None,
        difference=asked,
        power=power(variances, asked, **shape) if several and asked is not None else None,
        power_of_equivalence=_equivalence(design, variances),
        seeds_needed=None if asked is None else seeds_needed(variances, asked, alpha=alpha, at_least=MIN_SEEDS),
        cases_needed=cases_needed(variances, asked, **shape) if several and asked is not None else None,
    )


def _these_networks(variances: Variances, *, n_seeds: int, alpha: float) -> float:
    """Return the smallest difference with the seeds fixed: that of any number of cases' share alone."""
    fixed = Variances(
        n_cases=variances.n_cases,
        var_arm_seed=0.0,
        error=(variances.error + (n_seeds - 1) * variances.excess) / n_seeds,
        excess=(variances.error + (n_seeds - 1) * variances.excess) / n_seeds,
        source=variances.source,
    )
    return floor_over_seeds(fixed, alpha=alpha)


def _equivalence(design: Design, variances: Variances) -> float | None:
    """Return the power of equivalence; its tests are not adjusted for the number of comparisons."""
    if design.margin is None or design.n_seeds < 2:
        return None
    return power_of_equivalence(variances, design.margin, n_seeds=design.n_seeds, alpha=1 - design.level)


def seeds_of_curve(design: Design) -> int:
    """Return the seeds that the curve over cases is for: those planned, or the recommended 5 where only one is."""
    return design.n_seeds if design.n_seeds >= 2 else FEW_SEEDS


def _curve(design: Design, variances: Variances, asked: float | None, *, over: str) -> Curve:
    if over == "seeds":
        counts = sorted({*_SEEDS_SHOWN, *([design.n_seeds] if design.n_seeds >= 2 else [])})
        return curve_over(variances, "seeds", counts, n_seeds=design.n_seeds, difference=asked, alpha=design.alpha)
    counts = sorted({max(2, round(factor * design.n_cases)) for factor in _CASES_SHOWN})
    r = seeds_of_curve(design)
    return curve_over(variances, "cases", counts, n_seeds=r, difference=asked, alpha=design.alpha)


# ---------------------------------------------------------------------- in words


def percent(probability: float) -> str:
    """Return a probability in whole per cent, and never as certain where it is not."""
    if 0 < probability < 0.01:
        return "less than 1 %"
    return "more than 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def said(metric: str, difference: float) -> str:
    """Return a difference in words, two digits: ``3.6 points``; ``0.021`` of AUROC."""
    return amount(metric, difference, spread=difference)


def about(count: int) -> str:
    """Return a number of cases to two digits, rounded up: ``about 1,400``."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"about {math.ceil(count / step) * step:,}"


def counted(n: int, what: str) -> str:
    """Return ``1 seed``, ``1,200 seeds``."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _sentences(design: Design, variances: Variances, outlook: Outlook, cautious: Outlook | None) -> list[str]:
    found = [_first(design, outlook, cautious)]
    if design.n_comparisons > 1:
        found.append(
            f"That holds for each of {design.n_comparisons} comparisons at once: each is held to the level "
            f"{1 - design.level:.2g} / {design.n_comparisons}, the strictest step of Holm's correction, so that the "
            "real power is no less."
        )
    if outlook.difference is not None and outlook.power is not None:
        found.append(_about_difference(design, outlook, cautious))
        found += _price(design, variances, outlook)
    if outlook.power_of_equivalence is not None and design.margin is not None:
        found.append(
            f"Arms that are truly equal would be called equivalent, within the margin of "
            f"{said(design.metric, design.margin)}, with a probability of {percent(outlook.power_of_equivalence)}."
        )
    found.append(_floors(design, outlook))
    return found


def _first(design: Design, outlook: Outlook, cautious: Outlook | None) -> str:
    shape = f"With {counted(design.n_seeds, 'seed')} and {counted(design.n_cases, 'test case')}"
    smallest, networks = outlook.smallest_difference, said(design.metric, outlook.smallest_these_networks)
    if smallest is None:
        return (
            f"{shape}, nothing can be said of arms, for another training may differ. Between two trained networks a "
            f"true difference of {networks} would be found with a probability of {percent(POWER)}."
        )
    if design.n_seeds < MIN_SEEDS or small_classes(design.metric, design.n_by_class):
        shape = f"{shape} no verdict is given. By the numbers alone"
    size = said(design.metric, smallest)
    text = f"{shape}, a true difference of {size} would be found with a probability of {percent(POWER)}."
    if cautious is not None and cautious.smallest_difference is not None:
        text += (
            f" A pilot is small: with its spread over seeds at the upper 80 % limit it takes "
            f"{said(design.metric, cautious.smallest_difference)}."
        )
    return text


def _about_difference(design: Design, outlook: Outlook, cautious: Outlook | None) -> str:
    difference, found = outlook.difference or 0.0, outlook.power or 0.0
    margin = "as large as the margin, " if difference == design.margin else "of "
    text = f"A true difference {margin}{said(design.metric, difference)}"
    text += f"{',' * (difference == design.margin)} would be found with a probability of {percent(found)}"
    low = cautious.power if cautious is not None else None
    return text + ("." if low is None else f" (cautiously: {percent(low)}).")


def _price(design: Design, variances: Variances, outlook: Outlook) -> list[str]:
    """Say what would show the difference that was asked about, where this design does not."""
    difference = outlook.difference or 0.0
    size, cases = said(design.metric, difference), counted(design.n_cases, "test case")
    if (outlook.power or 0.0) >= POWER:
        return _enough(design, outlook, size)
    seeds, more = outlook.seeds_needed, outlook.cases_needed
    with_cases = "" if more is None else f"{about(more)} test cases with {counted(design.n_seeds, 'seed')}"
    if seeds is not None:
        options = f"{counted(seeds, 'seed')} with these {cases}"
        return [f"To show {size} it takes {options}{', or ' * bool(with_cases)}{with_cases}."]
    if difference <= outlook.floor_over_seeds:
        start = f"No number of seeds can show {size} with these {cases}"
    else:
        start = f"To show {size}, even {MAX_SEEDS} seeds are too few with these {cases}"
    if with_cases:
        return [f"{start}: you need {with_cases}."]
    as_planned = counted(design.n_seeds, "seed")
    return [f"{start}, and no number of cases can with {as_planned}: {_both(design, variances, size, difference)}"]


def _enough(design: Design, outlook: Outlook, size: str) -> list[str]:
    seeds = outlook.seeds_needed
    if seeds is None or seeds >= design.n_seeds:
        return []
    few = f", though with fewer than {FEW_SEEDS} every verdict is provisional" if seeds < FEW_SEEDS else ""
    return [f"{counted(seeds, 'seed')} would be enough to show {size}{few}."]


def _both(design: Design, variances: Variances, size: str, difference: float) -> str:
    """Say how many cases it takes with more seeds; for a difference that neither alone can show."""
    for n_seeds in (n for n in _SEEDS_SHOWN if n > design.n_seeds):
        more = cases_needed(variances, difference, n_seeds=n_seeds, alpha=design.alpha)
        if more is not None:
            return f"you need both, such as {n_seeds} seeds and {about(more)} test cases."
    return f"not even {MAX_SEEDS} seeds and {MAX_CASES_FACTOR} times as many cases show {size}."


def _floors(design: Design, outlook: Outlook) -> str:
    cases = f"With these {counted(design.n_cases, 'test case')}"
    floor = outlook.floor_over_seeds
    if floor > 0:
        text = f"{cases} no number of seeds shows less than {said(design.metric, floor)}"
    else:
        text = f"{cases} more seeds always show less: two arms differ over cases no more than two trainings of one"
    below = outlook.best_over_cases
    if below is None:
        return text + "."
    if below == 0:
        return text + "; with these seeds, more cases always show less."
    seeds = counted(design.n_seeds, "seed")
    return f"{text}; with {seeds} no number of cases shows less than {said(design.metric, below)}."


def _warnings(design: Design, basis: Basis, outlook: Outlook) -> list[str]:
    found = []
    if design.n_seeds < MIN_SEEDS:
        found.append(
            f"{counted(design.n_seeds, 'seed')}: no verdict is given on fewer than {MIN_SEEDS}; {FEW_SEEDS} or more "
            "are recommended."
        )
    elif design.n_seeds < FEW_SEEDS:
        found.append(f"{design.n_seeds} seeds: every verdict will be provisional; {FEW_SEEDS} or more are recommended.")
    found += _few_cases(design)
    if design.margin is None:
        found.append("The study states no margin: no two arms can be called equivalent.")
    found += _patients(design, basis)
    found += _beyond(design, basis, outlook)
    if basis.assumptions:
        found.append(
            "The numbers stand on assumptions. A pilot of a few seeds measures them: scantrial run STUDY --seeds 3 "
            "--out pilot, then --pilot pilot."
        )
    return found


def _rising(over_cases: Curve) -> list[str]:
    if all(later <= earlier for earlier, later in pairwise(over_cases.smallest_difference)):
        return []
    return [
        "With so few seeds more cases do not always show less: the less the cases err, the more rests on the spread of "
        "these few seeds. Add seeds."
    ]


def _few_cases(design: Design) -> list[str]:
    refused = [f"{text[0].upper()}{text[1:]}." for text in small_classes(design.metric, design.n_by_class)]
    if refused:
        return refused
    return [
        f"{counted(n, 'test case')} of class {index}: sensitivity, specificity and AUROC are not judged on fewer than "
        f"{MIN_OF_CLASS}."
        for index, n in enumerate(design.n_by_class)
        if n < MIN_OF_CLASS
    ]


def _patients(design: Design, basis: Basis) -> list[str]:
    several = design.n_patients is not None and design.n_patients < design.n_cases
    if not several or not basis.assumptions:
        return []
    return [
        f"{design.n_cases:,} cases of {design.n_patients:,} patients: all scans of a patient are taken to be decided "
        f"alike, as if there were {design.resting_cases():,.0f} independent cases; a pilot measures it."
    ]


def _beyond(design: Design, basis: Basis, outlook: Outlook) -> list[str]:
    """Warn where the smallest difference is more than there is room for."""
    value = basis.assumptions.get("value")
    smallest = outlook.smallest_difference
    best = METRICS[design.metric].bounds[1]
    if value is None or smallest is None or value.value + smallest <= best:
        return []
    return [
        f"From {value.value:g} there is room for {said(design.metric, best - value.value)} to the best possible value, "
        "less than the smallest difference: this design can hardly show that an arm is better."
    ]


__all__: Sequence[str] = (
    "MEANINGS",
    "Basis",
    "Default",
    "Design",
    "Outlook",
    "Plan",
    "about",
    "assume",
    "counted",
    "defaults_for",
    "percent",
    "plan",
    "said",
    "seeds_of_curve",
)
