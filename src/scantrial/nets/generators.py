"""PyTorch's process-wide generators, borrowed and restored.

Dropout and the layers' own initialisation use only them. A run seeds them, may save and restore their state, and
restores them at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

GeneratorStates = dict[str, Tensor]
"""State of each generator that a run can use, by device type."""


def generator_states(device: str) -> GeneratorStates:
    """Return the states of the CPU's generator and of the device's own."""
    states = {"cpu": torch.default_generator.get_state()}
    kind = torch.device(device).type
    if kind == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif kind == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore_generators(states: Mapping[str, Tensor], device: str) -> None:
    """Put the generators back into `states`."""
    torch.default_generator.set_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if "mps" in states:
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def borrowed_generators(seed: int, *, device: str = "cpu") -> Iterator[None]:
    """Seed the generators of the CPU and of `device` for this block; afterwards they are restored."""
    before = generator_states(device)
    try:
        torch.default_generator.manual_seed(seed)
        kind = torch.device(device).type
        if kind == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif kind == "mps":
            torch.mps.manual_seed(seed)
        yield
    finally:
        restore_generators(before, device)
