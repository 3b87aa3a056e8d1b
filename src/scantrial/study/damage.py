"""What `run` does about files of a study folder that are not what was written, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scantrial.core.errors import DamagedError
from scantrial.store.folder import StudyFolder
from scantrial.store.protocol import STUDY_FILES
from scantrial.store.verify import State, fixed_state

_WRONG: tuple[State, ...] = ("changed", "missing", "put back", "not in the protocol")


def mend(folder: StudyFolder) -> Iterator[str]:
    """Set damaged runs aside and remove a damaged audit, so that both are made anew; yield what was done, in words.

    Call it with the folder's lock held.

    Raises
    ------
    DamagedError
        If the record of the scans or of the environment is damaged, and runs that are finished depend on it.
    """
    for fault in folder.hashes.log().faults:
        yield f"{folder.hashes.path}: {fault}; `scantrial verify {folder.path}` checks everything"
    for name in ("data.json", "cases.parquet", "environment.json"):
        yield from _mend_fixed(folder, name)
    if fixed_state(folder.hashes, "audit.json") in _WRONG:
        (folder.path / "audit.json").unlink(missing_ok=True)
        yield f"{folder.path / 'audit.json'} is not what was written: the scans are audited anew"
    for key in folder.planned_keys() if folder.exists() else ():
        if not folder.is_finished(key):
            if folder.was_finished(key):
                path = folder.run_path(key)
                yield f"{path} is missing: it was deleted, or writing it was interrupted; run {key} is trained anew"
            continue
        try:
            folder.check_run(key)
        except DamagedError as error:
            yield f"{error.got}: run {key} is now in {folder.set_aside(key)}, and is trained anew"


def _mend_fixed(folder: StudyFolder, name: str) -> Iterator[str]:
    state, path = fixed_state(folder.hashes, name), folder.path / name
    if state not in _WRONG:
        return
    if state == "put back" and name == "environment.json":
        folder.write_environment(folder.environment())
        yield f"{path} is an earlier version, which is kept"
    elif folder.has_finished_runs():
        raise DamagedError(
            f"{path} is not what was written, and the finished runs depend on it",
            do="restore it from a copy, or run the study into a new folder",
        )
    else:
        path.unlink(missing_ok=True)
        yield f"{path} is not what was written: it is written anew"


def rewriting_of(folder: StudyFolder) -> tuple[str, bool]:
    """Return why the study file and the plan have to be written again, empty if not, and whether they were edited.

    What is missing or an earlier version may be what a kill left.
    """
    states: Mapping[str, State] = {name: fixed_state(folder.hashes, name) for name in STUDY_FILES}
    wrong = [name for name, state in states.items() if state in _WRONG]
    is_edited = any(states[name] in ("changed", "not in the protocol") for name in wrong)
    why = "had changed outside scantrial" if is_edited else "was missing or an earlier version"
    return (f"written again, because {' and '.join(wrong)} {why}" if wrong else ""), is_edited
