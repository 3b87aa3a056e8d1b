"""Worker processes that die, cannot start or are left early: what is said, what is kept, what is left behind."""

from __future__ import annotations

import re
import shutil

import pytest
from tests.unit.study.trial import Trial

from scantrial.core.errors import DataError, InputError, StoreError, TrainingError
from scantrial.core.memory import ADVICE
from scantrial.study.pool import Event
from scantrial.study.trial import Clock

LAST_WORDS = "the end of its log: printed by a network / a warning / and the last words"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("exit", f"the worker process ended with code 7; {LAST_WORDS}"),
        (
            "kill",
            f"the worker process was killed by SIGKILL; the system may have run out of memory: {ADVICE}; {LAST_WORDS}",
        ),
        (
            "bad_alloc",
            f"the worker process was killed by SIGABRT; memory ran out: {ADVICE}; the end of its log: printed by a network"
            " / terminate called after throwing an instance of 'std::bad_alloc' /   what():  std::bad_alloc",
        ),
    ],
)
def test_a_worker_that_dies_twice_fails_only_its_run(trial: Trial, how: str, words: str):
    """The message names the signal or the code, the log's last words and the memory it held; the other runs finish."""
    trial.behave(**{"base/seed-0": how})
    events = []
    outcome = trial.run(watch=lambda event, _: events.append((event.kind, str(event.key), event.message)))
    (failure,) = outcome.failed
    assert str(failure.key) == "base/seed-0"
    said = re.escape(words) + r"; it was after epoch 2, where it held up to [\d.]+ [MG]B of memory"
    assert re.fullmatch(f"tried twice: {said}", failure.message)
    (lost,) = [(key, message) for kind, key, message in events if kind == "lost"]
    assert lost[0] == "base/seed-0"
    assert re.fullmatch(said, lost[1])
    assert list(map(str, outcome.finished)) == ["base/seed-1", "loss-ce/seed-0", "loss-ce/seed-1"]
    assert [line.split()[0] for line in trial.trained()].count("base/seed-0") == 2
    assert trial.worker_pids() == []


def test_a_worker_that_is_killed_once_costs_nothing(trial: Trial):
    """Its run is tried again after the others, and is finished like them."""
    trial.behave(**{"base/seed-0": "kill once"})
    outcome = trial.run()
    assert (len(outcome.trained), outcome.failed) == (4, ())
    assert [line.split()[0] for line in trial.trained()][-1] == "base/seed-0"
    assert not (trial.folder.path / "partial").exists()


def test_memory_that_runs_out_in_a_run_is_told(trial: Trial):
    """What was asked for, and what helps."""
    trial.behave(**{"base/seed-0": "too large"})
    (failure,) = trial.run(trial.study(seeds=1)).failed
    assert failure.message == f"memory ran out: 1.00 EiB more were asked for\ndo this: {ADVICE}"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_is_deleted_in_mid_run_ends_the_study(trial: Trial, workers: int):
    """Within the epoch, in a sentence; no folder comes back in its place, and no worker goes on."""
    trial.behave(**{"base/seed-0": "wait", "loss-ce/seed-0": "wait"})

    def watch(event: Event, clock: Clock) -> None:
        if event.kind == "epoch" and event.epoch == 1 and trial.folder.path.exists():
            # At once: what is written while a tree is being removed would keep a part of it.
            gone = trial.folder.path.rename(trial.path / "gone")
            shutil.rmtree(gone, ignore_errors=True)

    with pytest.raises(StoreError, match="was deleted or moved while its study was being carried out") as caught:
        trial.run(watch=watch, workers=workers)
    assert caught.value.do is not None
    assert trial.worker_pids() == []
    assert not (trial.folder.path / "partial").exists()
    trial.behave()
    assert len(trial.run(trial.study(seeds=1)).finished) == 2


def test_a_failed_run_is_tried_again(trial: Trial):
    """The same command goes on; what failed earlier is forgotten once the run is there."""
    trial.behave(**{"base/seed-0": "raise"})
    (failure,) = trial.run(trial.study(seeds=1)).failed
    assert failure.message == "it fell over"
    trial.behave()
    outcome = trial.run(trial.study(seeds=1))
    assert (list(map(str, outcome.trained)), outcome.failed) == (["base/seed-0"], ())
    assert not (trial.folder.path / "partial").exists()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("InputError", InputError),
        ("DataError", DataError),
        ("StoreError", StoreError),
        ("a bug", TrainingError),
    ],
)
def test_a_worker_that_cannot_start_raises(trial: Trial, kind: str, expected: type[Exception]):
    """The class of the error, and with it the exit code, come through; a bug is a failed training."""
    trial.behave(prepare=kind)
    with pytest.raises(expected, match="no such device") as caught:
        trial.run()
    assert type(caught.value) is expected
    assert (caught.value.exit_code == 2) == issubclass(expected, InputError)
    assert trial.worker_pids() == []
    assert trial.folder.unfinished_keys() == []


def test_an_engine_that_is_not_there_is_named(trial: Trial):
    """The name that could not be resolved stands in the message."""
    with pytest.raises(TrainingError, match="no_such_module"):
        trial.run(engine="no_such_module:train")


def test_a_worker_that_dies_before_it_is_ready_ends_the_study(trial: Trial):
    """No run is blamed for it, and nobody starts worker after worker."""
    (trial.path / "engine" / "fake_engine.py").write_text("import os, sys\nsys.stderr.write('oh no')\nos._exit(3)\n")
    with pytest.raises(TrainingError, match="ended with code 3; the end of its log: oh no before it could start"):
        trial.run(workers=2)
    assert trial.folder.failures() == []


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("at", ["started", "epoch"])
def test_an_exception_in_the_display_leaves_no_worker(trial: Trial, kind: type[BaseException], at: str):
    """Workers in the middle of a run are gone when the exception arrives; the lock is free again."""
    trial.behave(**{"base/seed-0": "wait", "loss-ce/seed-0": "wait"})
    seen = []

    def watch(event: Event, clock: Clock) -> None:
        seen.append(event.kind)
        if seen.count(at) == 2:
            assert len(trial.worker_pids()) == 2
            raise kind

    with pytest.raises(kind):
        trial.run(watch=watch, workers=2)
    assert trial.worker_pids() == []
    trial.behave()
    assert len(trial.run(trial.study(seeds=1)).finished) == 2


def test_a_folder_that_cannot_be_written_ends_the_study(trial: Trial):
    """With exit code 1; what was finished stays, no run is called failed, and nothing is left running."""
    trial.behave(**{"loss-ce/seed-0": "store"})
    with pytest.raises(StoreError, match="the disk is full") as caught:
        trial.run()
    assert type(caught.value) is StoreError
    assert (caught.value.exit_code, caught.value.do) == (1, "free some space")
    assert list(map(str, trial.folder.run_keys())) == ["base/seed-0"]
    assert trial.folder.failures() == []
    assert trial.worker_pids() == []


def test_runs_are_shared_among_workers(trial: Trial):
    """Two workers, four runs: each run is trained once, and all are announced."""
    events = []
    outcome = trial.run(workers=2, watch=lambda event, _: events.append((event.kind, str(event.key))))
    keys = ["base/seed-0", "base/seed-1", "loss-ce/seed-0", "loss-ce/seed-1"]
    assert sorted(map(str, outcome.trained)) == keys
    assert sorted(line.split()[0] for line in trial.trained()) == keys
    for kind in ("started", "done"):
        assert sorted(key for what, key in events if what == kind) == keys
    assert len([what for what, _ in events if what == "epoch"]) == 8
