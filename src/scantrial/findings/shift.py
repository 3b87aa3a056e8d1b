"""What the audit says about how validation and test scans differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantrial.analysis.gaps import TwoSample
from scantrial.findings.reading import StudyData

_PAIR = ("val", "test")

_SHARES = ("p", "alpha", "auc", "min_auc")
"""Numbers from 0 to 1 of the check of a pair of splits."""


def two_sample(study: StudyData) -> TwoSample | None:
    """Return how well the audit tells validation and test scans apart; None where it did not check, or does not say."""
    result = None if study.audit is None else study.audit.result("AU010")
    numbers = _inside(_inside(result and result.numbers, "pairs"), " and ".join(_PAIR))
    if not all(_is_share(_inside(numbers, key)) for key in _SHARES):
        return None
    found = numbers["p"] < numbers["alpha"] and numbers["auc"] >= numbers["min_auc"]
    return TwoSample(auroc=numbers["auc"], p=numbers["p"], is_found=found)


def _inside(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, Mapping) else None


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1
