"""Audit scans: every check of the table, ranked findings, pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.checks import CHECKS, KNOWN_BEFORE
from scantrial.audit.facts import case_facts
from scantrial.audit.files import file_facts
from scantrial.audit.permutation import piece_numbers
from scantrial.audit.pictures import audit_pictures
from scantrial.audit.pretraining import origin_keys
from scantrial.audit.records import (
    SEVERITIES,
    Audit,
    AuditSettings,
    CheckOutcome,
    CheckResult,
    Found,
    ModelScores,
    ScanCheck,
    ScanFinding,
    Subject,
    WeightsOrigin,
)
from scantrial.core.numbering import numbered
from scantrial.core.progress import Progress, silent
from scantrial.data.masks import masks_among
from scantrial.data.scanset import ScanSet

AUDIT_VERSION = 3
"""Rises whenever the same scans would be found to have other faults."""

KEPT_VERSIONS = (1, 2)
"""Earlier versions whose audits stay in study folders as they are: what a study was told does not change."""


def audit_scans(
    scans: ScanSet,
    *,
    settings: AuditSettings | None = None,
    acknowledged: Mapping[str, str] | None = None,
    scores: ModelScores | None = None,
    pretrained: tuple[WeightsOrigin, ...] = (),
    progress: Progress = silent,
) -> Audit:
    """Run every check on some scans.

    Parameters
    ----------
    scans : with the split that is to be judged; cases outside all splits are skipped, unless no case has a split
    acknowledged : the reasons for accepting a finding, by code
    scores : of a study's own runs, on cases that did not train them
    pretrained : what is known of the weights of files that networks start from (`scantrial.audit.pretraining`)
    progress : called with the scans read and the checks made

    Notes
    -----
    The audit looks at test scans and their labels. It uses them for no choice.
    """
    subject = subject_of(scans, settings or AuditSettings(), scores=scores, progress=progress)
    subject = replace(subject, pretrained=pretrained)
    verdicts = []
    for number, check in enumerate(CHECKS.values(), start=1):
        verdicts.append((check, check.run(subject)))
        progress("auditing scans", number, len(CHECKS))
    reasons = acknowledged or {}
    findings = [
        _finding(subject, check, found, reasons.get(check.code))
        for check, verdict in verdicts
        for found in verdict.found
    ]
    return Audit(
        key=audit_key(scans, subject.settings, has_scores=scores is not None, weights=origin_keys(pretrained)),
        n_cases={part: int((subject.parts == part).sum()) for part in subject.splits or ("",)},
        class_names=scans.class_names,
        results=tuple(_result(check, verdict) for check, verdict in verdicts),
        findings=tuple(ranked(findings)),
        pictures=audit_pictures(subject),
    )


def audited_cases(scans: ScanSet) -> NDArray[np.int64]:
    """Return the case numbers that an audit looks at: those in splits, or all where there are no splits."""
    used = np.flatnonzero(scans.split != "")
    return (used if len(used) else np.arange(len(scans))).astype(np.int64)


def units_of(scans: ScanSet, cases: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the patient of each case as a number; each case its own where patients are not known."""
    known = scans.patients
    return np.arange(len(cases)) if known is None else numbered(known[case] for case in cases)


def subject_of(
    scans: ScanSet, settings: AuditSettings, *, scores: ModelScores | None = None, progress: Progress = silent
) -> Subject:
    """Look at the scans once, for all checks."""
    cases = audited_cases(scans)
    files = file_facts(scans, cases)
    in_colour = files is None or not files.has_stains
    return Subject(
        scans=scans,
        settings=settings,
        cases=cases,
        parts=scans.split[cases],
        labels=scans.labels[cases],
        units=piece_numbers(units_of(scans, cases)),
        facts=case_facts(scans, cases, in_colour=in_colour, progress=progress),
        files=files,
        scores=scores,
    )


def audit_key(
    scans: ScanSet,
    settings: AuditSettings | None = None,
    *,
    has_scores: bool = False,
    weights: Mapping[str, str] = MappingProxyType({}),
    version: int = AUDIT_VERSION,
) -> str:
    """Return a hash of all that an audit depends on: scans, split, patients, settings, version.

    Parameters
    ----------
    weights : of `scantrial.audit.pretraining.origin_keys`
    """
    parts = [
        version,
        scans.fingerprint,
        scans.split.tolist(),
        _patients_of_key(scans),
        [list(pair) for pair in scans.skipped],
        asdict(settings or AuditSettings()),
        has_scores,
        *(dict(scans.origin[key]) for key in ("excluded", "dicom") if key in scans.origin),
        *_masks_of_key(scans),
        *([dict(weights)] if weights else []),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _masks_of_key(scans: ScanSet) -> list[list[int]]:
    """Return which cases look like masks, where the sources, and so the fingerprint, do not say it."""
    masks = None if scans.shown is None else masks_among(scans)
    return [] if masks is None else [list(masks.rows)]


def _patients_of_key(scans: ScanSet) -> list[str] | list[int] | None:
    """Return the patients; of DICOM files in numbers, as their names are other ones for each user."""
    if scans.patients is None or "dicom" not in scans.origin:
        return None if scans.patients is None else list(scans.patients)
    numbers = {patient: number for number, patient in enumerate(dict.fromkeys(scans.patients))}
    return [numbers[patient] for patient in scans.patients]


def ranked(findings: Sequence[ScanFinding]) -> list[ScanFinding]:
    """Order findings: blockers, warnings, notes; acknowledged ones last within each; leaks into test first; by code."""
    return sorted(findings, key=_rank)


def _rank(finding: ScanFinding) -> tuple[int, bool, bool, str]:
    is_leak = finding.code in KNOWN_BEFORE and bool(finding.numbers.get("n_test_cases"))
    return SEVERITIES.index(finding.severity), finding.acknowledged is not None, not is_leak, finding.code


def _result(check: ScanCheck, verdict: CheckOutcome) -> CheckResult:
    return CheckResult(
        code=check.code,
        title=check.title,
        severity=check.severity,
        outcome=verdict.outcome,
        reason=verdict.reason,
        numbers=verdict.numbers,
    )


def _finding(subject: Subject, check: ScanCheck, found: Found, acknowledged: str | None) -> ScanFinding:
    source = [subject.scans.sources[case] for case in subject.cases]
    return ScanFinding(
        code=check.code,
        severity=found.severity or check.severity,
        title=check.title,
        text=found.text,
        action=check.action,
        case_numbers=tuple(sorted(int(subject.cases[row]) for row in found.rows)),
        cases=tuple(source[row] for row in found.rows)
        if found.pairs is None
        else tuple((source[a], source[b]) for a, b in found.pairs),
        numbers=found.numbers,
        acknowledged=acknowledged,
    )
