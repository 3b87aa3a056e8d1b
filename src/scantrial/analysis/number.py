"""A number with its standard error, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scantrial.analysis.metrics import Undefined
from scantrial.core.plain import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Plain):
    """A number computed from cases, or the reason why there is none.

    Parameters
    ----------
    value : NaN where it is undefined
    se : standard error; NaN where it is undefined, or where none belongs to this number
    reason : why there is no value, or None
    """

    value: float
    se: float = math.nan
    reason: str | None = None

    @property
    def is_defined(self) -> bool:
        """Whether there is a value."""
        return self.reason is None


def missing(reason: str) -> Number:
    """Return a missing number with its reason."""
    return Number(value=math.nan, reason=reason)


def attempt(compute: Callable[[], Number | float]) -> Number:
    """Compute a number; if that raises `Undefined`, the number is missing for that reason."""
    try:
        found = compute()
    except Undefined as why:
        return missing(str(why))
    return found if isinstance(found, Number) else Number(value=float(found))
