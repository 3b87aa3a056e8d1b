"""Whether a study folder is what was written, in words."""

from __future__ import annotations

from collections.abc import Sequence

from scantrial.core.format import counted
from scantrial.store.verify import Mismatch

N_MISMATCHES = 10
"""Mismatches of the study folder that a warning lists."""


def folder_warnings(mismatches: Sequence[Mismatch]) -> list[str]:
    """Say which files and lines of the study folder are not what was written; empty where all are."""
    n = len(mismatches)
    if not n:
        return []
    first = "; ".join(item.sentence for item in mismatches[:N_MISMATCHES])
    more = f"; and {n - N_MISMATCHES} more" if n > N_MISMATCHES else ""
    return [
        f"The study folder is not as it was written ({counted(n, 'mismatch', 'mismatches')}): {first}{more}. So it is "
        "not known whether metric, margin and hypotheses were declared before the runs. `scantrial verify` checks "
        "every file."
    ]
