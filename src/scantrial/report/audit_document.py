"""The audit of scans as a document: ranked findings with every case, pictures, and what to do."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import scantrial
from scantrial.audit.records import SEVERITIES, Audit, ScanFinding
from scantrial.core.format import count, counted, joined
from scantrial.core.positive import health_warning, positive_class
from scantrial.core.text import printable
from scantrial.data.scanset import ScanSet
from scantrial.data.thumbnails import thumbnail_png
from scantrial.figures.audit import histogram_figure
from scantrial.report.document import (
    Block,
    Cell,
    Code,
    Column,
    Details,
    Document,
    FigureBlock,
    Gallery,
    Note,
    Paragraph,
    Picture,
    Section,
    Table,
    text,
)
from scantrial.report.html import render_html
from scantrial.report.sections.parts import gallery

MAX_PAIRS = 12
"""Pairs of one finding that are shown as pictures; all of them are listed."""


def shown_scans(audit: Audit) -> list[str]:
    """Return where the scans come from that the document shows as pictures, each once."""
    pairs = [pair for finding in audit.findings for pair in _pairs(finding)[:MAX_PAIRS]]
    alike = [item["path"] for two in audit.pictures["most_alike"] for name in _ALIKE for item in two[name]]
    return list(dict.fromkeys([*(path for pair in pairs for path in pair), *alike]))


def scan_pictures(scans: ScanSet, paths: Sequence[str]) -> dict[str, bytes]:
    """Return small pictures of some scans as PNG, by where they come from; DICOM files may show names, so none."""
    if "dicom" in scans.origin:
        return {}
    number = {path: case for case, path in enumerate(scans.sources)}
    return {path: thumbnail_png(scans.images[number[path]].squeeze()) for path in paths}


def audit_page(audit: Audit, scans: ScanSet, *, source: str) -> str:
    """Return an audit as one self-contained page, with pictures from the scans that were audited."""
    return render_html(audit_document(audit, source=source, pictures=scan_pictures(scans, shown_scans(audit))))


def audit_document(audit: Audit, *, source: str, pictures: Mapping[str, bytes]) -> Document:
    """Return an audit as a document.

    Parameters
    ----------
    source : what was audited, as the user named it
    pictures : PNG by where a scan comes from, of `shown_scans`
    """
    n = {severity: sum(one.severity == severity for one in audit.findings) for severity in SEVERITIES}
    found = [(f"{severity.capitalize()}s", count(n[severity])) for severity in SEVERITIES]
    return Document(
        title=f"What is wrong with these scans? {source}",
        eyebrow="scantrial · audit of scans",
        facts=(("Scans", count(sum(audit.n_cases.values()))), *found, ("Checks", count(len(audit.results)))),
        sections=(
            _in_short(audit),
            _findings(audit, pictures),
            *_looks(audit, pictures),
            _checks(audit),
        ),
        footer=f"Made by scantrial {scantrial.__version__}. The audit looks at test scans and their labels; it makes "
        "no choice based on them. What each check does: docs/audit.md.",
        generator=f"scantrial {scantrial.__version__}",
    )


# ---------------------------------------------------------------------- in short


def _in_short(audit: Audit) -> Section:
    blocks: list[Block] = [Paragraph(id="answer", content=text(*audit_words(audit)), role="lead")]
    if audit.findings:
        blocks.append(_ranking(audit.findings))
    positive, warning = positive_class(audit.class_names), health_warning(audit.class_names)
    if positive is not None:
        said = warning or f"The positive class is “{positive}”."
        blocks.append(Paragraph(id="positive", content=text(said), role="note"))
    said_of_sizes = [*audit.read_as, *([] if audit.spread is None else audit.spread.lines)]
    blocks += [
        Paragraph(id=f"spread-{number}", content=text(f"{line[0].upper()}{line[1:]}."), role="small")
        for number, line in enumerate(said_of_sizes, start=1)
    ]
    return Section(id="short", title="In short", blocks=(*blocks, _scans(audit)))


def audit_words(audit: Audit) -> list[str]:
    """Say what the checks found, and what open blockers mean."""
    n = {severity: sum(one.severity == severity for one in audit.findings) for severity in SEVERITIES}
    there = [counted(n[severity], severity) for severity in SEVERITIES if n[severity]]
    checks = counted(len(audit.results), "check")
    if not there:
        return [f"{checks} found nothing wrong with these scans."]
    said = [f"{checks} found {joined(there)}."]
    n_open = len(audit.open_blockers)
    if n_open:
        said.append(
            f" {counted(n_open, 'blocker')} {'is' if n_open == 1 else 'are'} not acknowledged: in a study of these "
            "scans no arm would be called better than another."
        )
    return said


def _ranking(findings: Sequence[ScanFinding]) -> Table:
    return Table(
        id="ranking",
        caption="Findings, the most severe first",
        columns=(Column(title="Code"), Column(title="Severity"), Column(title="Finding"), _number("Cases")),
        rows=tuple(
            (
                Cell(text=one.code),
                Cell(text=one.severity if one.acknowledged is None else f"{one.severity}, acknowledged"),
                Cell(text=one.title),
                Cell(text=count(len(one.case_numbers)), value=len(one.case_numbers)),
            )
            for one in findings
        ),
    )


def _scans(audit: Audit) -> Table:
    counts = {(one["split"], one["class"]): int(one["n"]) for one in audit.pictures["means"]}
    return Table(
        id="scans",
        caption="Scans by split and class",
        columns=(Column(title="Split"), *(_number(name) for name in audit.class_names), _number("All")),
        rows=tuple(
            (
                Cell(text=split or "in no split"),
                *(_count(counts.get((split, name), 0)) for name in audit.class_names),
                _count(n),
            )
            for split, n in audit.n_cases.items()
        ),
    )


def _number(title: str) -> Column:
    return Column(title=title, align="right")


def _count(n: int) -> Cell:
    return Cell(text=count(n), value=n)


# ---------------------------------------------------------------------- findings


def _findings(audit: Audit, pictures: Mapping[str, bytes]) -> Section:
    notes: tuple[Block, ...] = tuple(
        _finding(number, finding, pictures) for number, finding in enumerate(audit.findings, start=1)
    )
    nothing = Paragraph(id="nothing", content=text("No check found anything."))
    return Section(id="findings", title="Findings", blocks=notes or (nothing,))


def _finding(number: int, finding: ScanFinding, pictures: Mapping[str, bytes]) -> Note:
    name = f"finding-{number}"
    blocks: list[Block] = [Paragraph(id=f"{name}-text", content=text(finding.text))]
    if finding.acknowledged is not None:
        reason = text("Acknowledged in the study file: ", finding.acknowledged)
        blocks.append(Paragraph(id=f"{name}-acknowledged", content=reason))
    blocks.append(Paragraph(id=f"{name}-action", content=text(f"What to do: {finding.action}."), role="small"))
    blocks += _side_by_side(name, finding, pictures)
    blocks += _all_cases(name, finding)
    return Note(
        id=name,
        severity=finding.severity,
        title=f"{finding.severity.capitalize()} {finding.code}: {finding.title}",
        blocks=tuple(blocks),
    )


def _pairs(finding: ScanFinding) -> list[tuple[str, str]]:
    return [case for case in finding.cases if isinstance(case, tuple)]


def _side_by_side(name: str, finding: ScanFinding, pictures: Mapping[str, bytes]) -> Iterator[Block]:
    """Show the first pairs, each as two pictures one after the other."""
    pairs = _pairs(finding)
    shown = pairs[:MAX_PAIRS]
    if shown:
        few = f"the first {len(shown)} of {count(len(pairs))}, all listed below" if len(pairs) > len(shown) else "all"
        yield Gallery(
            id=f"{name}-pairs",
            caption=f"The pairs side by side: {few}.",
            pictures=tuple(
                _picture(f"{number}{letter}", path, pictures)
                for number, pair in enumerate(shown, start=1)
                for letter, path in zip("ab", pair, strict=True)
            ),
        )


def _picture(label: str, path: str, pictures: Mapping[str, bytes]) -> Picture:
    return Picture(png=pictures.get(path), alt=f"Scan {path}", caption=f"{label}: {path}")


def _all_cases(name: str, finding: ScanFinding) -> Iterator[Block]:
    """List every case, or pair of cases; never cut."""
    if not finding.cases:
        return
    paired = isinstance(finding.cases[0], tuple)
    noun = counted(len(finding.cases), "pair" if paired else "case")
    columns = ("First scan", "Second scan") if paired else ("Scan",)
    rows = [case if isinstance(case, tuple) else (case,) for case in finding.cases]
    table = Table(
        id=f"{name}-table",
        caption=f"{finding.code}: every {'pair' if paired else 'case'}",
        columns=tuple(Column(title=title) for title in columns),
        rows=tuple(tuple(Cell(text=path) for path in row) for row in rows),
    )
    yield Details(id=f"{name}-cases", summary=f"The {noun}" if len(rows) > 1 else f"{noun}", blocks=(table,))


# ---------------------------------------------------------------------- pictures

_ALIKE = ("second", "like_second")


def _looks(audit: Audit, pictures: Mapping[str, bytes]) -> Iterator[Section]:
    """Show what the scans look like: mean pictures, histograms, and the scans that separate splits best."""
    means = audit.pictures["means"]
    if means:
        blocks: list[Block] = [*_mean_pictures(means)]
        blocks += _histograms(audit)
        for number, two in enumerate(audit.pictures["most_alike"], start=1):
            blocks += _told_apart(f"alike-{number}", two, pictures)
        yield Section(id="looks", title="What the scans look like", blocks=tuple(blocks), short="Looks")


def _histograms(audit: Audit) -> Iterator[Block]:
    # A figure is drawn of printable words; those of a document become so in `Document`.
    rows = [{**row, "class": printable(row["class"])} for row in audit.pictures["histograms"]]
    names = tuple(printable(name) for name in audit.class_names)
    figure = histogram_figure(replace(audit, class_names=names, pictures={**audit.pictures, "histograms": rows}))
    if figure is not None:
        yield FigureBlock(id="histograms", figure=figure)


def _mean_pictures(means: Sequence[Mapping[str, Any]]) -> tuple[Gallery, ...]:
    pictures = [
        Picture(
            png=base64.b64decode(one["png"]),
            alt=f"Mean of {counted(one['n'], 'scan')}: {one['split'] or 'no split'}, {one['class']}",
            caption=f"{one['split']} {one['class']} ({count(one['n'])})".strip(),
        )
        for one in means
        if one["png"] is not None
    ]
    return gallery("means", pictures, "The mean of all scans of each split and class, 64 × 64 pixels.")


def _told_apart(name: str, two: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Iterator[Block]:
    first, second = two["splits"]
    yield Paragraph(
        id=name,
        content=text(
            f"A simple classifier (AU010) separates {second} from {first} scans with AUC {two['auc']:.2f}. With an "
            "AUC of 0.5 it "
            "cannot separate them, and the scans below are a random choice."
        ),
    )
    captions = {
        "second": f"The {second} scans that look most like {second}, and least like {first}.",
        "like_second": f"The {first} scans that look most like {second}.",
    }
    for key in _ALIKE:
        chosen = tuple(_picture(f"case {item['case']}", item["path"], pictures) for item in two[key])
        yield Gallery(id=f"{name}-{key.replace('_', '-')}", caption=captions[key], pictures=chosen)


# ---------------------------------------------------------------------- checks


def _checks(audit: Audit) -> Section:
    table = Table(
        id="checks-table",
        caption="Every check and its outcome",
        columns=(Column(title="Code"), Column(title="Looks for"), Column(title="Outcome")),
        rows=tuple(
            (
                Cell(text=result.code),
                Cell(text=result.title),
                Cell(text=f"{result.outcome}: {result.reason}" if result.reason else result.outcome),
            )
            for result in audit.results
        ),
    )
    how = Paragraph(
        id="how",
        content=text(
            "A check that is not applicable says what it lacks. All numbers and thresholds: ",
            Code("scantrial audit DATA --json"),
            ".",
        ),
    )
    return Section(id="checks", title="Every check", blocks=(table, how))
