"""When a number agrees with a printed one, and what the numbers say of a conclusion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from replicating.measures import accuracy, find_measure, values_of
from replicating.reports import AnyRule, Bound, Chance, Extreme, Order
from replicating.runs import ArmView, RunView
from scantrial.analysis.summary import summarise

STANDARD_ERRORS = 2.0
"""How many standard errors of a difference count as chance."""

Values = Mapping[str, Mapping[int, float]]
"""A number by arm and seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A printed accuracy beside ours, in per cent and percentage points.

    Parameters
    ----------
    printed, here : the report's, and our mean over seeds
    difference : here minus printed
    chance : what chance allows, `STANDARD_ERRORS` standard errors
    seed_range : largest minus smallest of our seeds; 0 with one seed
    """

    printed: float
    here: float
    difference: float
    chance: float
    seed_range: float

    @property
    def allowed(self) -> float:
        """The largest difference that still agrees."""
        return self.chance + self.seed_range

    @property
    def agrees(self) -> bool:
        """Whether the difference is no larger than allowed."""
        return abs(self.difference) <= self.allowed


def chance_allows(first: float, n_first: int, second: float, n_second: int) -> float:
    """Return two binomial standard errors of the difference of two accuracies, all in per cent.

    2 sqrt(p (100 - p) / n + q (100 - q) / m), for p from n images and q from m others. Two networks that are judged
    on the same images err on the same ones, so that there this allows more than chance alone would.
    """
    variance = first * (100 - first) / n_first + second * (100 - second) / n_second
    return STANDARD_ERRORS * math.sqrt(variance)


def agreement(printed: float, n_printed: int, here: Sequence[float], n_here: int) -> Agreement | None:
    """Tell whether a printed test accuracy and ours agree; None where no run gave one.

    They agree if our mean over the seeds lies no farther from the printed number than `chance_allows`, plus, with two
    seeds or more, the range of our seeds: the printed number is one seed's. The rule can only say that a difference
    is more than that; agreement is no proof that the two are equal.

    Parameters
    ----------
    printed : per cent
    n_printed : images that it is computed from
    here : per cent, one number a seed
    n_here : images that each of them is computed from
    """
    seeds = summarise(here)
    if seeds.n == 0:
        return None
    return Agreement(
        printed=printed,
        here=seeds.mean,
        difference=seeds.mean - printed,
        chance=chance_allows(printed, n_printed, seeds.mean, n_here),
        seed_range=seeds.maximum - seeds.minimum,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the numbers say of one rule.

    Parameters
    ----------
    reading : the rule in words
    verdict : what it comes to
    """

    reading: str
    verdict: str


def judge(rule: AnyRule, arms: Mapping[str, ArmView], among: Sequence[str]) -> Finding:
    """Apply a rule to our runs.

    Parameters
    ----------
    rule : of a conclusion
    arms : by id
    among : the conclusion's arms, which `extreme` compares
    """
    wanted = rule.arms if not isinstance(rule, Extreme) else among
    values = {arm: values_of(find_measure(rule.measure), arms[arm].runs) for arm in wanted}
    labels = {arm: arms[arm].reported.label for arm in wanted}
    if isinstance(rule, Extreme):
        return _judge_extreme(rule, values, labels)
    if isinstance(rule, Order):
        return _judge_order(rule, values, labels)
    if isinstance(rule, Bound):
        return _judge_bound(rule, values, labels)
    return _judge_chance(rule, arms, labels)


def _judge_extreme(rule: Extreme, values: Values, labels: Mapping[str, str]) -> Finding:
    title = find_measure(rule.measure).title
    others = " and ".join(label for arm, label in labels.items() if arm != rule.arm)
    reading = f"{title}: {rule.which} with {labels[rule.arm]}, against {others}"
    sign = {"highest": -1.0, "lowest": 1.0, "smallest in size": 1.0}[rule.which]

    def holds(seed: int) -> bool:
        sizes = {arm: abs(value) if rule.which == "smallest in size" else value for arm, value in _at(values, seed)}
        mine = sign * sizes.pop(rule.arm)
        return all(mine < sign * other for other in sizes.values())

    return Finding(reading=reading, verdict=_between(values, holds_in=[holds(seed) for seed in _shared_seeds(values)]))


def _judge_order(rule: Order, values: Values, labels: Mapping[str, str]) -> Finding:
    reading = f"{find_measure(rule.measure).title}: rises from {' to '.join(labels[arm] for arm in rule.arms)}"

    def holds(seed: int) -> bool:
        row = [value for _, value in _at(values, seed)]
        return all(low < high for low, high in pairwise(row))

    return Finding(reading=reading, verdict=_between(values, holds_in=[holds(seed) for seed in _shared_seeds(values)]))


def _between(values: Values, *, holds_in: Sequence[bool]) -> str:
    """Say how often a comparison of arms came out as claimed; with one seed, say nothing about the arms."""
    n_runs = max((len(by_seed) for by_seed in values.values()), default=0)
    if not holds_in:
        return "the runs here do not give these numbers for every arm" if n_runs else "not run"
    if len(holds_in) == 1:
        return "one seed cannot say"
    return f"so in {sum(holds_in)} of {len(holds_in)} seeds, which is a count and no test"


def _judge_bound(rule: Bound, values: Values, labels: Mapping[str, str]) -> Finding:
    reading = f"{find_measure(rule.measure).title}: {_limits(rule)}, with {' and '.join(labels.values())}"
    found = [value for by_seed in values.values() for value in by_seed.values() if math.isfinite(value)]
    return Finding(reading=reading, verdict=_within([_is_within(rule, value) for value in found], values))


def _limits(rule: Bound) -> str:
    words = {"at_least": "at least", "above": "above", "below": "below", "at_most": "at most"}
    given = [f"{word} {limit:g}" for name, word in words.items() if (limit := getattr(rule, name)) is not None]
    unit = {"%": " %", "points": " points"}.get(find_measure(rule.measure).unit, "")
    return " and ".join(given) + unit


def _is_within(rule: Bound, value: float) -> bool:
    return (
        (rule.at_least is None or value >= rule.at_least)
        and (rule.at_most is None or value <= rule.at_most)
        and (rule.above is None or value > rule.above)
        and (rule.below is None or value < rule.below)
    )


def _judge_chance(rule: Chance, arms: Mapping[str, ArmView], labels: Mapping[str, str]) -> Finding:
    gaps = [gap for arm in rule.arms for run in arms[arm].runs if (gap := _gap(run, labels[arm])) is not None]
    seen = f" ({'; '.join(gap.words for gap in gaps)})" if gaps else ""
    values = {arm: dict.fromkeys((run.key.seed for run in arms[arm].runs), 0.0) for arm in rule.arms}
    return Finding(
        reading=f"val minus test accuracy: no more than chance allows{seen}",
        verdict=_within([gap.is_chance for gap in gaps], values),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    words: str
    is_chance: bool


def _gap(run: RunView, label: str) -> _Gap | None:
    """Hold one run's validation accuracy against its test accuracy; both come from the same weights."""
    val, test = run.predictions("val"), run.predictions("test")
    if val is None or test is None:
        return None
    on_val, on_test = accuracy(run, split="val"), accuracy(run, split="test")
    allowed = chance_allows(on_val, len(val.cases), on_test, len(test.cases))
    gap = on_val - on_test
    words = f"{label}, seed {run.key.seed}: {gap:+.2f} points, chance allows {allowed:.2f}"
    return _Gap(words=words, is_chance=abs(gap) <= allowed)


def _within(holds: Sequence[bool], values: Values) -> str:
    """Say in how many runs something is so."""
    if not holds:
        return "the runs here do not give this number" if any(values.values()) else "not run"
    seeds = {seed for by_seed in values.values() for seed in by_seed}
    scope = f" ({'one seed' if len(seeds) == 1 else f'{len(seeds)} seeds'})"
    if all(holds):
        return f"so in {'this run' if len(holds) == 1 else f'all {len(holds)} runs'}{scope}"
    if not any(holds):
        return f"not so in {'this run' if len(holds) == 1 else f'any of the {len(holds)} runs'}{scope}"
    return f"so in {sum(holds)} of {len(holds)} runs{scope}"


def _shared_seeds(values: Values) -> list[int]:
    """Return the seeds at which every arm has a finite number."""
    finite = [{seed for seed, value in by_seed.items() if math.isfinite(value)} for by_seed in values.values()]
    return sorted(set.intersection(*finite)) if finite else []


def _at(values: Values, seed: int) -> list[tuple[str, float]]:
    return [(arm, by_seed[seed]) for arm, by_seed in values.items()]
