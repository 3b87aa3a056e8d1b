"""What the audit says about how validation and test scans differ."""

from __future__ import annotations

from scantrial.analysis.gaps import TwoSample
from scantrial.findings.reading import StudyData

_PAIR = ("val", "test")


def two_sample(study: StudyData) -> TwoSample | None:
    """Return how well the audit tells validation and test scans apart; None where it did not check."""
    result = None if study.audit is None else study.audit.result("AU010")
    pairs = {} if result is None else result.numbers.get("pairs", {})
    numbers = pairs.get(" and ".join(_PAIR))
    if numbers is None:
        return None
    found = numbers["p"] < numbers["alpha"] and numbers["auc"] >= numbers["min_auc"]
    return TwoSample(auroc=numbers["auc"], p=numbers["p"], is_found=found)
