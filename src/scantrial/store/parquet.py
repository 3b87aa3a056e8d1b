"""Parquet that may come from a stranger: it is never unpacked to more than a bounded size.

A column that repeats one value is a few bytes in a file and gigabytes in memory. The head of a file says how many rows
and bytes it holds, and is looked at first; texts are counted before they are written out.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MAX_COLUMNS = 10_000
MAX_ROWS, ROWS_A_BYTE = 4_000_000, 0.25
"""Rows that any file may have, and how many more for each of its bytes."""

MAX_BYTES, UNPACKED = 256 << 20, 16
"""Bytes that any file may unpack to, and how many times its own size on top."""


class TooLargeError(ValueError):
    """A file that unpacks to more than it may."""


def read_parquet(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file's rows; a column of lists or records comes as nulls.

    Parameters
    ----------
    columns : only these, as far as they are there

    Raises
    ------
    TooLargeError
        If it has more rows, columns or bytes than it may.
    pyarrow.ArrowException
        If the file is damaged.
    """
    with pq.ParquetFile(native_reader(content)) as file:
        head, schema = file.metadata, file.schema_arrow
    _refuse_head(head, len(content))
    wanted = schema.names if columns is None else columns
    places = [place for name in dict.fromkeys(wanted) for place in schema.get_all_field_indices(name)]
    places = sorted(places) if columns is None else places
    flat = [place for place in places if _width(schema.field(place).type) is not None]
    fixed = sum(_width(schema.field(place).type) or 0.0 for place in flat)
    _refuse_bytes(head.num_rows * fixed, len(content))
    table = _flat_columns(content, [schema.names[place] for place in sorted(flat)])
    if table.num_columns != len(flat):
        raise TooLargeError("several columns of one name beside lists or records")
    texts = [column for column in table.columns if pa.types.is_dictionary(column.type)]
    _refuse_bytes(table.nbytes + sum(map(_text_bytes, texts)), len(content))
    found = dict(zip(sorted(flat), table.columns, strict=True))
    fields = [pa.field(schema.names[place], _plain(schema.field(place).type)) for place in places]
    arrays = [
        found[place].cast(field.type) if place in found else pa.nulls(len(table), field.type)
        for place, field in zip(places, fields, strict=True)
    ]
    return pa.table(arrays, schema=pa.schema(fields, metadata=schema.metadata))


def _flat_columns(content: bytes, names: Sequence[str]) -> pa.Table:
    """Read columns; a text that is repeated stays one text in memory until all of them have been counted."""
    reader = native_reader(content)
    with pq.ParquetFile(reader, page_checksum_verification=True, read_dictionary=list(names)) as file:
        every = list(names) == file.schema_arrow.names
        return file.read(columns=None if every else list(names), use_threads=False)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column is read as."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def _width(kind: pa.DataType) -> float | None:
    """Return the bytes of a value; 0 for texts, which are counted when they are read, None for lists and records."""
    kind = _plain(kind)
    if pa.types.is_null(kind) or _is_text(kind):
        return 0.0
    try:
        return None if pa.types.is_nested(kind) else float(kind.bit_width / 8)
    except ValueError:
        return None


def _refuse_head(head: pq.FileMetaData, n_bytes: int) -> None:
    if head.num_columns > MAX_COLUMNS:
        raise TooLargeError(f"{head.num_columns:,} columns, expected at most {MAX_COLUMNS:,}")
    groups = [head.row_group(i) for i in range(head.num_row_groups)]
    n_rows = max(head.num_rows, sum(group.num_rows for group in groups))
    if n_rows > max_rows(n_bytes):
        raise TooLargeError(f"{n_rows:,} rows, expected at most {max_rows(n_bytes):,} in a file of this size")
    _refuse_bytes(sum(group.total_byte_size for group in groups), n_bytes)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
    )


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Return how many bytes a column of texts, each stored once, holds when it is written out."""
    total = 0
    if not _is_text(column.type.value_type):
        return 8 * len(column)
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total


def max_rows(n_bytes: int) -> int:
    """Return how many rows a file of so many bytes may have."""
    return MAX_ROWS + int(ROWS_A_BYTE * n_bytes)


def _refuse_bytes(unpacked: float, n_bytes: int) -> None:
    limit = MAX_BYTES + UNPACKED * n_bytes
    if unpacked > limit:
        raise TooLargeError(f"it unpacks to more than {limit >> 20:,} MB, {n_bytes >> 20:,} MB as a file")


def native_reader(content: bytes) -> pa.BufferReader:
    """Return a reader over a copy of `content` that holds no Python object.

    Arrow's own threads may release what they read a moment after the reading has ended. If that is a Python object
    while the interpreter is closing, the whole process aborts.
    """
    stream = pa.BufferOutputStream()
    stream.write(content)
    return pa.BufferReader(stream.getvalue())
