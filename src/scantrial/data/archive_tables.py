"""A table of cases that lies in an archive, beside its files, as data sets are offered for download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scantrial.core.errors import DataError, itemised
from scantrial.core.names import listed
from scantrial.data.formats import FORMATS, Option, format_of
from scantrial.data.formats.base import is_hidden
from scantrial.data.formats.npy_classes import unwrapped
from scantrial.data.formats.table import needed_columns
from scantrial.data.formats.table_text import open_sheet

TABLE = "table"
"""The option that names a table of an archive."""

_MOST_TABLES = 100

ARCHIVE = replace(
    FORMATS["table"],
    name="archive",
    looks_like="an archive of scans",
    options={
        **FORMATS["npy_pairs"].options,
        **FORMATS["table"].options,
        TABLE: Option(kind="text", meaning="the table of cases in the archive, if several may be meant"),
    },
)
"""An archive, with every option that what it holds may take: that is known once it is unpacked."""


def place_in_archive(folder: Path, archive: Path, options: Mapping[str, Any]) -> Path:
    """Return what is read of an unpacked archive: the table that is meant, or the folder itself.

    A table is meant if the option `table` names it, or if it alone has the columns that are asked for. They are looked
    for at the top, inside folders around everything, and one folder below. Arrays come before tables.

    Parameters
    ----------
    folder : where it is unpacked
    archive : the archive, for messages

    Raises
    ------
    DataError
        If several tables may be meant, or none fits what is asked for.
    """
    tables = tables_in(folder)
    names = [table.relative_to(folder).as_posix() for table in tables]
    if TABLE in options:
        found = [table for table, name in zip(tables, names, strict=True) if options[TABLE] in (name, table.name)]
        if len(found) != 1:
            raise _refusal(archive, f"{len(found)} tables called {options[TABLE]!r}", names)
        return found[0]
    if format_of(folder) is not FORMATS["folder"]:
        return folder
    columns = needed_columns(options)
    fitting = [name for table, name in zip(tables, names, strict=True) if set(columns) <= set(_header(table, columns))]
    if len(fitting) > 1:
        raise _refusal(archive, f"{len(fitting)} tables with the columns {listed(map(repr, columns))}", fitting)
    if not fitting and options.keys() & FORMATS["table"].options.keys():
        raise _refusal(archive, f"no table with the columns {listed(map(repr, columns))}", names)
    return folder / fitting[0] if fitting else folder


def _refusal(archive: Path, found: str, names: list[str]) -> DataError:
    return DataError(
        f"{archive} holds {found}{':' if names else ''}\n{itemised(names, alike=True)}".rstrip(),
        expected="one table of cases with its columns",
        do="name the table, and its columns: source: {name: ARCHIVE, table: NAME, path: COLUMN, label: COLUMN}",
    )


def tables_in(folder: Path) -> list[Path]:
    """Return the tables at the top of a folder, inside folders around everything, and one folder below, sorted.

    At most `_MOST_TABLES`.
    """
    root = unwrapped(folder)
    folders = [root, *(entry for entry in sorted(root.iterdir()) if entry.is_dir() and not is_hidden(entry))]
    files = (entry for folder in folders for entry in sorted(folder.iterdir()))
    return [file for file in files if FORMATS["table"].matches(file) and not is_hidden(file)][:_MOST_TABLES]


def _header(table: Path, columns: list[str]) -> tuple[str, ...]:
    """Return the names of a table's columns; none where it cannot be read."""
    try:
        return open_sheet(table, needed=columns).header
    except DataError:
        return ()
