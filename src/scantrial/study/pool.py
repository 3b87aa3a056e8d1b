"""Worker processes seen from their parent: start them, give them runs, hear how they fare."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scantrial.core.errors import TrainingError, error_from_dict
from scantrial.core.files import clear_os_errors
from scantrial.store.folder import RunKey
from scantrial.study.reuse import Offer
from scantrial.study.worker import WorkerSetup


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened to one run.

    Parameters
    ----------
    kind : ``started``, ``epoch``, ``done`` or ``failed``
    epoch, n_epochs, val_accuracy : of ``epoch``
    status : of ``done``, "finished" or "diverged"
    reused_from : of ``done``, the folder and the run that were copied in the place of training; else empty
    message : of ``failed``
    """

    kind: str
    key: RunKey
    epoch: int = 0
    n_epochs: int = 0
    val_accuracy: float | None = None
    status: str = ""
    reused_from: str = ""
    message: str = ""


class WorkerProcess:
    """One worker process. It dies with this object's process, whatever way that ends."""

    def __init__(self, setup: WorkerSetup, *, lock_handle: int, log_path: Path) -> None:
        self.log_path = log_path
        with clear_os_errors(log_path), log_path.open("wb") as log:
            self._process = subprocess.Popen(
                # -P: the working directory must not stand in for Python's own modules.
                [sys.executable, "-P", "-m", "scantrial.study.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # A Ctrl-C in the terminal is the parent's to handle.
                start_new_session=True,
                pass_fds=(lock_handle,),
                env={**os.environ, "OMP_NUM_THREADS": str(setup.threads), "PYTHONUNBUFFERED": "1"},
                text=True,
                encoding="utf-8",
            )
        self.send(asdict(setup))

    def send(self, command: dict[str, Any]) -> None:
        """Send one command; a worker that is gone is noticed by its missing answer."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield the worker's messages until it is gone."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                # A line that the death of the process tore says nothing.
                with suppress(ValueError):
                    yield json.loads(line)

    def epitaph(self) -> str:
        """Return how a worker that is gone ended, with the last words of its log."""
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        hint = "; the system may have run out of memory" if code == -signal.SIGKILL else ""
        with suppress(OSError):
            tail = self.log_path.read_text(errors="replace").strip().splitlines()[-3:]
            if tail:
                hint += "; its last words: " + " / ".join(tail)
        return f"the worker process {how}{hint}"

    def close(self) -> None:
        """Let the worker end, and wait until it has."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            self._process.stdin.close()
        self._process.wait()


class Pool:
    """Train runs in `n_workers` processes; iterate over `events` until all have ended.

    Parameters
    ----------
    lock_handle : the open file of the study's lock, which every worker holds as well
    log_folder : where each worker's standard error goes
    on_ready : called with a worker's environment before it is given its first run
    offers : finished runs elsewhere, to be taken over where they were trained as they would be here
    """

    def __init__(
        self,
        setup: WorkerSetup,
        keys: Sequence[RunKey],
        *,
        n_workers: int,
        lock_handle: int,
        log_folder: Path,
        on_ready: Callable[[dict[str, Any]], None],
        offers: Mapping[RunKey, Sequence[Offer]] = MappingProxyType({}),
    ) -> None:
        self._setup = setup
        self._pending = deque(keys)
        self._n_workers = max(1, min(n_workers, len(keys)))
        self._lock_handle = lock_handle
        self._log_folder = log_folder
        self._on_ready = on_ready
        self._offers = offers
        self._events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self._workers: list[WorkerProcess] = []
        self._stopping = False
        self._guard = threading.Lock()

    def events(self) -> Generator[Event, None, None]:
        """Yield what happens, and end when every run has ended.

        Whatever way the iteration ends, no worker is left behind; close it if it is left early.

        Raises
        ------
        StoreError
            If the study folder can no longer be written to.
        TrainingError
            If a worker cannot even start.
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
                workers = list(self._workers)
            for worker in workers:
                worker.close()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _serve(self, number: int) -> None:
        """Keep one worker process busy, in a thread of its own."""
        try:
            while self._pending and not self._stopping:
                self._serve_one_process(number)
        except BaseException as error:
            self._events.put(error)
        finally:
            self._events.put(None)

    def _serve_one_process(self, number: int) -> None:
        """Train runs until none is left or the process is gone; a lost process fails only the run it had."""
        log_path = self._log_folder / f"worker-{number}.log"
        with self._guard:
            if self._stopping:
                return
            worker = WorkerProcess(self._setup, lock_handle=self._lock_handle, log_path=log_path)
            self._workers.append(worker)
        key: RunKey | None = None
        for answer in worker.answers():
            kind = answer.pop("kind")
            if kind == "fatal":
                raise error_from_dict(answer["error"])
            if key is None:
                self._on_ready(answer["environment"])
            elif kind == "failed":
                self._events.put(Event(kind=kind, key=key, message=str(error_from_dict(answer["error"]))))
            else:
                self._events.put(Event(kind=kind, key=key, **answer))
            if kind != "epoch":
                key = self._next(worker)
                if key is None:
                    break
        else:
            self._lost(worker, key)
        worker.close()
        self._workers.remove(worker)

    def _next(self, worker: WorkerProcess) -> RunKey | None:
        if self._stopping:
            return None
        try:
            key = self._pending.popleft()
        except IndexError:
            return None
        self._events.put(Event(kind="started", key=key))
        offers = [offer.to_dict() for offer in self._offers.get(key, ())]
        worker.send({"arm": key.arm, "seed": key.seed, "offers": offers})
        return key

    def _lost(self, worker: WorkerProcess, key: RunKey | None) -> None:
        if self._stopping:
            return
        if key is None:
            raise TrainingError(f"{worker.epitaph()} before it could start")
        self._events.put(Event(kind="failed", key=key, message=worker.epitaph()))
