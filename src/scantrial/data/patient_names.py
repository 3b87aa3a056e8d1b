"""Guess from the names of files which scans are of one patient: a proposal, for a person to confirm."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from scantrial.data.catalogue import CATALOGUE
from scantrial.data.patients import FOLDER

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
    pattern : for ``data.patient``: an expression with one group, or ``folder``
    patients : n texts, by scan
    """

    pattern: str
    patients: tuple[str, ...]


def guess_patients(sources: Sequence[str], *, folders: Sequence[str] | None = None) -> PatientGuess | None:
    """Return how patients are found: by their folders, or by the first pattern that fits every file's name, or None.

    Parameters
    ----------
    sources : n texts, where scans come from
    folders : n texts, the folder of each scan that may be a patient's; None where there are none
    """
    if folders is not None and (guess := _plausible(FOLDER, folders)) is not None:
        return guess
    names = [PurePosixPath(source).name for source in sources]
    known = [entry.patient for entry in CATALOGUE.values() if entry.patient]
    return next((guess for pattern in (*PATTERNS, *known) if (guess := _tried(pattern, names)) is not None), None)


def _tried(pattern: str, names: Sequence[str]) -> PatientGuess | None:
    found = [re.search(pattern, name) for name in names]
    return None if None in found else _plausible(pattern, [match[1] for match in found if match is not None])


def _plausible(pattern: str, patients: Sequence[str]) -> PatientGuess | None:
    """Return the guess if it puts some scans together, and leaves several patients."""
    counts = Counter(patients)
    puts_together = MIN_PATIENTS <= len(counts) < len(patients)
    few = puts_together and max(counts.values()) <= MAX_OF_ONE * len(patients)
    return PatientGuess(pattern=pattern, patients=tuple(patients)) if few else None
