"""The cells of a table of scans: encoding, separator, header, rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scantrial.core.errors import DataError
from scantrial.core.files import blocks_of

_SEPARATORS = (",", ";", "\t")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""What some spreadsheet programs write above the header."""

_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTable:
    """A table whose rows are read when they are asked for.

    Parameters
    ----------
    header : names of the columns, without spaces around them
    rows : pairs of (line of the file, cells); rows of empty cells alone are passed over. Reading may raise `csv.Error`
    separator : between two cells: comma, semicolon or tab
    """

    header: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]
    separator: str

    def number(self, cell: str) -> float | None:
        """Return the number that a cell holds, or None; a decimal comma counts where commas separate no cells."""
        if _NUMBER.fullmatch(cell) is None or ("," in cell and self.separator == ","):
            return None
        return float(cell.replace(",", "."))


def open_sheet(path: Path, *, needed: Sequence[str]) -> ScanTable:
    """Read a table in UTF-8, or in UTF-16 with a byte-order mark.

    Parameters
    ----------
    needed : columns that tell which separator is the right one; where none gives these, the commonest is

    Raises
    ------
    DataError
        If it cannot be read or is in another encoding.
    """
    try:
        content = b"".join(blocks_of(path))
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
        n_above = 0
        stated = _SEPARATOR_LINE.match(text)
        if stated is not None:
            text, n_above = text[stated.end() :], 1
        separator = stated[1] if stated is not None else _separator(text, path, needed)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        header = tuple(cell.strip() for cell in next(reader, []))
    except (OSError, UnicodeError, csv.Error) as error:
        raise unreadable(path, error) from error
    rows = ((reader.line_num + n_above, cells) for cells in reader if any(cell.strip() for cell in cells))
    return ScanTable(header=header, rows=rows, separator=separator)


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the refusal of a file that is no table."""
    return DataError(
        f"{path}: not a readable table ({error})", expected="a CSV file in UTF-8, with commas, semicolons or tabs"
    )


def _separator(text: str, path: Path, needed: Sequence[str]) -> str:
    line = text.split("\n", 1)[0].rstrip("\r")
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    every = (usual, *(one for one in _SEPARATORS if one != usual))
    for one in every:
        if needed and set(needed) <= {cell.strip().strip('"') for cell in line.split(one)}:
            return one
    return max(every, key=line.count)
