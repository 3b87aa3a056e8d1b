"""Disks that are full or read-only, and folders without permission: told in words, and nothing finished is lost."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.command_server import CommandServer
from tests.conftest import HANGS_S, kept_environment
from tests.siege.kills import RUN, run_files, threads_of
from tests.siege.outcome import Row

READING = (("status", "study"), ("compare", "study"), ("show", "study", "--case", "1"), ("report", "study"))

PROGRAM = """
import ctypes, os, sys
if os.geteuid() == 0:
    # The superuser obeys permissions once it has lost the right not to, for itself and for what it starts.
    for right in (1, 2):
        assert ctypes.CDLL(None).prctl(24, right, 0, 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-m", "scantrial", *sys.argv[1:]])
"""


def _limited(commands: CommandServer, words: tuple[str, ...], home: Path, limit: int) -> tuple[int, str]:
    """Run a command with a limit on the size of any file, or with none if it is 0; return its exit code and its words."""
    environment = {**kept_environment(), "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    said, end = os.pipe()
    with open(said, encoding="utf-8", errors="replace") as reader:  # noqa: PTH123 - a handle
        process = commands.start(words, cwd=home, environment=environment, stdout=end, stderr=end)
        os.close(end)
        if limit:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        try:
            words_of_it = reader.read()
            return process.wait(HANGS_S), words_of_it
        finally:
            process.kill()


def _command(words: tuple[str, ...], home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that obeys permissions, even the superuser's."""
    command = [sys.executable, "-c", PROGRAM, *words]
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    return subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=HANGS_S, check=False
    )


def _note(row: Row, what: str, code: int, said: str, codes: tuple[int, ...]) -> None:
    row.n += 1
    row.told += code != 0
    if "Traceback" in said or code not in codes:
        row.faults.append(f"{what}: {code}: {said[-300:]}")


def siege_of_full_disks(commands: CommandServer, whole: Path, home: Path, *, n: int, seed: int) -> Row:
    """Let a study run into a full disk `n` times, at other sizes each time, and then go on with room.

    A limit on the size of files stands for the disk: every write beyond it fails, as it does on a full one. Every second
    time the study is finished and gets a seed more; then no file of its runs may change.
    """
    row, rng, expected = Row(part="disks", kind="full disk"), random.Random(seed), run_files(whole / "study")
    run = (*RUN, "--threads", str(threads_of(whole)))
    sizes = sorted(path.stat().st_size for path in (whole / "study").rglob("*") if path.is_file())
    for number in range(n):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        shutil.copy(whole / "study.yaml", home)
        if number % 2:
            shutil.copytree(whole / "study", home / "study")
        words = (*run, "--seeds", "3") if number % 2 else run
        limit = max(rng.choice(sizes) + rng.choice((-100, 0, 100, 5000)), 200)
        code, said = _limited(commands, words, home, limit)
        _note(row, f"{number}: {limit} bytes", code, said, (0, 1, 3))
        if code != 0 and "File too large" not in said:
            row.faults.append(f"{number}: {limit} bytes: the reason is not told: {said[-300:]}")
        if number % 2 and not _holds(home, expected):
            row.faults.append(f"{number}: {limit} bytes: a finished run has changed")
        code, said = _limited(commands, words, home, 0)
        if code != 0 or not _holds(home, expected):
            row.faults.append(f"{number}: with room again: {code}: {said[-300:]}")
    return row


def _holds(home: Path, expected: Mapping[str, bytes]) -> bool:
    return run_files(home / "study").items() >= expected.items()


@contextmanager
def read_only(whole: Path, mount: Path) -> Iterator[Path | None]:
    """Yield a copy of the study on a read-only disk; None where this process may not mount one."""
    mount.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", mount], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        yield None
        return
    try:
        shutil.copytree(whole, mount / "home")
        subprocess.run(["mount", "-o", "remount,ro", mount], check=True, capture_output=True)
        yield mount / "home"
    finally:
        subprocess.run(["umount", mount], check=True, capture_output=True)


@contextmanager
def forbidden(whole: Path, folder: Path) -> Iterator[Path]:
    """Yield a copy of the study that its reader may read and not write to."""
    shutil.copytree(whole, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield folder
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def siege_of_closed_folders(kind: str, home: Path, *, reading: Sequence[tuple[str, ...]] = READING) -> Row:
    """Read a study that cannot be written to by every command, and try to train in it."""
    row, before = Row(part="disks", kind=kind), run_files(home / "study")
    for words in reading:
        result = _command(words, home)
        _note(row, " ".join(words), result.returncode, result.stderr, (0, 1))
    result = _command((*RUN, "--seeds", "3"), home)
    _note(row, "run", result.returncode, result.stderr, (1, 2))
    if "do this" not in result.stderr:
        row.faults.append(f"run: it does not say what to do: {result.stderr[-300:]}")
    if run_files(home / "study") != before:
        row.faults.append("a file of a run has changed")
    return row


def siege_of_disks(commands: CommandServer, whole: Path, folder: Path, *, n: int, seed: int) -> list[Row]:
    """Carry out all of it; `whole` holds ``study.yaml`` and its finished study, in ``study``."""
    rows = [siege_of_full_disks(commands, whole, folder / "full", n=n, seed=seed)]
    with read_only(whole, folder / "mount") as home:
        if home is not None:
            rows.append(siege_of_closed_folders("read-only disk", home))
    with forbidden(whole, folder / "forbidden") as home:
        rows.append(siege_of_closed_folders("no permission", home))
    return rows
