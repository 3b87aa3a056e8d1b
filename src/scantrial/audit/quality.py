"""Scans that could not be read, or that show almost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.records import CheckOutcome, Found, Subject, not_applicable, verdict_of
from scantrial.core.format import counted, percent

FLAT = 0.01
"""An image whose standard deviation is below this share of the brightest value is nearly constant."""

MAX_AT_TOP, MAX_AT_FLOOR = 0.5, 0.98
"""An image is saturated where more than this share of it is at the largest value, or at 0."""

SIZE_RATIO = 3.0
"""A side that is this many times longer or shorter than the median side is outlying."""


def check_unreadable(subject: Subject) -> CheckOutcome:
    """Find files that were left out because they could not be read."""
    skipped = subject.scans.skipped
    text = f"{counted(len(skipped), 'file')} could not be read and {'is' if len(skipped) == 1 else 'are'} left out."
    numbers: dict[str, Any] = {
        "n_files": len(skipped),
        "files": [{"path": path, "reason": reason} for path, reason in skipped],
    }
    return verdict_of([Found(text=text, numbers=numbers)] if skipped else [], **numbers)


def check_constant(subject: Subject) -> CheckOutcome:
    """Find images without contrast."""
    deviation = subject.facts.statistics[:, 1] / subject.facts.own_tops
    rows = np.flatnonzero(deviation < FLAT)
    n_constant = int((deviation[rows] < 1e-9).sum())
    text = (
        f"Images that show almost nothing: {len(rows):,}; {n_constant:,} {'has' if n_constant == 1 else 'have'} a "
        f"single gray value, the others a standard deviation below {percent(FLAT)} of the range."
    )
    return _rows_verdict(rows, text, n_constant=n_constant, flat=FLAT)


def check_saturated(subject: Subject) -> CheckOutcome:
    """Find images that are almost entirely white or black."""
    flat = subject.facts.statistics[:, 1] < FLAT
    white, black = subject.facts.at_top > MAX_AT_TOP, subject.facts.at_floor > MAX_AT_FLOOR
    rows = np.flatnonzero((white | black) & ~flat)
    text = (
        f"Saturated images: {len(rows):,}; {int(white[rows].sum()):,} with more than {percent(MAX_AT_TOP)} at "
        f"the largest value, {int(black[rows].sum()):,} with more than {percent(MAX_AT_FLOOR)} at 0."
    )
    return _rows_verdict(rows, text, max_at_top=MAX_AT_TOP, max_at_floor=MAX_AT_FLOOR)


def check_size(subject: Subject) -> CheckOutcome:
    """Find files of an outlying size in pixels, before any resizing."""
    if subject.files is None:
        return not_applicable("the scans are not separate image files")
    sides = np.stack([subject.files.width, subject.files.height], axis=1).astype(np.float64)
    usual = np.median(sides, axis=0)
    ratio = np.maximum(sides / usual, usual / np.maximum(sides, 1)).max(axis=1)
    rows = np.flatnonzero(ratio >= SIZE_RATIO)
    text = (
        f"Files of an unusual size: {len(rows):,}; a side is at least {SIZE_RATIO:g} times longer or shorter than the "
        f"median ({usual[0]:.0f} x {usual[1]:.0f} pixels)."
    )
    return _rows_verdict(rows, text, median=usual.tolist(), size_ratio=SIZE_RATIO)


def _rows_verdict(rows: NDArray[np.int64], text: str, **numbers: Any) -> CheckOutcome:
    measured: dict[str, Any] = {"n": len(rows), **numbers}
    return verdict_of([Found(text=text, rows=rows.tolist(), numbers=measured)] if len(rows) else [], **measured)
