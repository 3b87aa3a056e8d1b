"""What killed processes leave in a study folder, and how it is removed."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from scantrial.core.files import clear_os_errors, is_aside

_WRITTEN_INTO = ("runs/*", "partial", "partial/*/*")


def remove_half_written(folder: Path) -> None:
    """Remove half-written files and folders, and the last progress note; ``report/`` is left alone."""
    with clear_os_errors(folder):
        for place in (folder, *(place for pattern in _WRITTEN_INTO for place in folder.glob(pattern))):
            for leftover in filter(is_aside, place.glob(".*.tmp")):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)
        (folder / "partial" / "progress.json").unlink(missing_ok=True)


def remove_notes(partial: Path) -> None:
    """Remove notes, logs and empty folders from the folder of unfinished runs."""
    for note in (*partial.glob("worker-*.log"), partial / "progress.json"):
        note.unlink(missing_ok=True)
    for folder in (*partial.glob("*"), partial):
        with contextlib.suppress(OSError):
            folder.rmdir()
