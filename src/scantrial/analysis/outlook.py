"""What a design can show on one set of variances: the smallest difference, its power, its price, its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import (
    PowerCurve,
    Variances,
    cases_needed,
    curve_over,
    floor_over_cases,
    floor_over_seeds,
    power,
    power_of_equivalence,
    seeds_needed,
    smallest_difference,
)
from scantrial.analysis.verdicts import FEW_SEEDS, MIN_SEEDS
from scantrial.core.plain import Plain

SEEDS_SHOWN = (3, 5, 10, 20, 50)
_CASES_SHOWN = (0.5, 1, 2, 5, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook(Plain):
    """What a design can show on one set of variances.

    Parameters
    ----------
    smallest_difference : found with probability 0.80; None with fewer than 3 seeds, which give no verdict
    smallest_these_networks : the same for these trained networks alone, cases random and seeds fixed
    floor_over_seeds : what no number of seeds can get below
    floor_over_cases : what no number of cases can get below; None with fewer than 3 seeds
    difference : the one asked about: the margin, or the user's; None for neither
    power : to find it; power_of_equivalence : to call equal arms equivalent at the margin
    seeds_needed : with these cases; None where 50 are not enough
    cases_needed : with these seeds; None where 100 times as many are not enough
    """

    smallest_difference: float | None
    smallest_these_networks: float
    floor_over_seeds: float
    floor_over_cases: float | None
    difference: float | None
    power: float | None
    power_of_equivalence: float | None
    seeds_needed: int | None
    cases_needed: int | None


def outlook_of(design: PlannedDesign, variances: Variances, asked: float | None) -> Outlook:
    """Return what a design can show, and what the difference asked about would cost."""
    alpha, r = design.alpha, design.n_seeds
    several = r >= MIN_SEEDS
    shape: dict[str, Any] = {"n_seeds": r, "alpha": alpha}
    return Outlook(
        smallest_difference=smallest_difference(variances, **shape) if several else None,
        smallest_these_networks=_these_networks(variances, **shape),
        floor_over_seeds=floor_over_seeds(variances, alpha=alpha),
        floor_over_cases=floor_over_cases(variances, **shape) if several else None,
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


def _equivalence(design: PlannedDesign, variances: Variances) -> float | None:
    """Return the power of equivalence, at Holm's strictest step."""
    if design.margin is None or design.n_seeds < MIN_SEEDS:
        return None
    return power_of_equivalence(variances, design.margin, n_seeds=design.n_seeds, alpha=design.alpha)


def seeds_of_curve(design: PlannedDesign) -> int:
    """Return the seeds that the curve over cases is for: those planned, or the recommended 5 where fewer than 3 are."""
    return design.n_seeds if design.n_seeds >= MIN_SEEDS else FEW_SEEDS


def curve_of(design: PlannedDesign, variances: Variances, asked: float | None, *, over: str) -> PowerCurve:
    """Return the same design with other numbers of ``"seeds"`` or ``"cases"``."""
    if over == "seeds":
        counts = sorted({*SEEDS_SHOWN, *([design.n_seeds] if design.n_seeds >= MIN_SEEDS else [])})
        return curve_over(variances, "seeds", counts, n_seeds=design.n_seeds, difference=asked, alpha=design.alpha)
    counts = sorted({max(2, round(factor * design.n_cases)) for factor in _CASES_SHOWN})
    r = seeds_of_curve(design)
    return curve_over(variances, "cases", counts, n_seeds=r, difference=asked, alpha=design.alpha)
