"""A CSV table with one row for each scan: path, label and, if known, split and patient."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scantrial.core.errors import DataError
from scantrial.core.files import blocks_of
from scantrial.core.names import listed, nearest
from scantrial.core.numbering import MAX_TEXT
from scantrial.data.decode import decode_image
from scantrial.data.formats.base import (
    MAX_IMAGES,
    PLAIN,
    SPLIT_OF_WORD,
    Decode,
    Format,
    Listing,
    Option,
    ReadSettings,
    clashing_names,
    refuse,
)

_MANY = 1000
_NEEDED = ("path", "label")
_OPTIONAL = ("split", "patient")
_EXPECTED = "columns path and label, optionally split and patient; one row for each scan"


class _Row(NamedTuple):
    line: int
    path: str
    label: str
    split: str | None
    patient: str | None


def matches(path: Path) -> bool:
    """Whether this is a ``.csv`` or ``.tsv`` file."""
    return path.is_file() and path.suffix.lower() in (".csv", ".tsv")


def _column(name: str, options: Mapping[str, Any], header: list[str], faults: list[str]) -> int | None:
    """Find a column; a missing one is a fault if it is required or named in the options."""
    wanted = options.get(name, name)
    if header.count(wanted) > 1:
        faults.append(f"line 1: the column {wanted!r} appears twice")
    if wanted in header:
        return header.index(wanted)
    if name in _NEEDED or name in options:
        guess = nearest(wanted, header)
        hint = f" (did you mean {guess!r}? write {name}: {guess})" if guess else ""
        faults.append(f"line 1: no column {wanted!r}{hint}; the table has {listed(header) or 'none'}")
    return None


def _read_rows(path: Path, options: Mapping[str, Any]) -> tuple[list[_Row], list[str]]:
    faults: list[str] = []
    rows: list[_Row] = []
    with io.StringIO(b"".join(blocks_of(path)).decode("utf-8-sig"), newline="") as handle:
        reader = csv.reader(handle, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        columns = [_column(name, options, header, faults) for name in (*_NEEDED, *_OPTIONAL)]
        if faults:
            return [], faults
        for cells in reader:
            if len(rows) > MAX_IMAGES or len(faults) > _MANY:
                break
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                faults.append(f"line {reader.line_num}: {len(cells)} cells, expected {len(header)}")
                continue
            found = [None if column is None else cells[column].strip() for column in columns]
            rows.append(_Row(reader.line_num, found[0] or "", found[1] or "", found[2], found[3]))
    return rows, faults


def _row_faults(row: _Row, root: Path) -> Iterator[str]:
    if not row.path:
        yield "no path"
    elif "\0" in row.path or len(row.path) > MAX_TEXT or not (root / row.path).is_file():
        yield f"no such file: {row.path[:MAX_TEXT]}"
    if not row.label:
        yield "no label"
    if row.split and row.split.lower() not in SPLIT_OF_WORD:
        guess = nearest(row.split, SPLIT_OF_WORD)
        yield f"split {row.split!r}, expected train, val or test{f' (did you mean {guess!r}?)' if guess else ''}"
    if row.patient == "":
        yield "no patient"
    for name, text in (("label", row.label), ("patient", row.patient or "")):
        if len(text) > MAX_TEXT:
            yield f"a {name} of {len(text):,} characters, expected at most {MAX_TEXT:,}"


def _duplicates(rows: list[_Row], root: Path) -> list[str]:
    first: dict[str, int] = {}
    faults = []
    for row in rows:
        line = first.setdefault(os.path.normpath(root / row.path), row.line)
        if row.path and line != row.line:
            faults.append(f"line {row.line}: {row.path} is already in line {line}")
    return faults


def _checked_rows(path: Path, options: Mapping[str, Any]) -> list[_Row]:
    try:
        rows, faults = _read_rows(path, options)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable table ({error})", expected="a CSV file in UTF-8") from error
    root = path.parent
    if len(rows) > MAX_IMAGES:
        raise refuse(path, [f"more than {MAX_IMAGES:,} rows"], expected=_EXPECTED)
    every = (f"line {row.line}: {fault}" for row in rows for fault in _row_faults(row, root))
    # Of a table of other files a thousand faults say as much as all of them.
    faults += islice(every, _MANY)
    if len(faults) < _MANY:
        faults += _duplicates(rows, root) + clashing_names(row.label for row in rows)
    if not rows and not faults:
        faults = ["it holds no rows"]
    if faults:
        raise refuse(path, faults, expected=_EXPECTED)
    return rows


def read(path: Path, options: Mapping[str, Any], settings: ReadSettings = PLAIN) -> Listing:
    """List the cases of a table in the order of its rows; paths are taken from the table's folder."""
    rows = _checked_rows(path, options)
    files = [path.parent / row.path for row in rows]
    names = sorted({row.label for row in rows})
    index = {name: number for number, name in enumerate(names)}
    patients = tuple(row.patient for row in rows if row.patient is not None)

    def decoders() -> Iterator[Decode]:
        return (partial(decode_image, file) for file in files)

    return Listing(
        sources=tuple(Path(row.path).as_posix() for row in rows),
        labels=np.array([index[row.label] for row in rows], dtype=np.int64),
        class_names=tuple(names),
        split=np.array([SPLIT_OF_WORD[row.split.lower()] if row.split else "" for row in rows], dtype="U5"),
        patients=patients if len(patients) == len(rows) else None,
        files=tuple(files),
        decoders=decoders,
    )


FORMAT = Format(
    name="table",
    looks_like="a CSV table of scans",
    options={
        "path": Option(kind="text", meaning="column of the file's path, from the table's folder; default path"),
        "label": Option(kind="text", meaning="column of the class name; default label"),
        "split": Option(kind="text", meaning="column of the split (train, val, test); default split, if there is one"),
        "patient": Option(kind="text", meaning="column of the patient; default patient, if there is one"),
    },
    matches=matches,
    read=read,
)
