"""Which arm is best, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scantrial.analysis.best import AgainstBest, BestArm
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import at_least, metric_number, title_in_text
from scantrial.core.format import interval, joined, percent

MAX_NAMED = 4
"""Arms that a sentence names one by one."""


def best_sentence(found: BestArm, labels: Mapping[str, str] | None = None, *, undecided: Sequence[str] = ()) -> str:
    """Say which arm is ahead, whether it can be called best, and which arms may be.

    Parameters
    ----------
    labels : what to call the arms, by name; without it their names
    undecided : titles of the comparisons with the arm that is ahead whose own verdict is inconclusive
    """
    name = {arm.arm: (labels or {}).get(arm.arm, arm.arm) for arm in found.arms}
    if found.best is not None:
        return _called(found, name) + _beside(undecided)
    said = _so_far(found, name)
    if found.reasons:
        return f"{said} No arm can be called best: {'; '.join(found.reasons)}."
    return f"{said} {_rivals(found, name)}{_excluded(found, name)}"


def _called(found: BestArm, name: Mapping[str, str]) -> str:
    others = [arm for arm in found.arms if arm.arm != found.best]
    text = (
        f"Best of the {len(found.arms)} arms on {title_in_text(found.metric)}: {name[found.highest[0]]} with "
        f"{_value(found)}, ahead of every other arm ({_method(found)}). Behind the best: "
        f"{_each_behind(found, others, name)}."
    )
    if found.provisional:
        text += f" Provisional: with only {found.n_seeds} seeds this may still change."
    return text


def _beside(undecided: Sequence[str]) -> str:
    """Say how an arm can be the best of all while a verdict on it and another one is inconclusive."""
    if not undecided:
        return ""
    return (
        f" The verdict on {_some(undecided)} is inconclusive all the same: it has to tell better from worse in "
        "every comparison of the family, and this only whether another arm can be better than the best."
    )


def _so_far(found: BestArm, name: Mapping[str, str]) -> str:
    end = "Highest" if METRICS[found.metric].higher_is_better else "Lowest"
    who = joined([name[arm] for arm in found.highest])
    each = "" if len(found.highest) == 1 else " each"
    return f"{end} {title_in_text(found.metric)} so far: {who} with {_value(found)}{each}."


def _value(found: BestArm) -> str:
    """Show the mean of the arm that is ahead, with its own interval: ``74.2 % (95 % CI 70.5 to 77.6)``."""
    metric = METRICS[found.metric]
    mean, low, high = (metric_number(metric, value) for value in (found.mean, found.low, found.high))
    unit = " %" if metric.unit == "proportion" else ""
    return f"{mean}{unit} ({interval(low, high, found.level)})"


def _method(found: BestArm) -> str:
    return f"multiple comparisons with the best, Hsu 1996; {percent(found.level)} together"


def _rivals(found: BestArm, name: Mapping[str, str]) -> str:
    """Name the arms that may be better than the one that is ahead, and by how much at most."""
    ahead = found.highest[0]
    rivals = [name[arm] for arm in found.may_be_best if arm != ahead]
    behind = -found.arm(ahead).low
    how = f"may be better by up to {at_least(found.metric, behind)}" if behind > 0 else "may be as good"
    subject = name[ahead] if len(found.highest) > 1 else "It"
    return f"{subject} cannot be called best: {_some(rivals)} {how} ({_method(found)})."


def _some(names: Sequence[str]) -> str:
    if len(names) <= MAX_NAMED:
        return joined(names)
    return joined([*names[: MAX_NAMED - 1], f"{len(names) - MAX_NAMED + 1} other arms"])


def _excluded(found: BestArm, name: Mapping[str, str]) -> str:
    out = [arm for arm in found.arms if not arm.may_be_best]
    return f" Behind the best: {_each_behind(found, out, name)}." if out else ""


def _each_behind(found: BestArm, arms: Sequence[AgainstBest], name: Mapping[str, str]) -> str:
    """Say how far each arm is behind the best at most, the nearest first."""
    ordered = sorted(arms, key=lambda arm: -arm.low)
    named = ordered if len(ordered) <= MAX_NAMED else ordered[: MAX_NAMED - 1]
    said = [f"{name[arm.arm]} by {_up_to(found.metric, arm)}" for arm in named]
    if len(named) < len(ordered):
        said.append(f"{len(ordered) - len(named)} other arms by {_up_to(found.metric, ordered[-1])}")
    return joined(said)


def _up_to(metric: str, arm: AgainstBest) -> str:
    return f"up to {at_least(metric, -arm.low)}" if math.isfinite(arm.low) else "an unknown amount"
