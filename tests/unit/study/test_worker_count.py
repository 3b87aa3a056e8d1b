"""How many runs are trained at the same time: what is measured, what is chosen, and in which order they go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.studies import rewrite
from tests.unit.study.trial import Trial

from scantrial.core import machine
from scantrial.store.folder import RunKey
from scantrial.study import trial as trial_module
from scantrial.study import worker_count
from scantrial.study.executor import local_executor
from scantrial.study.schedule import longest_first, makespan
from scantrial.study.trial import Hooks, Outcome, run_study
from scantrial.study.worker_count import candidates

LONG = "recipe.epochs=900"
SLOW_ALONE = {"pace/base/2": "0.1", "pace/base/1": "0.06", "pace/loss-ce/2": "0.1", "pace/loss-ce/1": "0.06"}
SLOW_TOGETHER = {"pace/base/2": "0.06", "pace/base/1": "0.3", "pace/loss-ce/2": "0.06", "pace/loss-ce/1": "0.3"}


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    set_cores(monkeypatch, 2)


def set_cores(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Let this process have so many cores."""
    for module in (trial_module, worker_count):
        monkeypatch.setattr(module, "n_cores", lambda: n)


def set_memory(monkeypatch: pytest.MonkeyPatch, n_bytes: int | None) -> None:
    """Let so much memory be free."""
    monkeypatch.setattr(worker_count, "available_memory", lambda: n_bytes)


def run_auto(trial: Trial, *sets: str, **how: Any) -> Outcome:
    return trial.run(trial.study(*sets), workers=None, **how)


class TestMeasuredChoice:
    """``--workers auto`` in a new folder."""

    @pytest.mark.parametrize(
        ("behaviour", "n_workers"), [(SLOW_ALONE, 2), (SLOW_TOGETHER, 1)], ids=["two are sooner", "one is sooner"]
    )
    def test_takes_what_ends_the_study_soonest(self, trial: Trial, behaviour: dict[str, str], n_workers: int):
        """Each arm is timed alone with both threads, then twice at the same time with one; the sooner is taken."""
        trial.behave(**behaviour)
        choice = run_auto(trial, LONG).workers
        assert choice is not None
        assert (choice.workers, choice.threads) == (n_workers, 2 // n_workers)
        assert [(item.workers, item.threads) for item in choice.measured] == [(1, 2), (2, 1)]
        assert sorted(trial.timed()) == [
            *("base 1", "base 1", "base 2"),
            *("loss-ce 1", "loss-ce 1", "loss-ce 2"),
        ]
        by_number = {item.workers: item.study_s for item in choice.measured}
        assert by_number[n_workers] < by_number[3 - n_workers]
        assert f"s with {3 - n_workers}" in choice.reason
        assert trial.worker_pids() == []

    def test_is_kept_with_what_was_measured(self, trial: Trial):
        """In ``environment.json``; a later call with other paces goes on with it, and times nothing."""
        trial.behave(**SLOW_ALONE)
        first = run_auto(trial, LONG, "seeds=1").workers
        stored = trial.folder.environment()
        assert first is not None
        assert stored["workers"] == first.to_dict()
        assert (stored["threads"], stored["workers"]["workers"]) == (1, 2)
        n_timed = len(trial.timed())
        trial.behave(**SLOW_TOGETHER)
        second = run_auto(trial, LONG, "seeds=3").workers
        assert second is not None
        assert (second.workers, second.threads, second.measured) == (2, 1, ())
        assert second.reason == f"as before, {first.reason}"
        assert trial.folder.environment() == stored
        assert len(trial.timed()) == n_timed

    def test_changes_no_byte(self, trial: Trial, tmp_path):
        """The runs are those of the same workers and threads asked for by number."""
        trial.behave(**SLOW_ALONE)
        outcome = run_auto(trial, LONG)
        runs = {name: data for name, data in trial.contents().items() if name.endswith((".parquet", ".safetensors"))}
        other = Trial(path=tmp_path / "other")
        other.path.mkdir()
        other.run(other.study(LONG), workers=2, threads=1)
        assert outcome.failed == ()
        assert {name: other.contents()[name] for name in runs} == runs

    def test_reads_no_test_row(self, trial: Trial):
        """Neither the engine nor the log of openings hears of one while arms are timed."""
        names = [f"{arm}/seed-{seed}" for arm in ("base", "loss-ce") for seed in (0, 1)]
        trial.behave(**{**SLOW_ALONE, **dict.fromkeys(names, "raise")})
        outcome = run_auto(trial, LONG)
        assert outcome.workers is not None
        assert (len(outcome.workers.measured), len(outcome.failed)) == (2, 4)
        assert trial.folder.test_openings() == []
        assert not (trial.path / "engine" / "test-rows-were-read").exists()

    def test_a_short_study_is_not_measured_twice(self, trial: Trial):
        """Where one worker ends within seconds, that is taken, and said."""
        choice = run_auto(trial).workers
        assert choice is not None
        assert (choice.workers, choice.threads, len(choice.measured)) == (1, 2, 1)
        assert "too short to try more workers" in choice.reason
        assert sorted(trial.timed()) == ["base 2", "loss-ce 2"]

    def test_recipes_of_equal_cost_are_timed_once(self, trial: Trial):
        """Another learning rate takes as long."""
        run_auto(trial, "factors={optimizer.lr: [0.01, 0.1]}")
        assert trial.timed() == ["base 2"]

    def test_keeps_to_the_memory(self, trial: Trial, monkeypatch):
        """No more workers are tried than have room, going by what one took; one always has."""
        trial.behave(**SLOW_ALONE)
        set_memory(monkeypatch, 300 << 20)
        choice = run_auto(trial, LONG).workers
        assert choice is not None
        assert (choice.workers, choice.threads, len(choice.measured)) == (1, 2, 1)
        assert choice.reason.endswith("more do not fit in memory")
        assert choice.worker_bytes is not None
        peak = int((trial.path / "engine" / "peak.txt").read_text())
        # What the worker saw of itself, an epoch earlier or later, and the room left for evaluation.
        assert abs(choice.worker_bytes - (160 << 20) - peak) < 20 << 20

    def test_an_arm_that_cannot_be_timed_is_left_to_its_run(self, trial: Trial):
        """One worker then, and the reason says so; the runs are trained."""
        trial.behave(**{"pace/base/2": "fail"})
        outcome = run_auto(trial)
        assert outcome.workers is not None
        assert (outcome.workers.workers, outcome.workers.threads) == (1, 2)
        assert outcome.workers.reason == "the arms could not be timed: it does not fit into memory"
        assert len(outcome.finished) == 4
        assert trial.worker_pids() == []

    def test_what_fails_with_more_workers_only_is_not_taken(self, trial: Trial):
        """The measurement with one stays."""
        trial.behave(**{**SLOW_ALONE, "pace/loss-ce/1": "fail"})
        choice = run_auto(trial, LONG).workers
        assert choice is not None
        assert (choice.workers, [item.workers for item in choice.measured]) == (1, [1])


@pytest.mark.parametrize(
    ("cores", "n_seeds", "threads", "n_workers", "reason"),
    [
        (6, 9, 2, 3, "6 cores, 2 threads per run"),
        (6, 9, 8, 1, "6 cores, 8 threads per run"),
        (6, 1, 2, 1, "6 cores, 2 threads per run"),
        (1, 9, None, 1, "only one core is available"),
        (6, 1, None, 1, "one run is left to train"),
    ],
)
def test_nothing_is_measured_where_nothing_is_to_choose(
    trial: Trial, monkeypatch, cores: int, n_seeds: int, threads: int | None, n_workers: int, reason: str
):
    """With threads given, one core or one run: as many as there are cores for, and no more than runs."""
    set_cores(monkeypatch, cores)
    choice = run_auto(trial, "factors={}", f"seeds={n_seeds}", threads=threads).workers
    assert choice is not None
    assert (choice.workers, choice.threads, choice.reason) == (n_workers, threads or cores, reason)
    assert trial.timed() == []


def test_a_folder_begun_by_numbers_keeps_its_threads(trial: Trial, monkeypatch):
    """Its workers were not measured, so that auto fills the cores."""
    set_cores(monkeypatch, 6)
    trial.run(trial.study(seeds=1), threads=2)
    choice = run_auto(trial, "seeds=4").workers
    assert choice is not None
    assert (choice.workers, choice.threads) == (3, 2)


def test_a_folder_that_is_done_chooses_nothing(trial: Trial):
    """No process is started."""
    trial.run(trial.study(seeds=1))
    outcome = trial.run(trial.study(seeds=1), workers=None)
    assert outcome.workers is None


@pytest.mark.parametrize(
    ("cores", "n_runs", "expected"),
    [(1, 9, [1]), (2, 9, [1, 2]), (8, 3, [1, 2, 3]), (12, 99, [1, 2, 3, 4, 6, 12]), (7, 99, [1, 7]), (8, 1, [1])],
)
def test_candidates_use_all_cores(cores: int, n_runs: int, expected: list[int]):
    """Divisors of the cores, and one worker for each run where runs are few."""
    assert candidates(cores, n_runs) == expected


def test_memory_of_this_machine():
    """What is free and what this process took are positive, and the first is no more than the machine has."""
    free = machine.available_memory()
    assert machine.peak_memory() > 1 << 20
    assert free is None or 0 < free < 1 << 44


# ------------------------------------------------------------------ the order


def test_the_longest_runs_come_first(trial: Trial):
    """By epochs in all; equal ones in the study's order. Each of two workers may be a place ahead of the other."""
    study = trial.study("factors={epochs: [3, 9], rounds: [4]}")
    started: list[str] = []

    def watch(event, clock) -> None:
        if event.kind == "started":
            started.append(str(event.key))

    trial.run(study, watch=watch, workers=2)
    expected = [f"{arm}/seed-{seed}" for arm in ("epochs-9", "rounds-4", "epochs-3", "base") for seed in (0, 1)]
    assert sorted(started) == sorted(expected)
    assert all(abs(started.index(name) - place) <= 1 for place, name in enumerate(expected))


def test_one_worker_goes_seed_by_seed(trial: Trial):
    """So that every arm is there early: no order ends one worker's work sooner."""
    trial.run(trial.study("factors={epochs: [9]}"))
    assert trial.trained() == [f"{arm}/seed-{seed} starts" for seed in (0, 1) for arm in ("base", "epochs-9")]


def test_the_order_changes_no_byte(trial: Trial, tmp_path):
    """One worker in the study's order and two by length leave the same runs."""
    sets = ("factors={epochs: [3, 9]}",)
    other = Trial(path=tmp_path / "other")
    other.path.mkdir()
    trial.run(trial.study(*sets), workers=1, threads=1)
    other.run(other.study(*sets), workers=2, threads=1)
    names = [name for name in trial.contents() if name.endswith((".parquet", ".safetensors"))]
    assert len(names) == 3 * 6 + 1
    for name in names:
        assert trial.contents()[name] == other.contents()[name]


def test_seconds_of_finished_runs_tell_the_order(trial: Trial):
    """A loss that was seen to be slow comes before one that was seen to be quick."""
    study = trial.study(seeds=1)
    trial.record(study, finished=["base/seed-0", "loss-ce/seed-0"])
    for name, seconds in (("base", 1.0), ("loss-ce", 9.0)):
        key = RunKey(name, 0)
        path = trial.folder.run_path(key) / "run.json"
        text = path.read_text().replace('"times": {}', f'"times": {{"train_s": {seconds}}}')
        rewrite(trial.folder, path, text)
    started: list[str] = []
    hooks = Hooks(watch=lambda event, clock: started.append(str(event.key)) if event.kind == "started" else None)
    execution = trial_module.Execution(
        engine="fake_engine:train",
        engine_reason="a test",
        prepare="fake_engine:prepare",
        executor=local_executor,
        workers=2,
    )
    run_study(trial.study(seeds=3), trial.scans(), trial.folder, execution, hooks)
    assert set(started[:2]) == {"loss-ce/seed-1", "loss-ce/seed-2"}


@given(costs=st.lists(st.integers(0, 50).map(float), min_size=1, max_size=12), n_workers=st.integers(1, 5))
def test_makespan_is_what_a_pool_takes(costs: list[float], n_workers: int):
    """Workers that take the next of the longest-first order as soon as they are free end when it says."""
    keys = [RunKey("a", seed) for seed in range(len(costs))]
    order = longest_first(keys, costs)
    assert [costs[key.seed] for key in order] == sorted(costs, reverse=True)
    assert [key.seed for key in order] == sorted(range(len(costs)), key=lambda seed: (-costs[seed], seed))
    free_at = [0.0] * n_workers
    for key in order:
        worker = free_at.index(min(free_at))
        free_at[worker] += costs[key.seed]
    assert makespan(costs, n_workers) == max(free_at)
    assert makespan(costs, n_workers) >= max(*costs, sum(costs) / n_workers)
    assert makespan(costs, 1) == sum(costs)
