"""Many comparisons at once: adjusted p by Holm, simultaneous levels by Bonferroni."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p for the number of comparisons (Holm 1979), which holds under any dependence.

    ``p_(1) <= ... <= p_(m)``; adjusted ``p_(k) = max over j <= k of min(1, (m - j + 1) p_(j))``. A p that is NaN counts
    as a comparison that shows nothing: 1.
    """
    given = np.nan_to_num(np.asarray(p_values, dtype=np.float64), nan=1.0)
    order = np.argsort(given, kind="stable")
    stepped = np.minimum(1.0, given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty(len(given))
    adjusted[order] = np.maximum.accumulate(stepped)
    return tuple(adjusted.tolist())


def simultaneous_level(level: float, n_comparisons: int) -> float:
    """Return the level of each interval so that all `n_comparisons` cover together with `level` (Bonferroni)."""
    return 1 - (1 - level) / max(n_comparisons, 1)
