"""What every test may use. No test reaches the user's own cache or state, and none needs the network."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers
from tests.command_server import CommandServer, Forked

# A machine that is busy with something else is no reason to fail. A commit is judged by the same examples every time;
# `make search` looks for new ones.
hypothesis.settings.register_profile("commit", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("SCANTRIAL_HYPOTHESIS", "commit"))
if "SCANTRIAL_HYPOTHESIS" not in os.environ:
    # Hypothesis tries the constants that stand in our modules as well, those that happen to be loaded: in another order
    # of the tests these are others. To read them all takes seconds in each process; `make search` does it.
    providers._get_local_constants = lambda: providers._local_constants

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background lets them ignore Ctrl-C, and what they start would do the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)

KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "SCANTRIAL_CACHE", "SCANTRIAL_DATA")
"""What a command sees of the environment it is started from; ``COVERAGE_*`` as well."""

HANGS_S = 300.0
"""Seconds after which a command hangs, on the busiest machine."""

RunCli = Callable[..., subprocess.CompletedProcess[str]]
MakeOnce = Callable[[str, Callable[[Path], object]], Path]
Process = subprocess.Popen[bytes] | Forked
StartCli = Callable[..., Process]


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what stays to the end: all libraries and all tests.

    Each of its full rounds would go through them; some libraries ask for one at every call.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep cache and state in folders of the test session's; all its processes share them."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANTRIAL_CACHE", str(folder / "scantrial-cache"))
        patch.setenv("SCANTRIAL_STATE", str(folder / "scantrial-state"))
        if os.environ.get("SCANTRIAL_DATA"):
            # Tests change the working directory; a relative path would lead elsewhere.
            patch.setenv("SCANTRIAL_DATA", str(Path(os.environ["SCANTRIAL_DATA"]).resolve()))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """Let files be handed to the system and no further: they have to outlive a process, not a loss of power.

    Study folders are written so often that the tests would wait for the disk most of their time. Commands that start
    afresh do wait; that every file is on the disk before it gets its name, `unit/core/test_files.py` tests by itself.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="session")
def timm_environment() -> dict[str, str]:
    """Return the variables with which another process can import timm, and let this one do so."""
    from tests.shims import sitecustomize

    sitecustomize.install()
    before = os.environ.get("PYTHONPATH")
    shims = str(Path(sitecustomize.__file__).parent)
    return {"PYTHONPATH": os.pathsep.join([shims, *([before] if before else [])])}


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Give the process its small numbers back: training in it flushes them to zero, and other tests need them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def chest_xray(_own_folders: None) -> Path:
    """Return the folder of the real chest radiographs; without it the test is skipped."""
    folder = Path(os.environ.get("SCANTRIAL_DATA", ".")) / "chest_xray"
    if "SCANTRIAL_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("there is no folder chest_xray under $SCANTRIAL_DATA")
    return folder


def kept_environment() -> dict[str, str]:
    """Return what a command sees of the environment."""
    return {key: value for key, value in os.environ.items() if key in KEPT or key.startswith("COVERAGE_")}


@pytest.fixture(scope="session")
def commands(_own_folders: None) -> Iterator[CommandServer]:
    """Return what starts commands."""
    with CommandServer(kept_environment()) as server:
        yield server


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return ``made_once(name, make)``: a folder that ``make(folder)`` fills in one of the test session's processes.

    No test may change it.
    """

    def give(name: str, make: Callable[[Path], object]) -> Path:
        base = tmp_path_factory.getbasetemp()
        base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        folder, done = base / name, base / f"{name}.done"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return give


@pytest.fixture
def quick_workers(commands: CommandServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Let worker processes start with their libraries loaded; return a function that gives those that are there."""
    from scantrial.study import executor

    if sys.platform == "linux":
        forking = SimpleNamespace(Popen=commands.start_worker, PIPE=subprocess.PIPE)
        monkeypatch.setattr(executor, "subprocess", forking)
    return commands.children


@pytest.fixture(scope="session")
def start_cli(commands: CommandServer) -> StartCli:
    """Start ``scantrial WORDS`` in a folder, `cwd`, and a clean environment; its words go to the open file `words_to`."""

    def start(*words: str | Path, cwd: Path, words_to: IO[bytes]) -> Process:
        environment = {**kept_environment(), "HOME": str(cwd)}
        return commands.start(words, cwd=cwd, environment=environment, stdout=words_to, stderr=words_to)

    return start


@pytest.fixture(scope="session")
def cli_in(commands: CommandServer) -> RunCli:
    """Run ``scantrial WORDS`` in a folder, `cwd`, which is its home as well, and a clean environment."""

    def run(
        *words: str | Path, cwd: Path, home: Path | None = None, timeout_s: float = HANGS_S, **env: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {**kept_environment(), "HOME": str(home or cwd), **env}
        return commands.run(words, cwd=cwd, environment=environment, timeout_s=timeout_s)

    return run


@pytest.fixture
def cli(cli_in: RunCli, tmp_path: Path) -> RunCli:
    """Run ``scantrial WORDS`` in an empty working directory and a clean environment; never in a terminal."""
    return partial(cli_in, cwd=tmp_path, home=tmp_path)
