"""Single bit flips in every kind of stored file: the file is refused, told by `verify`, or read as what it was."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.siege.inputs import BASE, stored_readers
from tests.siege.mutation import flipped
from tests.siege.outcome import Row

from scantrial import api
from scantrial.core.errors import ScantrialError


def comparable(value: Any) -> Any:
    """Return a value as nested tuples in which equal means equal to the last bit, also for NaN."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(comparable(getattr(value, item.name)) for item in fields(value))
    if isinstance(value, Mapping):
        return tuple(sorted((repr(key), comparable(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(comparable, value))
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def siege_of_bits(name: str, folder: Path, *, n: int, seed: int) -> Row:
    """Flip one bit of a file `n` times; `folder` is a study folder, whole, and is so again at the end.

    A flip that changes what is read has to be refused by the reader, or told by `verify`. In a file of a run, which is
    compared with its hash whenever it is read, every flip has to be refused by the reader.
    """
    row, rng = Row(part="bits", kind=name), random.Random(f"{seed}/{name}")
    read, path = stored_readers()[name], folder / name
    content = path.read_bytes()
    expected = comparable(read(folder))
    if is_told(folder):
        row.faults.append("`verify` tells something of the folder before anything is flipped")
    for number in range(n):
        # The log of openings grows when predictions are read, which is not what is tried here.
        path.write_bytes(flipped(content, rng))
        try:
            is_equal = comparable(read(folder)) == expected
        except ScantrialError:
            row.told += 1
            continue
        except Exception as error:
            row.faults.append(f"flip {number}: {type(error).__name__}: {str(error)[:150]}")
            continue
        if name.startswith(BASE):
            row.faults.append(f"flip {number}: a file of a run is read")
        elif not is_equal:
            row.told += 1
            if not is_told(folder):
                row.faults.append(f"flip {number}: read as something else, and `verify` finds nothing")
    path.write_bytes(content)
    row.n = n
    return row


def is_told(folder: Path) -> bool:
    """Return whether `verify` tells something, be it that a last line has no end, as after an interruption."""
    try:
        found = api.verify(folder)
        return bool(found.mismatches or found.notes)
    except ScantrialError:
        return True
