"""The formats of scans: one module each, one line each in the table.

The first format that matches a path reads it, so the specific ones come before the general ones.
"""

from __future__ import annotations

from pathlib import Path

from scantrial.core.registry import Registry
from scantrial.data.formats import folder, medmnist, npy_classes, npy_pairs, table
from scantrial.data.formats.base import Format, Listing, Option

__all__ = ["FORMATS", "Format", "Listing", "Option", "format_of"]

FORMATS: Registry[Format] = Registry(
    "format",
    {
        "npy_pairs": npy_pairs.FORMAT,
        "npy_classes": npy_classes.FORMAT,
        "medmnist": medmnist.FORMAT,
        "table": table.FORMAT,
        "folder": folder.FORMAT,
    },
)


def format_of(path: Path) -> Format | None:
    """Return the format that reads `path`, or None."""
    return next((candidate for candidate in FORMATS.values() if candidate.matches(path)), None)
