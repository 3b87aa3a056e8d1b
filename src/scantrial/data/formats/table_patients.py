"""Columns of a table that look like patients: by their names, and because they put scans together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from scantrial.data.formats.table_labels import NOT_A_VALUE

MIN_PATIENTS = 6
MAX_OF_ONE = 0.5
"""A column is taken for patients if it has as many different values, none of them in more than this share of rows."""

_WORDS = (
    re.compile(r"patients?|subjects?|persons?|participants?|individuals?|mrn|pid|subj|pat", re.IGNORECASE),
    re.compile(r"cases?|lesions?|stud(?:y|ies)|exams?|eyes?|volumes?|animals?|mouse|donors?|slides?", re.IGNORECASE),
)
"""Words in the names of columns, the better ones first."""

_NUMBER_OF_ONE = re.compile(r"[A-Za-z]{1,12}[-_ ]?\d+")


def rank_of(name: str) -> int | None:
    """Return how well the name of a column fits patients, 0 for the best; None if it does not."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced)
    return next((n for n, known in enumerate(_WORDS) if any(map(known.fullmatch, words))), None)


def patient_rank(name: str, cells: Sequence[str]) -> int | None:
    """Return how well a column fits patients, 0 for the best; None if it does not.

    Every row has a value. A name is not enough: values repeat, or the name is one of patients. Without such a name all
    values are letters with a number behind them.
    """
    counts = Counter(cells)
    if len(counts) < MIN_PATIENTS or max(counts.values()) > MAX_OF_ONE * len(cells):
        return None
    if "" in counts or counts.keys() & NOT_A_VALUE:
        return None
    rank = rank_of(name)
    if rank is None and all(map(_NUMBER_OF_ONE.fullmatch, counts)):
        rank = len(_WORDS)
    return None if len(counts) == len(cells) and rank != 0 else rank
