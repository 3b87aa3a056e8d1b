"""The audit of the scans: findings, what the scans look like, and every check."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from typing import Any

from scantrial.audit.records import Audit, ScanFinding
from scantrial.core import format as fmt
from scantrial.core.text import printable
from scantrial.figures.figure import Figure
from scantrial.findings.view import ReportView
from scantrial.prose import study as study_prose
from scantrial.report.document import Block, CodeBlock, Details, Note, Picture, Section
from scantrial.report.sections.parts import blocks, figure, gallery, left, paragraph, table


def audit(view: ReportView, thumbnails: Mapping[int, bytes], histograms: Figure | None) -> Section:
    """Show what the audit found."""
    said = paragraph("audit-said", study_prose.audited(view))
    found = () if view.audit is None else _audit(view.audit, thumbnails, histograms)
    return Section(id="audit", title="Audit of the scans", short="Audit", blocks=blocks(said, found))


def pictured_cases(audit: Audit | None) -> list[int]:
    """Return the numbers of the cases whose pictures the section shows."""
    pairs = audit.pictures.get("most_alike", ()) if audit is not None else ()
    return [item["case"] for pair in pairs for name in ("second", "like_second") for item in pair[name]]


def _audit(audit: Audit, thumbnails: Mapping[int, bytes], histograms: Figure | None) -> tuple[Block, ...]:
    return blocks(
        [_finding(finding, name) for finding, name in zip(audit.findings, _names(audit), strict=True)],
        _looks(audit.pictures, histograms),
        [_alike(pair, thumbnails) for pair in audit.pictures.get("most_alike", ())],
        [_checks(audit)],
    )


def _names(audit: Audit) -> list[str]:
    """Return an id for each finding: its code, with a number from the second of that code on."""
    seen: Counter[str] = Counter()
    names = []
    for finding in audit.findings:
        code = finding.code.lower()
        seen[code] += 1
        names.append(f"finding-{code}" if seen[code] == 1 else f"finding-{code}-{seen[code]}")
    return names


def _finding(finding: ScanFinding, name: str) -> Note:
    agreed = f"Acknowledged in the study file: {finding.acknowledged}" if finding.acknowledged else ""
    return Note(
        id=name,
        severity=finding.severity,
        title=f"{finding.severity.capitalize()} {finding.code}: {finding.title}",
        blocks=blocks(
            paragraph(f"{name}-text", finding.text),
            paragraph(f"{name}-agreed", agreed),
            paragraph(f"{name}-action", f"What to do: {finding.action}.", "small"),
            _cases(finding, name),
        ),
    )


def _cases(finding: ScanFinding, name: str) -> tuple[Details, ...]:
    if not finding.cases:
        return ()
    kind = "case" if isinstance(finding.cases[0], str) else "pair"
    names = (case if isinstance(case, str) else " = ".join(case) for case in finding.cases)
    lines = "\n".join(map(printable, names))
    summary = f"The {fmt.counted(len(finding.cases), kind)}"
    return (Details(id=f"{name}-cases", summary=summary, blocks=(CodeBlock(id=f"{name}-list", content=lines),)),)


def _looks(pictures: Mapping[str, Any], histograms: Figure | None) -> tuple[Details, ...]:
    if not pictures.get("means"):
        return ()
    means = [
        Picture(
            png=base64.b64decode(mean["png"]),
            alt=f"Mean of {mean['n']} scans: {mean['split']}, {mean['class']}",
            caption=f"{mean['split']} {mean['class']}",
        )
        for mean in pictures["means"]
        if mean["png"] is not None
    ]
    summary = "What the scans look like: the mean of each split and class"
    shown = blocks(gallery("means", means), figure("histograms", histograms))
    return (Details(id="looks", summary=summary, blocks=shown),)


def _alike(pair: Mapping[str, Any], thumbnails: Mapping[int, bytes]) -> Details:
    first, second = pair["splits"]
    name = f"alike-{first}-{second}"
    rows = [
        gallery(
            f"{name}-{of}",
            [_thumbnail(item["case"], of, thumbnails) for item in pair[key] if item["case"] in thumbnails],
        )
        for key, of in (("second", second), ("like_second", first))
    ]
    summary = f"{first.capitalize()} and {second}: the scans that look most like {second} (AUC {pair['auc']:.2f})"
    return Details(
        id=name, summary=summary, blocks=blocks(*rows) or paragraph(f"{name}-none", "No pictures were kept.")
    )


def _thumbnail(case: int, of: str, thumbnails: Mapping[int, bytes]) -> Picture:
    return Picture(png=thumbnails[case], alt=f"Case {case} of {of}", caption=f"{of} {case}")


def _checks(audit: Audit) -> Details:
    rows = [
        [
            result.code,
            result.title,
            f"{result.outcome}: {result.reason}" if result.outcome == "not applicable" else result.outcome,
        ]
        for result in audit.results
    ]
    inside = table("checks-table", "Every check of the audit", left("Code", "Looks for", "Outcome"), rows)
    return Details(id="checks", summary="Every check", blocks=(inside,))
