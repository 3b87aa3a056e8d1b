"""What a cross-validation can show, before anything is trained: the smallest difference that its folds find.

The variance of the mean difference is that of the corrected t-test, ``(1 / J + n_test / n_train) s2`` with ``J - 1``
degrees of freedom; ``s2``, of the difference in one fold, follows from the same assumptions as for one test set, on the
cases of one fold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import scipy

from scantrial.analysis.assumptions import Basis
from scantrial.analysis.cross_validation import FEW_FOLDS
from scantrial.analysis.few_cases import small_classes
from scantrial.analysis.fold_words import HEURISTIC
from scantrial.analysis.plan_words import chance_words, size_words
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power import POWER, Variances, power_of_f, rising_root
from scantrial.analysis.power_table import check_difference
from scantrial.core.format import counted
from scantrial.core.plain import Plain, fields_of

REPEATS_SHOWN = (1, 2, 4, 10, 20)
CASES_SHOWN = (1, 2, 4, 10)
"""How many times the cases at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldDesign(Plain):
    """A planned cross-validation.

    Parameters
    ----------
    design : arms, comparisons, seeds in each fold, and all cases, each of which is tested once in every repeat
    """

    design: PlannedDesign
    n_folds: int
    n_repeats: int

    @property
    def n_all_folds(self) -> int:
        """Folds of all repeats."""
        return self.n_folds * self.n_repeats

    @property
    def test_share(self) -> float:
        """Test cases for each training case, the inner validation part included."""
        return 1 / (self.n_folds - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldCurve(Plain):
    """The smallest difference over another number of repeats or cases.

    Parameters
    ----------
    power : by count, for the difference that is asked about; empty without one
    """

    counts: tuple[int, ...]
    smallest_difference: tuple[float, ...]
    power: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPowerPlan(Plain):
    """What a cross-validation can show.

    Parameters
    ----------
    smallest_difference : found with a probability of 80 %
    floor_over_repeats : the smallest difference that any number of repeats can show
    difference, power : the true difference that is asked about, and how probably it is found; None without one
    """

    folds: FoldDesign
    basis: Basis
    smallest_difference: float
    floor_over_repeats: float
    difference: float | None
    power: float | None
    over_repeats: FoldCurve
    over_cases: FoldCurve
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def design(self) -> PlannedDesign:
        """Arms, comparisons, seeds and cases."""
        return self.folds.design

    def _content(self) -> dict[str, Any]:
        found = fields_of(self)
        folds = found.pop("folds")
        return {"design": {**folds.design.to_dict(), "n_folds": folds.n_folds, "n_repeats": folds.n_repeats}, **found}


def plan_folds(folds: FoldDesign, basis: Basis, *, difference: float | None = None) -> FoldPowerPlan:
    """Say what a cross-validation can show; every comparison is held to Holm's strictest step.

    Parameters
    ----------
    difference : the true difference to be found, in the metric's unit; default: the margin

    Raises
    ------
    InputError
        If the difference is not a positive number, or is 1 or more for a proportion.
    """
    asked = folds.design.margin if difference is None else difference
    check_difference(folds.design.metric, asked)
    repeats = [replace(folds, n_repeats=n) for n in sorted({*REPEATS_SHOWN, folds.n_repeats})]
    cases = [k * folds.design.n_cases for k in CASES_SHOWN]
    found = _smallest(folds, basis.variances, folds.design.n_cases)
    endless = math.sqrt(folds.test_share * _s2(folds, basis.variances, folds.design.n_cases))
    return FoldPowerPlan(
        folds=folds,
        basis=basis,
        smallest_difference=found,
        floor_over_repeats=endless * _normal(folds.design.alpha),
        difference=asked,
        power=None if asked is None else _power(folds, basis.variances, folds.design.n_cases, asked),
        over_repeats=_curve(
            [one.n_repeats for one in repeats], [(one, folds.design.n_cases) for one in repeats], basis.variances, asked
        ),
        over_cases=_curve(cases, [(folds, n) for n in cases], basis.variances, asked),
        sentences=tuple(_sentences(folds, basis, found, endless * _normal(folds.design.alpha), asked)),
        warnings=tuple(_warnings(folds, basis)),
    )


def _s2(folds: FoldDesign, variances: Variances, n_cases: int) -> float:
    """Return the variance over folds of the difference in one fold."""
    of_fold = variances.on(max(2, round(n_cases / folds.n_folds)))
    training = of_fold.var_arm_seed + of_fold.error - of_fold.excess
    return 2 * (training / folds.design.n_seeds + of_fold.excess)


def _power(folds: FoldDesign, variances: Variances, n_cases: int, difference: float) -> float:
    n = folds.n_all_folds
    variance = (1 / n + folds.test_share) * _s2(folds, variances, n_cases)
    if variance == 0:
        return 1.0 if difference else folds.design.alpha
    return power_of_f(difference**2 / variance, n - 1, folds.design.alpha)


def _smallest(folds: FoldDesign, variances: Variances, n_cases: int) -> float:
    return rising_root(lambda difference: _power(folds, variances, n_cases, difference) - POWER)


def _normal(alpha: float) -> float:
    return float(scipy.special.ndtri(1 - alpha / 2) + scipy.special.ndtri(POWER))


def _curve(
    counts: Sequence[int], designs: Sequence[tuple[FoldDesign, int]], variances: Variances, difference: float | None
) -> FoldCurve:
    return FoldCurve(
        counts=tuple(counts),
        smallest_difference=tuple(_smallest(folds, variances, n) for folds, n in designs),
        power=() if difference is None else tuple(_power(folds, variances, n, difference) for folds, n in designs),
    )


# ---------------------------------------------------------------------- in words


def _sentences(folds: FoldDesign, basis: Basis, smallest: float, floor: float, difference: float | None) -> list[str]:
    design = folds.design
    n_tested = round(design.n_cases / folds.n_folds)
    repeated = f", repeated {folds.n_repeats} times," if folds.n_repeats > 1 else ""
    shape = f"With {folds.n_folds} folds{repeated} of {counted(design.n_cases, 'case')}, {n_tested} tested in each"
    if small_classes(design.metric, design):
        shape += ", no verdict is given. Without this rule"
    size = size_words(design.metric, smallest)
    found = [f"{shape}, a true difference of {size} would be found with a probability of {chance_words(POWER)}."]
    if design.n_comparisons > 1:
        found.append(
            f"This holds for each of {design.n_comparisons} comparisons at once: each is tested at the level "
            f"{1 - design.level:.2g} / {design.n_comparisons}, the strictest step of Holm's correction."
        )
    if difference is not None:
        chance = chance_words(_power(folds, basis.variances, design.n_cases, difference))
        as_large = "as large as the margin, " if difference == design.margin else "of "
        found.append(
            f"A true difference {as_large}{size_words(design.metric, difference)}{',' * (difference == design.margin)} "
            f"would be found with a probability of {chance}."
        )
    found.append(
        f"No number of repeats can show less than {size_words(design.metric, floor)} with these cases: repeats divide "
        "the same cases again."
    )
    return found


def _warnings(folds: FoldDesign, basis: Basis) -> list[str]:
    design, found = folds.design, []
    if folds.n_all_folds < FEW_FOLDS:
        found.append(
            f"{folds.n_all_folds} folds: every verdict will be provisional; {FEW_FOLDS} or more are recommended."
        )
    small = small_classes(design.metric, design)
    found += [f"{text[0].upper()}{text[1:]}." for text in small]
    if design.margin is None:
        found.append("The study declares no margin, so no two arms can be called equivalent.")
    if basis.assumptions:
        found.append(
            "The numbers rest on assumptions. Other training cases in each fold vary the results more than other seeds "
            "do: give a larger --sd-training where you know it."
        )
    found.append(f"{HEURISTIC[0].upper()}{HEURISTIC[1:]}.")
    found.append("Folds stand for new training sets of this size and new cases: a verdict is on arms trained anew.")
    return found
