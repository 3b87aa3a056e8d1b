"""Which cases of a study appear in two splits: by their patient, or by what the audit found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.checks import KNOWN_BEFORE, LEAKING
from scantrial.audit.pretraining import CODE as WEIGHTS_CODE
from scantrial.audit.records import Audit
from scantrial.core.records import Split
from scantrial.findings.reading import StudyData
from scantrial.recipe.networks import ModelSpec


def shared_cases(study: StudyData, split: Split, other: Split) -> NDArray[np.int64]:
    """Return the cases of `split` whose patient has cases in `other`, or whose image the audit found there."""
    rows = study.cases.select(["case", "split", "patient"]).to_pylist()
    patients = {row["patient"] for row in rows if row["split"] == other and row["patient"] is not None}
    by_patient = {row["case"] for row in rows if row["split"] == split and row["patient"] in patients}
    return np.array(sorted(by_patient | _twins(study, split, other)), dtype=np.int64)


def _twins(study: StudyData, split: Split, other: Split) -> set[int]:
    """Return the cases of `split` that are found equal, or nearly so, to one of `other`."""
    part = dict(zip(study.cases["case"].to_pylist(), study.cases["split"].to_pylist(), strict=True))
    number = dict(zip(study.cases["source"].to_pylist(), study.cases["case"].to_pylist(), strict=True))
    pairs = [
        (number.get(pair[0]), number.get(pair[1]))
        for finding in (study.audit.findings if study.audit else ())
        if finding.code in LEAKING
        for pair in finding.cases
        if isinstance(pair, tuple)
    ]
    both = [*pairs, *((second, first) for first, second in pairs)]
    return {a for a, b in both if a is not None and b is not None and part[a] == split and part[b] == other}


def concerned_cases(study: StudyData, split: Split) -> NDArray[np.int64]:
    """Return the cases of a split that the audit found in another split, or known to weights; acknowledged or not."""
    if study.audit is None:
        return np.zeros(0, dtype=np.int64)
    part = dict(zip(study.cases["case"].to_pylist(), study.cases["split"].to_pylist(), strict=True))
    found = {n for finding in study.audit.findings if finding.code in KNOWN_BEFORE for n in finding.case_numbers}
    return np.array(sorted(n for n in found if part.get(n) == split), dtype=np.int64)


def seen_by_weights(audit: Audit | None, model: ModelSpec) -> NDArray[np.int64] | None:
    """Return the validation and test cases that the weights which a network starts from have learnt from.

    None where nobody knows: the weights are of a file, and what that was trained on is not recorded.
    """
    if model.weights_file is None:
        return np.zeros(0, dtype=np.int64)
    result = None if audit is None else audit.result(WEIGHTS_CODE)
    if audit is None or result is None or model.weights_sha256 not in result.numbers.get("keys", {}):
        return None
    of_file = [
        finding.case_numbers
        for finding in audit.findings
        if finding.code == WEIGHTS_CODE and finding.numbers.get("weights_sha256") == model.weights_sha256
    ]
    if model.weights_sha256 in result.numbers.get("unknown", ()):
        return None
    return np.array(sorted(number for numbers in of_file for number in numbers), dtype=np.int64)
