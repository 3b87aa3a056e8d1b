"""What lies in a study folder although no study keeps a hash of it: reports, notes, files added to a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from scantrial.core.errors import InputError
from scantrial.core.files import is_aside, matching
from scantrial.store.protocol import Protocol
from scantrial.store.run_files import FACTS, HISTORY, PREDICTIONS, SHEET, WEIGHTS

RUN_FILES = (FACTS, HISTORY, PREDICTIONS, WEIGHTS, SHEET)
"""The files that a run writes."""

OF_THE_DESKTOP = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that file managers leave where somebody has looked into a folder."""

_STARTED = frozenset(
    {".lock", "study.yaml", "protocol.jsonl", "environment.json", "data.json", "cases.parquet", "partial"}
)
"""What a study folder may hold before its plan.json is written; the lock comes first of all."""

_IN_A_RUN = re.compile(r"(runs/[^/]+/seed-[^/]*)/(.+)", re.DOTALL)


def foreign_names(folder: Path, protocol: Protocol) -> list[str]:
    """Return the names in a folder without a study that no interrupted start of a study can have left, sorted.

    Without a lock beside it, a data.json belongs to someone else.
    """
    names = {path.name for path in folder.iterdir() if not is_aside(path)}
    if not (folder / ".lock").is_file():
        return sorted(names)
    has_study = protocol.path.is_file() and bool(protocol.versions() or not protocol.log().lines)
    return sorted(names - (_STARTED if has_study else _STARTED - {"study.yaml"}))


def files_below(folder: Path) -> list[str]:
    """Return every file and link below a folder, by its path in it, sorted; what links lead to is not looked at."""
    found = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        found += [(Path(place) / name).relative_to(folder).as_posix() for name in (*files, *links)]
    return sorted(found)


def is_added_to_a_run(name: str) -> bool:
    """Return whether a path is of a file in a run's folder that no run writes."""
    found = _IN_A_RUN.fullmatch(name)
    return found is not None and found[2] not in (*RUN_FILES, *OF_THE_DESKTOP)


def is_of_a_run(name: str) -> bool:
    """Return whether a path is of a file in a run's folder."""
    return _IN_A_RUN.fullmatch(name) is not None


def folders_without_a_run(folder: Path) -> Iterator[str]:
    """Yield the folders that have the name of a run's folder, and no ``run.json``."""
    for path in matching(folder, "runs/*/seed-*"):
        if not (path / FACTS).is_file() and path.is_dir():
            yield path.relative_to(folder).as_posix()


def refuse_file(path: Path, *, do: str | None = None) -> None:
    """Refuse a file where a study folder is wanted; of a study file, say where its runs are.

    Raises
    ------
    InputError
        Naming what to do.
    """
    if not path.is_file():
        return
    beside = path.with_suffix("")
    way_out = f"give {beside}" if (beside / "plan.json").is_file() else f"scantrial run {path} makes it"
    raise InputError(f"{path} is a file", expected="the folder of a study", do=do or way_out)
