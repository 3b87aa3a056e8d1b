"""Which cases make up which step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scantrial.core.rng import stream


def epoch_order(seed: int, epoch: int, n_cases: int) -> NDArray[np.int64]:
    """Return the order of the training cases in one epoch: the same for every arm at the same seed.

    Parameters
    ----------
    seed : of the replicate
    epoch : counts from 1 through all rounds
    n_cases : training cases; the order holds 0 to n_cases - 1
    """
    return stream(seed, "order", epoch).permutation(n_cases).astype(np.int64)


def batch_bounds(n_cases: int, batch_size: int) -> tuple[tuple[int, int], ...]:
    """Return (start, stop) of each batch of an epoch.

    The last batch holds what is left; if that is a single case, it joins the batch before it, since the deviation
    within a batch of one, which batch normalisation divides by, does not exist.

    >>> batch_bounds(65, 32)
    ((0, 32), (32, 65))
    """
    starts = list(range(0, n_cases, batch_size))
    if len(starts) > 1 and batch_size > 1 and n_cases - starts[-1] == 1:
        starts.pop()
    return tuple(zip(starts, [*starts[1:], n_cases], strict=True))
