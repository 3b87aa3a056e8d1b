"""The reference engine: plain PyTorch, written for readers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scantrial.core.records import RunResult
from scantrial.recipe.task import RunTask, Tell
from scantrial.train.average import follow
from scantrial.train.ensemble import carry_out_run
from scantrial.train.optimizers import set_rate
from scantrial.train.precision import in_precision
from scantrial.train.run import TrainedEpoch, grad_norm
from scantrial.train.state import Setup, TrainState
from scantrial.train.steps import TrainingStep


def train_run(task: RunTask, tell: Tell) -> RunResult:
    """Train one arm at one seed, and evaluate the chosen epoch.

    Parameters
    ----------
    task : the recipe, the scans and the device
    tell : called at the end of each epoch, once its checkpoint (if one is due) is written; an exception from it ends
        the run, which can then be resumed

    Raises
    ------
    InputError
        If the task cannot be trained; nothing was started.
    TrainingError
        If training failed; with the cause. A loss that is not finite is not a failure: the run ends there with status
        ``diverged``.
    StoreError
        If a checkpoint cannot be written.

    Notes
    -----
    Threads, flush-to-zero and the allocator are set for the whole process. PyTorch's generators are restored
    afterwards. An existing checkpoint is resumed, with bit-identical results; the caller removes it.
    """
    return carry_out_run(task, tell, engine="reference", train_epoch=train_epoch)


def train_epoch(setup: Setup, state: TrainState, steps: Sequence[TrainingStep]) -> TrainedEpoch:
    """Take the steps of one epoch, one after the other."""
    recipe = setup.task.recipe
    seen = torch.empty(n_cases(steps), setup.head.n_outputs, device=setup.task.device)
    norms: list[Tensor] = []
    state.network.train()
    moves = [steps[start : start + recipe.accumulate] for start in range(0, len(steps), recipe.accumulate)]
    for part, move in zip(torch.split(seen, [n_cases(move) for move in moves]), moves, strict=True):
        part.copy_(train_step(setup, state, *move, norms=norms))
        follow(state, recipe.ema)
    return TrainedEpoch(
        logits=seen.float().cpu(),
        lr=steps[-1].lr,
        grad_norm=float(torch.stack(norms).cpu().double().mean()) if norms else None,
        last_grad_norm=grad_norm(state.network),
    )


def train_step(setup: Setup, state: TrainState, *steps: TrainingStep, norms: list[Tensor]) -> Tensor:
    """Move the weights once, by the mean gradient of the steps' cases; return their logits from before the move.

    If the gradient is clipped, its norm before clipping is added to `norms`.
    """
    set_rate(state.optimizer, steps[0].lr)
    state.optimizer.zero_grad(set_to_none=True)
    shares = shares_of(setup, steps)
    logits = [add_gradient(setup, state, step, share=share) for step, share in zip(steps, shares, strict=True)]
    largest = setup.task.recipe.clip_grad_norm
    if largest is not None:
        norms.append(nn.utils.clip_grad_norm_(state.network.parameters(), largest))
    state.optimizer.step()
    return torch.cat(logits)


def add_gradient(setup: Setup, state: TrainState, step: TrainingStep, *, share: float) -> Tensor:
    """Add the gradient of a share of one batch's loss to the parameters'; return the batch's logits."""
    batch = setup.batches.of(step)
    with in_precision(setup.task.recipe.precision, device=setup.task.device):
        logits: Tensor = state.network(batch.inputs).float()
    loss = batch.loss(setup.head, logits)
    torch.autograd.backward(loss if share == 1 else share * loss)
    return logits.detach()


def shares_of(setup: Setup, steps: Sequence[TrainingStep]) -> list[float]:
    """Return the share of each batch in the joint loss: of its cases, or of their class weights, mixed as they are."""
    if len(steps) == 1:
        return [1.0]
    weights = [setup.head.total_weight(setup.y_train[step.rows.cpu()], setup.batches.mixed([step])) for step in steps]
    return [weight / sum(weights) for weight in weights]


def n_cases(steps: Sequence[TrainingStep]) -> int:
    """Return the number of cases of some steps."""
    return sum(len(step.rows) for step in steps)
