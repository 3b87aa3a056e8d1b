"""Test-time augmentation: the logits of a scan are the mean over several views of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from scantrial.recipe.augment import AugmentSpec
from scantrial.recipe.spec import Recipe
from scantrial.train.augment import augmented
from scantrial.train.draws import OF_VIEWS, DrawTables
from scantrial.train.scans import DeviceScans


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """The views that a recipe evaluates of each scan: the scan itself, and the same changes of every scan.

    Parameters
    ----------
    spec : what changes a view
    n : views, the scan itself among them; at least 2
    """

    spec: AugmentSpec
    n: int

    def mean(self, logits: Tensor, forward: Callable[[Tensor], Tensor], scans: DeviceScans, rows: slice) -> Tensor:
        """Return the logits of some rows averaged over the views.

        Parameters
        ----------
        logits : of the scans themselves, shape (n, n_outputs), float32
        forward : from inputs to logits; only this may compute in less than float32
        """
        shares = scans.shares(rows)
        total = logits.clone()
        for number in range(1, self.n):
            total += forward(scans.inputs_of(self.view(shares, number)))
        return total / self.n

    def view(self, shares: Tensor, number: int) -> Tensor:
        """Return one view of some scans, as shares of the range; it depends on `number` and on the spec alone."""
        drawn = DrawTables(seed=0, n_cases=self.n).of(OF_VIEWS, np.full(len(shares), number))
        return augmented(shares, self.spec, drawn)


def views_of(recipe: Recipe) -> Views | None:
    """Return the views of a recipe, or None where each scan is evaluated as it is."""
    if recipe.augment is None or recipe.test_time_views == 1:
        return None
    return Views(spec=recipe.augment.of_views, n=recipe.test_time_views)
