"""One finished run as a report shows it, and the rounds of an arm's runs together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.curves import QUANTITIES, CurveAggregates, CurvePoint, curve_aggregates
from scantrial.analysis.metrics import MetricValue
from scantrial.analysis.summary import SeedSummary, summarise
from scantrial.core.fold_table import MAX_FOLDS
from scantrial.core.records import EpochRecord, RunFacts, Split
from scantrial.store.folder import RunKey

SEEDS_A_FOLD = 1000
"""Of a run's number within its fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One finished run: its facts, its epochs, and by split its metrics and its confusion matrix.

    A confusion matrix counts cases by true class (rows) and decision (columns).

    Parameters
    ----------
    place : (repeat, fold) of a cross-validation, else None
    """

    seed: int
    facts: RunFacts
    history: tuple[EpochRecord, ...]
    place: tuple[int, int] | None = None
    metrics: Mapping[Split, Mapping[str, MetricValue]]
    confusion: Mapping[Split, NDArray[np.int64]]

    @property
    def words(self) -> str:
        """Its seed, and its fold where it has one."""
        return RunKey("", self.seed, *(self.place or ())).words


def numbered_views(runs: Sequence[RunView]) -> dict[int, RunView]:
    """Return runs by their seed, in a cross-validation by a number of repeat, fold and seed.

    That number is alike for all arms, unless a seed is too large for it: then runs are counted.
    """
    if any(run.place is not None and run.seed >= SEEDS_A_FOLD for run in runs):
        return dict(enumerate(sorted(runs, key=lambda run: (run.place or (), run.seed))))
    return {
        run.seed if run.place is None else (run.place[0] * MAX_FOLDS + run.place[1]) * SEEDS_A_FOLD + run.seed: run
        for run in runs
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchView:
    """A round, or all rounds (`round` is None): aggregates of the curves over an arm's seeds, diverged runs left out.

    Parameters
    ----------
    mean : by quantity, of each run's mean over the stretch's epochs without the first ones
    at_end : by quantity, of each run's value at the stretch's last epoch
    """

    round: int | None
    n_runs: int
    mean: Mapping[str, SeedSummary]
    at_end: Mapping[str, SeedSummary]


# ---------------------------------------------------------------------- the reports' aggregates


def stretches_of(runs: Sequence[RunView], *, skip: int) -> tuple[StretchView, ...]:
    """Return each round, and all rounds together where there are several, over an arm's runs without the diverged."""
    whole = [run for run in runs if run.history and run.facts.status != "diverged"]
    found = [curve_aggregates(run.history, skip=skip) for run in whole]
    n_rounds = max((len(one.rounds) for one in found), default=0)
    rounds = tuple(_stretch(found, number) for number in range(1, n_rounds + 1))
    return (*rounds, _stretch(found, None)) if n_rounds > 1 else rounds


def epoch_means(runs: Sequence[RunView], *, skip: int) -> dict[int, float]:
    """Return by seed the mean validation accuracy over a run's epochs without the first; diverged runs are left out."""
    whole = [run for run in runs if run.history and run.facts.status != "diverged"]
    numbered = numbered_views(whole)
    return {
        number: curve_aggregates(run.history, skip=skip).whole.mean.val_accuracy for number, run in numbered.items()
    }


def _stretch(found: Sequence[CurveAggregates], number: int | None) -> StretchView:
    stretches = [
        stretch
        for one in found
        for stretch in ((one.whole,) if number is None else one.rounds)
        if stretch.round == number
    ]
    return StretchView(
        round=number,
        n_runs=len(stretches),
        mean=_over_seeds([stretch.mean for stretch in stretches]),
        at_end=_over_seeds([stretch.at_end for stretch in stretches]),
    )


def _over_seeds(points: Sequence[CurvePoint]) -> dict[str, SeedSummary]:
    value: Callable[[CurvePoint, str], float] = getattr
    return {name: summarise(value(point, name) for point in points) for name in QUANTITIES}
