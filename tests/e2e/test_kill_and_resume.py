"""A study that is killed at any moment ends, by the same command, with the same bytes."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from tests.conftest import HANGS_S, Process, StartCli
from tests.e2e.conftest import SMALL_STUDY
from tests.siege.kills import run_files
from tests.siege.numbers import KILLS_IN_COMMIT

from scantrial import api
from scantrial.core.files import matching
from scantrial.core.machine import n_cores
from scantrial.store.lock import holder_of

N_RUNS, N_KILLS = 4, KILLS_IN_COMMIT["training"]
ROUND = 12
LONGER = ("--set", f"recipe.epochs={ROUND}")
"""So that training takes longer than starting a process."""
N_EPOCHS = N_RUNS * 2 * ROUND


Started = Callable[..., AbstractContextManager[Process]]


@pytest.fixture(scope="module", name="started")
def give_started(start_cli: StartCli) -> Started:
    """Start a command; whatever happens in the block, it is gone at its end. Its words go to a file beside `out`."""
    return contextmanager(partial(_started, start_cli))


def _started(start_cli: StartCli, study: Path, out: Path, *options: str) -> Iterator[Process]:
    words = ("run", study, "--out", out, "--checkpoint-every", "0", *options)
    with words_file(out).open("wb") as words_to:
        process = start_cli(*words, cwd=study.parent, words_to=words_to)
    try:
        yield process
    finally:
        kill(process)


def words_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.words")


def kill(process: Process) -> None:
    process.kill()
    process.wait()


def children_of(pid: int) -> list[int]:
    """Return the children of a process, from any of its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + HANGS_S
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.005)


@dataclass(frozen=True, kw_only=True)
class Straight:
    """A study that ran straight through.

    Parameters
    ----------
    files : what must be equal
    first_s : seconds from the start of the process to the first checkpoint
    """

    files: dict[str, bytes]
    first_s: float


def run_straight(started: Started, study: Path, out: Path, *options: str) -> Straight:
    # Decoded once before, so that the seconds are those of the commands that come after.
    api.load_scans(api.load_study(study).spec.data)
    began = time.monotonic()
    with started(study, out, *options) as process:
        wait_for(lambda: has_checkpoint(out))
        first_s = time.monotonic() - began
        assert process.wait(HANGS_S) == 0, words_file(out).read_text()
    files = run_files(out)
    assert len(files) == 3 * N_RUNS
    return Straight(files=files, first_s=first_s)


@pytest.fixture(scope="module")
def uninterrupted(started: Started, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """The small study, straight through."""
    folder = tmp_path_factory.mktemp("straight")
    (folder / "small.yaml").write_text(SMALL_STUDY)
    return run_straight(started, folder / "small.yaml", folder / "study", *LONGER)


def checkpoints(out: Path) -> dict[Path, int]:
    """Return when each checkpoint was written; one may vanish while we look."""
    found = {}
    for path in matching(out, "partial/*/*/checkpoint.pt"):
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def has_checkpoint(out: Path) -> bool:
    return bool(checkpoints(out))


def is_unfinished(out: Path) -> bool:
    """Return whether a study has begun and has runs left to do."""
    return (out / "plan.json").is_file() and len(matching(out, "runs/*/seed-*/run.json")) < N_RUNS


def n_trained(out: Path) -> int:
    """Return how many epochs of a study's runs are done, as far as its folder tells."""
    n = N_EPOCHS // N_RUNS * len(matching(out, "runs/*/seed-*/run.json"))
    for path in matching(out, "partial/*/*/live.json"):
        # A run that ends takes it away.
        with suppress(FileNotFoundError):
            n += len(json.loads(path.read_text())["epochs"])
    return n


def kill_until_done(
    started: Started, study: Path, out: Path, straight: Straight, *, n_kills: int, seed: int, options: tuple[str, ...]
) -> int:
    """Kill the parent process at random moments, then let the study end; return how many kills struck at work.

    Every second kill strikes while the process starts. The others, the first among them, wait until the process has
    trained for some epochs: counted and not timed, since how fast an epoch is hangs on what else the machine does.
    All kills together come to about half of the study, so that few strike after its end.
    """
    rng = random.Random(seed)
    n_hits = 0
    for number in range(n_kills):
        enough = n_trained(out) + (rng.randint(1, N_EPOCHS // n_kills) if number else 1)
        with started(study, out, *options) as process:
            if number % 2:
                time.sleep(rng.uniform(0, straight.first_s))
            else:
                wait_for(lambda: n_trained(out) >= enough or process.poll() is not None)  # noqa: B023 - called at once
                time.sleep(rng.uniform(0, 0.02) if number else 0)
            was_alive = process.poll() is None
            kill(process)
        n_hits += was_alive and is_unfinished(out)
    with started(study, out, *options) as process:
        assert process.wait(HANGS_S) == 0, words_file(out).read_text()
    return n_hits


def test_killed_at_random_moments_ends_with_the_same_bytes(started, small_study, uninterrupted, tmp_path):
    """Kills at random moments, most of them at work, change no byte of history, predictions or weights."""
    out = tmp_path / "killed"
    n_hits = kill_until_done(started, small_study, out, uninterrupted, n_kills=N_KILLS, seed=1, options=LONGER)
    assert run_files(out) == uninterrupted.files
    assert n_hits >= N_KILLS // 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_many_times_ends_with_the_same_bytes(started, small_study, tmp_path, seed):
    """The same holds for fifty kills, with one worker and with two at the thread count of the first."""
    options = (*LONGER, "--threads", str(n_cores()))
    straight = run_straight(started, small_study, tmp_path / "straight", *options)
    options = (*options, "--workers", str(1 + seed % 2))
    out = tmp_path / "killed"
    n_hits = kill_until_done(started, small_study, out, straight, n_kills=10, seed=seed, options=options)
    assert run_files(out) == straight.files
    assert n_hits >= 5


@pytest.mark.usefixtures("quick_workers")
def test_the_number_of_workers_changes_no_byte(small_study, tmp_path):
    """Two workers and one worker give the same bytes at the same threads per run."""
    for workers in (1, 2):
        outcome = api.run(small_study, out=tmp_path / f"w{workers}", workers=workers, threads=1)
        assert len(outcome.trained) == N_RUNS
    assert run_files(tmp_path / "w1") == run_files(tmp_path / "w2") != {}


@pytest.mark.usefixtures("quick_workers")
def test_runs_of_another_study_take_the_place_of_training(small_study, tmp_path):
    """A study that shares arms with another one ends with the same bytes, whether it trains them or takes them over."""
    sets = ("recipe.loss=ce", "factors={loss: [bce], batch_size: [8]}", "hypotheses=[]")
    first, trained, reused = (tmp_path / name for name in ("first", "trained", "reused"))
    api.run(small_study, out=first, seeds=1, threads=1)
    api.run(small_study, out=trained, seeds=1, sets=sets, threads=1)
    outcome = api.run(small_study, out=reused, seeds=1, sets=sets, reuse=[first])
    assert run_files(reused) == run_files(trained) != {}
    assert sorted(map(str, outcome.reused)) == ["base/seed-0", "loss-bce/seed-0"]
    assert list(map(str, outcome.trained)) == ["batch_size-8/seed-0"]


def test_workers_die_with_their_parent_and_free_the_lock(started, small_study, cli, tmp_path):
    """Killing the parent alone ends its workers; the next command takes the folder over within seconds."""
    out, options = tmp_path / "study", ("--workers", "2", "--set", "recipe.epochs=3000")
    began = time.monotonic()
    with started(small_study, out, *options) as parent:
        wait_for(lambda: holder_of(out))
        start_s = time.monotonic() - began
        wait_for(lambda: len(children_of(parent.pid)) == 2 and has_checkpoint(out))
        workers = children_of(parent.pid)
        held = cli("run", small_study, "--out", out, "--set", "recipe.epochs=3000")
        assert held.returncode == 1
        assert f"held by process {parent.pid}" in held.stderr
        assert "Traceback" not in held.stderr
        kill(parent)
    killed_at = time.monotonic()
    with started(small_study, out, *options) as successor:
        wait_for(lambda: (holder_of(out) or {}).get("pid") == successor.pid)
        # Ten seconds, or more where a first start takes so much longer than on a quiet machine.
        assert time.monotonic() - killed_at < max(10, 10 * start_s)
        assert not any(map(is_alive, workers))
        # It trains on, in workers of its own.
        wait_for(lambda: len(children_of(successor.pid)) == 2)
        successor.send_signal(signal.SIGINT)
        assert successor.wait(HANGS_S) == 130, words_file(out).read_text()
    assert "running 0" in cli("status", out).stdout


def test_ctrl_c_stops_in_words_and_goes_on(started, small_study, uninterrupted, cli, tmp_path):
    """An interrupt ends the command without a traceback, and the same command goes on."""
    with started(small_study, tmp_path / "study", *LONGER) as process:
        wait_for(lambda: has_checkpoint(tmp_path / "study"))
        process.send_signal(signal.SIGINT)
        assert process.wait(HANGS_S) == 130
    words = words_file(tmp_path / "study").read_text()
    assert "run the same command to continue" in words
    assert "Traceback" not in words
    assert cli("run", small_study, "--out", "study", *LONGER).returncode == 0
    assert run_files(tmp_path / "study") == uninterrupted.files
