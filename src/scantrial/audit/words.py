"""Small words for sentences with numbers."""

from __future__ import annotations


def counted(n: int, what: str) -> str:
    """Return ``1 scan`` or ``1,234 scans``."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def percent(share: float, digits: int = 1) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.{digits}f} %"


def p_value(p: float) -> str:
    """Return a p-value with its sign."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
