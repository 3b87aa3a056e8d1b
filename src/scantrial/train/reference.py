"""The reference engine: plain PyTorch, written for readers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scantrial.core.records import RunResult
from scantrial.recipe.task import RunTask, Tell
from scantrial.train.ensemble import carry_out_run
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
    seen = torch.empty(len(setup.train), setup.head.n_outputs, device=setup.task.device)
    norms: list[Tensor] = []
    state.network.train()
    for step, part in zip(steps, torch.split(seen, [len(step.rows) for step in steps]), strict=True):
        part.copy_(train_step(setup, state, step, norms=norms))
    return TrainedEpoch(
        logits=seen.float().cpu(),
        lr=steps[-1].lr,
        grad_norm=float(torch.stack(norms).cpu().double().mean()) if norms else None,
        last_grad_norm=grad_norm(state.network),
    )


def train_step(setup: Setup, state: TrainState, step: TrainingStep, *, norms: list[Tensor]) -> Tensor:
    """Move the weights once; return the batch's logits from before the move.

    If the gradient is clipped, its norm before clipping is added to `norms`.
    """
    for group in state.optimizer.param_groups:
        group["lr"] = step.lr
    state.optimizer.zero_grad(set_to_none=True)
    batch = setup.batches.of(step)
    logits: Tensor = state.network(batch.inputs)
    loss = batch.loss(setup.head, logits)
    torch.autograd.backward(loss)
    largest = setup.task.recipe.clip_grad_norm
    if largest is not None:
        norms.append(nn.utils.clip_grad_norm_(state.network.parameters(), largest))
    state.optimizer.step()
    return logits.detach()
