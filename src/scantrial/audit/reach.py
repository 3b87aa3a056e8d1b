"""How far a leak reaches: whether scans that test are concerned, or only those that train and choose."""

from __future__ import annotations

from scantrial.audit.records import Severity


def touching_test(n_test: int) -> Severity:
    """Return the severity of a leak: a blocker if scans that test are concerned, else a warning."""
    return "blocker" if n_test else "warning"


def clean_test(n_test: int) -> str:
    """Return the sentence that follows where no test scan is concerned, with a blank before it."""
    if n_test:
        return ""
    return " No test scan is concerned: results on validation scans are too good, those on test scans are not."
