"""An exponential moving average of the weights.

It is that of `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn`: it starts with the weights after the
first move, and the decay is constant, without a warm-up, which is timm's default as well. Buffers, such as the running
means of batch normalisation, are copied: they are moving averages already, and averaged once more they lag so far in a
short training that a network which ranks cases well decides them all alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scantrial.train.selection import copy_tensors, tensors_of
from scantrial.train.state import TrainState


@torch.no_grad()
def follow(state: TrainState, decay: float | None) -> None:
    """Move the average towards the weights, once after each of their moves; nothing without a decay."""
    if decay is None:
        return
    now = tensors_of(state.network)
    if not state.average:
        state.average = {name: tensor.clone() for name, tensor in now.items()}
        return
    weights = [name for name, _ in state.network.named_parameters(remove_duplicate=False)]
    torch._foreach_lerp_([state.average[name] for name in weights], [now[name] for name in weights], 1 - decay)
    for name in now.keys() - set(weights):
        state.average[name].copy_(now[name])


@contextmanager
def judged_weights(state: TrainState) -> Iterator[None]:
    """Hold the average in the network while the block lasts; without an average the weights stay as they are."""
    if not state.average:
        yield
        return
    own = tensors_of(state.network)
    trained = {name: tensor.clone() for name, tensor in own.items()}
    copy_tensors(state.average, own)
    try:
        yield
    finally:
        copy_tensors(trained, own)
