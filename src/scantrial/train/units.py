"""Which hidden units still distinguish cases, measured while a network is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from scantrial.recipe.activations import ACTIVATIONS

MAP_CASES = 64
"""Channels are watched on the first cases only: each has many pixels, and all maps would add 5 % to an epoch."""


class UnitWatch:
    """The smallest and largest output of every hidden unit so far.

    A unit is one output of an activation, or one channel where there are channels (dimension 1).
    """

    def __init__(self) -> None:
        self._extremes: dict[int, tuple[Tensor, Tensor]] = {}
        self._call = self._n_cases = self._n_before = 0

    def begin_batch(self, _network: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note that the network begins a new batch; activations are identified by their order in it."""
        self._call, self._n_before = 0, self._n_cases
        self._n_cases += len(inputs[0])

    def see(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        """Note the output of an activation."""
        if output.ndim > 2:
            output = output[: max(0, MAP_CASES - self._n_before)].flatten(2)
        if output.ndim >= 2 and len(output):
            low, high = output.aminmax(dim=2) if output.ndim > 2 else (output, output)
            low, high = low.amin(dim=0), high.amax(dim=0)
            before = self._extremes.get(self._call)
            if before is not None:
                low, high = low.minimum(before[0]), high.maximum(before[1])
            self._extremes[self._call] = (low, high)
        self._call += 1

    def dead_share(self) -> float | None:
        """Return the share of the units whose output was always the same; None if no unit was seen."""
        n_units = sum(len(low) for low, _ in self._extremes.values())
        n_dead = sum(int((low == high).sum()) for low, high in self._extremes.values())
        return n_dead / n_units if n_units else None


@contextmanager
def watched_units(network: nn.Module) -> Iterator[UnitWatch]:
    """Watch the activations of a network, those that are modules of `torch.nn`, for as long as the block lasts."""
    watch = UnitWatch()
    hooks = [network.register_forward_pre_hook(watch.begin_batch)]
    hooks += [
        module.register_forward_hook(watch.see) for module in network.modules() if type(module).__name__ in ACTIVATIONS
    ]
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()
