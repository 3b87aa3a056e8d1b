"""The steps that both engines take are the same: seed, epoch, number, rate, and the cases with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scantrial.core.rng import stream
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.train import fused, reference
from scantrial.train.kernel import kernel_state
from scantrial.train.state import Setup
from scantrial.train.steps import TrainingStep

SEED, EPOCHS, ROUNDS = 5, 2, 2
TRAIN = np.sort(np.random.default_rng(1).permutation(90)[:41])
"""Cases here and there, so that a row of the training scans is not the number of its case."""

ENGINES = [
    pytest.param(reference, id="reference"),
    pytest.param(
        fused,
        id="fused",
        marks=pytest.mark.skipif(not kernel_state().available, reason=f"no kernel: {kernel_state().reason}"),
    ),
]


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def make_task(path: Path, *, batch_size: int = 8) -> RunTask:
    """Ninety scans, each of which tells its case number in its first pixel."""
    images = np.random.default_rng(0).integers(0, 256, (90, 6, 5))
    images[:, 0, 0] = np.arange(90)
    rest = np.setdiff1d(np.arange(90), TRAIN)
    recipe = {
        "model": {"name": "mlp", "hidden": [4]},
        "epochs": EPOCHS,
        "rounds": ROUNDS,
        "batch_size": batch_size,
        "schedule": "cosine",
        "normalize": "none",
    }
    return RunTask(
        arm="base",
        seed=SEED,
        recipe=Recipe.model_validate(recipe),
        images=images.astype(np.uint8),
        labels=np.arange(90) % 2,
        class_names=("normal", "pneumonia"),
        cases={"train": TRAIN, "val": rest[:20], "test": rest[20:]},
        device="cpu",
        threads=1,
        checkpoint_path=path / "checkpoint.pt",
        checkpoint_every_s=0,
        engine_reason="a test",
        open_test=lambda _: None,
    )


@dataclass(kw_only=True)
class Seen:
    """What the steps of a run were given.

    Parameters
    ----------
    pixels : the case numbers in the first pixels of the scans that each step was given
    """

    steps: list[TrainingStep] = field(default_factory=list)
    pixels: list[list[int]] = field(default_factory=list)

    def note(self, setup: Setup, step: TrainingStep) -> None:
        """Take in one step."""
        self.steps.append(step)
        self.pixels.append(setup.train.pixels[setup.train.places(step.rows)][:, 0, 0].tolist())

    @property
    def cases(self) -> list[list[int]]:
        """The case numbers of each step."""
        return [step.cases.tolist() for step in self.steps]

    @property
    def told(self) -> list[tuple[int, int, int, float]]:
        """Seed, epoch, number and rate of each step."""
        return [(step.seed, step.epoch, step.number, step.lr) for step in self.steps]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Watch the steps of both engines."""
    watched = Seen()

    def watch(module: Any, name: str) -> None:
        take: Callable[..., Any] = getattr(module, name)

        def watching(setup: Setup, *arguments: Any, **options: Any) -> Any:
            (step,) = (item for item in arguments if isinstance(item, TrainingStep))
            watched.note(setup, step)
            return take(setup, *arguments, **options)

        monkeypatch.setattr(module, name, watching)

    watch(reference, "train_step")
    watch(fused, "step_behind")
    return watched


def never(record: Any, n_epochs: int) -> None:
    """Tell nobody."""


@pytest.mark.parametrize("batch_size", [1, 8, 20, 41, 100])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_knows_its_seed_its_epoch_and_its_cases(tmp_path: Path, seen: Seen, engine: Any, batch_size: int):
    """The numbers of the scans that it is given, in the order of the documented stream, however they are shared out."""
    engine.train_run(make_task(tmp_path, batch_size=batch_size), never)
    assert seen.cases == seen.pixels
    for epoch in range(1, EPOCHS * ROUNDS + 1):
        steps = [step for step in seen.steps if step.epoch == epoch]
        order = stream(SEED, "order", epoch).permutation(len(TRAIN))
        np.testing.assert_array_equal(np.concatenate([step.cases for step in steps]), TRAIN[order])
        assert [step.number for step in steps] == list(range(len(steps)))
        assert {step.seed for step in steps} == {SEED}
        assert all(len(step.cases) == len(step.rows) <= batch_size + 1 for step in steps)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_steps_after_a_resumption_are_those_of_a_whole_run(tmp_path: Path, seen: Seen, engine: Any):
    """Stopped after any epoch, within a round or at its end: no step twice, none left out."""

    def stop(record: Any, n_epochs: int) -> None:
        raise InterruptedError

    task = make_task(tmp_path)
    engine.train_run(task, never)
    whole, seen.steps = Seen(steps=seen.steps), []
    task.checkpoint_path.unlink()
    for _ in range(EPOCHS * ROUNDS):
        with pytest.raises(InterruptedError):
            engine.train_run(task, stop)
    engine.train_run(task, never)
    assert seen.told == whole.told
    assert seen.cases == whole.cases


@pytest.mark.skipif(not kernel_state().available, reason=f"no kernel: {kernel_state().reason}")
def test_both_engines_take_the_same_steps(tmp_path: Path, seen: Seen):
    """In everything that a step is told, the rate included."""
    taken = []
    for name, engine in (("one", reference), ("other", fused)):
        seen.steps = []
        engine.train_run(make_task(tmp_path / name), never)
        taken.append((seen.told, seen.cases))
    assert taken[0] == taken[1]
    assert len({lr for *_, lr in seen.told}) > 1


def test_the_network_is_given_the_cases_of_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hook on the network finds the numbers that the step was told in the pixels that come in."""
    told: list[list[int]] = []
    found: list[list[int]] = []
    take = reference.train_step

    def watching(setup: Setup, state: Any, step: TrainingStep, **options: Any) -> torch.Tensor:
        def look(_module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            found.append((inputs[0][:, 0, 0, 0] * 255).round().int().tolist())

        told.append(step.cases.tolist())
        hook = state.network.register_forward_pre_hook(look)
        logits = take(setup, state, step, **options)
        hook.remove()
        return logits

    monkeypatch.setattr(reference, "train_step", watching)
    reference.train_run(make_task(tmp_path), never)
    assert told == found
    assert len(told) == EPOCHS * ROUNDS * 5  # 41 cases by eight: the last one joins the batch before it
