"""Patients with scans in more than one split."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

from scantrial.audit.reach import clean_test, touching_test
from scantrial.audit.records import CheckOutcome, Found, Subject, clear, not_applicable, verdict_of
from scantrial.core.format import counted


def check_leakage(subject: Subject) -> CheckOutcome:
    """Find patients with scans in two splits."""
    patients = subject.scans.patients
    if patients is None:
        return not_applicable("patients are not known")
    if not subject.split_pairs:
        return not_applicable("the scans are in one split or in none")
    splits: dict[int, set[str]] = defaultdict(set)
    sides: dict[int, set[bytes]] = defaultdict(set)
    for row, (unit, part) in enumerate(zip(subject.units.tolist(), subject.parts.tolist(), strict=True)):
        splits[unit].add(part)
        sides[unit].add(subject.sides[row].tobytes())
    torn = {unit for unit, found in sides.items() if len(found) > 1}
    rows = [row for row, unit in enumerate(subject.units.tolist()) if unit in torn]
    between = {f"{a}, {b}": sum({a, b} <= splits[unit] for unit in torn) for a, b in combinations(subject.splits, 2)}
    n_test, n_of_test = int(subject.tested[rows].sum()), int(subject.tested.sum())
    numbers = {
        "n_patients": len(torn),
        "n_patients_in_all": len(splits),
        "between": between,
        "n_cases": {split: sum(subject.parts[row] == split for row in rows) for split in subject.splits},
        "patients": sorted({patients[subject.cases[row]] for row in rows}),
    }
    text = (
        f"{len(torn):,} of {counted(len(splits), 'patient')} {'has' if len(torn) == 1 else 'have'} scans in more than "
        f"one {subject.side_word}; {n_test:,} of {counted(n_of_test, 'test scan')} {'is' if n_test == 1 else 'are'} of "
        "such patients."
    )
    severity = touching_test(n_test)
    found = Found(text=text + clean_test(n_test), rows=rows, numbers=numbers, severity=severity)
    return verdict_of([found] if torn else [], n_patients_in_all=len(splits))


def check_known(subject: Subject) -> CheckOutcome:
    """Say that leakage cannot be checked where patients are not known."""
    if subject.patients_known:
        return clear("patients are known")
    text = "Patients are not known: it cannot be checked whether a patient has scans in two splits."
    numbers = {"n_cases": len(subject)}
    n_folders = subject.scans.origin.get("n_folders")
    if n_folders is not None:
        numbers["n_folders"] = n_folders
        text += (
            f" The scans lie in {counted(n_folders, 'folder')} besides those of classes and splits: if each is a "
            "patient, write patient: folder."
        )
    column = subject.scans.origin.get("like_patients")
    if column is not None:
        numbers["column"] = column
        text += f" The column {column} of the table looks like patients: write patient: {column} in the source."
    return verdict_of([Found(text=text, numbers=numbers)])
