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

_FACTS = re.compile(
    "sex|gender|male|female|age|race|ethnicity|site|hospital|cent(er|re)|view|position|laterality|side|left|right|eye|"
    "scanner|manufacturer|vendor|model|modality|device|machine|fold|train|training|val|valid|validation|test|location|"
    "localization|anatom(y)?|anatomic(al)?|year|date|width|height|rows|columns|quality|type|source|smoker|dataset",
    re.IGNORECASE,
)
"""Words in the names of columns that tell of a scan or of whom it is of, and are seldom what is to be predicted."""

MANY = 30
"""A column whose name does not fit is taken for patients only if it has more values: classes have codes as well."""

_NUMBER_OF_ONE = re.compile(r"[A-Za-z]{1,12}[-_ ]?\d+")


def rank_of(name: str) -> int | None:
    """Return how well the name of a column fits patients, 0 for the best; None if it does not."""
    words = _words_of(name)
    return next((n for n, known in enumerate(_WORDS) if any(map(known.fullmatch, words))), None)


def _words_of(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))


def is_fact(name: str) -> bool:
    """Whether the name of a column says that it holds a fact about a scan or a person, such as ``Patient Age``."""
    return any(map(_FACTS.fullmatch, _words_of(name)))


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
    units = [word for word in _words_of(name) if not any(known.fullmatch(word) for known in _WORDS)]
    if is_fact(" ".join(units)):
        return None
    rank = rank_of(name)
    if rank is None and len(counts) > MANY and all(map(_NUMBER_OF_ONE.fullmatch, counts)):
        rank = len(_WORDS)
    return None if len(counts) == len(cells) and rank != 0 else rank
