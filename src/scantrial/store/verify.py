"""Whether a study folder is what was written: each file against its hash, and both logs line by line."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scantrial.core.errors import DamagedError, StoreError
from scantrial.core.files import clear_os_errors, encoded, is_aside, matching, sha256_of
from scantrial.core.plain import Plain
from scantrial.store.chain import Log, read_log
from scantrial.store.contents import OpeningLine
from scantrial.store.folder import StudyFolder
from scantrial.store.hashed import advice_for
from scantrial.store.lock import holder_of
from scantrial.store.protocol import FIXED_FILES, NAME, STUDY_FILES, Protocol
from scantrial.store.run_files import FACTS, read_facts, run_file_names
from scantrial.store.strangers import files_below, folders_without_a_run, is_added_to_a_run, is_of_a_run
from scantrial.store.test_lock import OPENINGS

Kind = Literal["changed", "missing", "put back", "not in the protocol", "log", "not logged", "plan"]
State = Literal["whole", "changed", "missing", "put back", "not in the protocol", "not bound", "absent"]

READ = (*STUDY_FILES, "data.json", "cases.parquet")
"""The files that say what was studied: the study, its plan, its scans."""

_LOOKS = 3
"""How often a folder that is being written to is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch(Plain):
    """One thing that is not as it was written.

    Parameters
    ----------
    kind : what is wrong: a file has ``changed`` or is ``missing``; it was ``put back`` to an earlier version; it is
        ``not in the protocol``, or no run writes such a file, so it was not written here; a ``log`` is damaged; a run's
        opening of the test rows is ``not logged``; the ``plan`` is not that of the study file
    where : the file, by its path in the folder
    sentence : the same in words
    """

    kind: Kind
    where: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Plain):
    """What was checked in a study folder, and what is not as it was written.

    Parameters
    ----------
    n_files : files that were compared with a hash
    n_lines : lines of each log
    heads : hash of the last line of each log, which depends on all lines before it; None where no line is chained
    mismatches : what is wrong; empty if the folder is whole
    not_bound : files without a hash, written by an earlier version
    not_checked : other files, of which no hash is kept: reports, what unfinished and damaged runs left, your own
    notes : what an interruption or an earlier version explains
    """

    folder: str
    n_files: int
    n_lines: Mapping[str, int]
    heads: Mapping[str, str | None]
    mismatches: tuple[Mismatch, ...]
    not_bound: tuple[str, ...]
    not_checked: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every file is what was written, as far as hashes were kept."""
        return not self.mismatches


def verify_folder(folder: StudyFolder) -> Verification:
    """Check every file that a study keeps a hash of, and both logs; nothing is written, no test row is handed out.

    Raises
    ------
    StoreError
        If a file cannot be read, for lack of permission or because of the disk, or a log is of another version.
    """
    logs = {NAME: folder.hashes.log(), OPENINGS: read_log(folder.path / OPENINGS, OpeningLine)}
    states = {name: fixed_state(folder.hashes, name) for name in FIXED_FILES}
    checked = [name for name, state in states.items() if state not in ("absent", "not bound", "not in the protocol")]
    not_bound = [name for name, state in states.items() if state == "not bound"]
    mismatches = study_mismatches(folder)
    for name in _run_names(folder):
        for where, state in _run_states(folder, name):
            if state == "not bound":
                not_bound += [where] if where != name or not logs[NAME].is_chained else []
            elif state != "not in the protocol":
                checked.append(where)
            if state in ("changed", "missing", "not in the protocol"):
                mismatches.append(_file_mismatch(where, state))
    known = {*FIXED_FILES, NAME, OPENINGS, ".lock", *checked, *not_bound}
    others = [name for name in files_below(folder.path) if name not in known]
    return Verification(
        folder=str(folder.path),
        n_files=len(checked),
        n_lines={name: len(log.lines) for name, log in logs.items()},
        heads={name: log.head for name, log in logs.items()},
        mismatches=tuple(dict.fromkeys([*mismatches, *_old_study_text(folder), *_added(folder, others)])),
        not_bound=tuple(not_bound),
        not_checked=tuple(name for name in others if not is_of_a_run(name)),
        notes=(*_found_note(folder), *(f"{name}: {note}" for name, log in logs.items() for note in log.notes)),
    )


def study_mismatches(folder: StudyFolder) -> list[Mismatch]:
    """Return what is wrong with the logs, the files that a study has once, and the set of its runs.

    The files of single runs are not read: `StudyFolder` compares each with its hash when it reads it. Folders of
    earlier versions have no hashes, so nothing is wrong with them.
    """
    found = list(_study_mismatches(folder))
    for _ in range(_LOOKS):
        if not found or holder_of(folder.path) is None:
            break
        # A file gets its name a moment after its line in the protocol: look again.
        time.sleep(0.1)
        found = list(_study_mismatches(folder))
    return found


def fixed_state(protocol: Protocol, name: str) -> State:
    """Return how one of `FIXED_FILES` compares with the hashes that the protocol has of it."""
    path, hashes = protocol.folder / name, protocol.hashes(name)
    if not path.is_file():
        return "missing" if hashes else "absent"
    if not hashes:
        return "not in the protocol" if protocol.log().is_chained else "not bound"
    with clear_os_errors(path):
        found = sha256_of(path)
    if found == hashes[-1]:
        return "whole"
    return "put back" if found in hashes else "changed"


def refuse_changed(folder: StudyFolder, names: Sequence[str] = READ) -> None:
    """Refuse a folder with files that are not what was written, for readers that do not tell mismatches themselves.

    Parameters
    ----------
    names : of `FIXED_FILES`; by default those that say what was studied

    Raises
    ------
    DamagedError
        If one of them has changed, is missing, was put back, or is not in the protocol.
    """
    for name in names:
        path = folder.path / name
        if fixed_state(folder.hashes, name) in _SAID and not _is_being_written(folder, name):
            anew = "run the study again, which writes it anew; then repeat this command"
            raise DamagedError(f"{path} is not what was written", do=anew if name in STUDY_FILES else advice_for(path))


_SAID: Mapping[State, tuple[Kind, str]] = {
    "changed": ("changed", "has changed since it was written"),
    "missing": ("missing", "is missing"),
    "put back": ("put back", "is an earlier version: it was put back, or the writing of a newer one was interrupted"),
    "not in the protocol": ("not in the protocol", "is not in the protocol: it was not written here by a study"),
}


def _file_mismatch(where: str, state: State) -> Mismatch:
    kind, words = _SAID[state]
    return Mismatch(kind=kind, where=where, sentence=f"{where} {words}")


def _study_mismatches(folder: StudyFolder) -> Iterator[Mismatch]:
    protocol = folder.hashes
    if not protocol.path.is_file():
        yield _file_mismatch(NAME, "missing")
    openings = read_log(folder.path / OPENINGS, OpeningLine)
    for name, log in ((NAME, protocol.log()), (OPENINGS, openings)):
        for fault in log.faults:
            yield Mismatch(kind="log", where=name, sentence=f"{name}: {fault}")
    lines = protocol.log().lines
    if _is_stripped(protocol, openings):
        sentence = f"{NAME} is not chained, although this version of scantrial wrote to the folder: it was replaced"
        yield Mismatch(kind="log", where=NAME, sentence=sentence)
    if lines and lines[0].get("kind") == "found" and "plan.json" in lines[0]["files"]:
        yield Mismatch(kind="log", where=NAME, sentence=f"{NAME} was lost, and begun again at {lines[0]['at']}")
    for name in FIXED_FILES:
        state = fixed_state(protocol, name)
        if state in _SAID and not (state in ("missing", "put back") and _is_being_written(folder, name)):
            yield _file_mismatch(name, state)
    # What `compare` or `report` appended since does not show that a run's own line is still there.
    yield from _set_of_runs(folder, {run for line in openings.lines if line["by"] == "run" for run in line["runs"]})


def _is_stripped(protocol: Protocol, openings: Log) -> bool:
    """Return whether a protocol lost its chain: it has kinds of lines, or runs were trained, since logs are chained.

    A line of a reader is no such sign: `compare` and `report` add one to a folder of an earlier version, too.
    """
    log = protocol.log()
    if log.is_chained or not protocol.path.is_file():
        return False
    return any("kind" in line for line in log.lines) or any(
        line["by"] == "run" for line in openings.lines[openings.n_before :]
    )


def _set_of_runs(folder: StudyFolder, opened: Collection[str]) -> Iterator[Mismatch]:
    """Yield runs that are gone, runs that were not finished here, and runs whose opening of the test rows is lost."""
    protocol, there = folder.hashes, dict.fromkeys(_run_names(folder))
    if not protocol.log().is_chained:
        return
    bound = dict.fromkeys(name for name in protocol.names() if name.startswith("runs/"))
    for name in bound:
        # In this order: a run that is no longer being written has its file.
        if name not in there and not _is_being_written(folder, name) and not (folder.path / name).is_file():
            sentence = f"{name} is missing: it was deleted, or writing it was interrupted; run the study again"
            yield Mismatch(kind="missing", where=name, sentence=sentence)
    for name in there:
        if name not in bound:
            yield _file_mismatch(name, "not in the protocol")
        elif _has_scores(protocol, name) and _run_of(name) not in opened:
            sentence = f"{name}: {OPENINGS} has no line that says that this run read the test rows"
            yield Mismatch(kind="not logged", where=OPENINGS, sentence=sentence)


def _is_being_written(folder: StudyFolder, name: str) -> bool:
    """Return whether a file may get its name in a moment: its line comes first, and a disk may take long for both."""
    if holder_of(folder.path) is None:
        return False
    if not name.startswith("runs/"):
        lines = folder.hashes.log().lines
        return bool(lines) and name in lines[-1].get("files", ())
    run = (folder.path / name).parent
    partial = folder.path / "partial" / run.parent.name / run.name
    return partial.is_dir() or any(filter(is_aside, matching(run.parent, f".{run.name}.*.tmp")))


def _run_names(folder: StudyFolder) -> list[str]:
    paths = matching(folder.path, f"runs/*/seed-*/{FACTS}")
    return [path.relative_to(folder.path).as_posix() for path in paths]


def _run_of(name: str) -> str:
    """Return ``ARM/seed-S`` of ``runs/ARM/seed-S/run.json``."""
    return name.removeprefix("runs/").removesuffix(f"/{FACTS}")


def _has_scores(protocol: Protocol, name: str) -> bool:
    """Return whether a run was evaluated; a damaged one is told elsewhere."""
    try:
        facts, _ = read_facts((protocol.folder / name).parent, protocol.hash_of(name))
    except StoreError:
        return False
    return facts.chosen_epoch is not None


def _run_states(folder: StudyFolder, name: str) -> Iterator[tuple[str, State]]:
    """Yield each file of a run with its state."""
    run, hash_of_facts = (folder.path / name).parent, folder.hashes.hash_of(name)
    state = _state(run / FACTS, hash_of_facts)
    yield name, state
    if state == "changed":
        return
    try:
        hashes = read_facts(run, hash_of_facts)[1]
    except StoreError:
        yield name, "changed"
        return
    for other in run_file_names(run, hashes):
        is_added = bool(hashes) and other not in hashes
        found: State = "not in the protocol" if is_added else _state(run / other, hashes.get(other))
        yield f"{run.relative_to(folder.path).as_posix()}/{other}", found


def _state(path: Path, expected: str | None) -> State:
    if not path.is_file():
        return "missing"
    if expected is None:
        return "not bound"
    with clear_os_errors(path):
        return "whole" if sha256_of(path) == expected else "changed"


def _old_study_text(folder: StudyFolder) -> Iterator[Mismatch]:
    """Compare the study file with its last version in the protocol, where an earlier version kept no hash of it."""
    if fixed_state(folder.hashes, "study.yaml") != "not bound":
        return
    versions = folder.protocol()
    with clear_os_errors(folder.path):
        text = (folder.path / "study.yaml").read_bytes()
    if versions and encoded(str(versions[-1].get("study_yaml", ""))) != text:
        yield _file_mismatch("study.yaml", "changed")


def _added(folder: StudyFolder, others: Sequence[str]) -> Iterator[Mismatch]:
    """Yield what lies in a run's folder, or in its place, and was written by no run."""
    bound = set(folder.hashes.names())
    empty = [name for name in folders_without_a_run(folder.path) if f"{name}/{FACTS}" not in bound]
    for name in empty:
        sentence = f"{name} has no {FACTS}: it was not written here by a study"
        yield Mismatch(kind="not in the protocol", where=name, sentence=sentence)
    for name in filter(is_added_to_a_run, others):
        sentence = f"{name} was not written here by a study: no run writes such a file"
        yield Mismatch(kind="not in the protocol", where=name, sentence=sentence)


def _found_note(folder: StudyFolder) -> Iterator[str]:
    for line in folder.hashes.log().lines:
        if line.get("kind") == "found":
            n = len(line.get("files", ()))
            yield f"{n} files were written by an earlier version, and bound as they were at {line.get('at')}"
