"""Intervals for a share of cases, and for the difference of two shares of different cases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy

from scantrial.analysis.intervals import wilson_bounds
from scantrial.core.errors import InputError
from scantrial.core.plain import Plain

LEVEL = 0.95
"""Nominal coverage of every interval unless another is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareInterval(Plain):
    """A share, or a difference of two, with its interval.

    Parameters
    ----------
    value, low, high : as proportions; a difference lies in [-1, 1]
    level : nominal coverage
    method : ``wilson`` or ``newcombe``
    """

    value: float
    low: float
    high: float
    level: float
    method: str


def wilson(successes: float, n: float, *, level: float = LEVEL) -> ShareInterval:
    """Compute Wilson's score interval of a proportion.

    Its coverage is near the nominal one for all n, and it never leaves [0, 1]. With z the normal quantile and
    p = successes / n: ``(p + z^2/2n ± z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n)``.

    Parameters
    ----------
    successes, n : counts of independent cases, 0 <= successes <= n, n above 0; fractions where n is an effective size
    level : in (0, 1)

    Raises
    ------
    InputError
        If the counts are not such.

    References
    ----------
    Wilson (1927); Newcombe (1998), Stat Med 17:857, method 3; Brown, Cai and DasGupta (2001), Stat Sci 16:101.

    Examples
    --------
    >>> interval = wilson(372, 400)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.9007, 0.9511)
    """
    if not 0 < n < math.inf or not 0 <= successes <= n:
        raise InputError(f"{successes} of {n} cases", expected="0 <= successes <= n, and n above 0")
    share = successes / n
    low, high = wilson_bounds(share, n, quantile=_quantile(level))
    # At 0 and at n the bound is exactly 0 or 1, which rounding misses.
    return ShareInterval(
        value=share,
        low=0.0 if successes == 0 else low,
        high=1.0 if successes == n else high,
        level=level,
        method="wilson",
    )


def newcombe(first: ShareInterval, second: ShareInterval) -> ShareInterval:
    """Compute Newcombe's interval of first - second, for proportions of different, independent cases.

    With p the shares and l, u their Wilson bounds: ``d - sqrt((p1 - l1)^2 + (u2 - p2)^2)`` to
    ``d + sqrt((u1 - p1)^2 + (p2 - l2)^2)``.

    Parameters
    ----------
    first, second : from `wilson`, at the same level

    Raises
    ------
    InputError
        If the two are not Wilson intervals of one level.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, Stat Med 17:873, method 10.
    """
    if {first.method, second.method} != {"wilson"} or first.level != second.level:
        raise InputError(
            f"intervals by {first.method} at {first.level:g} and by {second.method} at {second.level:g}",
            expected="two Wilson intervals of one level",
        )
    difference = first.value - second.value
    return ShareInterval(
        value=difference,
        low=difference - math.hypot(first.value - first.low, second.high - second.value),
        high=difference + math.hypot(first.high - first.value, second.value - second.low),
        level=first.level,
        method="newcombe",
    )


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"level = {level}", expected="between 0 and 1, such as 0.95")
    return float(scipy.special.ndtri(0.5 + level / 2))
