"""Text in the pixels of DICOM files, by what their headers say."""

from __future__ import annotations

from scantrial.audit.records import CheckOutcome, Found, Severity, Subject, clear, not_applicable, verdict_of
from scantrial.core.format import counted


def check_burned_in(subject: Subject) -> CheckOutcome:
    """Say how many files have text burned in, or do not say that they have none."""
    counts = subject.scans.origin.get("dicom")
    if counts is None:
        return not_applicable("the scans are no DICOM files")
    n_yes, n_unknown = (int(counts.get(f"burned_in_{word}", 0)) for word in ("yes", "unknown"))
    numbers = {"n_files": int(counts["files"]), "n_burned_in": n_yes, "n_not_said": n_unknown}
    if not n_yes and not n_unknown:
        return clear("every file says that no text is burned in", **numbers)
    said = [f"{counted(n_yes, 'file')} with text burned into the pixels"] if n_yes else []
    said += [f"{counted(n_unknown, 'file')} that do not say whether there is any"] if n_unknown else []
    severity: Severity | None = None if n_yes else "note"
    text = f"Of {counted(numbers['n_files'], 'DICOM file')}: {', '.join(said)}."
    return verdict_of([Found(text=text, numbers=numbers, severity=severity)])
