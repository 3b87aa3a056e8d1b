"""The protocol between a pool and what trains its runs: another executor than the one of worker processes suffices."""

from __future__ import annotations

import ast
import os
import queue
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.unit.study.fake_engine import result_of
from tests.unit.study.trial import Trial

import scantrial
from scantrial.api.trial import execution_of
from scantrial.core.errors import InputError, ScantrialError, StoreError, TrainingError
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.store.lock import holder_of
from scantrial.study.executor import Seat, local_executor
from scantrial.study.pool import Event, Pool
from scantrial.study.reuse import Offer
from scantrial.study.worker import WorkerSetup
from scantrial.study.worker_count import Probe

SOURCE = Path(scantrial.__file__).parent
LOST = "lost"
SETUP = WorkerSetup(
    folder="no-such-folder",
    images_path="no-such-file",
    prepare="no_such_module:prepare",
    engine="no_such_module:train",
    engine_reason="a test",
    device="cpu",
    threads=1,
    checkpoint_every_s=0.0,
    keep_weights=True,
)
KEYS = [RunKey(arm, seed) for seed in (0, 1) for arm in ("base", "other")]

Script = Callable[[dict[str, Any]], list[Any]]
"""From a command to the answers that it gets; `LOST` in their place ends the seat."""


def ready() -> dict[str, Any]:
    return {"kind": "ready", "environment": {"device": "cpu"}}


def answered(kind: str, error: ScantrialError) -> dict[str, Any]:
    return {"kind": kind, "error": error.to_dict()}


def trained(_command: dict[str, Any]) -> list[Any]:
    epoch = {"kind": "epoch", "epoch": 1, "n_epochs": 1, "val_accuracy": 0.5}
    return [epoch, {"kind": "done", "status": "finished"}]


class ScriptedSeat:
    """A seat without any process: it answers by a script, in the thread that sends."""

    def __init__(self, number: int, script: Script, first: list[Any]) -> None:
        self.number = number
        self.script = script
        self.commands: list[dict[str, Any]] = []
        self.closed = False
        self._answers: queue.Queue[Any] = queue.Queue()
        self._give(first)

    def send(self, command: dict[str, Any]) -> None:
        self.commands.append(command)
        self._give(self.script(command))

    def answers(self) -> Iterator[dict[str, Any]]:
        yield from iter(self._answers.get, LOST)

    def epitaph(self) -> str:
        return f"seat {self.number} is lost"

    def close(self) -> None:
        self.closed = True
        self._answers.put(LOST)

    def _give(self, answers: list[Any]) -> None:
        for answer in answers:
            self._answers.put(dict(answer) if answer is not LOST else LOST)


@dataclass(kw_only=True)
class ScriptedExecutor:
    """Starts scripted seats and keeps them.

    Parameters
    ----------
    first : what each seat says before any command
    """

    script: Script = trained
    first: Callable[[], list[Any]] = lambda: [ready()]
    seats: list[ScriptedSeat] = field(default_factory=list)

    def start(self, setup: WorkerSetup, number: int) -> Seat:
        seat = ScriptedSeat(number, self.script, self.first())
        self.seats.append(seat)
        return seat

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The commands to all seats, seat by seat."""
        return [command for seat in self.seats for command in seat.commands]


def pool_of(executor: Any, *, n_workers: int = 1, **options: Any) -> Pool:
    fields = {"on_ready": lambda environment: None, **options}
    return Pool(SETUP, KEYS, executor=executor, n_workers=n_workers, **fields)


def events_of(pool: Pool) -> list[Event]:
    with closing(pool.events()) as events:
        return list(events)


def by_key(**answers: list[Any]) -> Script:
    """Train every run but those named ``arm_seed``, which get other answers."""
    return lambda command: answers.get(f"{command['arm']}_{command['seed']}", trained(command))


# ------------------------------------------------------------------ a pool


def test_one_seat_gets_the_runs_in_order_with_what_is_on_offer():
    """One run at a time; each is announced, then its epochs, then its end. The environment is told before."""
    executor, told = ScriptedExecutor(), []
    offer = Offer(folder="elsewhere", arm="theirs", seed=4, where="here", threads=1)
    pool = pool_of(executor, on_ready=told.append, offers={KEYS[1]: [offer]})
    events = events_of(pool)
    assert [(event.kind, event.key) for event in events] == [
        (kind, key) for key in KEYS for kind in ("started", "epoch", "done")
    ]
    assert told == [{"device": "cpu"}]
    (seat,) = executor.seats
    assert [RunKey(command["arm"], command["seed"]) for command in seat.commands] == KEYS
    assert [command["offers"] for command in seat.commands] == [[], [offer.to_dict()], [], []]
    assert seat.closed


def test_no_more_seats_than_runs_are_started_and_each_run_is_given_once():
    """Nine are asked for, four have something to do; they are numbered from 0."""
    executor = ScriptedExecutor()
    events = events_of(pool_of(executor, n_workers=9))
    assert {seat.number for seat in executor.seats} <= {0, 1, 2, 3}
    assert sorted(RunKey(command["arm"], command["seed"]) for command in executor.commands) == sorted(KEYS)
    assert len([event for event in events if event.kind == "done"]) == 4
    assert all(seat.closed for seat in executor.seats)


def test_a_lost_seat_is_replaced_and_its_run_tried_once_more():
    """After the others; the seat that replaces it has its number. The message is the seat's own, with what is known."""
    executor = ScriptedExecutor(script=by_key(other_0=[LOST]))
    events = events_of(pool_of(executor))
    known = "seat 0 is lost; it was in its first epoch since its start"
    assert [(event.kind, event.key, event.message) for event in events if event.kind in ("lost", "failed")] == [
        ("lost", KEYS[1], known),
        ("failed", KEYS[1], f"tried twice: {known}"),
    ]
    assert [event.key for event in events if event.kind == "done"] == [KEYS[0], *KEYS[2:]]
    assert [(seat.number, len(seat.commands), seat.closed) for seat in executor.seats] == [
        (0, 2, True),
        (0, 3, True),
    ]


def test_a_run_that_fails_keeps_its_seat():
    """The next run is given to the same one."""
    executor = ScriptedExecutor(script=by_key(base_0=[answered("failed", TrainingError("it fell over"))]))
    events = events_of(pool_of(executor))
    assert [(event.key, event.message) for event in events if event.kind == "failed"] == [(KEYS[0], "it fell over")]
    assert len(executor.seats) == 1
    assert len(executor.commands) == 4


@pytest.mark.parametrize(
    ("first", "error_class", "words", "n_seats"),
    [
        ([LOST], TrainingError, "tried twice: seat 0 is lost before it could start", 2),
        ([answered("fatal", InputError("no such device"))], InputError, "no such device", 1),
        ([answered("fatal", StoreError("the disk is full"))], StoreError, "the disk is full", 1),
    ],
)
def test_a_seat_that_cannot_start_ends_the_study(
    first: list[Any], error_class: type[Exception], words: str, n_seats: int
):
    """No run is announced or blamed, nobody starts seat after seat, and all are closed."""
    executor = ScriptedExecutor(first=lambda: first)
    with pytest.raises(error_class, match=words):
        events_of(pool_of(executor))
    assert [(seat.commands, seat.closed) for seat in executor.seats] == [([], True)] * n_seats


def test_a_seat_that_is_lost_once_before_it_is_ready_costs_nothing():
    """Somebody killed it while it started: another takes its place, and no run knows of it."""
    first = iter([[LOST], [ready()]])
    executor = ScriptedExecutor(script=trained, first=lambda: next(first))
    events = events_of(pool_of(executor))
    assert [event.key for event in events if event.kind == "done"] == KEYS
    assert {event.kind for event in events} == {"started", "epoch", "done"}
    assert [(seat.number, len(seat.commands), seat.closed) for seat in executor.seats] == [(0, 0, True), (0, 4, True)]


def test_a_fatal_answer_in_a_run_ends_the_study():
    """With the class of the error; seats in the middle of a run are closed as well."""
    script = by_key(base_0=[], other_0=[], base_1=[answered("fatal", StoreError("the disk is full"))])
    executor = ScriptedExecutor(script=script)
    with pytest.raises(StoreError, match="the disk is full"):
        events_of(pool_of(executor, n_workers=3))
    assert [seat.closed for seat in executor.seats] == [True, True, True]


def test_an_executor_that_has_no_seat_ends_the_study():
    """What `start` raises comes through; the seats that there are are closed."""

    class Full(ScriptedExecutor):
        def start(self, setup: WorkerSetup, number: int) -> Seat:
            if self.seats:
                raise TrainingError("no node is free")
            return super().start(setup, number)

    executor = Full(script=by_key(base_0=[]))
    with pytest.raises(TrainingError, match="no node is free"):
        events_of(pool_of(executor, n_workers=2))
    assert [seat.closed for seat in executor.seats] == [True]


def test_a_pool_that_is_left_early_closes_its_seats():
    """In the middle of their runs, which are neither failed nor given to another seat."""
    executor = ScriptedExecutor(script=lambda command: [])
    pool, seen = pool_of(executor, n_workers=2), []
    with closing(pool.events()) as events:
        for event in events:
            seen.append(event.kind)
            if len(seen) == 2:
                break
    assert seen == ["started", "started"]
    assert len(executor.commands) == len(executor.seats) == 2
    assert all(seat.closed for seat in executor.seats)


# ------------------------------------------------------------------ a probe


def test_a_probe_times_on_seats_of_any_executor():
    """So many seats are asked at once, those that are there first; the mean and the most are returned; all are closed."""
    executor = ScriptedExecutor()
    executor.script = lambda command: [
        {"kind": "timed", "epoch_s": float(len(executor.commands)), "peak_bytes": 100 * len(executor.commands)}
    ]
    with Probe(setup=SETUP, executor=executor).open() as probe:
        assert probe.seconds("base", workers=1, threads=2) == (1.0, 100)
        assert probe.seconds("other", workers=2, threads=1) == (2.5, 300)
        assert not any(seat.closed for seat in executor.seats)
    assert [(seat.number, seat.closed) for seat in executor.seats] == [(0, True), (1, True)]
    assert executor.seats[0].commands == [{"time": "base", "threads": 2}, {"time": "other", "threads": 1}]


def test_a_seat_that_is_lost_while_it_is_timed_is_told():
    """With the seat's own words."""
    executor = ScriptedExecutor(script=lambda command: [LOST])
    with (
        pytest.raises(TrainingError, match="seat 0 is lost during timing"),
        Probe(setup=SETUP, executor=executor).open() as probe,
    ):
        probe.seconds("base", workers=1, threads=1)
    assert executor.seats[0].closed


# ------------------------------------------------------------------ a whole study


def test_a_study_is_carried_out_where_the_seats_never_see_its_folder(trial: Trial):
    """The driver alone writes: runs that come back as answers are stored by the seat's own side of the protocol."""
    study, scans = trial.study(), trial.scans()

    def make(folder: StudyFolder, lock_handle: int) -> ScriptedExecutor:
        assert folder.path == trial.folder.path
        assert holder_of(folder.path) is not None
        os.fstat(lock_handle)  # raises where it is not open

        def store(command: dict[str, Any]) -> list[Any]:
            folder.write_run(result_of(trial.task(study, scans, RunKey(command["arm"], command["seed"]))))
            return trained(command)

        environment = {"device": "cpu", "torch": "1.0", "cpu_capability": "NONE"}
        return ScriptedExecutor(script=store, first=lambda: [{"kind": "ready", "environment": environment}])

    kinds: list[str] = []
    outcome = trial.run(study, scans, lambda event, _: kinds.append(event.kind), executor=make, workers=2)
    names = ["base/seed-0", "base/seed-1", "loss-ce/seed-0", "loss-ce/seed-1"]
    assert sorted(map(str, outcome.trained)) == names
    assert outcome.failed == ()
    assert sorted(kinds) == sorted(["started", "epoch", "done"] * 4)
    assert trial.trained() == trial.worker_pids() == []


def test_the_command_trains_in_worker_processes_of_this_machine(trial: Trial):
    """`scantrial.api` chooses the executor."""
    assert execution_of(trial.study(), None, {}).executor is local_executor


def test_worker_processes_are_started_in_one_place():
    """`LocalExecutor.start` alone makes a `WorkerProcess`, and no other module names the worker's module as text."""
    made, named = [], []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and "WorkerProcess" in ast.unparse(node.func):
                made.append(str(path.relative_to(SOURCE)))
            if isinstance(node, ast.Constant) and node.value == "scantrial.study.worker":
                named.append(str(path.relative_to(SOURCE)))
    assert made == named == ["study/executor.py"]
