"""What a part of the siege found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Row:
    """One kind of thing that was tried.

    Parameters
    ----------
    part, kind : the part of the siege, and what was tried
    n : how often
    told : how often the answer was an error in words; the others went well
    faults : what should not have happened, a line for each
    slowest_s : seconds that the slowest took, where that is measured
    """

    part: str
    kind: str
    n: int = 0
    told: int = 0
    faults: list[str] = field(default_factory=list)
    slowest_s: float | None = None
