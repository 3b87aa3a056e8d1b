"""Carry out a study: train the missing runs and return the outcome."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from scantrial.core.custom_code import CustomClass
from scantrial.core.errors import StoreError, StudyConflictError
from scantrial.core.format import counted
from scantrial.core.machine import command_line, n_cores
from scantrial.core.notebook import notebook_html
from scantrial.core.progress import Progress, silent
from scantrial.data.scanset import ScanSet
from scantrial.store.folder import WRITTEN_DIFFERENTLY, Failure, RunKey, StudyFolder
from scantrial.store.lock import StudyLock, refuse_removed
from scantrial.store.schema import now
from scantrial.study.changes import changed_keys, describe_change
from scantrial.study.costs import seen_epoch_s
from scantrial.study.damage import mend, rewriting_of
from scantrial.study.environment import folders_above, versions_of
from scantrial.study.executor import Executor, MakeExecutor
from scantrial.study.file import study_to_yaml
from scantrial.study.fits import refuse_what_does_not_fit
from scantrial.study.pool import Event, Pool
from scantrial.study.record import (
    cases_table,
    check_same_scans,
    data_record,
    has_more_repeats,
    holds_same_scans,
    images_by_arm,
)
from scantrial.study.reuse import Offers, find_offers, open_sources
from scantrial.study.schedule import longest_first, run_costs
from scantrial.study.study import Study
from scantrial.study.to_plan import study_to_plan
from scantrial.study.worker import WorkerSetup
from scantrial.study.worker_count import Probe, WorkerChoice, fixed_choice, measured_choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How to carry out a study.

    Parameters
    ----------
    engine : "module:function" of the training engine
    engine_reason : why this engine
    prepare : "module:function" that sets a worker process up and describes it
    executor : makes the executor that starts the workers, once the folder is locked
    device : ``auto``, ``cpu``, ``cuda`` or ``mps``; the first run fixes it
    workers : processes that train at the same time; None measures which number of workers and threads
        ends the study soonest, unless the folder's first run has fixed that
    threads : threads for one run; None shares the cores among the workers. The first run fixes it.
    checkpoint_every_s : seconds between checkpoints, at an epoch's end; 0 is every epoch
    reuse : other study folders; their finished runs are copied if they equal a run of this study
    custom_classes : the networks of the user's own that may be imported
    """

    engine: str
    engine_reason: str
    prepare: str
    executor: MakeExecutor
    device: str = "auto"
    workers: int | None = 1
    threads: int | None = None
    checkpoint_every_s: float = 60.0
    reuse: tuple[Path, ...] = ()
    custom_classes: tuple[CustomClass, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is in the folder after a study was carried out.

    Parameters
    ----------
    finished : finished runs, including diverged ones
    trained : the finished runs that this call trained
    diverged : runs whose loss was not finite
    failed : runs that could not be carried out
    workers : how many runs were trained at the same time, and why; None if nothing was left to train
    reused : runs that this call copied instead of training them, each with the folder and run it is from
    notes : which runs of other folders cannot be used and why, in words
    """

    folder: Path
    finished: tuple[RunKey, ...]
    trained: tuple[RunKey, ...]
    diverged: tuple[RunKey, ...]
    failed: tuple[Failure, ...]
    workers: WorkerChoice | None = None
    reused: Mapping[RunKey, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Show in a notebook what was trained."""
        why = {failure.key: f"failed: {failure.message}" for failure in self.failed}
        state = {**dict.fromkeys(self.finished, "finished"), **dict.fromkeys(self.diverged, "diverged"), **why}
        return notebook_html(
            f"{counted(len(self.finished), 'run')} finished, {len(self.trained)} of them now, in {self.folder}",
            columns=("arm", "seed", "run"),
            rows=[(key.arm, key.seed, said) for key, said in state.items()],
        )


Watch = Callable[[Event, "Clock"], None]
"""Called with everything that happens, for a display."""

Before = Callable[[StudyFolder], None]
"""Called with the folder, locked and with its study written, before anything is trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Callables for what happens during a study.

    Parameters
    ----------
    watch : called with every event of a run
    before : called before anything is trained, for the audit of the scans
    timing : called with the progress of measuring the number of workers
    chosen : called with the choice of workers
    note : called with a sentence about each file of the folder that is not what was written
    """

    watch: Watch = silent
    before: Before = silent
    timing: Progress = silent
    chosen: Callable[[WorkerChoice], None] = silent
    note: Callable[[str], None] = silent


@dataclass(slots=True)
class Clock:
    """The progress of a study and the time left.

    Parameters
    ----------
    n_epochs : epochs that each run tells which is missing when this call starts
    n_workers : runs trained at the same time
    """

    n_epochs: Mapping[RunKey, int]
    n_workers: int
    done: dict[RunKey, int] = field(default_factory=dict)
    _spent_s: dict[str, tuple[int, float]] = field(default_factory=dict)
    _last: dict[RunKey, float] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        """Take in one event."""
        at = time.monotonic()
        if event.kind == "epoch":
            if event.key in self.done:
                n, seconds = self._spent_s.get(event.key.arm, (0, 0.0))
                self._spent_s[event.key.arm] = n + 1, seconds + at - self._last[event.key]
            self.done[event.key] = event.epoch
        elif event.kind in ("done", "failed"):
            self.done[event.key] = self.n_epochs[event.key]
        elif event.kind == "lost":
            self.done.pop(event.key, None)
        self._last[event.key] = at

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the study ends, from the epochs seen so far; None before the second epoch."""
        if not self._spent_s:
            return None
        n_seen = sum(n for n, _ in self._spent_s.values())
        overall = sum(seconds for _, seconds in self._spent_s.values()) / n_seen
        left = 0.0
        for key, n_epochs in self.n_epochs.items():
            n, seconds = self._spent_s.get(key.arm, (1, overall))
            left += (n_epochs - self.done.get(key, 0)) * seconds / n
        return left / self.n_workers


def run_study(study: Study, scans: ScanSet, folder: StudyFolder, execution: Execution, hooks: Hooks) -> Outcome:
    """Train every run of the study that the folder does not have yet.

    Finished runs are kept, unfinished ones continue from their checkpoint. A run that fails is
    noted and the others continue. A run whose files are not what was written is set aside and trained anew.

    Parameters
    ----------
    scans : with the study's split

    Raises
    ------
    LockedError
        If another process holds the folder.
    StudyConflictError
        If the folder has runs of another study, of other scans, or from another device.
    StoreError
        If the folder cannot be written to; finished runs stay.
    """
    study = study.for_scans(scans)
    refuse_what_does_not_fit(study, scans)
    folder.refuse_foreign()
    sources = open_sources(execution.reuse, folder)
    choice: WorkerChoice | None = None
    reused: dict[RunKey, str] = {}
    notes: tuple[str, ...] = ()
    with StudyLock(folder.path) as lock:
        folder.sweep_leftovers()
        for sentence in mend(folder):
            hooks.note(sentence)
        setup = _setup(study, scans, folder, execution)
        _record_study(study, scans, folder, hooks.note)
        keys = [key for key in folder.planned_keys() if not folder.is_finished(key)]
        images = {arm: one.fingerprint for arm, one in setup.arm_images.items()}
        offers = find_offers(sources, folder, keys, with_weights=setup.keep_weights, images=images)
        hooks.before(folder)
        if keys:
            folder.hashes.bind_found()  # once, before several workers write
            executor = execution.executor(folder, lock.fileno())
            if _may_choose_threads(execution, folder) and offers.is_worth_its_threads(
                len(keys), n_workers=execution.workers or 1, n_cores=n_cores()
            ):
                execution = replace(execution, threads=offers.threads)
                setup = replace(setup, threads=offers.threads or setup.threads)
            choice = _choose_workers(study, folder, setup, execution, keys, executor, hooks)
            hooks.chosen(choice)
            if _may_choose_threads(execution, folder) and offers.threads not in (None, choice.threads):
                notes = (offers.threads_note,)
            training = _Training(study=study, folder=folder, keys=keys, offers=offers, choice=choice)
            reused = _train(training, replace(setup, threads=choice.threads), executor, hooks.watch)
    finished = folder.run_keys()
    return Outcome(
        folder=folder.path,
        finished=tuple(finished),
        trained=tuple(sorted((set(keys) & set(finished)) - set(reused), key=keys.index)),
        diverged=tuple(key for key in finished if folder.facts(key).status == "diverged"),
        failed=tuple(folder.failures()),
        workers=choice,
        reused=reused,
        notes=(*offers.notes, *notes, *offers.not_taken(keys, finished, reused)),
    )


def _may_choose_threads(execution: Execution, folder: StudyFolder) -> bool:
    return execution.threads is None and not folder.has_environment()


def _choose_workers(
    study: Study,
    folder: StudyFolder,
    setup: WorkerSetup,
    execution: Execution,
    keys: list[RunKey],
    executor: Executor,
    hooks: Hooks,
) -> WorkerChoice:
    if execution.workers is not None:
        n_workers = min(execution.workers, len(keys))
        return WorkerChoice(workers=n_workers, threads=setup.threads, reason="asked for")
    stored = folder.environment() if folder.has_environment() else {}
    if stored or execution.threads is not None:
        return fixed_choice(stored, threads=setup.threads, n_runs=len(keys))
    probe = Probe(setup=setup, executor=executor)
    return measured_choice(study, keys, probe, progress=hooks.timing)


def _record_study(study: Study, scans: ScanSet, folder: StudyFolder, note: Callable[[str], None] = silent) -> None:
    """Write the study and its scans into the folder, or check that the folder has the same."""
    named = study.without_folders()
    plan, text = study_to_plan(named), study_to_yaml(named)
    change = describe_change(folder, plan)
    spec = study.spec.data
    if folder.has_finished_runs():
        check_same_scans(folder, scans, images_by_arm(study, scans))
        is_known = True
    else:
        is_known = folder.exists() and folder.has_data() and holds_same_scans(folder, scans)
    dropped = [] if is_known else folder.unfinished_keys()
    for key in dropped:
        folder.drop_partial(key)
    if not is_known or has_more_repeats(folder, scans):  # before the plan that names them
        folder.write_data(data_record(scans, spec), cases_table(scans, thumbnails=spec.thumbnails))
    changed = changed_keys(folder, plan)
    for key in changed:
        folder.drop_partial(key)
    if n := len(dropped) + len(changed):
        said = f"{counted(n, 'unfinished run')} {'is' if n == 1 else 'are'} given up"
        note(f"{folder.path}: the study has changed, and {said}")
    rewriting, is_edited = rewriting_of(folder)
    if change or rewriting or folder.study_text() != text:
        why = change or rewriting or WRITTEN_DIFFERENTLY
        if is_edited:
            # What differs from a plan that was edited outside is no change of the author's.
            why = rewriting
            note(f"{folder.path}: the study is {rewriting}")
        folder.write_study(text, plan, sha256=sha256(text.encode()).hexdigest(), change=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """Runs to train or to copy."""

    study: Study
    folder: StudyFolder
    keys: list[RunKey]
    offers: Offers
    choice: WorkerChoice

    @property
    def n_epochs(self) -> dict[RunKey, int]:
        """Epochs that each run tells."""
        lengths = {arm.name: arm.recipe.n_told_epochs for arm in self.study.arms}
        return {key: lengths[key.arm] for key in self.keys}

    @property
    def in_order(self) -> list[RunKey]:
        """The longest first, so that no worker is left with a long one at the end.

        One worker takes them seed by seed, so that every arm has a run early.
        """
        if self.choice.workers == 1:
            return self.keys
        known = {**seen_epoch_s(self.folder), **self.choice.known(self.study)}
        return longest_first(self.keys, run_costs(self.study, self.keys, known))


def _train(training: _Training, setup: WorkerSetup, executor: Executor, watch: Watch) -> dict[RunKey, str]:
    """Train the runs; return those that were copied, each with its source."""
    folder, choice = training.folder, training.choice
    pool = Pool(
        setup,
        training.in_order,
        executor=executor,
        n_workers=choice.workers,
        on_ready=_EnvironmentKeeper(folder, _environment(training, setup)).keep,
        offers=training.offers.by_key,
    )
    clock = Clock(training.n_epochs, choice.workers)
    noted = _Progress(folder, clock)
    reused: dict[RunKey, str] = {}
    try:
        # Closed whatever happens in `watch`, so that no worker outlives this call.
        with closing(pool.events()) as events:
            for event in events:
                refuse_removed(folder.path)
                clock.note(event)
                if event.kind == "started":
                    folder.clear_failure(event.key)
                elif event.kind == "failed":
                    folder.write_failure(event.key, event.message)
                elif event.reused_from:
                    reused[event.key] = event.reused_from
                noted.note(event)
                watch(event, clock)
    except StoreError:
        # Whatever could not be written first, the folder is what is missing.
        refuse_removed(folder.path)
        raise
    folder.tidy_partial()
    return reused


def _setup(study: Study, scans: ScanSet, folder: StudyFolder, execution: Execution) -> WorkerSetup:
    """Return the setup of each worker; threads and device are those of the folder's first run, if there is one."""
    at_once = execution.workers or min(n_cores(), len(study.arms) * study.n_runs_an_arm)
    threads = execution.threads or max(1, n_cores() // at_once)
    device = execution.device
    if folder.has_environment():
        fixed = folder.fixed_environment()
        if device not in ("auto", fixed["device"]):
            raise StudyConflictError(
                f"--device {device}, but the runs in {folder.path} were trained on {fixed['device']}",
                do=f"use --device {fixed['device']} or leave the option out, or run into a new folder",
            )
        if execution.threads not in (None, fixed["threads"]):
            raise StudyConflictError(
                f"--threads {execution.threads}, but the runs in {folder.path} had {fixed['threads']} each",
                expected="the same number, so that equal runs have equal bytes",
                do="leave it out, or run into a new folder",
            )
        if execution.engine != fixed["engine"]:
            raise StudyConflictError(
                f"the runs in {folder.path} were trained by {fixed['engine']}, not by {execution.engine}",
                expected="one engine, so that runs differ only in their arm and seed",
                do="leave --engine out, or run into a new folder",
            )
        threads, device = fixed["threads"], fixed["device"]
    return WorkerSetup(
        folder=str(folder.path.resolve()),
        images_path=str(scans.images_path.resolve()),
        arm_images=images_by_arm(study, scans),
        prepare=execution.prepare,
        engine=execution.engine,
        engine_reason=execution.engine_reason,
        device=device,
        threads=threads,
        checkpoint_every_s=execution.checkpoint_every_s,
        keep_weights=study.spec.keep_weights == "best",
        custom_classes=execution.custom_classes,
        weights_files={sha256: str(path.resolve()) for sha256, path in study.weights_files.items()},
    )


def _environment(training: _Training, setup: WorkerSetup) -> dict[str, Any]:
    return {
        "threads": setup.threads,
        "workers": training.choice.to_dict(),
        "engine": setup.engine,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "n_cores": n_cores(),
        "paths_start_above": folders_above(training.folder.path, training.study.base),
        "versions": versions_of(training.study),
        "command": command_line(),
    }


class _EnvironmentKeeper:
    """Write ``environment.json`` when the first worker is ready; later, add what has changed."""

    def __init__(self, folder: StudyFolder, ours: Mapping[str, Any]) -> None:
        self._folder = folder
        self._ours = ours
        self._guard = threading.Lock()

    def keep(self, of_worker: Mapping[str, Any]) -> None:
        environment = {**self._ours, **of_worker}
        with self._guard:
            if not self._folder.has_environment():
                self._folder.write_environment(environment)
                return
            stored = self._folder.environment()
            last = {**stored, **(stored["changes"][-1]["now"] if stored.get("changes") else {})}
            now_else = {key: environment[key] for key in _COMPARED if environment.get(key) != last.get(key)}
            if now_else:
                changes = [*stored.get("changes", []), {"at": now(), "now": {**_compared(last), **now_else}}]
                self._folder.write_environment({**stored, "changes": changes})


_COMPARED = (
    "versions",
    "python",
    "torch",
    "cpu_capability",
    "kernel",
    "machine",
    "system",
    "cpu",
    "gpu",
    "cuda",
    "cudnn",
)
"""What can make later runs differ from earlier ones in the last bits; ``environment.json`` notes every change."""


def _compared(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {key: environment.get(key) for key in _COMPARED}


class _Progress:
    """Update ``partial/progress.json`` every few seconds."""

    def __init__(self, folder: StudyFolder, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._running: dict[RunKey, Event] = {}
        self._written = 0.0

    def note(self, event: Event) -> None:
        if event.kind in ("lost", "done", "failed"):
            self._running.pop(event.key, None)
        else:
            self._running[event.key] = event
        if event.kind != "epoch" or time.monotonic() - self._written > 2.0:
            self._write()
            self._written = time.monotonic()

    def _write(self) -> None:
        runs = [
            {
                **key.to_dict(),
                "epoch": event.epoch,
                "n_epochs": self._clock.n_epochs[key],
                "val_accuracy": event.val_accuracy,
            }
            for key, event in self._running.items()
        ]
        left = self._clock.seconds_left
        self._folder.write_progress({"running": runs, "seconds_left": left, "at": time.time(), "pid": os.getpid()})
