"""One process at a time: the lock ends with the last process that holds it, and never later."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.conftest import HANGS_S

from scantrial.core.errors import LockedError, StoreError
from scantrial.store.lock import StudyLock, holder_of, refuse_removed

HOLD = """
import sys
from pathlib import Path
from scantrial.store.lock import StudyLock
with StudyLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

HOLD_WITH_CHILD = """
import subprocess, sys
from pathlib import Path
from scantrial.store.lock import StudyLock
with StudyLock(Path(sys.argv[1])) as lock:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=(lock.fileno(),))
    print(child.pid, flush=True)
    sys.stdin.read()
"""

Start = Callable[[str], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Return what will hold the seconds of every wait for the lock. They pass at once: a busy machine adds nothing."""
    from scantrial.store import lock

    asked: list[float] = []
    monkeypatch.setattr(lock, "time", SimpleNamespace(sleep=asked.append, monotonic=lambda: sum(asked)))
    return asked


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process that takes the lock, and return it with the first line it says."""
    started = []

    def run(code: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-c", code, str(tmp_path)]
        # It waits for the end of its input, which comes at the latest when the tests are gone.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path, start: Start):
    """Process number, machine and since when; and what to do."""
    process, said = start(HOLD)
    assert said == "held"
    with pytest.raises(LockedError) as caught, StudyLock(tmp_path):
        pass
    assert caught.value.got.startswith(f"{tmp_path} is held by process {process.pid} on {platform.node()} since 20")
    assert "gone" not in caught.value.got
    assert caught.value.do == "wait until it has ended, or stop it; then run the same command again"


def test_a_living_holder_is_not_waited_for(tmp_path: Path, start: Start, waits: list[float]):
    """The refusal comes within seconds, however long a dying holder would be waited for."""
    start(HOLD)
    with pytest.raises(LockedError), StudyLock(tmp_path, wait_s=HANGS_S):
        pass
    assert sum(waits) < 5


def test_anyone_can_ask_who_holds_it(tmp_path: Path, start: Start):
    """Without taking it: pid, host, since, command; None before and after."""
    assert holder_of(tmp_path) is None
    process, _ = start(HOLD)
    holder = holder_of(tmp_path)
    assert holder is not None
    assert (holder["pid"], holder["host"]) == (process.pid, platform.node())
    assert holder.keys() == {"pid", "host", "since", "command"}
    process.kill()
    process.wait()
    assert holder_of(tmp_path) is None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_is_free_when_its_process_is_killed(tmp_path: Path, start: Start, how: signal.Signals):
    """No lock is left behind, not even by ``kill -9``: the next process gets it at once."""
    process, _ = start(HOLD)
    process.send_signal(how)
    process.wait()
    with StudyLock(tmp_path, wait_s=0):
        holder = holder_of(tmp_path)
    assert holder is not None
    assert holder["pid"] == os.getpid()


def test_it_is_held_as_long_as_a_child_lives(tmp_path: Path, start: Start):
    """A worker that outlives its killed parent keeps the folder; the message says how things stand."""
    process, child = start(HOLD_WITH_CHILD)
    process.kill()
    process.wait()
    try:
        with pytest.raises(LockedError, match="that process has ended; its workers are still ending"):
            StudyLock(tmp_path, wait_s=0.2).__enter__()
        assert holder_of(tmp_path) is not None
    finally:
        os.kill(int(child), signal.SIGKILL)
    with StudyLock(tmp_path, wait_s=HANGS_S):
        pass


def test_the_end_of_workers_is_waited_for(tmp_path: Path, start: Start):
    """Where only workers of a dead process hold it, the next one waits for them."""
    process, child = start(HOLD_WITH_CHILD)
    process.kill()
    process.wait()
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {child}"])
    with StudyLock(tmp_path, wait_s=HANGS_S):
        assert killer.wait() == 0


def test_a_short_look_does_not_get_in_the_way(tmp_path: Path, monkeypatch):
    """`holder_of` takes the lock for an instant to look; a starter that meets it tries again."""
    from scantrial.store import lock

    answers = iter([False, False, True])
    monkeypatch.setattr(lock, "_try_lock", lambda *_: next(answers))
    with StudyLock(tmp_path):
        assert next(answers, None) is None


def test_a_look_that_lasts_is_waited_for(tmp_path: Path):
    """The same with the lock itself: whoever looks holds it shared, and a starter waits until that is over."""
    (tmp_path / ".lock").touch()
    looking = os.open(tmp_path / ".lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    end_of_look = threading.Timer(0.2, os.close, [looking])
    began = time.monotonic()
    end_of_look.start()
    with StudyLock(tmp_path, wait_s=HANGS_S):
        assert time.monotonic() - began >= 0.2
    end_of_look.join()


def test_two_that_look_do_not_take_each_other_for_a_holder(tmp_path: Path):
    """A look is shared: nobody holds the folder while somebody else looks, not even with an old note in it."""
    (tmp_path / ".lock").write_text('{"pid": 1, "host": "elsewhere", "since": "2026", "command": "scantrial run"}')
    looking = os.open(tmp_path / ".lock", os.O_RDONLY)
    try:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert holder_of(tmp_path) is None
    finally:
        os.close(looking)


def test_looking_writes_nothing(tmp_path: Path):
    """Neither a lock file where there is none, nor into one that is there."""
    assert holder_of(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".lock").write_bytes(b"{}")
    (tmp_path / ".lock").chmod(0o444)
    assert holder_of(tmp_path) is None
    assert (tmp_path / ".lock").read_bytes() == b"{}"


def test_it_can_be_taken_again_after_it_was_given_back(tmp_path: Path):
    """Also after an exception; the file stays, without a holder in it."""
    with pytest.raises(ZeroDivisionError), StudyLock(tmp_path):
        raise ZeroDivisionError
    assert (tmp_path / ".lock").read_bytes() == b""
    assert holder_of(tmp_path) is None
    with StudyLock(tmp_path):
        pass


def test_the_folder_is_made(tmp_path: Path):
    """A study that runs for the first time has none yet."""
    with StudyLock(tmp_path / "new" / "study") as lock:
        assert os.fstat(lock.fileno())
    assert (tmp_path / "new" / "study").is_dir()


def test_there_is_nothing_to_hand_on_before_it_is_held(tmp_path: Path):
    """A mistake in our own code, said as one."""
    with pytest.raises(RuntimeError, match="not held"):
        StudyLock(tmp_path).fileno()


@pytest.mark.parametrize("content", [b"", b"\x00\x00", b"[1, 2]", b'{"pid": "x"'])
def test_a_holder_that_cannot_be_read_is_another_process(tmp_path: Path, start: Start, content: bytes):
    """A note that a crash spoilt hides nothing: the folder is still held."""
    start(HOLD)
    (tmp_path / ".lock").write_bytes(content)
    with pytest.raises(LockedError, match="is held by another process"):
        StudyLock(tmp_path, wait_s=0).__enter__()


def test_a_holder_on_another_machine_is_named(tmp_path: Path, start: Start):
    """On a shared disk the number of a process says nothing here; the machine does."""
    start(HOLD)
    note = {"pid": os.getpid(), "host": "elsewhere", "since": "2026-01-01T00:00:00+00:00", "command": "scantrial run"}
    (tmp_path / ".lock").write_text(json.dumps(note))
    with pytest.raises(LockedError, match=f"process {os.getpid()} on elsewhere since 2026-01-01.*: scantrial run"):
        StudyLock(tmp_path, wait_s=0).__enter__()


def test_a_holder_of_another_user_is_alive(tmp_path: Path, start: Start, monkeypatch, waits: list[float]):
    """A process that we may not signal is there all the same, and is not waited for."""
    start(HOLD)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuse)
        with pytest.raises(LockedError) as caught:
            StudyLock(tmp_path, wait_s=HANGS_S).__enter__()
    assert sum(waits) < 5
    assert "gone" not in caught.value.got


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    """A file stands in its place."""
    (tmp_path / "study").write_text("")
    with pytest.raises(StoreError, match="study"):
        StudyLock(tmp_path / "study").__enter__()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_locks_is_told_with_the_way_out(tmp_path: Path, monkeypatch, number: int):
    """As some network disks are; whoever only looks finds no holder."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="cannot be locked") as caught:
        StudyLock(tmp_path).__enter__()
    assert type(caught.value) is StoreError
    assert "choose a folder on a local disk (--out DIR)" in str(caught.value)
    assert holder_of(tmp_path) is None


def test_a_folder_that_may_not_be_written_is_told_with_the_way_out(tmp_path: Path):
    """By a process without the rights of the superuser."""
    tmp_path.chmod(0o555)
    code = "import os, sys\nfrom pathlib import Path\nfrom scantrial.store.lock import StudyLock\n"
    code += "os.getuid() or os.setuid(65534)\nStudyLock(Path(sys.argv[1])).__enter__()\n"
    for folder in list(tmp_path.parents)[:3]:
        folder.chmod(folder.stat().st_mode | 0o011)
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    tmp_path.chmod(0o755)
    assert "StoreError" in result.stderr
    assert "choose a folder that you may write to (--out DIR), or fix its permissions" in result.stderr


def test_a_folder_that_is_gone_is_refused(tmp_path: Path):
    """Before anything is written into it again."""
    with pytest.raises(StoreError, match="was deleted or moved"):
        refuse_removed(tmp_path / "study")
    (tmp_path / "plan.json").touch()
    refuse_removed(tmp_path)


def test_a_full_disk_leaves_it_free(tmp_path: Path, monkeypatch):
    """Where the note about the holder cannot be written, the lock is given back and the message says why."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        with pytest.raises(StoreError, match="No space left"):
            StudyLock(tmp_path).__enter__()
    assert holder_of(tmp_path) is None
