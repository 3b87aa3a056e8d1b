"""Disks that are full or read-only, and folders without permission: told in words, and nothing finished is lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import HANGS_S
from tests.siege.kills import run_files
from tests.siege.outcome import Row

READING = (("status", "study"), ("compare", "study"), ("show", "study", "--case", "1"), ("report", "study"))
RUN = ("run", "study.yaml", "--out", "study", "--threads", "1", "--checkpoint-every", "0")

PROGRAM = """
import ctypes, os, resource, sys
limit, is_bound = int(sys.argv[1]), sys.argv[2] == "bound"
if is_bound and os.geteuid() == 0:
    # The superuser obeys permissions once it has lost the right not to, for itself and for what it starts.
    for right in (1, 2):
        assert ctypes.CDLL(None).prctl(24, right, 0, 0, 0) == 0
    os.execv(sys.executable, [sys.executable, "-m", "scantrial", *sys.argv[3:]])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv = ["scantrial", *sys.argv[3:]]
from scantrial.cli.main import main
main()
"""


def _command(words: tuple[str, ...], home: Path, *, limit: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command that obeys permissions, or with a limit on the size of any file."""
    command = [sys.executable, "-c", PROGRAM, str(limit), "free" if limit else "bound", *words]
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    return subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=HANGS_S, check=False
    )


def _note(row: Row, what: str, result: subprocess.CompletedProcess[str], codes: tuple[int, ...]) -> None:
    row.n += 1
    row.told += result.returncode != 0
    if "Traceback" in result.stderr or result.returncode not in codes:
        row.faults.append(f"{what}: {result.returncode}: {result.stderr[-300:]}")


def siege_of_full_disks(whole: Path, home: Path, *, n: int, seed: int) -> Row:
    """Let a study run into a full disk `n` times, at other sizes each time, and then go on with room.

    A limit on the size of files stands for the disk: every write beyond it fails, as it does on a full one.
    """
    row, rng, expected = Row(part="disks", kind="full disk"), random.Random(seed), run_files(whole / "study")
    sizes = sorted(path.stat().st_size for path in (whole / "study").rglob("*") if path.is_file())
    for number in range(n):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        shutil.copy(whole / "study.yaml", home)
        limit = rng.choice(sizes) + rng.choice((-100, 0, 100, 5000))
        result = _command(RUN, home, limit=max(limit, 200))
        _note(row, f"{number}: {limit} bytes", result, (0, 1, 3))
        again = _command(RUN, home)
        if again.returncode != 0 or run_files(home / "study") != expected:
            row.faults.append(f"{number}: with room again: {again.returncode}: {again.stderr[-300:]}")
    return row


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
        _note(row, " ".join(words), _command(words, home), (0, 1))
    result = _command((*RUN, "--seeds", "3"), home)
    _note(row, "run", result, (1, 2))
    if "do this" not in result.stderr:
        row.faults.append(f"run: it does not say what to do: {result.stderr[-300:]}")
    if run_files(home / "study") != before:
        row.faults.append("a file of a run has changed")
    return row


def siege_of_disks(whole: Path, folder: Path, *, n: int, seed: int) -> list[Row]:
    """Carry out all of it; `whole` holds ``study.yaml`` and its finished study, in ``study``."""
    rows = [siege_of_full_disks(whole, folder / "full", n=n, seed=seed)]
    with read_only(whole, folder / "mount") as home:
        if home is not None:
            rows.append(siege_of_closed_folders("read-only disk", home))
    with forbidden(whole, folder / "forbidden") as home:
        rows.append(siege_of_closed_folders("no permission", home))
    return rows
