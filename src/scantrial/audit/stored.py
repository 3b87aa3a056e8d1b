"""The audit of a study, kept in its folder and read back; cheap to import for reading only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.audit import KEPT_VERSIONS, audit_key, audit_scans, ranked
from scantrial.audit.checks import KNOWN_BEFORE
from scantrial.audit.pretraining import CODE, origin_keys, origins_of
from scantrial.audit.records import Audit, ModelScores, ScanFinding
from scantrial.core.progress import Progress, silent
from scantrial.core.records import Split
from scantrial.data.places import common_folder, without_folder
from scantrial.store.folder import StudyFolder

if TYPE_CHECKING:
    from scantrial.data.scanset import ScanSet


def keep_audit(
    folder: StudyFolder,
    scans: ScanSet,
    *,
    weights: Mapping[str, Path] = MappingProxyType({}),
    progress: Progress = silent,
) -> Audit:
    """Audit a study's scans into its folder, unless the folder holds the audit of these very scans; return it.

    An audit by an earlier version stays as it is.

    Call it with the folder's lock held and its plan written.

    Parameters
    ----------
    weights : the files of weights that networks start from, by their SHA-256
    """
    stored = folder.audit() if folder.has_audit() else None
    origins = origins_of(weights)
    # What was known of weights stays known when the folder that they are from is gone.
    known = {sha256: key for sha256, key in _stored_keys(stored).items() if sha256 in weights} | origin_keys(origins)
    # Earlier versions did not look at weights.
    keys = [audit_key(scans, weights=known), *(audit_key(scans, version=version) for version in KEPT_VERSIONS)]
    if stored is None or stored["key"] not in keys:
        found = audit_scans(scans, pretrained=origins, progress=progress).to_dict()
        folder.write_audit(without_folder(found, common_folder(scans.sources)))
    kept = read_audit(folder)
    assert kept is not None
    return kept


def _stored_keys(stored: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return what a stored audit knew of the weights' origins."""
    checks = [] if stored is None else stored["checks"]
    found: Any = next((check["numbers"].get("keys") for check in checks if check["code"] == CODE), None)
    return found if isinstance(found, Mapping) else {}


def read_audit(folder: StudyFolder) -> Audit | None:
    """Return the audit in a study folder, with what the study file acknowledges; None where there is none."""
    if not folder.has_audit():
        return None
    audit = Audit.from_dict(folder.audit())
    reasons = {item.finding: item.reason for item in folder.plan().acknowledge}
    findings = [replace(finding, acknowledged=reasons.get(finding.code)) for finding in audit.findings]
    return replace(audit, findings=tuple(ranked(findings)))


def blockers(folder: StudyFolder) -> tuple[ScanFinding, ...]:
    """Return the blockers that the study file does not acknowledge: while there are any, no arm is called better."""
    audit = read_audit(folder)
    return () if audit is None else audit.open_blockers


def cases_concerned(
    folder: StudyFolder, *, codes: Collection[str] = KNOWN_BEFORE, split: Split = "test"
) -> NDArray[np.int64]:
    """Return the cases of a split that some findings concern, rising: leave them out, and see how the metric changes.

    Parameters
    ----------
    codes : of the findings, acknowledged or not; default: those that find a case which may be known from training
    """
    audit = read_audit(folder)
    numbers = {
        n for finding in (audit.findings if audit else ()) if finding.code in codes for n in finding.case_numbers
    }
    table = folder.cases(["case", "split"])
    inside = zip(table["case"].to_pylist(), table["split"].to_pylist(), strict=True)
    return np.array(sorted(case for case, part in inside if part == split and case in numbers), dtype=np.int64)


def stored_scores(folder: StudyFolder, cases: NDArray[np.int64]) -> ModelScores | None:
    """Return the probabilities of a study's finished runs on validation and test, averaged; the reading is logged.

    In a cross-validation those of the runs that tested a case, and had not seen it.
    """
    if folder.plan().folds:
        return _out_of_fold(folder, cases)
    parts = folder.open_predictions(folder.run_keys(), ("val", "test"), by="audit", purpose="labels and score drift")
    runs = [np.concatenate([part.y_prob for part in of_run]) for of_run in parts.values() if of_run]
    if not runs:
        return None
    numbers = np.concatenate([part.cases for part in next(of_run for of_run in parts.values() if of_run)])
    rows = np.searchsorted(cases, numbers)
    order = np.argsort(rows)
    return ModelScores(rows=rows[order], y_prob=np.mean(runs, axis=0)[order], n_runs=len(runs))


def _out_of_fold(folder: StudyFolder, cases: NDArray[np.int64]) -> ModelScores | None:
    parts = folder.open_predictions(folder.run_keys(), ("test",), by="audit", purpose="labels and score drift")
    tested = [part for of_run in parts.values() for part in of_run]
    if not tested:
        return None
    total, times = np.zeros((len(cases), tested[0].y_prob.shape[1])), np.zeros((len(cases), 1))
    for part in tested:
        rows = np.searchsorted(cases, part.cases)
        total[rows] += part.y_prob
        times[rows] += 1
    there = np.flatnonzero(times[:, 0])
    return ModelScores(rows=there, y_prob=total[there] / times[there], n_runs=len(tested))
