"""``protocol.jsonl``: every version of the study, and the hash of every file that was written, as a chained log.

A line says what was written (`kind`), when (`at`) and the SHA-256 of each file (`files`, by its path in the folder). It
is appended before the file gets its name. So a file that does not fit the last line that names it was changed
afterwards, or the writing of it was interrupted.

    study        study.yaml and plan.json, with the study file's text and hash and the number of runs finished by then
    data         data.json and cases.parquet
    audit        audit.json
    environment  environment.json
    run          run.json of a finished run, which holds the hashes of the run's other files
    found        files of an earlier version of scantrial, as they were when this version first wrote to the folder

A line without a kind is a version of the study, written by an earlier version of scantrial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scantrial.core.files import clear_os_errors, matching, sha256_of
from scantrial.store.chain import Log, append_chained, read_log
from scantrial.store.contents import ProtocolLine
from scantrial.store.schema import now

NAME = "protocol.jsonl"

STUDY_FILES = ("study.yaml", "plan.json")
FIXED_FILES = (*STUDY_FILES, "data.json", "cases.parquet", "audit.json", "environment.json")
"""The files that a study folder has once; all others belong to a run or are logs."""


class Protocol:
    """The protocol of one study folder; it is read again when it has changed.

    Parameters
    ----------
    folder : the study folder
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._seen: tuple[tuple[int, ...], Log, Mapping[str, list[str]]] = (), Log(), {}

    def log(self) -> Log:
        """Return its lines, with what is wrong with them."""
        return self._read()[0]

    def _read(self) -> tuple[Log, Mapping[str, list[str]]]:
        """Return the log, and the hashes of each file that it names."""
        stamp = _stamp(self.path)
        if self._seen[0] != stamp:
            log = read_log(self.path, ProtocolLine)
            bound: dict[str, list[str]] = {}
            for line in log.lines:
                for name, digest in _files_of(line).items():
                    bound.setdefault(name, []).append(digest)
            self._seen = stamp, log, bound
        return self._seen[1:]

    def versions(self) -> list[dict[str, Any]]:
        """Return every version of the study that was run: at, study_sha256, finished_runs, change, study_yaml.

        Runs that had been finished by then count even if they were deleted.
        """
        versions: list[dict[str, Any]] = []
        finished: set[str] = set()
        for line in self.log().lines:
            if line.get("kind", "study") == "study":
                version = {key: value for key, value in line.items() if key not in ("kind", "files")}
                if finished:
                    version["finished_runs"] = max(len(finished), version.get("finished_runs", 0))
                versions.append(version)
            finished.update(name for name in _files_of(line) if name.startswith("runs/"))
        return versions

    def hashes(self, name: str) -> Sequence[str]:
        """Return the hashes of all versions of a file, the present one last; empty if none was kept."""
        return self._read()[1].get(name, [])

    def hash_of(self, name: str) -> str | None:
        """Return the hash of the present version of a file; None if none was kept."""
        found = self.hashes(name)
        return found[-1] if found else None

    def names(self) -> tuple[str, ...]:
        """Return every file that the protocol names."""
        return tuple(self._read()[1])

    def bind(self, kind: str, files: Mapping[str, str], **facts: Any) -> None:
        """Log the hashes of files that are about to get their names; the line is on the disk before this returns.

        What an earlier version wrote is bound first, as it is now.

        Parameters
        ----------
        facts : what else the line says
        """
        self.bind_found()
        append_chained(self.path, {"at": now(), "kind": kind, **facts, "files": dict(files)})

    def bind_found(self) -> None:
        """Log the hashes of what an earlier version wrote, once; workers that write at once come after it."""
        found = {} if self.log().is_chained else self._found()
        if found:
            append_chained(self.path, {"at": now(), "kind": "found", "files": found})

    def _found(self) -> dict[str, str]:
        """Return the hashes of the files that are there and that the protocol is to name."""
        fixed = [self.folder / name for name in FIXED_FILES]
        with clear_os_errors(self.folder):
            there = [path for path in (*fixed, *matching(self.folder, "runs/*/seed-*/run.json")) if path.is_file()]
            return {path.relative_to(self.folder).as_posix(): sha256_of(path) for path in there}


def _files_of(line: Mapping[str, Any]) -> Mapping[str, str]:
    files = line.get("files")
    return files if isinstance(files, dict) else {}


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes with a file: its size, time and number."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ino
