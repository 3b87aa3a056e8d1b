"""The labels of a table: what is no label, one label written in two ways, several labels in one cell or row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scantrial.core.format import counted
from scantrial.core.names import listed
from scantrial.data.formats.base import Faults, plain_name
from scantrial.data.formats.table_text import ScanTable

NOT_A_VALUE = frozenset(
    {"nan", "NaN", "NAN", "-nan", "NA", "N/A", "n/a", "#N/A", "<NA>", "None", "null", "NULL", "Null", "NaT"}
)
"""What programs write where there is no value; ``none`` in lower case is a word, and may be a class."""

_JOINED = re.compile(r"\s*[|;]\s*")
_WHOLE = re.compile(r"([+-]?\d{1,300})(?:[.,]0+)?")
"""A whole number, as codes of diagnoses are; they may have more digits than a float keeps apart."""


@dataclass(frozen=True, slots=True)
class HotColumns:
    """Columns of which one holds a 1 in each row, and the others a 0: the name of that column is the label."""

    names: tuple[str, ...]
    places: Sequence[int | None]

    def label_of(self, line: int, cells: Sequence[str], sheet: ScanTable, faults: Faults) -> str:
        """Return the label of a row; "" if it has none. More than one is a fault, and so is what is neither 0 nor 1."""
        given = [cells[place] for place in self.places if place is not None]
        values = [0.0 if cell == "" or cell in NOT_A_VALUE else sheet.number(cell) for cell in given]
        wrong = [cell for cell, value in zip(given, values, strict=True) if value not in (0.0, 1.0)]
        if wrong:
            faults.add(f"line {line}: {wrong[0]!r} in a column of labels, expected 0 or 1", kind="neither 0 nor 1")
        marked = [name for name, value in zip(self.names, values, strict=True) if value == 1]
        if len(marked) > 1:
            text = f"line {line}: {len(marked)} labels ({listed(marked)}), expected one: {_NO_MULTI_LABEL}"
            faults.add(text, kind="several labels")
            marked = marked[:1]
        return marked[0] if marked else self.names[0] if wrong else ""


_NO_MULTI_LABEL = "multi-label sets are not supported"


class Labels:
    """Judges the labels of a table.

    Parameters
    ----------
    sheet : says which cells are numbers
    named : classes that the study names: what looks like no label is one if it is among them
    """

    def __init__(self, sheet: ScanTable, named: Sequence[str]) -> None:
        self._sheet = sheet
        self._named = {plain_name(name) for name in named}

    def is_one(self, label: str) -> bool:
        """Whether a cell holds a label."""
        return bool(label) and (label not in NOT_A_VALUE or plain_name(label) in self._named)

    def one_spelling(self, labels: set[str]) -> tuple[dict[str, str], str | None]:
        """Return the spelling to use for numbers that are written in several ways, and a note that says so."""
        by_value: dict[float, list[str]] = {}
        for label in sorted(labels):
            value = self._sheet.number(label)
            if value is not None:
                whole = _WHOLE.fullmatch(label)
                by_value.setdefault(value if whole is None else int(whole[1]), []).append(label)
        several = {value: found for value, found in by_value.items() if len(found) > 1}
        spelling = {
            label: str(int(value)) if float(value).is_integer() else repr(value)
            for value, found in several.items()
            for label in found
        }
        if not several:
            return {}, None
        ways = "; ".join(listed(found) for found in several.values())
        return spelling, f"Labels that are equal numbers are one class: {ways}."

    def several_in_one(self, counts: Mapping[str, int]) -> Iterator[str]:
        """Yield a fault if labels are joined by ``|`` or ``;``: a part of one is a label by itself or in another."""
        parts_of = {label: parts for label in counts if len(parts := _JOINED.split(label)) > 1}
        uses = Counter(part for label in counts for part in set(_JOINED.split(label)))
        if any(uses[part] > 1 for parts in parts_of.values() for part in parts):
            n_rows = sum(counts[label] for label in parts_of)
            shown = listed(list(parts_of)[:3])
            yield (
                f"{counted(n_rows, 'row')} with several labels ({shown}{' ...' if len(parts_of) > 3 else ''}): "
                f"{_NO_MULTI_LABEL}; pick classes of one label each, classes: {{NAME: [LABEL], ...}}, or write a "
                "column with one label a scan"
            )
