"""A CSV table with one row for each scan: path, label and, if known, split and patient."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scantrial.core.names import listed, nearest
from scantrial.core.numbering import MAX_TEXT
from scantrial.core.positive import yaml_flow
from scantrial.data.decode import decode_image
from scantrial.data.formats.base import (
    MAX_IMAGES,
    PLAIN,
    SPLIT_OF_WORD,
    Decode,
    Faults,
    Format,
    Listing,
    Option,
    ReadSettings,
    clashing_names,
    plain_name,
    refuse,
)
from scantrial.data.formats.table_files import FileFinder
from scantrial.data.formats.table_labels import NOT_A_VALUE, HotColumns, Labels
from scantrial.data.formats.table_patients import patient_rank, rank_of
from scantrial.data.formats.table_text import ScanTable, open_sheet, unreadable
from scantrial.data.ignore import ignored_by, matcher_of
from scantrial.data.left_out import NO_FILE, NO_LABEL, of_classes

_NEEDED = ("path", "label")
_OPTIONAL = ("split", "patient")
_EXPECTED = "columns path and label, optionally split and patient; one row for each scan"
LIKELY = {
    "path": ("filename", "file", "image", "image_id", "image_path", "img", "id_code", "isic_id", "image index", "id"),
    "label": ("class", "diagnosis", "dx", "target", "finding", "finding labels", "category", "grade", "level", "y"),
}
"""Names, in lower case, of columns that often hold what is asked for."""


class _Row(NamedTuple):
    """A row; `others` are its cells of the columns that may be those of patients."""

    line: int
    path: str
    label: str
    split: str
    patient: str | None
    others: tuple[str, ...] = ()


class _Columns(NamedTuple):
    path: int
    label: int | HotColumns
    split: int | None
    patient: int | None
    others: tuple[int, ...] = ()


def matches(path: Path) -> bool:
    """Whether this is a ``.csv`` or ``.tsv`` file."""
    return path.suffix.lower() in (".csv", ".tsv") and path.is_file()


def read(path: Path, options: Mapping[str, Any], settings: ReadSettings = PLAIN) -> Listing:
    """List the cases of a table in the order of its rows; paths are taken from the table's folder."""
    faults, left_out = Faults(), Counter[str]()
    sheet = open_sheet(path, needed=needed_columns(options))
    try:
        columns = _columns(sheet, options, faults)
        rows = [] if columns is None else _rows(path, sheet, columns, faults)
    except csv.Error as error:
        raise unreadable(path, error) from error
    words = {row.label for row in rows} & NOT_A_VALUE
    if rows or not len(faults):
        rows, spelling, note = _labelled(rows, sheet, settings, faults, left_out)
        rows, sources = _with_files(path, rows, options, settings, faults, left_out)
        _note_duplicates(rows, sources, faults)
        if not rows and not len(faults):
            faults.add("it holds no rows" if not left_out else f"no row is left: {listed(map(str, left_out))}")
    if len(faults):
        raise refuse(path, faults, expected=_EXPECTED, do=_way_out(faults, sorted(words), is_hot=_is_hot(options)))
    listing = _listing(path, rows, sources, left_out)
    notes = [
        one
        for one in (note, None if settings.classes else _binary_note(options, listing.class_names))
        if one is not None
    ]
    like_patients = None if columns is None else _like_patients(sheet.header, columns, rows)
    return replace(listing, spelling=spelling, notes=tuple(notes), like_patients=like_patients)


def needed_columns(options: Mapping[str, Any]) -> list[str]:
    """Return the columns that a table must have, with the options of its source."""
    label = options.get("label", "label")
    return [options.get("path", "path"), *([label] if isinstance(label, str) else label)]


# ---------------------------------------------------------------------- columns and cells


def _column(name: str, wanted: str, sheet: ScanTable, faults: Faults, *, is_asked_for: bool) -> int | None:
    """Find a column; a missing one is a fault if it is required or named in the options."""
    header = sheet.header
    if header.count(wanted) > 1:
        faults.add(f"line 1: the column {wanted!r} appears twice")
    if wanted in header:
        return header.index(wanted)
    if is_asked_for:
        likely = [column for column in header if column.lower() in LIKELY.get(name, ())]
        guess = nearest(wanted, header) or next(iter(likely), None)
        advice = f"did you mean {guess!r}? write {name}: {guess}" if guess else f"name it: write {name}: COLUMN"
        hint = f" ({advice})" if header else ""
        faults.add(f"line 1: no column {wanted!r}{hint}; the table has {listed(header) or 'none'}")
    return None


def _columns(sheet: ScanTable, options: Mapping[str, Any], faults: Faults) -> _Columns | None:
    header = sheet.header

    def find(name: str) -> int | None:
        is_asked_for = name in _NEEDED or name in options
        return _column(name, options.get(name, name), sheet, faults, is_asked_for=is_asked_for)

    path = find("path")
    hot = options.get("label")
    if isinstance(hot, str) or hot is None:
        label: Any = find("label")
    else:
        label = HotColumns(tuple(hot), [_column("label", one, sheet, faults, is_asked_for=True) for one in hot])
    split, patient = find("split"), find("patient")
    used = {path, split, patient, *(label.places if isinstance(label, HotColumns) else [label])}
    others = tuple(n for n, name in enumerate(header) if n not in used and rank_of(name) is not None)
    if len(faults) or path is None or label is None:
        return None
    return _Columns(path, label, split, patient, others if patient is None else ())


def _rows(path: Path, sheet: ScanTable, columns: _Columns, faults: Faults) -> list[_Row]:
    rows: list[_Row] = []
    for line, cells in sheet.rows:
        if len(cells) != len(sheet.header):
            text = f"line {line}: {len(cells)} cells, expected {len(sheet.header)}"
            faults.add(text, kind="another number of cells than the header")
            continue
        if len(rows) >= MAX_IMAGES:
            raise refuse(path, [f"more than {MAX_IMAGES:,} rows"], expected=_EXPECTED)
        rows.append(_row(line, [cell.strip() for cell in cells], columns, sheet, faults))
    return rows


def _row(line: int, cells: Sequence[str], columns: _Columns, sheet: ScanTable, faults: Faults) -> _Row:
    if isinstance(columns.label, HotColumns):
        label = columns.label.label_of(line, cells, sheet, faults)
    else:
        label = cells[columns.label]
    patient = None if columns.patient is None else cells[columns.patient]
    split = "" if columns.split is None else cells[columns.split]
    if split and split.lower() not in SPLIT_OF_WORD:
        guess = nearest(split, SPLIT_OF_WORD)
        hint = f" (did you mean {guess!r}?)" if guess else ""
        faults.add(f"line {line}: split {split!r}, expected train, val or test{hint}", kind="an unknown split")
    if patient is not None and (not patient or patient in NOT_A_VALUE):
        faults.add(f"line {line}: no patient", kind="no patient")
    for name, text in (("label", label), ("patient", patient or "")):
        if len(text) > MAX_TEXT:
            long = f"a {name} of {len(text):,} characters, expected at most {MAX_TEXT:,}"
            faults.add(f"line {line}: {long}", kind=f"a long {name}")
    return _Row(line, cells[columns.path], label, split, patient, tuple(cells[n] for n in columns.others))


# ---------------------------------------------------------------------- labels, files


def _labelled(
    rows: list[_Row], sheet: ScanTable, settings: ReadSettings, faults: Faults, left_out: Counter[str]
) -> tuple[list[_Row], dict[str, str], str | None]:
    """Return the rows that have a label that is asked for; the one spelling of labels that have several, and a note."""
    labels = Labels(sheet, settings.classes)
    kept: list[_Row] = []
    for row in rows:
        if labels.is_one(row.label):
            kept.append(row)
        elif settings.skip_unreadable:
            left_out[NO_LABEL] += 1
        else:
            hint = f" ({row.label})" if row.label else ""
            faults.add(f"line {row.line}: no label{hint}", kind="no label")
    spelling, note = labels.one_spelling({row.label for row in kept})
    kept = [row._replace(label=spelling.get(row.label, row.label)) for row in kept]
    if settings.picks_classes:
        asked = {plain_name(spelling.get(name, name)) for name in settings.classes}
        others = Counter(row.label for row in kept if plain_name(row.label) not in asked)
        left_out.update(of_classes(others))
        kept = [row for row in kept if row.label not in others]
    elif not settings.classes:
        for fault in labels.several_in_one(Counter(row.label for row in kept)):
            faults.add(fault)
    for fault in clashing_names(row.label for row in kept):
        faults.add(fault)
    return kept, spelling, note


def _with_files(
    path: Path,
    rows: list[_Row],
    options: Mapping[str, Any],
    settings: ReadSettings,
    faults: Faults,
    left_out: Counter[str],
) -> tuple[list[_Row], list[str]]:
    """Return the rows whose file is there, and these files relative to the table's folder."""
    match = matcher_of(settings.ignore)
    folders = options.get("folder", ())
    finder = FileFinder(
        path.parent,
        folders=(folders,) if isinstance(folders, str) else folders,
        suffix=options.get("suffix", ""),
        is_left_out=match,
    )
    kept: list[_Row] = []
    sources: list[str] = []
    for row in rows:
        found = finder.find(row.path) if row.path else None
        pattern = match(row.path) or (match(found.source) if found is not None and found.source else None)
        if pattern is not None:
            left_out[ignored_by(pattern)] += 1
        elif found is None:
            faults.add(f"line {row.line}: no path", kind="no path")
        elif found.several:
            several = f"{row.path} may be {' or '.join(found.several[:3])}"
            faults.add(
                f"line {row.line}: {several}: say which with folder or suffix", kind="several files of that name"
            )
        elif found.source is not None or found.together:
            files = found.together or (found.source or "",)
            kept += [row] * len(files)
            sources += files
        elif settings.skip_unreadable:
            left_out[NO_FILE] += 1
        else:
            faults.add(f"line {row.line}: no such file: {row.path[:MAX_TEXT]}", kind="no such file")
    return kept, sources


def _note_duplicates(rows: Sequence[_Row], sources: Sequence[str], faults: Faults) -> None:
    """Note files that stand in two rows."""
    first: dict[str, int] = {}
    for row, source in zip(rows, sources, strict=True):
        line = first.setdefault(os.path.normpath(source), row.line)
        if line != row.line:
            faults.add(f"line {row.line}: {row.path} is already in line {line}", kind="a file that stands twice")


def _way_out(faults: Faults, words: Sequence[str], *, is_hot: bool) -> str | None:
    """Return what to do; `words` are labels that stand for no value, but may be meant as classes."""
    is_class = f"; if {words[0]} is a class, name it in data.classes" if words and faults.n_of("no label") else ""
    if faults.n_of("no such file"):
        return (
            "correct the paths; where the column holds names, say where the files are: folder: [images], suffix: .jpg; "
            f"or leave rows without a file out with skip_unreadable: true{is_class}"
        )
    if not faults.n_of("no label"):
        return None
    if is_hot:
        return (
            "if a row without a 1 may have no class, leave such rows out with skip_unreadable: true; if several labels "
            "may hold for a scan, or none, this is a multi-label set, which is not supported: name one of the columns"
        )
    return f"leave rows without a label out with skip_unreadable: true{is_class}"


def is_called_label(name: str) -> bool:
    """Whether a column has a usual name of labels."""
    return name.lower() in ("label", "labels", *LIKELY["label"])


def _binary_note(options: Mapping[str, Any], class_names: Sequence[str]) -> str | None:
    """Return how to name classes that are called 0 and 1 after the values of a column whose name says what 1 is."""
    label = options.get("label", "label")
    if not isinstance(label, str) or is_called_label(label):
        return None
    if sorted(class_names) not in (["0", "1"], ["0.0", "1.0"]):
        return None
    zero, one = sorted(class_names)
    line = yaml_flow({f"not {label}": [zero], label: [one]})
    return f"The classes are called {zero} and {one}, the values of the column {label}; to name them: classes: {line}"


def _like_patients(header: Sequence[str], columns: _Columns, rows: Sequence[_Row]) -> str | None:
    """Return the column that looks most like patients, where none is named."""
    found = {header[n]: [row.others[k] for row in rows] for k, n in enumerate(columns.others)}
    ranks = [(rank, name) for name, cells in found.items() if (rank := patient_rank(name, cells)) is not None]
    return min(ranks)[1] if ranks else None


def _is_hot(options: Mapping[str, Any]) -> bool:
    return not isinstance(options.get("label", ""), str)


def _listing(path: Path, rows: Sequence[_Row], sources: Sequence[str], left_out: Mapping[str, int]) -> Listing:
    files = tuple(path.parent / source for source in sources)
    names = sorted({row.label for row in rows})
    index = {name: number for number, name in enumerate(names)}
    patients = tuple(row.patient for row in rows if row.patient is not None)

    def decoders() -> Iterator[Decode]:
        return (partial(decode_image, file) for file in files)

    return Listing(
        sources=tuple(sources),
        labels=np.array([index[row.label] for row in rows], dtype=np.int64),
        class_names=tuple(names),
        split=np.array([SPLIT_OF_WORD[row.split.lower()] if row.split else "" for row in rows], dtype="U5"),
        patients=patients if len(patients) == len(rows) else None,
        folders=_folders(rows, sources),
        files=files,
        decoders=decoders,
        left_out=dict(left_out),
    )


def _folders(rows: Sequence[_Row], sources: Sequence[str]) -> tuple[str, ...]:
    """Return the first folder of each file below what all share that is named neither as a split nor as its class."""
    parts = [source.split("/")[:-1] for source in sources]
    n_shared = 0
    while all(len(one) > n_shared + 1 for one in parts) and len({one[n_shared] for one in parts}) == 1:
        n_shared += 1
    return tuple(
        next(
            (
                name
                for name in one[n_shared:]
                if name.lower() not in SPLIT_OF_WORD and plain_name(name) != plain_name(row.label)
            ),
            "",
        )
        for row, one in zip(rows, parts, strict=True)
    )


FORMAT = Format(
    name="table",
    looks_like="a CSV table of scans",
    options={
        "path": Option(
            kind="text", meaning="column of the file's path or name, or of an id that is its name; default path"
        ),
        "label": Option(
            kind="text or names",
            meaning="column of the class name, or a list of columns with a 1 in one; default label",
        ),
        "split": Option(kind="text", meaning="column of the split (train, val, test); default split, if there is one"),
        "patient": Option(kind="text", meaning="column of the patient; default patient, if there is one"),
        "folder": Option(
            kind="text or names", meaning="folders of the files, from the table's; default: that one and all below it"
        ),
        "suffix": Option(kind="text", meaning="what the paths lack at their end, such as .jpg"),
    },
    matches=matches,
    read=read,
)
