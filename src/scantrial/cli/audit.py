"""``audit``: the problems of the scans, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from scantrial import api
from scantrial.audit.records import Audit, ScanFinding
from scantrial.cli.output import err, out, print_json, progress_bar, say, say_positive_class
from scantrial.cli.source_options import read_options
from scantrial.core.format import counted, joined
from scantrial.core.positive import health_warning, positive_facts

if TYPE_CHECKING:
    from scantrial.api.scan_audit import AuditOptions

BLOCKED = 4
_SHOWN = 10
"""Cases that the text lists; ``--json`` lists all."""


def audit(data: str, *, html: Path | None = None, as_json: bool = False, **asked: Any) -> None:
    """Audit scans and print what was found, or write it to a page; exit 4 if a blocker is not acknowledged.

    Parameters
    ----------
    asked : texts of the options that say how the scans are read, see `read_options`
    """
    options = cast("AuditOptions", read_options(asked))
    with progress_bar() as progress:
        found = api.audit(data, page=html, progress=progress, **options)
    if as_json:
        print_json({**found.to_dict(), **positive_facts(found.class_names)})
    else:
        print_audit(found)
    if html is not None:
        err.print(f"page: {html}")
    if any(finding.is_open_blocker for finding in found.findings):
        raise SystemExit(BLOCKED)


def print_audit(audit: Audit, console: Console | None = None) -> None:
    """Print every finding with its numbers, some of its cases, and what to do about it."""
    console = console or out
    say(_scans(audit), console=console)
    say_positive_class(audit.class_names, console=console)
    for line in [*audit.read_as, *([] if audit.spread is None else audit.spread.lines)]:
        say(f"{line[0].lower()}{line[1:]}", console=console)
    for finding in audit.findings:
        console.print("")
        say(f"{finding.severity.upper()} {finding.code} {finding.title}{_accepted(finding)}", console=console)
        say(finding.text, bullet="  ", console=console)
        for line in _cases(finding):
            console.print(f"    {line}")
        say(f"do this: {finding.action}", bullet="  ", console=console)
    console.print("")
    for outcome in ("clear", "not applicable"):
        codes = [result.code for result in audit.results if result.outcome == outcome]
        if codes:
            say(f"{outcome}: {', '.join(codes)}", console=console)


def say_audit(audit: Audit) -> None:
    """Summarise on standard error what the audit before a training found."""
    for finding in audit.findings:
        if finding.severity != "note":
            said = f"audit: {finding.severity} {finding.code}{_accepted(finding)}: {finding.text}"
            say(said, console=err)
    if audit.open_blockers:
        codes = joined([finding.code for finding in audit.open_blockers])
        say(
            f"Training goes on, but no arm will be called better while {codes} is not mended or acknowledged in the "
            "study file. To stop here, press Ctrl-C: what is trained is kept.",
            bullet="! ",
            console=err,
        )
    warning = health_warning(audit.class_names)
    if warning is not None:
        say(f"warning: {warning}", console=err)
    n_notes = sum(finding.severity == "note" for finding in audit.findings)
    if n_notes:
        err.print(f"audit: {counted(n_notes, 'note')}; the report lists them")


def _scans(audit: Audit) -> str:
    counts = ", ".join(f"{n:,} {split or 'scans in no split'}" for split, n in audit.n_cases.items())
    return f"audited: {counts} ({' / '.join(audit.class_names)})"


def _accepted(finding: ScanFinding) -> str:
    return "" if finding.acknowledged is None else f" (acknowledged: {finding.acknowledged})"


def _cases(finding: ScanFinding) -> Iterator[str]:
    for case in finding.cases[:_SHOWN]:
        yield case if isinstance(case, str) else " = ".join(case)
    if len(finding.cases) > _SHOWN:
        yield f"and {len(finding.cases) - _SHOWN:,} more; --json lists all"
