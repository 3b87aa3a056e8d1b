"""Start workers, give them runs and report their events."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from scantrial.core.errors import TrainingError, error_from_dict
from scantrial.core.memory import gigabytes
from scantrial.store.folder import RunKey
from scantrial.study.executor import Executor, Seat
from scantrial.study.reuse import Offer
from scantrial.study.worker import WorkerSetup


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened to one run.

    Parameters
    ----------
    kind : ``started``, ``epoch``, ``lost`` (it will be tried again), ``done`` or ``failed``
    epoch, n_epochs, val_accuracy : of ``epoch``
    status : of ``done``, "finished" or "diverged"
    reused_from : of ``done``, the folder and the run that were copied instead of training; else empty
    message : of ``lost`` and ``failed``
    peak_bytes : of ``epoch``, the most memory that the seat has held so far; 0 if not known
    """

    kind: str
    key: RunKey
    epoch: int = 0
    n_epochs: int = 0
    val_accuracy: float | None = None
    status: str = ""
    reused_from: str = ""
    message: str = ""
    peak_bytes: int = 0


class Pool:
    """Train runs on `n_workers` seats; iterate over `events` until all have ended.

    Parameters
    ----------
    executor : starts the seats
    on_ready : called with a worker's environment before it is given its first run
    offers : finished runs elsewhere, to be copied if they were trained as they would be here
    """

    def __init__(
        self,
        setup: WorkerSetup,
        keys: Sequence[RunKey],
        *,
        executor: Executor,
        n_workers: int,
        on_ready: Callable[[dict[str, Any]], None],
        offers: Mapping[RunKey, Sequence[Offer]] = MappingProxyType({}),
    ) -> None:
        self._setup = setup
        self._pending = deque(keys)
        self._lost_once: set[RunKey] = set()
        self._lost_unready: set[int] = set()
        self._executor = executor
        self._n_workers = max(1, min(n_workers, len(keys)))
        self._on_ready = on_ready
        self._offers = offers
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._seats: list[Seat] = []
        self._stopping = False
        self._guard = threading.Lock()

    def events(self) -> Generator[Event, None, None]:
        """Yield what happens, and end when every run has ended.

        However the iteration ends, no worker is left behind; close it if you leave it early.

        Raises
        ------
        StoreError
            If the study folder can no longer be written to.
        TrainingError
            If a worker cannot even start, tried twice.
        """
        threads = [threading.Thread(target=self._serve, args=(i,), daemon=True) for i in range(self._n_workers)]
        running = len(threads)
        try:
            for thread in threads:
                thread.start()
            while running:
                event = self._events.get()
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    running -= 1
                else:
                    yield event
        finally:
            with self._guard:
                self._stopping = True
                seats = list(self._seats)
            for seat in seats:
                seat.close()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _serve(self, number: int) -> None:
        """Keep one seat busy, and replace it if it is lost, in a thread of its own."""
        try:
            while self._pending and not self._stopping:
                self._serve_one_seat(number)
        except BaseException as error:
            self._events.put(error)
        finally:
            self._events.put(None)

    def _serve_one_seat(self, number: int) -> None:
        """Train runs until none is left or the seat is lost; only the run that a lost seat had is concerned."""
        with self._guard:
            if self._stopping:
                return
            seat = self._executor.start(self._setup, number)
            self._seats.append(seat)
        key: RunKey | None = None
        last: Event | None = None
        for answer in seat.answers():
            kind = answer.pop("kind")
            if kind == "fatal":
                raise error_from_dict(answer["error"])
            if key is None:
                self._on_ready(answer["environment"])
            elif kind == "failed":
                self._events.put(Event(kind=kind, key=key, message=str(error_from_dict(answer["error"]))))
            else:
                last = Event(kind=kind, key=key, **answer)
                self._events.put(last)
            if kind != "epoch":
                key = self._next(seat)
                if key is None:
                    break
        else:
            if key is None:
                self._lost_before_it_was_ready(seat, number)
            else:
                self._lost(seat, key, last)
        seat.close()
        self._seats.remove(seat)

    def _next(self, seat: Seat) -> RunKey | None:
        if self._stopping:
            return None
        try:
            key = self._pending.popleft()
        except IndexError:
            return None
        self._events.put(Event(kind="started", key=key))
        offers = [offer.to_dict() for offer in self._offers.get(key, ())]
        seat.send({**key.to_dict(), "offers": offers})
        return key

    def _lost_before_it_was_ready(self, seat: Seat, number: int) -> None:
        """Let a seat that had no run yet be started once more; then give up."""
        if self._stopping:
            return
        if number in self._lost_unready:
            raise TrainingError(f"tried twice: {seat.epitaph()} before it could start")
        self._lost_unready.add(number)

    def _lost(self, seat: Seat, key: RunKey, last: Event | None) -> None:
        """Try a run whose seat was lost once more, after the others, when fewer may need memory; then give it up."""
        if self._stopping:
            return
        how = seat.epitaph() + _known(last, key)
        if key in self._lost_once:
            self._events.put(Event(kind="failed", key=key, message=f"tried twice: {how}"))
            return
        self._lost_once.add(key)
        self._pending.append(key)
        self._events.put(Event(kind="lost", key=key, message=how))


def _known(last: Event | None, key: RunKey) -> str:
    """Say how far a lost run was and how much memory it held, as far as its last epoch tells."""
    if last is None or last.key != key or last.kind != "epoch":
        return "; it was in its first epoch since its start"
    held = f", where it held up to {gigabytes(last.peak_bytes)} of memory" if last.peak_bytes else ""
    return f"; it was after epoch {last.epoch}{held}"
