"""A study carried out: the clock, the note of progress, the environment, and pairing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.unit.study.trial import TEXT, Trial

from scantrial.core.errors import StudyConflictError
from scantrial.core.machine import n_cores
from scantrial.store.folder import RunKey
from scantrial.study import trial as trial_module
from scantrial.study.pool import Event
from scantrial.study.trial import Clock

A, B = RunKey("a", 0), RunKey("b", 0)


class Time:
    """A clock on the wall that a test sets; it stands in for the module `time` in `scantrial.study.trial`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(trial_module, "time", SimpleNamespace(monotonic=lambda: self.now, time=time.time))


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Return a clock that stands still."""
    return Time(monkeypatch)


class TestClock:
    """`Clock.seconds_left`."""

    @staticmethod
    def after(
        wall: Time, n_epochs: Mapping[RunKey, int], *events: tuple[float, str, RunKey, int], n_workers: int = 1
    ) -> Clock:
        """Return a clock that took in events of (second, kind, key, epoch)."""
        clock = Clock(n_epochs, n_workers)
        for second, kind, key, epoch in events:
            wall.now = second
            clock.note(Event(kind=kind, key=key, epoch=epoch))
        return clock

    def test_is_not_known_before_the_second_epoch(self, wall: Time):
        """The first one holds what happens once: reading scans, starting threads."""
        events = ((0, "started", A, 0), (5, "epoch", A, 1))
        assert self.after(wall, {A: 3}).seconds_left is None
        assert self.after(wall, {A: 3}, *events).seconds_left is None
        assert self.after(wall, {A: 3}, *events, (7, "epoch", A, 2)).seconds_left == 2

    def test_an_arm_that_was_not_seen_is_taken_for_an_average_one(self, wall: Time):
        """One epoch of the first arm is left, three of the other, two seconds each."""
        events = ((0, "started", A, 0), (5, "epoch", A, 1), (7, "epoch", A, 2))
        assert self.after(wall, {A: 3, B: 3}, *events).seconds_left == 8
        assert self.after(wall, {A: 3, B: 3}, *events, n_workers=2).seconds_left == 4

    def test_each_arm_has_its_own_pace(self, wall: Time):
        """One epoch of two seconds and one of ten are left; averaging over both arms would say nine."""
        events = (
            (0, "started", A, 0),
            (0, "started", B, 0),
            (1, "epoch", A, 1),
            (1, "epoch", B, 1),
            (3, "epoch", A, 2),
            (5, "epoch", A, 3),
            (11, "epoch", B, 2),
        )
        assert self.after(wall, {A: 4, B: 3}, *events).seconds_left == 12

    def test_a_run_that_goes_on_has_only_its_rest_left(self, wall: Time):
        """The first epoch that is seen counts from the checkpoint, not from nothing, and sets no pace."""
        clock = self.after(wall, {A: 10}, (0, "started", A, 0), (30, "epoch", A, 7))
        assert clock.seconds_left is None
        assert self.after(
            wall, {A: 10}, (0, "started", A, 0), (30, "epoch", A, 7), (32, "epoch", A, 8)
        ).seconds_left == pytest.approx(4)

    @pytest.mark.parametrize("kind", ["done", "failed"])
    def test_a_run_that_has_ended_has_nothing_left(self, wall: Time, kind: str):
        """Also one that failed or diverged in its second epoch of many."""
        events = ((0, "started", A, 0), (1, "epoch", A, 1), (2, "epoch", A, 2), (2, kind, A, 0))
        assert self.after(wall, {A: 100, B: 3}, *events).seconds_left == 3


class TestProgress:
    """``partial/progress.json``, for `status`."""

    def test_is_written_at_starts_and_ends_and_every_two_seconds(self, trial: Trial, wall: Time):
        """Each event is 0.9 s after the one before: of the epochs every third is written."""
        notes = []

        def watch(event: Event, clock: Clock) -> None:
            note = trial.folder.progress()
            notes.append((event.kind, event.epoch, [run["epoch"] for run in note["running"]]))
            wall.now += 0.9

        trial.run(trial.study("recipe.epochs=5", "factors={}", seeds=1), watch=watch)
        assert notes == [
            ("started", 0, [0]),
            ("epoch", 1, [0]),
            ("epoch", 2, [0]),
            ("epoch", 3, [3]),
            ("epoch", 4, [3]),
            ("epoch", 5, [3]),
            ("done", 0, []),
        ]
        assert trial.folder.progress() == {}

    def test_says_who_and_what(self, trial: Trial):
        """The process, the time, what is left, and each running run with its last validation accuracy."""
        notes = []
        trial.behave(**{"base/seed-0": "raise"})
        trial.run(
            trial.study("factors={}", seeds=1),
            watch=lambda event, _: notes.append((event.kind, trial.folder.progress())),
        )
        first, last = notes[0][1], notes[-1][1]
        assert [kind for kind, _ in notes] == ["started", "epoch", "epoch", "failed"]
        assert first["pid"] == os.getpid()
        assert abs(first["at"] - time.time()) < 60
        assert first["seconds_left"] is None
        assert first["running"] == [{"arm": "base", "seed": 0, "epoch": 0, "n_epochs": 2, "val_accuracy": None}]
        assert last["running"] == []


def test_an_ensemble_tells_the_epochs_of_all_its_networks(trial: Trial):
    """They are counted up to the same number by the clock, the note of progress and the events."""
    seen = []
    trial.run(
        trial.study("factors={}", "recipe.ensemble=2", "recipe.select=last", seeds=1),
        watch=lambda event, clock: seen.append((event.n_epochs, clock.n_epochs[event.key], trial.folder.progress())),
        engine="scantrial.train.reference:train_run",
        prepare="scantrial.train.process:prepare_process",
    )
    assert [(told, counted) for told, counted, _ in seen[1:-1]] == [(4, 4)] * 4
    assert seen[0][2]["running"][0]["n_epochs"] == 4


class TestEnvironment:
    """``environment.json``: fixed by the first run."""

    def test_holds_what_the_first_run_had(self, trial: Trial):
        """Versions, machine, threads; and what the worker process said of itself."""
        trial.run(trial.study("factors={}", seeds=1), threads=2)
        found = trial.folder.environment()
        assert (found["threads"], found["device"], found["torch"], found["cpu_capability"]) == (2, "cpu", "1.0", "NONE")
        assert found["n_cores"] == n_cores()
        assert found["paths_start_above"] == 1
        assert str(trial.path) not in (trial.folder.path / "environment.json").read_text()
        assert found["versions"].keys() == {"scantrial", "numpy", "pyarrow", "scikit-learn"}
        assert found["python"] == ".".join(map(str, sys.version_info[:3]))

    def test_threads_and_device_are_kept(self, trial: Trial):
        """Later runs have those of the first, whatever the machine or the number of workers would give."""
        trial.run(trial.study("factors={}", seeds=1), threads=n_cores() + 3)
        trial.run(trial.study("factors={}", seeds=2), workers=2)
        facts = trial.folder.facts(RunKey("base", 1))
        assert (facts.threads, facts.device) == (n_cores() + 3, "cpu")

    def test_cores_are_shared_among_the_workers(self, trial: Trial, monkeypatch):
        """Where nobody says how many threads; at least one each."""
        monkeypatch.setattr(trial_module, "n_cores", lambda: 6)
        trial.run(trial.study("factors={}", seeds=1), workers=4)
        assert trial.folder.environment()["threads"] == 1
        assert trial.folder.environment()["n_cores"] == 6

    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ({"threads": 5}, "--threads 5, but the runs in .* had 1 each"),
            ({"device": "cuda"}, "--device cuda, but the runs in .* were trained on cpu"),
            ({"engine": "other:train"}, "the runs in .* were trained by fake_engine:train, not by other:train"),
        ],
    )
    def test_others_are_refused_before_anything_changes(self, trial: Trial, how: dict[str, Any], words: str):
        """The plan of the study that was refused does not take the place of the old one."""
        trial.record()
        trial.folder.write_environment({"threads": 1, "device": "cpu", "engine": "fake_engine:train"})
        before = trial.contents()
        with pytest.raises(StudyConflictError, match=words) as caught:
            trial.run(trial.study("study=Why?", seeds=3), trial.scans(brighter=1), **how)
        assert caught.value.exit_code == 2
        assert trial.contents() == before

    def test_the_same_ones_may_be_said_again(self, trial: Trial):
        """They are no conflict."""
        trial.record(finished=["base/seed-0", "base/seed-1", "loss-ce/seed-0", "loss-ce/seed-1"])
        trial.folder.write_environment({"threads": 1, "device": "cpu", "engine": "fake_engine:train"})
        assert len(trial.run(threads=1, device="cpu").finished) == 4

    def test_other_versions_are_noted_once(self, trial: Trial):
        """When they changed and to what; the first run's stay on top."""
        for n_seeds, torch, cpu in ((1, "1.0", "x"), (2, "1.1", "y"), (3, "1.1", "y")):
            trial.behave(torch=torch, cpu=cpu)
            trial.run(trial.study("factors={}", seeds=n_seeds))
        found = trial.folder.environment()
        assert (found["torch"], found["cpu"]) == ("1.0", "x")
        (change,) = found["changes"]
        assert (change["now"]["torch"], change["now"]["cpu"]) == ("1.1", "y")
        assert change["now"]["versions"] == found["versions"]
        assert change["at"] >= trial.folder.protocol()[0]["at"]


class TestOutcome:
    """What `run_study` says in the end."""

    def test_tells_trained_from_kept(self, trial: Trial):
        """In the order in which they were to be trained."""
        trial.record(finished=["base/seed-0"])
        outcome = trial.run()
        assert len(outcome.finished) == 4
        assert list(map(str, outcome.trained)) == ["loss-ce/seed-0", "base/seed-1", "loss-ce/seed-1"]
        assert (outcome.diverged, outcome.failed, outcome.folder) == ((), (), trial.folder.path)

    def test_what_fails_keeps_its_checkpoint(self, trial: Trial):
        """The next call goes on from there."""
        trial.behave(**{"base/seed-0": "checkpoint"})
        assert len(trial.run(trial.study("factors={}", seeds=1)).failed) == 1
        trial.behave()
        trial.run(trial.study("factors={}", seeds=1))
        assert trial.trained() == ["base/seed-0 starts", "base/seed-0 goes on"]


class TestPairing:
    """The same seed gives every arm the same start and the same order of cases."""

    def test_hidden_layers_start_from_the_same_weights(self, trial: Trial):
        """BCE has one output and CE two; all that comes before agrees to the last bit, and differs between seeds."""
        torch = pytest.importorskip("torch")
        from scantrial.nets.build import build_network
        from scantrial.nets.heads import make_head

        study = trial.study("recipe.model.hidden=[4, 3]")

        def states(seed: int) -> list[dict[str, Any]]:
            return [
                build_network(
                    arm.recipe.model,
                    image_shape=(1, 6, 5),
                    n_outputs=make_head(arm.recipe.loss, n_classes=2).n_outputs,
                    seed=seed,
                ).state_dict()
                for arm in study.arms
            ]

        bce, ce = states(0)
        same = [name for name in bce if bce[name].shape == ce[name].shape]
        last = [name for name in bce if bce[name].shape != ce[name].shape]
        assert (len(same), len(last)) == (4, 2)
        assert all(torch.equal(bce[name], ce[name]) for name in same)
        assert not any(torch.equal(bce[name], states(1)[0][name]) for name in same)

    def test_batches_hold_the_same_cases_in_the_same_order(self, trial: Trial, monkeypatch):
        """A network that writes down the first pixel of every training scan sees the same under both arms."""
        torch = pytest.importorskip("torch")
        from scantrial.core.custom_code import allowed, find_class
        from scantrial.recipe.task import RunTask
        from scantrial.train.reference import train_run

        (trial.path / "seeing.py").write_text(SEEING)
        monkeypatch.syspath_prepend(str(trial.path))
        study = trial.study(text=TEXT.replace("name: mlp, hidden: [4]", "name: 'seeing:Net'"))
        images = np.broadcast_to(np.arange(12, dtype=np.uint8)[:, None, None], (12, 6, 5)).copy()
        threads = torch.get_num_threads()
        seen = {}
        try:
            for arm in study.arms:
                for seed in (0, 1):
                    task = RunTask(
                        arm=arm.name,
                        seed=seed,
                        recipe=arm.recipe.model_copy(update={"batch_size": 4}),
                        images=images,
                        labels=np.arange(12) % 2,
                        class_names=("well", "sick"),
                        cases={split: trial.scans().cases_of(split) for split in ("train", "val", "test")},
                        device="cpu",
                        threads=1,
                        checkpoint_path=Path(trial.path / f"{arm.name}-{seed}.pt"),
                        checkpoint_every_s=float("inf"),
                        engine_reason="a test",
                        open_test=lambda chosen_epoch: None,
                    )
                    with allowed([find_class("seeing:Net", sys.path)]):
                        train_run(task, lambda *_: None)
                    seen[arm.name, seed] = sys.modules["seeing"].SEEN.copy()
                    sys.modules["seeing"].SEEN.clear()
        finally:
            torch.set_num_threads(threads)
            torch.set_flush_denormal(False)
        assert seen["base", 0] == seen["loss-ce", 0] != seen["base", 1]
        assert [len(batch) for batch in seen["base", 0]] == [4, 2, 4, 2]
        assert seen["base", 0][:2] != seen["base", 0][2:]


SEEING = """
import torch

SEEN = []


class Net(torch.nn.Module):
    def __init__(self, image_shape, n_outputs):
        super().__init__()
        self.last = torch.nn.Linear(image_shape[1] * image_shape[2], n_outputs)

    def forward(self, x):
        if self.training:
            SEEN.append(x[:, 0, 0, 0].tolist())
        return self.last(x.flatten(1))
"""
