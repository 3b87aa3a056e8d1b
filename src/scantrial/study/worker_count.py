"""How many runs to train at the same time, with how many threads each; measured unless it is given.

One run on all cores, or several at once on fewer cores each? Small networks waste a second thread, large ones share
the memory's bandwidth, so the runs have to be timed side by side. Workers train a few steps of the study's own arms
for this, and end before the first run begins.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from scantrial.core.errors import ScantrialError, TrainingError, error_from_dict
from scantrial.core.format import counted
from scantrial.core.machine import available_memory, n_cores
from scantrial.core.plain import Plain
from scantrial.core.progress import Progress
from scantrial.store.folder import RunKey
from scantrial.study.costs import cost_key
from scantrial.study.executor import Executor, Seat
from scantrial.study.schedule import epoch_s_by_arm, makespan, run_costs
from scantrial.study.study import Arm, Study
from scantrial.study.worker import WorkerSetup

TOO_SHORT_S = 60.0
"""A study that one worker ends sooner is not measured further: measuring takes about five seconds and gains about a
tenth on two cores (`benchmarks/workers.py`)."""

_PROBED_ARMS = 4
_WORSE = 1.1
"""More workers are not tried once the time exceeds the best so far by this factor."""

_USED_MEMORY = 0.9
_ROOM_BYTES = 160 << 20
"""Memory that a run needs beyond its probe, for evaluation in large batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredWorkers:
    """The times measured with a number of runs at the same time.

    Parameters
    ----------
    epoch_s : seconds of one epoch by arm, with this many runs side by side
    study_s : seconds until the last run ends, longest runs first; without what happens once a run
    """

    workers: int
    threads: int
    epoch_s: Mapping[str, float]
    study_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerChoice(Plain):
    """How many runs are trained at the same time, and why.

    Parameters
    ----------
    threads : of each run
    reason : in words
    measured : the numbers of workers that were tried; empty if nothing was measured
    worker_bytes : memory of one worker as measured, or None
    """

    workers: int
    threads: int
    reason: str
    measured: tuple[MeasuredWorkers, ...] = ()
    worker_bytes: int | None = None

    def known(self, study: Study) -> dict[str, float]:
        """Return the seconds of an epoch as measured for the choice, by `cost_key`."""
        for item in self.measured:
            if (item.workers, item.threads) == (self.workers, self.threads):
                keys = {arm.name: cost_key(arm.recipe) for arm in study.arms}
                return {keys[name]: seconds for name, seconds in item.epoch_s.items() if name in keys}
        return {}


def fixed_choice(stored: Mapping[str, Any], *, threads: int, n_runs: int) -> WorkerChoice:
    """Choose for fixed threads: as the folder's first run measured, or else as many workers as the cores allow.

    Parameters
    ----------
    stored : the folder's environment, or an empty one if only the threads are given
    """
    before = stored.get("workers")
    if before and before["measured"] and stored["n_cores"] == n_cores():
        n_workers, reason = before["workers"], f"as before, {before['reason']}"
        worker_bytes = before["worker_bytes"]
    else:
        n_workers, worker_bytes = n_cores() // threads, None
        reason = f"{counted(n_cores(), 'core')}, {counted(threads, 'thread')} per run"
    n_workers = max(1, min(n_workers, n_runs))
    n_fit = _n_that_fit(worker_bytes)
    if n_fit is not None and n_fit < n_workers:
        n_workers, reason = n_fit, "more do not fit in memory"
    return WorkerChoice(workers=n_workers, threads=threads, reason=reason, worker_bytes=worker_bytes)


@dataclass(slots=True, kw_only=True)
class Probe:
    """Seats that time a few steps of some arms, side by side.

    Parameters
    ----------
    setup : as for training; its threads do not count
    executor : starts the seats
    """

    setup: WorkerSetup
    executor: Executor
    _seats: list[tuple[Seat, Iterator[dict[str, Any]]]] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[Probe]:
        """Close all seats at the end of the block."""
        try:
            yield self
        finally:
            for seat, _ in self._seats:
                seat.close()

    def seconds(self, arm: str, *, workers: int, threads: int) -> tuple[float, int]:
        """Return the mean seconds of the arm's epoch with this many workers, and the most memory that one used.

        Raises
        ------
        ScantrialError
            If a seat cannot start, or the arm cannot be trained.
        """
        self._start(workers)
        asked = self._seats[:workers]
        for seat, _ in asked:
            seat.send({"time": arm, "threads": threads})
        answers = [_next(seat, answers) for seat, answers in asked]
        return statistics.fmean(item["epoch_s"] for item in answers), max(item["peak_bytes"] for item in answers)

    def _start(self, n_workers: int) -> None:
        fresh = []
        for number in range(len(self._seats), n_workers):
            seat = self.executor.start(replace(self.setup, threads=n_cores()), number)
            fresh.append((seat, seat.answers()))
            self._seats.append(fresh[-1])
        for seat, answers in fresh:
            _next(seat, answers)


def _next(seat: Seat, answers: Iterator[dict[str, Any]]) -> dict[str, Any]:
    answer = next(answers, None)
    if answer is None:
        raise TrainingError(f"{seat.epitaph()} during timing")
    if answer["kind"] in ("fatal", "failed"):
        raise error_from_dict(answer["error"])
    return answer


def measured_choice(study: Study, keys: Sequence[RunKey], probe: Probe, *, progress: Progress) -> WorkerChoice:
    """Choose by measuring: one worker with all cores first, then more workers as long as the time improves.

    Parameters
    ----------
    keys : the runs to train

    Notes
    -----
    If an arm cannot be timed, such as a network that does not fit into memory, its run reports the error.
    """
    counts = candidates(n_cores(), len(keys))
    if len(counts) == 1:
        return WorkerChoice(workers=1, threads=n_cores(), reason=_only_one(len(keys)))
    tried = _Tried(memory=available_memory(), more_bytes=_ROOM_BYTES)
    try:
        with probe.open():
            for n_workers in counts:
                if tried.has_room_for(n_workers):
                    progress("timing workers", n_workers, counts[-1])
                    tried.add(*_measure(study, keys, probe, n_workers))
                if tried.settled:
                    break
    except ScantrialError as error:
        if not tried.measured:
            reason = f"the arms could not be timed: {str(error).splitlines()[0]}"
            return WorkerChoice(workers=1, threads=n_cores(), reason=reason)
    return WorkerChoice(
        workers=tried.best.workers,
        threads=tried.best.threads,
        reason=tried.reason,
        measured=tuple(tried.measured),
        worker_bytes=tried.worker_bytes,
    )


@dataclass(slots=True, kw_only=True)
class _Tried:
    """What was measured so far, and whether to measure more.

    Parameters
    ----------
    memory : bytes that all workers together may use, or None if not known
    more_bytes : memory that a run needs beyond its probe
    worker_bytes : memory of one worker, as far as known
    short_of_memory : whether a number of workers was skipped for lack of memory
    """

    memory: int | None
    more_bytes: int
    measured: list[MeasuredWorkers] = field(default_factory=list)
    worker_bytes: int = 0
    short_of_memory: bool = False

    def has_room_for(self, n_workers: int) -> bool:
        """Whether this many fit into memory; any number does until the memory of one is known."""
        fit = self.memory is None or n_workers * self.worker_bytes <= _USED_MEMORY * self.memory
        self.short_of_memory |= not fit
        return fit

    def add(self, found: MeasuredWorkers, peak_bytes: int) -> None:
        """Take in one measurement."""
        self.measured.append(found)
        self.worker_bytes = max(self.worker_bytes, peak_bytes + self.more_bytes)

    @property
    def best(self) -> MeasuredWorkers:
        """The number of workers that ends the study soonest."""
        return min(self.measured, key=lambda item: item.study_s)

    @property
    def settled(self) -> bool:
        """Whether trying more workers is not worth it."""
        is_short = self.best.study_s < TOO_SHORT_S
        return is_short or self.short_of_memory or self.measured[-1].study_s > _WORSE * self.best.study_s

    @property
    def reason(self) -> str:
        """Why the best was chosen, in words."""
        best = self.best
        if best.study_s < TOO_SHORT_S and len(self.measured) == 1:
            return f"measured: about {best.study_s:.1f} s of training, too short to try more workers"
        others = ", ".join(f"{item.study_s:.0f} s with {item.workers}" for item in self.measured if item is not best)
        against = f" against {others}" if others else ""
        memory = "; more do not fit in memory" if self.short_of_memory else ""
        return f"measured: about {best.study_s:.0f} s of training{against}{memory}"


def candidates(cores: int, n_runs: int) -> list[int]:
    """Return the numbers of workers that use all cores evenly, rising; with few runs, also one worker for each run.

    >>> candidates(12, 100), candidates(8, 3)
    ([1, 2, 3, 4, 6, 12], [1, 2, 3])
    """
    most = min(cores, n_runs)
    return [n for n in range(1, most + 1) if cores % n == 0 or n == most]


def _measure(study: Study, keys: Sequence[RunKey], probe: Probe, n_workers: int) -> tuple[MeasuredWorkers, int]:
    threads = max(1, n_cores() // n_workers)
    known: dict[str, float] = {}
    peak = 0
    for arm in _probed(study, keys):
        seconds, taken = probe.seconds(arm.name, workers=n_workers, threads=threads)
        known[cost_key(arm.recipe)] = seconds
        peak = max(peak, taken)
    found = MeasuredWorkers(
        workers=n_workers,
        threads=threads,
        epoch_s=epoch_s_by_arm(study, known),
        study_s=makespan(run_costs(study, keys, known), n_workers),
    )
    return found, peak


def _probed(study: Study, keys: Sequence[RunKey]) -> list[Arm]:
    """Return one arm of each cost, at most a few, those with the most epochs first."""
    n_epochs: dict[str, int] = {}
    arms: dict[str, Arm] = {}
    for key in keys:
        arm = study.arm(key.arm)
        cost = cost_key(arm.recipe)
        arms.setdefault(cost, arm)
        n_epochs[cost] = n_epochs.get(cost, 0) + arm.recipe.n_epochs
    return [arms[cost] for cost in sorted(arms, key=lambda cost: -n_epochs[cost])][:_PROBED_ARMS]


def _n_that_fit(worker_bytes: int | None) -> int | None:
    memory = available_memory()
    if worker_bytes is None or memory is None:
        return None
    return max(1, int(_USED_MEMORY * memory // worker_bytes))


def _only_one(n_runs: int) -> str:
    return "one run is left to train" if n_runs == 1 else "only one core is available"
