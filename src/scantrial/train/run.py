"""The steps of a run that are the same for every engine.

set up -> resume -> [train an epoch -> measure -> keep the best -> checkpoint -> tell] -> predict with the best
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import torch
from torch import Tensor, nn, optim

from scantrial.core.errors import ScantrialError, TrainingError
from scantrial.core.machine import return_freed_memory
from scantrial.core.memory import ADVICE, memory_ran_out
from scantrial.core.records import SPLITS, EpochRecord, RunFacts, RunResult, Split, SplitPredictions
from scantrial.core.rng import derive_seed
from scantrial.data.preprocess import Moments, fit_preprocessing
from scantrial.nets.build import build_network
from scantrial.nets.generators import borrowed_generators
from scantrial.nets.heads import Head, make_head, resolve_class_weights
from scantrial.nets.timm_network import pretrained_moments
from scantrial.recipe.networks import network_of
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask, Tell
from scantrial.train.average import judged_weights
from scantrial.train.batches import Batches
from scantrial.train.checkpoint import load_checkpoint, save_checkpoint, take_up
from scantrial.train.checks import check_task
from scantrial.train.contact_sheet import stored_sheet
from scantrial.train.draws import DrawTables
from scantrial.train.evaluate import cases_at_once, logits_of, loss_and_accuracy
from scantrial.train.features import Inputs, inputs_of
from scantrial.train.optimizers import grouped, make_optimizer
from scantrial.train.process import set_process
from scantrial.train.selection import Best, copy_tensors, selection_rule, selection_score, tensors_of
from scantrial.train.state import Setup, TrainState, has_diverged
from scantrial.train.steps import TrainingStep, epoch_steps
from scantrial.train.units import watched_units
from scantrial.train.views import Views, views_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEpoch:
    """What an engine returns for one epoch.

    Parameters
    ----------
    logits : shape (n_cases, n_outputs), of the epoch's cases in the order of the steps, each computed before the move
        of the weights that its case is part of; on the CPU
    lr : learning rate of the last move
    grad_norm : mean over the moves of the gradient's Euclidean norm, or None if it was not computed
    last_grad_norm : of the last move's gradient alone, or None if there was no last move
    """

    logits: Tensor
    lr: float
    grad_norm: float | None
    last_grad_norm: float | None


EpochTrainer = Callable[[Setup, TrainState, Sequence[TrainingStep]], TrainedEpoch]
"""Takes the steps of one epoch, moving the weights of the state's network."""


def carry_out(task: RunTask, tell: Tell, *, engine: str, train_epoch: EpochTrainer) -> RunResult:
    """Carry out one run from its start, or from its checkpoint, to its predictions.

    Parameters
    ----------
    engine : the name to record
    train_epoch : the function that trains an epoch

    Raises
    ------
    As `scantrial.train.reference.train_run` says.
    """
    begun = time.monotonic()
    check_task(task)
    set_process(task.threads)
    with borrowed_generators(derive_seed(task.seed, "torch"), device=task.device):
        with failures_named(task, "was being set up"):
            setup, state = set_up(task)
            content = load_checkpoint(task, engine=engine)
            if content is not None:
                take_up(content, state, device=task.device)
                if task.member is None:
                    task.taken_up(tuple(state.history))
            del content
            return_freed_memory()
        _train(setup, state, tell, train_epoch, engine=engine, begun=begun)
        _let_go_of_training(state)
        with failures_named(task, "was being evaluated"):
            return _finish(setup, state, engine=engine, begun=begun)


def set_up(task: RunTask) -> tuple[Setup, TrainState]:
    """Bring the scans to the device and build the network, its head and its optimiser."""
    preprocessing = fit_preprocessing(
        task.images,
        task.cases["train"],
        task.recipe.method,
        clip_percentiles=task.recipe.clip_percentiles,
        clahe=task.recipe.clahe,
        moments=_moments(task.recipe),
    )
    image_shape = (preprocessing.channels, task.images.shape[1], task.images.shape[2])
    y_train, y_val = (torch.from_numpy(task.labels[task.cases[split]]) for split in ("train", "val"))
    n_classes = len(task.class_names)
    weights = resolve_class_weights(task.recipe.loss, y_train.numpy(), n_classes=n_classes)
    head = make_head(task.recipe.loss, n_classes=n_classes, class_weights=weights)
    network = build_network(
        task.recipe.model,
        image_shape=image_shape,
        n_outputs=head.n_outputs,
        seed=task.seed,
        weights_files=task.weights_files,
    )
    network = network.to(task.device)
    n_at_once = cases_at_once(network, image_shape, device=task.device)
    train, val = (
        inputs_of(task, task.cases[split], preprocessing, network, n_at_once=n_at_once) for split in ("train", "val")
    )
    network = _laid_out(network, task)
    labels = y_train.to(task.device)
    setup = Setup(
        task=task,
        image_shape=image_shape,
        preprocessing=preprocessing,
        head=head,
        train=train,
        val=val,
        y_train=y_train,
        y_train_device=labels,
        y_val=y_val,
        n_at_once=n_at_once,
        batches=Batches(
            scans=train,
            labels=labels,
            cases=task.cases["train"],
            spec=task.recipe.augment,
            draws=DrawTables(seed=task.seed, n_cases=len(task.images)),
        ),
    )
    return setup, _fresh_state(task, network)


def _moments(recipe: Recipe) -> Moments | None:
    return pretrained_moments(recipe.model) if recipe.normalize == "pretrained" else None


def _laid_out(network: nn.Module, task: RunTask) -> nn.Module:
    """Bring convolutions into channels-last layout, in which a step on a CPU takes a quarter to a third less time.

    A custom class keeps its layout, because it may depend on it.
    """
    if network_of(task.recipe.model.name).is_convolutional and task.device == "cpu":
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    return network


def _fresh_state(task: RunTask, network: nn.Module) -> TrainState:
    return TrainState(
        network=network,
        optimizer=_fresh_optimizer(task, network),
        history=[],
        best=Best(weights={name: tensor.clone() for name, tensor in tensors_of(network).items()}),
        epoch_s=[],
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        earlier_s=0.0,
    )


def _fresh_optimizer(task: RunTask, network: nn.Module) -> optim.Optimizer:
    groups = grouped(network, task.recipe.model, task.recipe.optimizer)
    return make_optimizer(task.recipe.optimizer, groups, device=task.device)


def _train(
    setup: Setup, state: TrainState, tell: Tell, train_epoch: EpochTrainer, *, engine: str, begun: float
) -> None:
    task = setup.task
    saved = time.monotonic()
    while not state.is_over(setup):
        with failures_named(task, f"was in epoch {len(state.history) + 1}"):
            _next_epoch(setup, state, train_epoch)
        now = time.monotonic()
        if now - saved >= task.checkpoint_every_s or (task.member is not None and state.is_over(setup)):
            save_checkpoint(state, task, engine=engine, spent_s=now - begun)
            saved = time.monotonic()
        tell(state.history[-1], setup.n_epochs)


def _let_go_of_training(state: TrainState) -> None:
    """Free gradients and the optimiser's running means: writing the weights to disk needs memory too."""
    state.optimizer.zero_grad(set_to_none=True)
    state.optimizer.state.clear()
    state.average.clear()
    return_freed_memory()


def _next_epoch(setup: Setup, state: TrainState, train_epoch: EpochTrainer) -> None:
    begun = time.perf_counter()
    recipe = setup.task.recipe
    epoch = len(state.history) + 1
    if (epoch - 1) % recipe.epochs == 0:
        state.optimizer = _fresh_optimizer(setup.task, state.network)
    steps = epoch_steps(setup.task, epoch)
    trained = train_epoch(setup, state, steps)
    norm = weight_norm(state.network)
    with judged_weights(state):
        with watched_units(state.network) as units:
            val_logits = _logits(setup, state, setup.val)
        record = replace(
            _record(setup, state, steps, trained, val_logits), weight_norm=norm, dead_units=units.dead_share()
        )
        state.history.append(record)
        if not has_diverged(record):
            score = selection_score(
                recipe.select, record, setup.y_val.numpy(), lambda: setup.head.probabilities(val_logits).numpy()
            )
            state.scores.append(score)
            state.best.offer(state.network, epoch, score)
    state.epoch_s.append(time.perf_counter() - begun)


def _logits(setup: Setup, state: TrainState, scans: Inputs, *, views: Views | None = None) -> Tensor:
    precision = setup.task.recipe.precision
    return logits_of(state.network, scans, n_at_once=setup.n_at_once, precision=precision, views=views)


def _record(
    setup: Setup, state: TrainState, steps: Sequence[TrainingStep], trained: TrainedEpoch, val_logits: Tensor
) -> EpochRecord:
    epoch = steps[0].epoch
    order = torch.cat([step.rows for step in steps]).cpu()
    train = loss_and_accuracy(setup.head, trained.logits, setup.y_train[order], setup.batches.mixed(steps))
    val = loss_and_accuracy(setup.head, val_logits, setup.y_val)
    again = None
    if setup.task.recipe.train_eval:
        again = loss_and_accuracy(setup.head, _logits(setup, state, setup.train), setup.y_train)
    return EpochRecord(
        round=(epoch - 1) // setup.task.recipe.epochs + 1,
        epoch=epoch,
        lr=trained.lr,
        train_loss=train.loss,
        train_accuracy=train.accuracy,
        val_loss=val.loss,
        val_accuracy=val.accuracy,
        train_eval_loss=again.loss if again else None,
        train_eval_accuracy=again.accuracy if again else None,
        grad_norm=trained.grad_norm,
        last_grad_norm=trained.last_grad_norm,
    )


@torch.no_grad()
def weight_norm(network: nn.Module) -> float:
    """Return the Euclidean norm of all parameters: rows in float32, their sum in float64."""
    return _norm([parameter for parameter in network.parameters() if parameter.ndim])


@torch.no_grad()
def grad_norm(network: nn.Module, *, squares: Mapping[Tensor, float | None] | None = None) -> float | None:
    """Return the Euclidean norm of the gradient after the last step, or None if not all of it is there.

    Parameters
    ----------
    squares : the sum of squares of gradients that never exist as a whole, by parameter; None if not computed
    """
    sums = squares or {}
    rest = [item for item in network.parameters() if item.requires_grad and item not in sums]
    gradients = [parameter.grad for parameter in rest]
    if not (gradients or sums) or any(part is None for part in (*gradients, *sums.values())):
        return None
    norm = _norm([gradient for gradient in gradients if gradient is not None and gradient.ndim])
    return math.hypot(norm, *(math.sqrt(part) for part in sums.values() if part is not None))


def _norm(tensors: Sequence[Tensor]) -> float:
    rows = [torch.linalg.vector_norm(tensor, dim=_closest(tensor)).flatten() for tensor in tensors]
    return float(torch.cat(rows).cpu().double().norm()) if rows else 0.0


def _closest(tensor: Tensor) -> int:
    """Return the dimension whose neighbours are closest in memory: the fastest one to sum over."""
    return min(range(tensor.ndim), key=lambda dim: (tensor.stride(dim), -dim))


def _finish(setup: Setup, state: TrainState, *, engine: str, begun: float) -> RunResult:
    predicted = time.monotonic()
    predictions = _predict_all(setup, state)
    ended = time.monotonic()
    times: dict[str, float | str] = {
        "started": state.started,
        "train_s": sum(state.epoch_s),
        "evaluate_s": ended - predicted,
        "total_s": state.earlier_s + ended - begun,
        "per_epoch_s": statistics.median(state.epoch_s),
    }
    chosen = state.best.weights if state.best.epoch is not None else {}
    return RunResult(
        facts=_facts(setup, state, engine, times),
        history=tuple(state.history),
        predictions=predictions,
        weights={name: tensor.cpu().numpy() for name, tensor in chosen.items()},
        sheet=None if setup.task.member else stored_sheet(setup.batches),
    )


def _predict_all(setup: Setup, state: TrainState) -> tuple[SplitPredictions, ...]:
    """Score each split with the chosen epoch's weights; nothing if none could be chosen, or for one of an ensemble."""
    chosen_epoch = state.best.epoch
    if chosen_epoch is None or setup.task.member is not None:
        return ()
    for parameter in state.network.parameters():
        # The layout of `predict`, so that both give equal bits, whatever the layout was in training.
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    copy_tensors(state.best.weights, tensors_of(state.network))
    there = [split for split in SPLITS if len(setup.task.cases.get(split, ()))]
    return tuple(_predict(setup, state, split, chosen_epoch=chosen_epoch) for split in there)


def _predict(setup: Setup, state: TrainState, split: Split, *, chosen_epoch: int) -> SplitPredictions:
    """Score one split. The test scans are read here for the first and only time, after a call of `open_test`."""
    task = setup.task
    cases = task.cases[split]
    scans = {"train": setup.train, "val": setup.val}.get(split)
    if scans is None:
        task.open_test(chosen_epoch)
        scans = inputs_of(task, cases, setup.preprocessing, state.network, n_at_once=setup.n_at_once)
    return split_predictions(task, split, _logits(setup, state, scans, views=views_of(task.recipe)), setup.head)


def split_predictions(task: RunTask, split: Split, logits: Tensor, head: Head) -> SplitPredictions:
    """Return the predictions of one split from its logits, shape (n, n_outputs).

    Raises
    ------
    TrainingError
        If some are not finite.
    """
    if not logits.isfinite().all():
        raise TrainingError(
            f"some logits of {split} cases are not finite", do="lower the learning rate or clip gradients"
        )
    cases = task.cases[split]
    return SplitPredictions(
        split=split,
        cases=cases,
        y_true=task.labels[cases],
        logits=logits.numpy(),
        output_names=head.output_names(task.class_names),
        y_prob=head.probabilities(logits).numpy(),
    )


def _facts(setup: Setup, state: TrainState, engine: str, times: dict[str, float | str]) -> RunFacts:
    task = setup.task
    return RunFacts(
        arm=task.arm,
        seed=task.seed,
        status="finished" if state.diverged_epoch is None else "diverged",
        n_epochs=len(state.history),
        chosen_epoch=state.best.epoch,
        selection=selection_rule(task.recipe.select),
        diverged_epoch=state.diverged_epoch,
        engine=engine,
        engine_reason=task.engine_reason,
        device=task.device,
        threads=task.threads,
        n_parameters=sum(p.numel() for p in state.network.parameters() if p.requires_grad),
        recipe=task.recipe.to_dict(),
        preprocessing=setup.preprocessing.to_dict(),
        class_names=task.class_names,
        image_shape=setup.image_shape,
        pixel_type=task.images.dtype.name,
        times=times,
    )


@contextmanager
def failures_named(task: RunTask, doing: str) -> Iterator[None]:
    """Turn any exception from outside scantrial into a `TrainingError` that names the run and the cause."""
    try:
        yield
    except ScantrialError:
        raise
    except Exception as error:
        short = memory_ran_out(error)
        raise TrainingError(
            f"{task.title} failed while it {doing}: {short or f'{type(error).__name__}: {error}'}",
            do=ADVICE if short else None,
        ) from error
