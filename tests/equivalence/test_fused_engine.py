"""The fused engine against the reference engine and against double precision."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scantrial.core.records import RunResult
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.train import fused, reference
from scantrial.train.fused import Sweep, lay_out_by_inputs, split_network, step_behind
from scantrial.train.kernel import VARIANT_VARIABLE, Kernel, kernel_state
from scantrial.train.predictor import load_predictor
from scantrial.train.run import grad_norm, set_up
from scantrial.train.state import Setup, TrainState
from scantrial.train.steps import TrainingStep, batch_bounds, epoch_order

VARIANTS = kernel_state().variants
pytestmark = pytest.mark.skipif(not VARIANTS, reason=f"no kernel: {kernel_state().reason}")


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def make_task(
    recipe: dict[str, Any],
    *,
    shape: tuple[int, ...] = (13, 11),
    n: int = 90,
    n_classes: int = 2,
    pixel_type: str = "uint8",
    **fields: Any,
) -> RunTask:
    """Noise whose brightness tells the class, two thirds of it to train on."""
    rng = np.random.default_rng(0)
    largest = np.iinfo(pixel_type).max
    labels = np.arange(n) % n_classes
    images = rng.integers(0, largest // 2, (n, *shape)) + labels.reshape(-1, *(1,) * len(shape)) * (largest // 5)
    cut, end = 2 * n // 3, 5 * n // 6
    defaults = {
        "arm": "base",
        "seed": 5,
        "recipe": Recipe.model_validate({"model": {"name": "mlp", "hidden": [19]}, **recipe}),
        "images": images.astype(pixel_type),
        "labels": labels,
        "class_names": tuple("abc"[:n_classes]),
        "cases": {"train": np.arange(cut), "val": np.arange(cut, end), "test": np.arange(end, n)},
        "device": "cpu",
        "threads": 1,
        "checkpoint_path": Path("no-such-folder/checkpoint.pt"),
        "checkpoint_every_s": float("inf"),
        "engine_reason": "asked for",
        "open_test": lambda _: None,
    }
    return RunTask(**{**defaults, **fields})


def never(record: Any, n_epochs: int) -> None:
    """Tell nobody."""


class Stopped(Exception):
    """The run was stopped on purpose."""


def stop_at(epoch: int) -> Callable[[Any, int], None]:
    def tell(record: Any, n_epochs: int) -> None:
        if record.epoch == epoch:
            raise Stopped

    return tell


# ------------------------------------------------------------------ one step from any state

OPTIMIZERS = st.one_of(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["adam", "adamw"]),
            "lr": st.sampled_from([1e-4, 1e-3, 1e-2]),
            "weight_decay": st.sampled_from([0.0, 0.01, 0.1]),
            "betas": st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.99)]),
        }
    ),
    st.sampled_from([{}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}]).flatmap(
        lambda how: st.sampled_from([0.0, 0.05]).map(
            lambda decay: {"name": "sgd", "lr": 0.01, "weight_decay": decay, **how}
        )
    ),
)
ACTIVATIONS = ["ReLU", "LeakyReLU", "Tanhshrink", "PReLU", "GELU", "RReLU", "Sigmoid"]
MODELS = st.fixed_dictionaries(
    {
        "name": st.just("mlp"),
        "hidden": st.lists(st.integers(1, 40), max_size=3),
        "activation": st.sampled_from(ACTIVATIONS),
        "batch_norm": st.booleans(),
        "dropout": st.sampled_from([0.0, 0.5]),
    }
)
LOSSES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["bce", "ce"]),
        "class_weights": st.sampled_from([None, "balanced"]),
        "label_smoothing": st.sampled_from([0.0, 0.1]),
        "focal_gamma": st.sampled_from([0.0, 2.0]),
    }
)
RECIPES = st.fixed_dictionaries(
    {
        "model": MODELS,
        "loss": LOSSES,
        "optimizer": OPTIMIZERS,
        "normalize": st.sampled_from(["none", "dataset", "image", "equalize"]),
    }
)


def copied(state: TrainState, setup: Setup) -> TrainState:
    """Return a state of its own with the same weights and the same optimiser's memory."""
    other = set_up(setup.task)[1]
    other.network.load_state_dict(copy.deepcopy(state.network.state_dict()))
    other.optimizer.load_state_dict(copy.deepcopy(state.optimizer.state_dict()))
    return other


def step_on(task: RunTask, rows: np.ndarray) -> TrainingStep:
    """Return a step on these rows at the recipe's learning rate."""
    cases = task.cases["train"][rows]
    return TrainingStep(
        seed=task.seed,
        epoch=1,
        number=0,
        lr=task.recipe.optimizer.lr,
        rows=torch.from_numpy(rows.copy()),
        cases=cases,
        repeats=np.zeros_like(cases),
    )


def fused_step(setup: Setup, state: TrainState, step: TrainingStep, *, variant: str) -> tuple[torch.Tensor, float]:
    network = split_network(state.network)
    with Kernel(threads=2, variant=variant) as kernel:
        lay_out_by_inputs(state, network.first.weight)
        sweep = Sweep(kernel, setup, network.first.weight, state.optimizer)
        products = sweep.multiply(step.rows).requires_grad_()
        logits = step_behind(setup, state.optimizer, network, products, step)
        sweep.step(step, products.grad, step.rows[:0])
        norm = grad_norm(state.network, squares={network.first.weight: sweep.squares})
    assert norm is not None
    return logits, norm


def noise_only(name: str, recipe: Recipe) -> bool:
    """Whether a parameter's gradient is nothing but rounding: a bias in front of batch normalisation."""
    return bool(recipe.model.batch_norm) and name.startswith("hidden.") and name.endswith("linear.bias")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    recipe=RECIPES,
    shape=st.sampled_from([(9, 7), (1, 5), (8, 16), (5, 4, 3), (4, 3, 5)]),
    pixel_type=st.sampled_from(["uint8", "uint16"]),
    n_classes=st.sampled_from([2, 3]),
    n_before=st.integers(3, 12),
    batch=st.integers(2, 40),
    variant=st.sampled_from(VARIANTS),
)
def test_one_step_from_any_state_is_the_references(
    recipe: dict[str, Any],
    shape: tuple[int, ...],
    pixel_type: str,
    n_classes: int,
    n_before: int,
    batch: int,
    variant: str,
):
    """Any supported recipe, after some steps: logits, weights, the gradient's norm and the optimiser's memory agree to rounding."""
    task = make_task(recipe, shape=shape, pixel_type=pixel_type, n_classes=n_classes)
    setup, state = set_up(task)
    state.network.train()
    lr = task.recipe.optimizer.lr
    rng = np.random.default_rng(n_before)
    torch.manual_seed(0)
    for _ in range(n_before):
        step = step_on(task, rng.permutation(60)[: max(8, batch)])
        reference.train_step(setup, state, step, norms=[])
    other = copied(state, setup)
    other.network.train()
    if task.recipe.model.batch_norm:
        batch = max(8, batch)  # over two cases it divides rounding by their difference, which may be as small
    step = step_on(task, rng.permutation(60)[:batch])
    torch.manual_seed(1)
    expected = reference.train_step(setup, state, step, norms=[])
    torch.manual_seed(1)
    found, norm = fused_step(setup, other, step, variant=variant)
    torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-5)
    assert norm == pytest.approx(grad_norm(state.network), rel=1e-4, abs=1e-6)
    ours = dict(other.network.named_parameters())
    for name, parameter in state.network.named_parameters():
        if not noise_only(name, task.recipe):
            torch.testing.assert_close(ours[name], parameter, rtol=1e-6, atol=2e-3 * lr)
    first, theirs = split_network(other.network).first.weight, split_network(state.network).first.weight
    for key, value in state.optimizer.state[theirs].items():
        kept = other.optimizer.state[first][key]
        torch.testing.assert_close(kept, value, rtol=1e-4, atol=float(1e-5 * value.abs().max() + 1e-12))


# ------------------------------------------------------------------ many steps


def first_epochs(engine: Any, task: RunTask) -> RunResult:
    return engine.train_run(task, never)


def in_double(task: RunTask) -> dict[str, np.ndarray]:
    """Return the weights after the task's epochs in double precision, in plain PyTorch."""
    setup, state = set_up(task)
    network = state.network.double()
    spec = task.recipe.optimizer
    optimizer = torch.optim.Adam(network.parameters(), lr=spec.lr, betas=spec.betas, eps=spec.eps)
    for epoch in range(1, setup.n_epochs + 1):
        order = torch.from_numpy(epoch_order(task.seed, epoch, len(setup.train)))
        for start, stop in batch_bounds(len(order), task.recipe.batch_size):
            rows = order[start:stop]
            optimizer.zero_grad()
            setup.head.loss(network(setup.train.batch(rows).double()), setup.y_train[rows]).backward()
            optimizer.step()
    return {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}


def farthest(one: Any, other: Any) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def fifty_steps(shape: tuple[int, int], hidden: int, *, n: int, threads: int) -> RunTask:
    recipe = {"model": {"name": "mlp", "hidden": [hidden]}, "loss": "bce", "select": "last", "batch_size": 32}
    n_steps = -(-2 * n // 3 // 32)
    assert 50 % n_steps == 0
    return make_task({**recipe, "epochs": 50 // n_steps}, shape=shape, n=n, threads=threads)


def check_fifty_steps(task: RunTask, *, compare_double: bool) -> None:
    ours, theirs = fused.train_run(task, never), reference.train_run(task, never)
    assert farthest(ours.weights, theirs.weights) <= 5e-5
    for one, other in zip(ours.history, theirs.history, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-5)
        assert one.val_loss == pytest.approx(other.val_loss, abs=1e-5)
    if compare_double:
        exact = in_double(task)
        assert farthest(ours.weights, exact) <= 2 * farthest(theirs.weights, exact)


@pytest.mark.parametrize("threads", [1, 2])
def test_fifty_steps_stay_with_the_reference(threads):
    """Adam at 1e-3: weights within 5e-5, losses within 1e-5, no farther from double precision than twice the reference."""
    check_fifty_steps(fifty_steps((32, 32), 64, n=480, threads=threads), compare_double=True)


@pytest.mark.slow
def test_fifty_steps_stay_with_the_reference_at_full_size():
    """The same for one epoch of 1,600 images of 256x256 and 256 hidden units."""
    check_fifty_steps(fifty_steps((256, 256), 256, n=2400, threads=2), compare_double=True)


# ------------------------------------------------------------------ whole runs

WHOLE = {
    "model": {"name": "mlp", "hidden": [19, 7], "batch_norm": True, "dropout": 0.3},
    "epochs": 3,
    "rounds": 2,
    "batch_size": 16,
    "schedule": {"name": "cosine", "warmup_epochs": 1},
    "train_eval": True,
}
KINDS = {
    "adam": {"name": "adam"},
    "adamw": {"name": "adamw"},
    "sgd": {"name": "sgd"},
    "momentum": {"name": "sgd", "momentum": 0.9, "nesterov": True},
}


def assert_same_bits(one: RunResult, other: RunResult) -> None:
    assert one.history == other.history
    for name, array in other.weights.items():
        np.testing.assert_array_equal(one.weights[name], array, err_msg=name)
    for part, whole in zip(one.predictions, other.predictions, strict=True):
        np.testing.assert_array_equal(part.logits, whole.logits)


@pytest.mark.parametrize(("kind", "threads"), [*((kind, 1) for kind in KINDS), ("adam", 2)])
def test_equal_runs_and_resumed_runs_are_equal_bits(tmp_path, kind, threads):
    """Straight through, twice, and stopped after any epoch: history, weights and predictions agree to the last bit."""
    task = make_task({**WHOLE, "optimizer": KINDS[kind]}, threads=threads, checkpoint_path=tmp_path / "checkpoint.pt")
    whole = fused.train_run(task, never)
    assert whole.facts.engine == "fused"
    assert_same_bits(fused.train_run(task, never), whole)
    stopping = make_task(
        {**WHOLE, "optimizer": KINDS[kind]},
        threads=threads,
        checkpoint_path=task.checkpoint_path,
        checkpoint_every_s=0,
    )
    for epoch in (2, 3, 5):
        with pytest.raises(Stopped):
            fused.train_run(stopping, stop_at(epoch))
    assert_same_bits(fused.train_run(stopping, never), whole)


def test_a_checkpoint_of_the_other_engine_is_not_taken_up(tmp_path):
    """A run is trained by one engine from beginning to end."""
    fields = {"checkpoint_path": tmp_path / "checkpoint.pt", "checkpoint_every_s": 0}
    whole = fused.train_run(make_task(WHOLE), never)
    with pytest.raises(Stopped):
        reference.train_run(make_task(WHOLE, **fields), stop_at(3))
    assert_same_bits(fused.train_run(make_task(WHOLE, **fields), never), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_run_is_the_references(kind):
    """Rounds, schedule, warm-up, batches with a rest: the same rates, the same losses but for rounding."""
    recipe = {**WHOLE, "model": {"name": "mlp", "hidden": [19, 7], "dropout": 0.3}, "optimizer": KINDS[kind]}
    ours, theirs = (engine.train_run(make_task(recipe), never) for engine in (fused, reference))
    for one, other in zip(ours.history, theirs.history, strict=True):
        assert one.lr == other.lr
        for name in ("train_loss", "val_loss", "train_eval_loss", "weight_norm"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-4)
        assert one.last_grad_norm == pytest.approx(other.last_grad_norm, rel=1e-3)
    assert ours.facts.n_parameters == theirs.facts.n_parameters
    assert [part.split for part in ours.predictions] == ["train", "val", "test"]


def test_stored_weights_are_those_of_any_run(tmp_path):
    """Names and shapes are the reference's, and what is loaded from them gives the same bits as the run itself."""
    task = make_task(WHOLE)
    ours, theirs = fused.train_run(task, never), reference.train_run(task, never)
    assert {name: array.shape for name, array in ours.weights.items()} == {
        name: array.shape for name, array in theirs.weights.items()
    }
    predictor = load_predictor(ours.facts, ours.weights)
    for part in ours.predictions:
        np.testing.assert_array_equal(predictor(task.images[part.cases]).logits, part.logits)


@pytest.mark.parametrize("variant", VARIANTS)
def test_instruction_sets_agree(monkeypatch, variant):
    """Each gives the widest one's losses but for rounding."""
    recipe = {**WHOLE, "model": {"name": "mlp", "hidden": [19, 7]}}
    best = fused.train_run(make_task(recipe), never).history
    monkeypatch.setenv(VARIANT_VARIABLE, variant)
    for one, other in zip(fused.train_run(make_task(recipe), never).history, best, strict=True):
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-4)


@pytest.mark.parametrize("loss", ["bce", "ce"])
def test_a_loss_that_is_not_finite_ends_the_run_where_it_does_in_the_reference(loss):
    """In the same epoch, with the same epoch chosen."""
    recipe = {"loss": loss, "epochs": 6, "optimizer": {"name": "sgd", "lr": 1e18}}
    ours, theirs = (engine.train_run(make_task(recipe), never).facts for engine in (fused, reference))
    assert ours.status == theirs.status == "diverged"
    assert (ours.diverged_epoch, ours.chosen_epoch) == (theirs.diverged_epoch, theirs.chosen_epoch)
