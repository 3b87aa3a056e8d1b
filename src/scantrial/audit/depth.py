"""Scans of 16 bits that use a small part of their range, and sets that mix 8 and 16 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scantrial.audit.records import CheckOutcome, Found, Severity, Subject, clear, not_applicable, verdict_of
from scantrial.core.format import counted

MOST_BITS = 14
"""Scans of 16 bits whose values need no more bits than these use a quarter of their range or less."""

FOLD = 2.0
"""Scans of 8 and of 16 bits differ in brightness if one kind reaches values so many times those of the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depths:
    """The rows of a set of 16 bits by the depth of their files.

    Parameters
    ----------
    eight, sixteen : positions
    top_of_eight, top_of_sixteen : median over the scans of the largest pixel; 0 where there are none
    """

    eight: tuple[int, ...]
    sixteen: tuple[int, ...]
    top_of_eight: float
    top_of_sixteen: float

    @property
    def ratio(self) -> float:
        """How many times brighter one kind is than the other, at least 1."""
        low, high = sorted((self.top_of_eight, self.top_of_sixteen))
        return high / max(1.0, low)


def depths_of(subject: Subject) -> Depths:
    """Tell the scans whose files had 8 bits, all of whose values are multiples of 257, from the others.

    A scan of a single gray value is of neither kind: nothing tells its depth.
    """
    facts = subject.facts
    has_contrast = facts.statistics[:, 1] > 0
    eight = np.flatnonzero(has_contrast & facts.is_widened)
    sixteen = np.flatnonzero(has_contrast & ~facts.is_widened)
    tops = [float(np.median(facts.peaks[rows])) if len(rows) else 0.0 for rows in (eight, sixteen)]
    return Depths(
        eight=tuple(eight.tolist()), sixteen=tuple(sixteen.tolist()), top_of_eight=tops[0], top_of_sixteen=tops[1]
    )


def check_unused_bits(subject: Subject) -> CheckOutcome:
    """Find scans of 16 bits that use a small part of them."""
    if subject.scans.images.dtype == np.uint8:
        return not_applicable("the scans have 8 bits")
    if subject.facts.is_widened.any():
        return clear("there are scans of 8 bits among them: see AU045")
    peak = int(subject.facts.peaks.max())
    n_bits = peak.bit_length()
    share, top = peak / 65535, 2**n_bits - 1
    text = (
        f"No pixel of the 16-bit scans, as they are read here, is above {peak:,}: they hold {n_bits} bits. Divided by "
        f"65,535, as it is with `normalize: none`, a network sees 0 to {share:.2g}. Write `normalize: dataset`, or "
        f"`range: [0, {top}]` under data.image."
    )
    numbers: dict[str, Any] = {"peak": peak, "n_bits": n_bits, "most_bits": MOST_BITS}
    return verdict_of([Found(text=text, numbers=numbers)] if 0 < n_bits <= MOST_BITS else [], **numbers)


def check_mixed_depth(subject: Subject) -> CheckOutcome:
    """Find sets in which some files had 8 bits and others 16."""
    if subject.scans.images.dtype == np.uint8:
        return not_applicable("the scans have 8 bits")
    found = depths_of(subject)
    n_eight, n_sixteen = len(found.eight), len(found.sixteen)
    numbers: dict[str, Any] = {
        "n_8_bits": n_eight,
        "n_16_bits": n_sixteen,
        "top_of_8_bits": found.top_of_eight,
        "top_of_16_bits": found.top_of_sixteen,
        "ratio": found.ratio,
        "fold": FOLD,
    }
    if not (n_eight and n_sixteen):
        return clear(**numbers)
    brighter = "the former are" if found.top_of_eight > found.top_of_sixteen else "the latter are"
    differ = f"{brighter} {found.ratio:.2g} times as bright" if found.ratio >= FOLD else "they are about equally bright"
    text = (
        f"8-bit and 16-bit files are mixed: {counted(n_eight, 'scan')} of 8 bits and {n_sixteen:,} of 16. White of 8 "
        f"bits becomes 65,535; the 16-bit scans reach {found.top_of_sixteen:,.0f} (median), so {differ}."
    )
    severity: Severity = "warning" if found.ratio >= FOLD else "note"
    return verdict_of([Found(text=text, rows=found.eight, numbers=numbers, severity=severity)], **numbers)
