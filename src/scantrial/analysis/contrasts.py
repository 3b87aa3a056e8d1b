"""Contrasts: which arms are compared with which, as weights over arms.

A difference, an effect of a factor over all combinations, a trend along an ordered factor: each is one row of weights,
and `scantrial.analysis.mrmc` gives any of them an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from scantrial.core.errors import InputError

ContrastKind = Literal["difference", "arm", "main effect", "simple effect", "interaction", "trend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Weights over arms, by arm name; arms of weight 0 are left out.

    Parameters
    ----------
    name : what to call it
    first, second : the two sides for sentences: a positive value says that `first` is better, also for
        losses; `second` is empty where there is no other side
    """

    name: str
    kind: ContrastKind
    weights: Mapping[str, float]
    first: str
    second: str = ""

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms it uses."""
        return tuple(self.weights)

    @property
    def title(self) -> str:
        """What a reader sees: the two sides of a difference, else the name."""
        return f"{self.first} − {self.second}" if self.kind == "difference" else self.name


def difference(arm: str, other: str) -> Contrast:
    """Return `arm` minus `other`."""
    if arm == other:
        raise InputError(f"arm {arm} against itself", expected="two different arms")
    return Contrast(
        name=f"{arm} - {other}", kind="difference", weights={arm: 1.0, other: -1.0}, first=arm, second=other
    )


def single_arm(arm: str) -> Contrast:
    """Return one arm alone."""
    return Contrast(name=arm, kind="arm", weights={arm: 1.0}, first=arm)


def against_control(arms: Sequence[str], control: str) -> tuple[Contrast, ...]:
    """Return every other arm minus the control."""
    if control not in arms:
        raise InputError(f"control {control!r} is not an arm", expected=f"one of {', '.join(arms)}")
    return tuple(difference(arm, control) for arm in arms if arm != control)


def all_pairs(arms: Sequence[str]) -> tuple[Contrast, ...]:
    """Return each later arm minus each earlier one."""
    return tuple(difference(later, earlier) for earlier, later in combinations(arms, 2))


def factorial_effects(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Contrast, ...]:
    """Return main effects and two-factor interactions of a complete factorial design.

    A factor of two levels gives the mean over arms at its second level minus that at its first; two such factors give
    the interaction ``(1, -1, -1, 1)``, halved per arm of the other factors (Box, Hunter and Hunter 2005). A factor of
    more levels gives each later level against its first.

    Parameters
    ----------
    settings : by arm, the level of each factor

    Raises
    ------
    InputError
        If a combination of levels is missing or occurs twice, so that effects would be confounded.
    """
    levels = _levels(settings)
    expected = int(np.prod([len(found) for found in levels.values()]))
    n_different = _n_combinations(settings, levels)
    if not len(settings) == n_different == expected:
        raise InputError(
            f"{len(settings)} arms, {n_different} of {expected} combinations of levels",
            expected="a complete factorial design",
            do="compare the arms in pairs",
        )
    effects = [
        _main_effect(settings, factor, low=found[0], high=high)
        for factor, found in levels.items()
        for high in found[1:]
    ]
    two_levels = [factor for factor, found in levels.items() if len(found) == 2]
    pairs = combinations(two_levels, 2)
    return (*effects, *(_interaction(settings, first, second, levels) for first, second in pairs))


def simple_effects(settings: Mapping[str, Mapping[str, Any]], first: str, second: str) -> tuple[Contrast, ...]:
    """Return the effect of each of two factors at each level of the other; main effects would hide it.

    Parameters
    ----------
    settings : by arm, the level of each factor; a complete factorial design in which both have two levels
    """
    levels = _levels(settings)
    found = []
    for factor, other in ((first, second), (second, first)):
        low, high = levels[factor]
        for at in levels[other]:
            arms = {arm: chosen for arm, chosen in settings.items() if chosen[other] == at}
            effect = _main_effect(arms, factor, low=low, high=high)
            where = f" at {other} = {at}"
            found.append(
                replace(
                    effect,
                    name=effect.name + where,
                    kind="simple effect",
                    first=effect.first + where,
                    second=effect.second + where,
                )
            )
    return tuple(found)


def linear_trend(arms: Mapping[str, float], *, factor: str, log: bool) -> Contrast:
    """Return the slope of the metric along an ordered numeric factor, in the metric's unit per step.

    Least-squares slope over the arms' levels: per tenfold increase where `log`, otherwise per unit of the factor.

    Parameters
    ----------
    arms : level of the factor by arm; three arms or more, not all at one level
    """
    names = list(arms)
    levels = np.array([arms[name] for name in names], dtype=np.float64)
    if log and (levels <= 0).any():
        raise InputError(f"level {levels.min():g} of {factor}", expected="positive levels for a trend on a log scale")
    x = np.log10(levels) if log else levels
    if len(set(levels.tolist())) < 3:
        raise InputError(f"{len(set(levels.tolist()))} levels of {factor}", expected="three or more for a trend")
    centred = x - x.mean()
    weights = centred / (centred**2).sum()
    weighty = np.abs(weights) > 1e-12 * np.abs(weights).max()
    return Contrast(
        name=f"{factor}, trend per {'tenfold increase' if log else 'unit'}",
        kind="trend",
        weights={name: float(weight) for name, weight, kept in zip(names, weights, weighty, strict=True) if kept},
        first=factor,
        second="tenfold increase" if log else "unit",
    )


def _levels(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    levels: dict[str, list[Any]] = {}
    for chosen in settings.values():
        for factor, level in chosen.items():
            found = levels.setdefault(factor, [])
            if level not in found:
                found.append(level)
    return levels


def _n_combinations(settings: Mapping[str, Mapping[str, Any]], levels: Mapping[str, list[Any]]) -> int:
    """Count the different combinations of levels among arms that have a level of every factor."""
    complete = [chosen for chosen in settings.values() if chosen.keys() == levels.keys()]
    return len({tuple(found.index(chosen[factor]) for factor, found in levels.items()) for chosen in complete})


def _main_effect(settings: Mapping[str, Mapping[str, Any]], factor: str, *, low: Any, high: Any) -> Contrast:
    at = {arm: chosen[factor] for arm, chosen in settings.items() if chosen[factor] in (low, high)}
    half = len(at) / 2
    return Contrast(
        name=f"{factor}: {high} - {low}",
        kind="main effect",
        weights={arm: (1 if level == high else -1) / half for arm, level in at.items()},
        first=f"{factor} = {high}",
        second=f"{factor} = {low}",
    )


def _interaction(
    settings: Mapping[str, Mapping[str, Any]], first: str, second: str, levels: Mapping[str, list[Any]]
) -> Contrast:
    signs = {
        arm: (1 if chosen[first] == levels[first][1] else -1) * (1 if chosen[second] == levels[second][1] else -1)
        for arm, chosen in settings.items()
    }
    return Contrast(
        name=f"{first} x {second}",
        kind="interaction",
        weights={arm: sign / (len(settings) / 4) for arm, sign in signs.items()},
        first=first,
        second=second,
    )
