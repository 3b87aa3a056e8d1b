"""`StudyFolder`: everything that a study keeps on disk; all other code reads and writes it through this class.

    DIR/study.yaml            as run, with every default spelled out
    DIR/plan.json             the study with every default spelled out: arms with their recipes, seeds, hypotheses
    DIR/protocol.jsonl        every version of the study file that was run, and the hash of every file, in a chain
    DIR/environment.json      versions, machine, threads per run: fixed by the first run
    DIR/data.json             fingerprint, classes, counts, source, licence, what was left out
    DIR/cases.parquet         case, split, label, patient, source, thumbnail
    DIR/audit.json            what is wrong with the scans: findings, every check's outcome, small mean pictures
    DIR/runs/ARM/seed-S/      run.json, history.parquet, predictions.parquet, best.safetensors, augmented.png; in a
                              cross-validation seed-S-repeat-R-fold-F, here and below
    DIR/damaged/ARM/seed-S-N/ a run whose files had changed, set aside before it was trained anew
    DIR/partial/ARM/seed-S/   of an unfinished run: checkpoint, live.json (its epochs so far), failure.json if it failed
    DIR/test-openings.jsonl   every reading of test rows: when, by what, for what

A run folder is written under a temporary name and then renamed, so it is never incomplete. The files of a run are
compared with their hashes whenever they are read; `scantrial.store.verify` checks all files of the folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from scantrial.core.errors import InputError, StoreError
from scantrial.core.files import aside, clear_os_errors, encoded, make_within, sha256_of, sync_folder, write_atomic
from scantrial.core.fold_table import FoldTable
from scantrial.core.machine import without_folders
from scantrial.core.records import EpochRecord, RunFacts, RunResult, Split, SplitPredictions
from scantrial.core.run_key import RunKey as RunKey  # noqa: PLC0414 - the others take it from here
from scantrial.recipe.plan import Plan
from scantrial.store import contents
from scantrial.store.hashed import read_text, sha256_hex
from scantrial.store.leftovers import remove_half_written, remove_notes, remove_unfinished, unfinished_in
from scantrial.store.links import refuse_links
from scantrial.store.live import read_live, read_progress, write_live
from scantrial.store.protocol import Protocol
from scantrial.store.run_files import (
    FACTS,
    HISTORY,
    PREDICTIONS,
    WEIGHTS,
    check_run_files,
    keeps_sheet,
    names_to_copy,
    read_facts,
    run_key_of,
    write_facts,
    write_run_files,
)
from scantrial.store.schema import json_bytes, now, read_json, read_record, write_json
from scantrial.store.strangers import foreign_names, refuse_file
from scantrial.store.tables import read_case_table, read_fold_table, read_history, read_predictions, table_bytes
from scantrial.store.test_lock import Opening, TestLock
from scantrial.store.weights import read_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that could not be carried out, and why."""

    key: RunKey
    message: str


CHANGED_ABOUT, WRITTEN_DIFFERENTLY = "changed about", "written differently, same study"
"""What the protocol calls a change of the author's answers alone, and one of the text alone."""


class StudyFolder:
    """A study on disk. Reading needs no lock; writing is for the holder of `scantrial.store.lock.StudyLock`.

    Parameters
    ----------
    path : the folder; `open_folder` also checks that it holds a study
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.hashes = Protocol(self.path)
        self._test_lock = TestLock(self.path)

    # ------------------------------------------------------------------ the study

    def exists(self) -> bool:
        """Return whether the folder holds a study."""
        return (self.path / "plan.json").is_file()

    def refuse_foreign(self) -> None:
        """Refuse a folder that holds files but is not a study folder, so that nobody's files are overwritten.

        What an interrupted start of a study leaves is no obstacle.

        Raises
        ------
        InputError
            Naming what is there.
        """
        refuse_links(self.path)
        refuse_file(self.path, do="choose another name with --out DIR")
        if self.exists() or not self.path.is_dir():
            return
        there = foreign_names(self.path, self.hashes)
        if there:
            raise InputError(
                f"{self.path} is not a study folder and holds {', '.join(there[:5])}{' ...' * (len(there) > 5)}",
                expected="a new or empty folder, or a study folder",
                do="choose another folder with --out DIR",
            )

    def plan(self) -> Plan:
        """Return the plan; a plan of an earlier version is completed."""
        path = self.path / "plan.json"
        return Plan.from_dict(read_json(path), where=str(path))

    def study_text(self) -> str:
        """Return the study file as run, every default spelled out."""
        return read_text(self.path / "study.yaml")

    def write_study(self, text: str, plan: Plan, *, sha256: str, change: str) -> None:
        """Store the study file and its plan, and log this version of it."""
        version = {
            "study_sha256": sha256,
            "finished_runs": len(self.run_keys()) if self.exists() else 0,
            "change": change,
            "study_yaml": text,
        }
        # The protocol first: a study.yaml without it belongs to someone else, see `refuse_foreign`.
        self._put("study", {"study.yaml": encoded(text), "plan.json": json_bytes(plan.to_dict())}, **version)

    def _put(self, kind: str, files: Mapping[str, bytes], **facts: Any) -> None:
        """Log the hashes of files in the protocol, then write them; the folder is made if it is not there."""
        with clear_os_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.hashes.bind(kind, {name: sha256_hex(content) for name, content in files.items()}, **facts)
        for name, content in files.items():
            write_atomic(self.path / name, content)

    def protocol(self) -> list[dict[str, Any]]:
        """Return every version of the study file that was run: at, study_sha256, finished_runs, change, study_yaml."""
        return self.hashes.versions()

    def environment(self) -> dict[str, Any]:
        """Return versions, machine and threads per run, as the first run fixed them."""
        return read_record(self.path / "environment.json", contents.EnvironmentContent)

    def has_environment(self) -> bool:
        """Return whether a run was started; it fixes what later runs must match."""
        return (self.path / "environment.json").is_file()

    def fixed_engine(self) -> str | None:
        """Return the engine of this folder's runs, as the first run fixed it; None if nothing was trained yet."""
        return str(self.fixed_environment()["engine"]) if self.has_environment() else None

    def fixed_environment(self) -> dict[str, Any]:
        """Return the environment, with what further runs have to match: engine, device and threads."""
        return read_record(self.path / "environment.json", contents.FixedEnvironment)

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Keep the environment of the first run."""
        self._put("environment", {"environment.json": json_bytes(environment)})

    def data(self) -> dict[str, Any]:
        """Return the facts about the scans: fingerprint, class_names, counts, image, source, licence, skipped."""
        return read_record(self.path / "data.json", contents.DataContent)

    def has_data(self) -> bool:
        """Return whether the facts about the scans and the table of cases are there."""
        return (self.path / "data.json").is_file() and (self.path / "cases.parquet").is_file()

    def cases(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one row per case: case, split, label, patient, source, thumbnail (PNG bytes or null)."""
        return read_case_table(self.path / "cases.parquet", columns, n_classes=len(self.data()["class_names"]))

    def fold_table(self) -> FoldTable | None:
        """Return how a cross-validation uses the cases, in the order of `cases`; None for other studies."""
        plan = self.plan()
        return read_fold_table(self.path / "cases.parquet", plan.folds) if plan.folds else None

    def write_data(self, data: Mapping[str, Any], cases: pa.Table) -> None:
        """Keep the facts about the scans and the table of cases."""
        self._put("data", {"cases.parquet": table_bytes(cases), "data.json": json_bytes(data)})

    def has_audit(self) -> bool:
        """Return whether the scans were audited."""
        return (self.path / "audit.json").is_file()

    def audit(self) -> dict[str, Any]:
        """Return the audit of the scans, as `scantrial.audit` wrote it."""
        return read_record(self.path / "audit.json", contents.AuditContent)

    def write_audit(self, audit: Mapping[str, Any]) -> None:
        """Keep the audit of the scans."""
        self._put("audit", {"audit.json": json_bytes(audit)})

    # ------------------------------------------------------------------ runs

    def run_path(self, key: RunKey) -> Path:
        """Return the folder of a finished run."""
        return self.path / "runs" / key.arm / key.folder_name

    def _made(self, path: Path) -> Path:
        """Make a folder in this one, unless this one was deleted meanwhile."""
        with clear_os_errors(path):
            make_within(self.path, path)
        return path

    def partial_path(self, key: RunKey) -> Path:
        """Return the folder of an unfinished run."""
        return self.path / "partial" / key.arm / key.folder_name

    def planned_keys(self) -> list[RunKey]:
        """Return all runs of the plan, seed by seed and fold by fold, so that every arm has a run early."""
        plan = self.plan()
        places = plan.folds or ((None, None),)
        return [RunKey(arm.name, seed, *place) for seed in plan.seeds for place in places for arm in plan.arms]

    def run_keys(self) -> list[RunKey]:
        """Return the finished runs, arm by arm in the order of the plan."""
        keys = self.planned_keys()
        place = {arm: number for number, arm in enumerate(dict.fromkeys(key.arm for key in keys))}
        return [key for key in sorted(keys, key=lambda key: place[key.arm]) if self.is_finished(key)]

    def is_finished(self, key: RunKey) -> bool:
        """Return whether a run is finished."""
        return (self.run_path(key) / FACTS).is_file()

    def was_finished(self, key: RunKey) -> bool:
        """Return whether the protocol names a run, whether or not it is still there."""
        return self._facts_hash(key) is not None

    def has_finished_runs(self) -> bool:
        """Return whether any run is finished, in the plan or not."""
        return any(self.path.glob("runs/*/seed-*/run.json"))

    def facts(self, key: RunKey) -> RunFacts:
        """Return the facts about one finished run."""
        return self._facts(key)[0]

    def history(self, key: RunKey) -> tuple[EpochRecord, ...]:
        """Return the epochs of one finished run."""
        facts, hashes = self._facts(key)
        return read_history(self.run_path(key) / HISTORY, hashes.get(HISTORY), n_epochs=facts.n_epochs)

    def _facts(self, key: RunKey) -> tuple[RunFacts, Mapping[str, str]]:
        """Return the facts about a finished run, and the hashes of its other files by name."""
        return read_facts(self._finished(key), self._facts_hash(key))

    def _facts_hash(self, key: RunKey) -> str | None:
        return self.hashes.hash_of(self._facts_name(key))

    def _facts_name(self, key: RunKey) -> str:
        return (self.run_path(key) / FACTS).relative_to(self.path).as_posix()

    def _scores(self, key: RunKey, splits: Sequence[Split]) -> tuple[SplitPredictions, ...]:
        facts, hashes = self._facts(key)
        return read_predictions(self.run_path(key) / PREDICTIONS, splits, facts.class_names, hashes.get(PREDICTIONS))

    def predictions(
        self, key: RunKey, splits: Sequence[Split], *, by: str, purpose: str
    ) -> tuple[SplitPredictions, ...]:
        """Return the scores of one run on the asked splits; see `open_predictions`."""
        return self.open_predictions([key], splits, by=by, purpose=purpose)[key]

    def open_predictions(
        self, keys: Sequence[RunKey], splits: Sequence[Split], *, by: str, purpose: str
    ) -> dict[RunKey, tuple[SplitPredictions, ...]]:
        """Return the scores of some runs on the asked splits; a split without scores is left out.

        Reading test rows is logged in ``test-openings.jsonl``, once for all runs and before they are
        handed out; `by` and `purpose` say what for.
        """
        for key in keys:
            self._finished(key)
        if "test" in splits and keys:
            self.log_test_opening(by=by, purpose=purpose, runs=keys)
        return {key: self._scores(key, splits) for key in keys}

    def read_logged_predictions(self, key: RunKey, splits: Sequence[Split]) -> tuple[SplitPredictions, ...]:
        """Return the scores of one run for a reader that has already logged its reading of the run's test rows.

        Raises
        ------
        StoreError
            If test rows are asked for and no opening of this run's by this process is known.
        """
        if "test" in splits and not self._test_lock.is_open(str(key)):
            raise StoreError(f"test rows of {key} without an entry in test-openings.jsonl", do="report this as a bug")
        return self._scores(key, splits)

    def weights(self, key: RunKey) -> dict[str, Any]:
        """Return the weights of the chosen epoch by name.

        Raises
        ------
        InputError
            If the run has no chosen epoch, or the study keeps no weights.
        StoreError
            If the file is damaged.
        """
        path, (facts, hashes) = self._finished(key) / WEIGHTS, self._facts(key)
        if not path.is_file() and WEIGHTS not in hashes:
            if facts.chosen_epoch is None:
                raise InputError(f"run {key} diverged before any epoch could be chosen", expected="a run with weights")
            raise InputError(f"{path.parent} holds no weights", do="run the study with `keep_weights: best`")
        return read_weights(path, hashes.get(WEIGHTS))

    def has_weights(self, key: RunKey) -> bool:
        """Return whether the weights of a finished run were kept."""
        return (self._finished(key) / WEIGHTS).is_file()

    def check_run(self, key: RunKey, *, strict: bool = False) -> None:
        """Make sure that the files of a finished run are those that were written, by the hashes kept of them.

        Parameters
        ----------
        strict : whether a file is refused if no hash of it was kept

        Raises
        ------
        StoreError
            If one is damaged or missing.
        """
        check_run_files(self._finished(key), self._facts_hash(key), strict=strict)

    def set_aside(self, key: RunKey) -> Path:
        """Move a run out of the way, into ``damaged``, so that it can be trained anew; return where it is now."""
        place = self.path / "damaged" / key.arm / key.folder_name
        free = next(path for n in count(1) if not (path := place.with_name(f"{place.name}-{n}")).exists())
        with clear_os_errors(place):
            make_within(self.path, place.parent)
            return self.run_path(key).rename(free)

    def write_run(self, result: RunResult, *, keep_weights: bool = True) -> None:
        """Write a finished run, never a part of it, and remove its unfinished files."""

        def fill(folder: Path) -> None:
            write_run_files(folder, result, keep_weights=keep_weights)

        self._put_run(run_key_of(result.facts), fill)

    def take_over(self, key: RunKey, source: StudyFolder, theirs: RunKey, *, keep_weights: bool = True) -> RunFacts:
        """Copy a finished run from another folder instead of training it; return its facts in this folder.

        Its files are equal bytes; ``run.json`` names the arm as here, and the source. That test rows come is logged.

        Raises
        ------
        StoreError
            If a file of it is damaged.
        """
        source.check_run(theirs, strict=True)
        named = source.path.resolve().name
        facts = replace(
            source.facts(theirs),
            arm=key.arm,
            seed=key.seed,
            repeat=key.repeat,
            fold=key.fold,
            reused_from={"folder": named, **theirs.to_dict()},
        )
        names = names_to_copy(source.run_path(theirs), weights=keep_weights, sheet=keeps_sheet(self.plan(), key))

        def fill(folder: Path) -> None:
            for name in names:
                write_atomic(folder / name, (source.run_path(theirs) / name).read_bytes())
            write_facts(folder, facts)

        self.log_test_opening(by="run", purpose=f"copied from {named}, {theirs}", runs=[key])
        self._put_run(key, fill)
        return facts

    def _put_run(self, key: RunKey, fill: Callable[[Path], None]) -> None:
        target = self.run_path(key)
        with clear_os_errors(target):
            make_within(self.path, target.parent)
            temporary = aside(target)
            try:
                temporary.mkdir()
                fill(temporary)
                if not self.is_finished(key):
                    # An interrupted copy may have left a folder without its run.json.
                    shutil.rmtree(target, ignore_errors=True)
                    self.hashes.bind("run", {self._facts_name(key): sha256_of(temporary / FACTS)}, run=str(key))
                temporary.rename(target)
                sync_folder(target.parent)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        self.drop_partial(key)

    def _finished(self, key: RunKey) -> Path:
        if not self.is_finished(key):
            raise InputError(f"{self.path} has no finished run {key}", do=f"scantrial status {self.path}")
        return self.run_path(key)

    # ------------------------------------------------------------------ unfinished and failed runs

    def unfinished_keys(self) -> list[RunKey]:
        """Return the runs with unfinished files, in the plan or not."""
        return unfinished_in(self.path)

    def drop_partial(self, key: RunKey) -> None:
        """Remove the files of an unfinished run.

        The arm's folder stays, even empty: another worker may be about to write into it.
        """
        remove_unfinished(self.path, self.partial_path(key))

    def tidy_partial(self) -> None:
        """Remove notes, logs and empty folders once every worker has ended; the files of failed runs stay."""
        remove_notes(self.path)

    def write_failure(self, key: RunKey, message: str) -> None:
        """Note that a run failed and why, without folders of this machine; its checkpoint stays, so it can continue."""
        note = {"message": without_folders(message, self.path), "at": now()}
        write_json(self._made(self.partial_path(key)) / "failure.json", note)

    def clear_failure(self, key: RunKey) -> None:
        """Remove the note of an earlier failure when a run is tried again."""
        (self.partial_path(key) / "failure.json").unlink(missing_ok=True)

    def failures(self) -> list[Failure]:
        """Return the runs of the plan that failed when they were last tried."""
        notes = {key: self.partial_path(key) / "failure.json" for key in self.planned_keys()}
        failed = {key: path for key, path in notes.items() if path.is_file() and not self.is_finished(key)}
        read = {key: read_record(path, contents.FailureContent) for key, path in failed.items()}
        return [Failure(key=key, message=note["message"]) for key, note in read.items()]

    def sweep_leftovers(self) -> None:
        """Remove what a killed process left: half-written files, its progress note, unfinished files of finished runs.

        Call it with the lock held. ``report/`` is left alone: reports are written without the lock.
        """
        if not self.exists():
            return
        remove_half_written(self.path)
        for key in self.run_keys():
            self.drop_partial(key)

    def write_progress(self, progress: Mapping[str, Any]) -> None:
        """Write a progress note of the running runs, for `status`."""
        write_json(self._made(self.path / "partial") / "progress.json", progress)

    def progress(self) -> dict[str, Any]:
        """Return the last progress note of the running runs; empty if there is none."""
        return read_progress(self.path / "partial" / "progress.json")

    def write_live(self, key: RunKey, history: Sequence[EpochRecord]) -> None:
        """Write the epochs of a running run for viewers, without waiting for the disk."""
        write_live(self._made(self.partial_path(key)) / "live.json", history)

    def live_history(self, key: RunKey) -> tuple[EpochRecord, ...]:
        """Return the epochs of an unfinished run as last written; empty if there is no complete file."""
        return read_live(self.partial_path(key) / "live.json")

    # ------------------------------------------------------------------ the test lock

    def log_test_opening(self, *, by: str, purpose: str, runs: Sequence[RunKey]) -> None:
        """Log that test rows are about to be read.

        Raises
        ------
        StoreError
            If the log cannot be written: then the rows are not handed out either. On a read-only medium they are, with
            a `NotLoggedWarning`.
        """
        self._test_lock.log(by=by, purpose=purpose, runs=list(map(str, runs)))

    @property
    def not_logged(self) -> str:
        """Why the last opening of test rows could not be logged; empty if it was."""
        return self._test_lock.not_logged

    def test_openings(self) -> list[Opening]:
        """Return every reading of test rows so far."""
        return self._test_lock.openings()


def open_folder(path: Path | str) -> StudyFolder:
    """Return the study in a folder.

    Raises
    ------
    InputError, StoreError
        If there is none; if there is a link among its files.
    """
    folder = StudyFolder(path)
    refuse_links(folder.path)
    refuse_file(folder.path)
    if not folder.exists():
        what = "is not a study folder (it has no plan.json)" if folder.path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}", expected="the folder of a study", do="scantrial run STUDY --out DIR")
    return folder
