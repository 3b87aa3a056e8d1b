"""Proportions, as far as the audit needs them."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

Z = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""


def wilson(k: int, n: int, z: float = Z) -> tuple[float, float]:
    """Return Wilson's interval for k of n; the whole range where n is 0.

    References
    ----------
    Wilson (1927), J Am Stat Assoc 22, 209.
    """
    if n == 0:
        return 0.0, 1.0
    share, spread = k / n, z * z / n
    middle = share + spread / 2
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def newcombe(k1: int, n1: int, k2: int, n2: int) -> tuple[float, float]:
    """Return the 95 % interval for the difference of two independent proportions, k1 of n1 minus k2 of n2.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, Stat Med 17, method 10.
    """
    (low1, high1), (low2, high2) = wilson(k1, n1), wilson(k2, n2)
    p1, p2 = k1 / max(n1, 1), k2 / max(n2, 1)
    low = p1 - p2 - sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    high = p1 - p2 + sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    return low, high


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down procedure, in the given order.

    References
    ----------
    Holm (1979), Scand J Stat 6, 65.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
