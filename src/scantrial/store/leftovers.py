"""What killed processes leave in a study folder, and how it is removed."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from scantrial.core.files import clear_os_errors, is_aside, matching
from scantrial.core.run_key import RunKey

_WRITTEN_INTO = ("runs/*", "partial", "partial/*/*")


def remove_half_written(folder: Path) -> None:
    """Remove half-written files and folders, and the last progress note; ``report/`` is left alone."""
    with clear_os_errors(folder):
        for place in (folder, *(place for pattern in _WRITTEN_INTO for place in folder.glob(pattern))):
            for leftover in filter(is_aside, place.glob(".*.tmp") if _is_within(folder, place) else ()):
                if leftover.is_dir() and not leftover.is_symlink():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)
        if _is_within(folder, folder / "partial"):
            (folder / "partial" / "progress.json").unlink(missing_ok=True)


def remove_notes(folder: Path) -> None:
    """Remove notes, logs and empty folders from the folder of unfinished runs."""
    partial = folder / "partial"
    if not _is_within(folder, partial):
        return
    for note in (*partial.glob("worker-*.log"), partial / "progress.json"):
        note.unlink(missing_ok=True)
    for place in (*partial.glob("*"), partial):
        with contextlib.suppress(OSError):
            place.rmdir()


def remove_unfinished(folder: Path, place: Path) -> None:
    """Remove the folder of an unfinished run with all that is in it, unless a link leads there."""
    if _is_within(folder, place):
        shutil.rmtree(place, ignore_errors=True)


def _is_within(folder: Path, place: Path) -> bool:
    """Return whether no step from the study folder to `place` is a link: nothing is removed through one."""
    steps = place.relative_to(folder).parts
    return not any(folder.joinpath(*steps[: n + 1]).is_symlink() for n in range(len(steps)))


def unfinished_in(folder: Path) -> list[RunKey]:
    """Return every run that has a folder of an unfinished run, sorted; other names are no runs."""
    keys = [RunKey.of_folder(path.parent.name, path.name) for path in matching(folder, "partial/*/seed-*")]
    # Folders of a cross-validation and of a study with one test set are not both there, but anyone may make them.
    return sorted((key for key in keys if key is not None), key=lambda key: (key.arm, key.seed, key.place or ()))
