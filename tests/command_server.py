"""Run many commands and workers of scantrial, each in a process of its own, and load their libraries once.

Loading PyTorch, SciPy and scikit-learn takes seconds; a small command takes a fraction of one. So a server (this file
as a script) loads them, calls nothing, and forks a process for each command. That process has its own arguments,
environment, working directory and streams, and ends as any other does. Where forking is not safe, as on macOS, and
where the environment decides how Python itself starts, each command starts afresh.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn

LIBRARIES = ("altair", "scipy.stats", "sklearn.isotonic", "sklearn.metrics", "torch")
"""What commands load when they need it."""


class Forked:
    """A command that the server has started, as `subprocess.Popen` shows one; `returncode` is there after `wait`."""

    def __init__(self, pid: int, reap: Callable[[int], int]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self._reap = reap
        self._handle = os.pidfd_open(pid)
        self._guard = threading.Lock()

    def send_signal(self, kind: int) -> None:
        """Send a signal to a process that has not been waited for."""
        if self.returncode is None:
            signal.pidfd_send_signal(self._handle, kind)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code."""
        with self._guard:
            if self.returncode is None:
                if not select.select([self._handle], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
                os.close(self._handle)
                self.returncode = self._reap(self.pid)
            return self.returncode


class CommandServer:
    """Start commands; a context that ends its server, if it has one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()
        self._started: set[int] = set()

    def __enter__(self) -> CommandServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None and self._process is not None:
            self._link.close()
            self._process.wait()

    def start(
        self, words: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str], stdout: Any, stderr: Any
    ) -> subprocess.Popen[bytes] | Forked:
        """Start ``scantrial WORDS``; what it says goes to open files."""
        said, texts = {"stdout": stdout, "stderr": stderr}, [str(word) for word in words]
        if sys.platform != "linux" or any(name.startswith("PYTHON") for name in set(environment) - {"PYTHONPATH"}):
            command = [sys.executable, "-m", "scantrial", *texts]
            return subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, **said)
        wanted = {"module": "scantrial.cli.main", "words": ["scantrial", *texts], "cwd": str(cwd)}
        with Path(os.devnull).open("rb") as nothing:
            return self._fork({**wanted, "environment": dict(environment)}, [nothing, stdout, stderr])

    def start_worker(self, command: Sequence[str], *, stderr: Any, pass_fds: Sequence[int], **options: Any) -> Forked:
        """Do what `subprocess.Popen` does with ``python -P -m MODULE``, both ends of it being pipes of text."""
        question, said = os.pipe(), os.pipe()
        wanted = {"module": command[-1], "words": list(command[-1:]), "environment": dict(options["env"])}
        handles = [question[0], said[1], stderr, *pass_fds]
        process = self._fork({**wanted, "cwd": str(Path.cwd()), "new_session": True}, handles)
        os.close(question[0])
        os.close(said[1])
        process.stdin = open(question[1], "w", encoding="utf-8")  # noqa: PTH123, SIM115 - Popen leaves it open too
        process.stdout = open(said[0], encoding="utf-8")  # noqa: PTH123, SIM115 - as above
        return process

    def children(self) -> list[int]:
        """Return the processes that were started and have not ended."""
        with self._guard:  # nothing is waited for meanwhile, so that every process still has its entry
            # One that has ended and was not waited for has no command line any more.
            return [pid for pid in sorted(self._started) if Path(f"/proc/{pid}/cmdline").read_bytes()]

    def run(
        self, words: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """Run ``scantrial WORDS`` to its end, never in a terminal, and return its exit code and what it said."""
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = self.start(words, cwd=cwd, environment=environment, stdout=stdout, stderr=stderr)
            try:
                code = process.wait(timeout_s)
            finally:
                process.kill()
            stdout.seek(0)
            stderr.seek(0)
            return subprocess.CompletedProcess(words, code, stdout.read().decode(), stderr.read().decode())

    def _fork(self, wanted: Mapping[str, object], handles: Sequence[Any]) -> Forked:
        numbers = [handle if isinstance(handle, int) else handle.fileno() for handle in handles]
        return Forked(self._ask(wanted, numbers), lambda pid: self._ask({"reap": pid}))

    def _ask(self, question: Mapping[str, object], handles: Sequence[int] = ()) -> int:
        with self._guard:
            if self._link is None:
                self._link = self._start_server()
            socket.send_fds(self._link, [json.dumps(question).encode()], handles)
            answer = int(self._link.recv(100))
            if "reap" in question:
                self._started.discard(int(str(question["reap"])))
            else:
                self._started.add(answer)
            return answer

    def _start_server(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        return ours


def load_everything() -> None:
    """Import every library, and every module of scantrial's but scripts and what is compiled."""
    for name in LIBRARIES:
        importlib.import_module(name)
    package = importlib.import_module("scantrial")
    for module in pkgutil.walk_packages(package.__path__, "scantrial."):
        if "__main__" not in module.name and ".native." not in module.name:
            importlib.import_module(module.name)


def serve(link: socket.socket) -> str:
    """Fork a process for each command that comes; in that process alone return what it runs. The link's end is the end."""
    while True:
        message, handles, _, _ = socket.recv_fds(link, 1 << 20, 10)
        if not message:
            end(0)
        question = json.loads(message)
        if "reap" in question:
            answer = os.waitstatus_to_exitcode(os.waitpid(question["reap"], 0)[1])
        elif (answer := os.fork()) == 0:
            link.close()
            become(question, handles)
            return str(question["module"])
        for handle in handles:
            os.close(handle)
        link.send(str(answer).encode())


def become(command: Mapping[str, Any], handles: Sequence[int]) -> None:
    """Take on a command's arguments, environment, working directory and streams."""
    for stream, handle in enumerate(handles[:3]):
        os.dup2(handle, stream)
        os.close(handle)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["cwd"])
    if command.get("new_session"):
        os.setsid()
    else:
        sys.path.insert(0, command["cwd"])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in paths if path and path not in sys.path]
    for name, stream in (("stdout", 1), ("stderr", 2)):
        # The server's own streams take what is behind them for a file, in which one can go back.
        if "PYTHONUNBUFFERED" in os.environ or stat.S_ISFIFO(os.fstat(stream).st_mode):
            raw: Any = io.FileIO(stream, "w", closefd=False)
            setattr(sys, name, io.TextIOWrapper(raw, encoding="utf-8", write_through=True))
    sys.argv = command["words"]


def end(code: object) -> NoReturn:
    """End as Python does, but leave the libraries in memory: to take them apart costs more than most commands."""
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    threading._shutdown()  # type: ignore[attr-defined] # as Python does; it has no public name
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    load_everything()
    gc.freeze()
    os.fsync = os.fstat  # type: ignore[assignment] # as in the tests themselves: conftest.py says why
    module = importlib.import_module(serve(socket.socket(fileno=int(sys.argv[1]))))
    try:
        module.main()
    except SystemExit as ended:
        end(ended.code)
    end(None)
