"""When a run ends before its last epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scantrial.recipe.training import EarlyStoppingSpec


def is_patience_over(scores: Sequence[float], spec: EarlyStoppingSpec | None) -> bool:
    """Return whether the last `patience` epochs brought no better score; never without a spec.

    Parameters
    ----------
    scores : of each epoch so far, the larger the better
    """
    if spec is None:
        return False
    best, since = -math.inf, 0
    for score in scores:
        is_better = score > best + spec.min_delta
        best, since = (score, 0) if is_better else (best, since + 1)
    return since >= spec.patience
