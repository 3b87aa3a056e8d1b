"""`FoldTable`: how each fold of each repeat of a cross-validation uses every case, in two whole numbers a repeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_FOLDS, MAX_REPEATS = 60, 100
"""Of a cross-validation; the folds that a case validates are the bits of one number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldTable:
    """Which fold tests each case, and in which folds it is in the inner validation part; it trains in all others.

    Parameters
    ----------
    n_folds : of each repeat
    test : shape (n_cases, n_repeats): the fold that tests a case
    val : shape (n_cases, n_repeats): bit `k` is set where fold `k` uses a case for validation
    """

    n_folds: int
    test: NDArray[np.int64]
    val: NDArray[np.int64]

    @property
    def n_repeats(self) -> int:
        """Number of cross-validations."""
        return int(self.test.shape[1])

    @property
    def places(self) -> Iterator[tuple[int, int]]:
        """Every (repeat, fold)."""
        return ((repeat, fold) for repeat in range(self.n_repeats) for fold in range(self.n_folds))

    def parts(self, repeat: int, fold: int) -> NDArray[np.str_]:
        """Return what one fold uses each case for: "train", "val" or "test"."""
        split = np.full(len(self.test), "train", dtype="U5")
        split[(self.val[:, repeat] >> fold) & 1 == 1] = "val"
        split[self.test[:, repeat] == fold] = "test"
        return split

    def fault(self) -> str | None:
        """Return what cannot be in such a table; None if nothing."""
        if self.test.size and not 0 <= self.test.min() <= self.test.max() < self.n_folds:
            return f"a fold is not one of 0 to {self.n_folds - 1}"
        if self.val.size and not 0 <= self.val.min() <= self.val.max() < 1 << self.n_folds:
            return f"a case validates a fold that is not one of 0 to {self.n_folds - 1}"
        if ((self.val >> self.test) & 1).any():
            return "a case is tested and used for validation by the same fold"
        return None
