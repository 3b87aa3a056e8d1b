"""`status`: what is finished, running and waiting in a study folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantrial.recipe.training import stopped_words
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.lock import holder_of
from scantrial.store.verify import Mismatch, study_mismatches


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a study folder holds and what is left to do.

    Parameters
    ----------
    question : the study's question
    mismatches : which files and lines of the folder are not what was written
    finished, diverged, failed, waiting : runs by their state; diverged ones are finished, too
    running : where each run stood a few seconds ago: arm, seed, epoch, n_epochs, val_accuracy
    reused : finished runs that were copied, each with the folder, arm and seed that it came from
    stopped_early : finished runs that early stopping ended, each with when and why in words
    seconds_left : of the process that is training now, or None
    holder : the process that holds the folder (pid, host, since, command), or None
    """

    folder: Path
    question: str
    finished: tuple[RunKey, ...]
    diverged: tuple[RunKey, ...]
    failed: tuple[tuple[RunKey, str], ...]
    running: tuple[Mapping[str, Any], ...]
    waiting: tuple[RunKey, ...]
    reused: tuple[tuple[RunKey, Mapping[str, Any]], ...]
    seconds_left: float | None
    holder: Mapping[str, Any] | None
    mismatches: tuple[Mismatch, ...] = ()
    stopped_early: tuple[tuple[RunKey, str], ...] = ()


def status(folder: str | Path) -> Status:
    """Tell what is done, running and left in a study folder."""
    store = open_folder(folder)
    holder = holder_of(store.path)
    progress = _note_of(store, holder)
    finished = store.run_keys()
    failures = store.failures()
    running = {RunKey.from_dict(item): item for item in progress.get("running", ())}
    # The note is a few seconds old: what has ended since then no longer runs.
    busy = running.keys() - set(finished)
    seen = {*finished, *busy, *(failure.key for failure in failures)}
    facts = {key: store.facts(key) for key in finished}
    return Status(
        folder=store.path,
        question=store.plan().study,
        finished=tuple(finished),
        diverged=tuple(key for key in finished if facts[key].status == "diverged"),
        failed=tuple((failure.key, failure.message) for failure in failures if failure.key not in busy),
        running=tuple(item for key, item in running.items() if key in busy),
        waiting=tuple(key for key in store.planned_keys() if key not in seen),
        reused=tuple((key, found.reused_from) for key, found in facts.items() if found.reused_from is not None),
        seconds_left=_seconds_left(progress),
        holder=holder,
        mismatches=tuple(study_mismatches(store)),
        stopped_early=tuple((key, stopped_words(found)) for key, found in facts.items() if found.stopped_early),
    )


def _note_of(store: StudyFolder, holder: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the training process's note of where its runs are; the note of a process that has ended is ignored."""
    note = store.progress() if holder is not None else {}
    return note if holder is not None and note.get("pid") == holder.get("pid") else {}


def _seconds_left(note: Mapping[str, Any]) -> float | None:
    """Return the time left now, from the time left when the note was written."""
    left = note.get("seconds_left")
    if left is None:
        return None
    now = time.time()
    age = max(0.0, now - float(note.get("at", now)))
    return max(0.0, float(left) - age)
