"""Random streams keyed by names, so that no draw depends on the draws before it.

A stream is named by the seed and by words: ``stream(seed, "weights", "head.weight")``. Two arms
that ask for the same name get the same numbers, however different the rest of them is: this is
what pairs the replicates of a study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed that depends on `seed` and on every name, the same on any machine."""
    text = "\x1f".join([str(seed), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return a fresh NumPy generator for the stream of that name."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *names)))


def hash_order(keys: Sequence[str], *, seed: int) -> NDArray[np.int64]:
    """Order `keys` by a hash of seed and key: the same on every machine and library version.

    Returns
    -------
    shape (len(keys),)
        Positions of `keys` in their new order. Equal keys keep their given order.
    """
    digests = [hashlib.sha256(f"{seed}\x1f{key}".encode()).digest() for key in keys]
    return np.array(sorted(range(len(keys)), key=lambda i: (digests[i], i)), dtype=np.int64)
