"""The order in which several workers train runs, and the time when the last run ends."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Mapping, Sequence

from scantrial.store.folder import RunKey
from scantrial.study.costs import cost_key
from scantrial.study.study import Study


def epoch_s_by_arm(study: Study, known: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of an epoch by arm; an arm with an unknown time gets the average.

    If no time is known, all arms count the same.

    Parameters
    ----------
    known : seconds of an epoch by `cost_key`
    """
    keys = {arm.name: cost_key(arm.recipe) for arm in study.arms}
    seen = [known[key] for key in dict.fromkeys(keys.values()) if key in known]
    average = statistics.fmean(seen) if seen else 1.0
    return {name: known.get(key, average) for name, key in keys.items()}


def run_costs(study: Study, keys: Sequence[RunKey], known: Mapping[str, float]) -> list[float]:
    """Return the seconds of each run: epochs of all rounds x seconds of an epoch, as if none stopped early."""
    epoch_s = epoch_s_by_arm(study, known)
    per_arm = {arm.name: arm.recipe.n_epochs * epoch_s[arm.name] for arm in study.arms}
    return [per_arm[key.arm] for key in keys]


def longest_first(keys: Sequence[RunKey], costs: Sequence[float]) -> list[RunKey]:
    """Return the runs by falling cost, ties in their given order, so that no long run is left for the end."""
    order = sorted(range(len(keys)), key=lambda place: -costs[place])
    return [keys[place] for place in order]


def makespan(costs: Sequence[float], n_workers: int) -> float:
    """Return when the last run ends if each free worker takes the longest run that is left.

    Graham (1969), doi:10.1137/0117039: at most 4/3 of the best possible.

    >>> makespan([3.0, 3.0, 2.0, 2.0, 2.0], 2)
    7.0
    """
    free_at = [0.0] * n_workers
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(free_at, free_at[0] + cost)
    return max(free_at)
