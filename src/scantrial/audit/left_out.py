"""Files that may be no scans, and scans that were left out."""

from __future__ import annotations

from scantrial.audit.records import CheckOutcome, Found, Severity, Subject, clear, verdict_of
from scantrial.core.format import counted
from scantrial.data.left_out import NO_FILE, NO_LABEL, left_out_items
from scantrial.data.masks import masks_among


def check_masks(subject: Subject) -> CheckOutcome:
    """Find masks that lie beside scans and are used as scans."""
    masks, n = masks_among(subject.scans, subject.cases.tolist()), len(subject.cases)
    if masks is None:
        return clear(n_masks=0)
    n_test = sum(subject.parts[row] == "test" for row in masks.rows)
    name, scan = masks.example
    text = (
        f"{len(masks.rows):,} of {counted(n, 'file')} look like masks, not scans ({name} beside {scan}); "
        f"{n_test:,} of them are in test."
    )
    if masks.n_left:
        text += f" What to do: {masks.way_out}."
    else:
        text += f" This line under data leaves them out: {masks.line}"
    numbers = {
        "n_masks": len(masks.rows),
        "n_files": n,
        "n_test": n_test,
        "ignore": list(masks.patterns),
    }
    return verdict_of([Found(text=text, rows=masks.rows, numbers=numbers)], n_masks=len(masks.rows))


def check_left_out(subject: Subject) -> CheckOutcome:
    """Say what was left out before anything was decoded; a warning where files or labels were missing."""
    counts = dict(subject.scans.origin.get("excluded", {}))
    if not counts:
        return clear(n_left_out=0)
    text = f"Left out before any scan was decoded: {'; '.join(left_out_items(counts))}."
    severity: Severity | None = "warning" if counts.keys() & {NO_FILE, NO_LABEL} else None
    return verdict_of([Found(text=text, numbers={"left_out": counts}, severity=severity)], left_out=counts)
