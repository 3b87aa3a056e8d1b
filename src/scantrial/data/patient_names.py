"""Guess from the names of files which scans are of one patient: a proposal, for a person to confirm."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from scantrial.data.catalogue import CATALOGUE

PATTERNS = (
    r"(?i)(?<![a-z])((?:person|patient|subject|subj|sub|pat|pid|case|p)[-_ ]?\d+)",
    r"^([A-Za-z]*\d+)[_\- ]",
    r"^([A-Za-z]+[_\- ]\d+)[_\- ]",
)
"""Tried in this order, before those of the catalogue: a word for a patient with a number; a name that begins with a
number, perhaps after letters, and goes on; the same with a sign between letters and number."""

MIN_PATIENTS = 6
MAX_OF_ONE = 0.5
"""A pattern is proposed if it finds as many patients, some with several scans, none with more than this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientGuess:
    """A pattern that finds a patient in every name.

    Parameters
    ----------
    pattern : with one group, for ``data.patient``
    patients : n texts, by scan
    """

    pattern: str
    patients: tuple[str, ...]


def guess_patients(sources: Sequence[str]) -> PatientGuess | None:
    """Return the first pattern that finds a patient in every file's name and puts some scans together, or None."""
    names = [PurePosixPath(source).name for source in sources]
    known = [entry.patient for entry in CATALOGUE.values() if entry.patient]
    return next((guess for pattern in (*PATTERNS, *known) if (guess := _tried(pattern, names)) is not None), None)


def _tried(pattern: str, names: Sequence[str]) -> PatientGuess | None:
    found = [re.search(pattern, name) for name in names]
    patients = tuple(match[1] for match in found if match is not None)
    if len(patients) < len(names):
        return None
    n_patients = len(set(patients))
    largest = max(Counter(patients).values())
    puts_together = MIN_PATIENTS <= n_patients < len(names) and largest <= MAX_OF_ONE * len(names)
    return PatientGuess(pattern=pattern, patients=patients) if puts_together else None
