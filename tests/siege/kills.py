"""Kills at random moments of everything that a command does; the same command then ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.command_server import CommandServer
from tests.conftest import HANGS_S, Process
from tests.siege.outcome import Row

from scantrial import api

Target = Literal["parent", "worker", "group"]
TARGETS: tuple[Target, ...] = ("parent", "worker", "group")
MOST_STARTS = 20
"""Times the number of kills: so often a command is started at most, for a kill may come after its end."""

STUDY = """
study: Does cross-entropy differ from BCE on small phantoms?
data:
  source: {name: phantom, n_cases: 144, size: 32, difficulty: 0.3}
  split: {test: given, val: 0.25}
recipe:
  model: {name: mlp, hidden: [16], batch_norm: true, dropout: 0.3}
  loss: bce
  batch_size: 16
  epochs: 60
factors:
  loss: [bce, ce]
seeds: 2
primary: {metric: accuracy, split: test, margin: 0.05}
"""
RUN = ("run", "study.yaml", "--out", "study", "--checkpoint-every", "0")


def run_files(folder: Path) -> dict[str, bytes]:
    """Return what must be equal: every run's history, predictions and weights."""
    names = ("history.parquet", "predictions.parquet", "best.safetensors")
    return {
        str(path.relative_to(folder)): path.read_bytes() for name in names for path in folder.rglob(f"runs/*/*/{name}")
    }


def threads_of(whole: Path) -> int:
    """Return with how many threads the study of a folder was trained."""
    threads: int = json.loads((whole / "study" / "environment.json").read_text())["threads"]
    return threads


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Something that is killed.

    Parameters
    ----------
    words : the command
    begin : makes the folder that the command works in what it is before the first start
    check : returns what is wrong after the command has ended well, a line for each
    targets : what can be killed in it
    """

    words: tuple[str, ...]
    begin: Callable[[Path], None]
    check: Callable[[Path], list[str]]
    targets: tuple[Target, ...] = ("parent",)


def phases(whole: Path) -> dict[str, Phase]:
    """Return everything that is killed, by name; `whole` holds ``study.yaml`` and its finished study, in ``study``."""
    expected = run_files(whole / "study")

    def fresh(home: Path) -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        shutil.copy(whole / "study.yaml", home)

    def without_cache(home: Path) -> None:
        fresh(home)
        (home / "own-cache").mkdir()

    def copied(home: Path) -> None:
        fresh(home)
        shutil.copytree(whole / "study", home / "study")

    def equal_runs(home: Path) -> list[str]:
        found = run_files(home / "study")
        differing = [f"{name} differs" for name in sorted(expected) if found.get(name) != expected[name]]
        return differing + [item.sentence for item in api.verify(home / "study").mismatches]

    def whole_report(home: Path) -> list[str]:
        page = (home / "study" / "report" / "report.html").read_text()
        return equal_runs(home) + ([] if page.rstrip().endswith("</html>") else ["report.html is not whole"])

    run = (*RUN, "--threads", str(threads_of(whole)))
    return {
        "training": Phase(words=(*run, "--workers", "2"), begin=fresh, check=equal_runs, targets=TARGETS),
        "cache": Phase(
            words=(*run, "--seeds", "2"), begin=without_cache, check=equal_runs, targets=("parent", "group")
        ),
        "reuse": Phase(words=(*run, "--reuse", str(whole / "study")), begin=fresh, check=equal_runs, targets=TARGETS),
        "report": Phase(words=("report", "study"), begin=copied, check=whole_report),
        "verify": Phase(words=("verify", "study"), begin=copied, check=equal_runs),
    }


_KILLED_AT_START = re.compile("tried twice: the worker process was killed by SIGKILL.* before it could start")


@dataclass(kw_only=True)
class Siege:
    """Starts commands in `home` and kills them."""

    commands: CommandServer
    environment: dict[str, str]
    home: Path
    rng: random.Random

    def kill_often(self, name: str, phase: Phase, *, n: int) -> Row:
        """Kill a command at `n` random moments; whenever it ends by itself, what it left has to be right.

        The moment is drawn from the time that the command takes when nobody kills it, as it was last seen: a machine
        is busier at one time than at another. Not every kill strikes at work; those that come after the end are not
        counted.
        """
        row = Row(part="kills", kind=name)
        took_s = self._once(phase, row)
        phase.begin(self.home)
        process: Process | None = None
        began = 0.0
        for _ in range(MOST_STARTS * n):
            if row.n >= n:
                break
            if process is None:
                process, began = self._start(phase), time.monotonic()
            time.sleep(self.rng.uniform(0, took_s))
            if process.poll() is not None:
                took_s = min(took_s, time.monotonic() - began)
                self._ended(phase, process, row)
                process = None
            elif (target := self._strike(process, self.rng.choice(phase.targets))) is not None:
                row.n += 1
                row.told += target == "worker"
                if target != "worker":
                    process.wait(HANGS_S)
                    process = None
        if process is not None:
            self._wait(process)
        self._once(phase, row, anew=False)
        return row

    def _once(self, phase: Phase, row: Row, *, anew: bool = True) -> float:
        """Let the command run to its end; return the seconds it took."""
        if anew:
            phase.begin(self.home)
        began = time.monotonic()
        process = self._start(phase)
        self._wait(process)
        self._ended(phase, process, row, last=True)
        return time.monotonic() - began

    def _start(self, phase: Phase) -> Process:
        own = self.home / "own-cache"
        environment = {**self.environment, **({"SCANTRIAL_CACHE": str(own)} if own.is_dir() else {})}
        with (self.home / "words").open("wb") as words:
            return self.commands.start(phase.words, cwd=self.home, environment=environment, stdout=words, stderr=words)

    def _wait(self, process: Process) -> None:
        try:
            process.wait(HANGS_S)
        finally:
            process.kill()

    def _ended(self, phase: Phase, process: Process, row: Row, *, last: bool = False) -> None:
        """Note what is wrong with a command that was not killed, and begin anew if it has done its work."""
        said = (self.home / "words").read_text(errors="replace")
        if "Traceback" in said:
            row.faults.append(f"a traceback: {said[-300:]}")
        # A run whose worker was killed twice has failed, and a worker that was killed twice while it started ends the
        # study in words; the next start mends both.
        twice_at_start = process.returncode == 1 and _KILLED_AT_START.search(said) is not None
        if (process.returncode == 3 or twice_at_start) and not last:
            return
        if process.returncode != 0:
            row.faults.append(f"it ended with {process.returncode}: {said[-300:]}")
            return
        row.faults.extend(phase.check(self.home))
        if not last:
            phase.begin(self.home)

    def _strike(self, process: Process, target: Target) -> Target | None:
        """Kill a process; return what was killed, or None if there was no such process."""
        workers = list(children_of(process.pid))
        if target == "parent":
            process.kill()
        elif not workers:
            return None
        elif target == "worker":
            _kill(self.rng.choice(workers))
        else:
            for pid in (process.pid, *workers):
                _kill(pid)
        return target


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> Iterator[int]:
    """Yield the children of a process, from any of its threads."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, path.read_text().split())


@contextmanager
def besieged(home: Path, *, seed: int, environment: dict[str, str]) -> Iterator[Siege]:
    """Yield a siege with a command server of its own."""
    with CommandServer(environment) as commands:
        yield Siege(
            commands=commands, environment={**environment, "HOME": str(home)}, home=home, rng=random.Random(seed)
        )
