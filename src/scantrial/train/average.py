"""An exponential moving average of the weights.

It is that of `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn` and ``use_buffers=True``: it starts with
the weights after the first move, and the decay is constant, without a warm-up, which is timm's default as well. Buffers
of floats, such as the running means of batch normalisation, are averaged like weights, because they have to fit the
averaged ones. Counters are copied.
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
    floats = [name for name, tensor in now.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([state.average[name] for name in floats], [now[name] for name in floats], 1 - decay)
    for name in now.keys() - set(floats):
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
