"""Numbers for names that data give, such as those of patients.

A NumPy array of texts gives each of them the width of the longest, so that one long name in a small file can fill the
memory. Names are therefore numbered, and arrays hold the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

MAX_TEXT = 4096
"""Characters that a name of a case, patient, class, arm or file may have: as many as a path on Linux."""


def numbered(names: Iterable[str]) -> NDArray[np.int64]:
    """Return the place of each name among the distinct ones, which are sorted, shape (n,)."""
    names = list(names)
    places = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.fromiter((places[name] for name in names), dtype=np.int64, count=len(names))
