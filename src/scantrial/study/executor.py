"""Where runs are trained: an executor starts seats, and each seat trains one run after the other.

`Pool` and `Probe` use only these two protocols. `LocalExecutor` starts worker processes on this machine; another
executor can start seats elsewhere, such as on a node of a cluster, if they take the same commands and give the same
answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from scantrial.core.files import clear_os_errors
from scantrial.core.memory import ADVICE, says_memory_ran_out
from scantrial.store.folder import StudyFolder
from scantrial.study.worker import WorkerSetup


class Seat(Protocol):
    """A place where one run at a time is trained, by the commands and answers of `scantrial.study.worker`.

    One thread sends and reads; any thread may close, at any time and more than once.
    """

    def send(self, command: dict[str, Any]) -> None:
        """Send one command, plain data. Never fails: a lost seat is noticed by its missing answer."""

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield the answers, ``ready`` or ``fatal`` first; end when the seat is lost or closed."""

    def epitaph(self) -> str:
        """Return how the seat was lost, once its answers have ended, as the beginning of a sentence."""

    def close(self) -> None:
        """End the seat, whatever it is doing, and wait until it no longer writes."""


class Executor(Protocol):
    """Starts seats."""

    def start(self, setup: WorkerSetup, number: int) -> Seat:
        """Start one seat and return at once, before it is ready; called by several threads, one at a time.

        Parameters
        ----------
        number : number of the seat among those open at the same time, from 0; a replacement keeps that of the lost seat

        Raises
        ------
        ScantrialError
            If no seat can be started; the study ends.
        """


MakeExecutor = Callable[[StudyFolder, int], Executor]
"""Makes a study's executor from its folder, which is locked, and from the lock's open file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalExecutor:
    """Start worker processes on this machine.

    Parameters
    ----------
    lock_handle : the open file of the study's lock, which every worker shares
    log_folder : where each worker's standard error goes
    """

    lock_handle: int
    log_folder: Path

    def start(self, setup: WorkerSetup, number: int) -> Seat:
        """Start one worker process.

        Raises
        ------
        StoreError
            If its log cannot be written.
        """
        log_path = self.log_folder / f"worker-{number}.log"
        return WorkerProcess(setup, lock_handle=self.lock_handle, log_path=log_path)


def local_executor(folder: StudyFolder, lock_handle: int) -> LocalExecutor:
    """Make the executor of this machine, with the logs in the folder's ``partial``.

    Raises
    ------
    StoreError
        If the folder cannot be written to.
    """
    log_folder = folder.path / "partial"
    with clear_os_errors(folder.path):
        log_folder.mkdir(exist_ok=True)
    return LocalExecutor(lock_handle=lock_handle, log_folder=log_folder)


WORKER_VARIABLES = {
    "PYTHONUNBUFFERED": "1",
    # PyTorch must not import what any package beside it registers as a device; none of these devices is used.
    "TORCH_DEVICE_BACKEND_AUTOLOAD": "0",
}


def _new_file(path: Path) -> BinaryIO:
    """Put a new file for writing in the place of an old one, which keeps its content if it has another name."""
    path.unlink(missing_ok=True)
    return path.open("xb")


class WorkerProcess:
    """One worker process, as a `Seat`. It ends with this object's process, however that ends."""

    def __init__(self, setup: WorkerSetup, *, lock_handle: int, log_path: Path) -> None:
        self.log_path = log_path
        with clear_os_errors(log_path), _new_file(log_path) as log:
            self._process = subprocess.Popen(
                # -P: the working directory must not shadow Python's own modules.
                [sys.executable, "-P", "-m", "scantrial.study.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # The parent handles a Ctrl-C in the terminal.
                start_new_session=True,
                pass_fds=(lock_handle,),
                env={**os.environ, **WORKER_VARIABLES, "OMP_NUM_THREADS": str(setup.threads)},
                text=True,
                encoding="utf-8",
            )
        self.send(asdict(setup))

    def send(self, command: dict[str, Any]) -> None:
        """Send one command; a lost worker is noticed by its missing answer."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield the worker's messages until it is gone."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                # A line that was cut off by the end of the process is ignored.
                with suppress(ValueError):
                    yield json.loads(line)

    def epitaph(self) -> str:
        """Return how the worker ended, with the last lines of its log."""
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        tail: list[str] = []
        with suppress(OSError):
            tail = self.log_path.read_text(errors="replace").strip().splitlines()[-3:]
        if says_memory_ran_out("\n".join(tail)):
            how += f"; memory ran out: {ADVICE}"
        elif code == -signal.SIGKILL:
            how += f"; the system may have run out of memory: {ADVICE}"
        return f"the worker process {how}" + (f"; the end of its log: {' / '.join(tail)}" if tail else "")

    def close(self) -> None:
        """Let the worker end, and wait until it has."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            self._process.stdin.close()
        self._process.wait()
