"""Read a study folder once: everything that a report is made of, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scantrial.audit.records import Audit
from scantrial.audit.stored import read_audit
from scantrial.core.errors import DamagedError
from scantrial.core.fold_table import FoldTable
from scantrial.core.records import SPLITS, EpochRecord, RunFacts, Split, SplitPredictions
from scantrial.recipe.plan import Plan
from scantrial.store.folder import Failure, RunKey, StudyFolder
from scantrial.store.run_files import FACTS, read_augmented_sheet
from scantrial.store.test_lock import Opening
from scantrial.store.verify import Mismatch, study_mismatches


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """One finished run; `predictions` holds the splits it has scores for."""

    key: RunKey
    facts: RunFacts
    history: tuple[EpochRecord, ...]
    predictions: Mapping[Split, SplitPredictions]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyData:
    """Everything that a study folder holds.

    Parameters
    ----------
    environment : empty where no run has been started yet
    runs : the finished ones, in the order of the plan
    cases : case, split, label, patient, source; no thumbnails
    openings : every reading of test rows so far, this one among them
    audit : what is wrong with the scans; None where they were not audited
    folds : how a cross-validation uses the cases, in the order of `cases`; None for other studies
    mismatches : which files and lines of the folder are not what was written
    not_logged : why this reading of test rows could not be logged; empty if it was
    """

    plan: Plan
    data: Mapping[str, Any]
    environment: Mapping[str, Any]
    study_text: str
    protocol: tuple[Mapping[str, Any], ...]
    runs: tuple[RunData, ...]
    failures: tuple[Failure, ...]
    openings: tuple[Opening, ...]
    cases: pa.Table
    audit: Audit | None = None
    folds: FoldTable | None = None
    mismatches: tuple[Mismatch, ...] = ()
    not_logged: str = ""

    def runs_of(self, arm: str) -> tuple[RunData, ...]:
        """Return the finished runs of one arm."""
        return tuple(run for run in self.runs if run.key.arm == arm)

    def split_in(self, place: tuple[int, int] | None) -> NDArray[np.str_]:
        """Return the split of every case, in a cross-validation that in one fold."""
        if self.folds is None or place is None:
            return np.array(self.cases["split"].to_pylist(), dtype="U5")
        return self.folds.parts(*place)

    def patients_of(self, cases: Sequence[int]) -> list[str] | None:
        """Return the patient of each of some cases; None where one is not known."""
        by_case = dict(zip(self.cases["case"].to_pylist(), self.cases["patient"].to_pylist(), strict=True))
        found = [by_case.get(case) for case in cases]
        known = [patient for patient in found if patient is not None]
        return known if len(known) == len(found) else None


def runs_by_number(runs: Sequence[RunData]) -> dict[int, RunData]:
    """Return the runs of one arm by their seed, in a cross-validation by their place among them."""
    return {run.key.seed if run.key.place is None else number: run for number, run in enumerate(runs)}


def fitting_together(study: StudyData) -> StudyData:
    """Return what was read of a study, if its files belong together.

    Raises
    ------
    DamagedError
        If the predictions of a run are of other cases, labels or classes than the study's.
    """
    for run in study.runs:
        _check_fit(run, study, tuple(study.data["class_names"]))
    return study


def _check_fit(run: RunData, study: StudyData, class_names: tuple[str, ...]) -> None:
    numbers, labels = study.cases["case"].to_numpy(), study.cases["label"].to_numpy()
    splits = study.split_in(run.key.place)
    for split, part in run.predictions.items():
        inside = splits == split
        order = np.argsort(numbers[inside])
        fits = np.isin(part.cases, numbers[inside])
        if fits.all():
            fits = labels[inside][order][np.searchsorted(numbers[inside][order], part.cases)] == part.y_true
        if not fits.all() or run.facts.class_names != class_names:
            raise DamagedError(
                f"the {split} predictions of run {run.key} are not of the study's cases and classes",
                expected="cases, labels and classes as in cases.parquet and data.json",
                do="restore these files from a copy, or run the study into a new folder",
            )


def read_study_folder(folder: StudyFolder, *, by: str, purpose: str) -> StudyData:
    """Read a study folder; the reading of test rows is logged once for all runs, under `by` and `purpose`."""
    mismatches = tuple(study_mismatches(folder))  # before this reading adds its line to the log
    predictions = folder.open_predictions(folder.run_keys(), SPLITS, by=by, purpose=purpose)
    runs = tuple(_read_run(folder, key, parts) for key, parts in predictions.items())
    study = StudyData(
        plan=folder.plan(),
        data=folder.data(),
        environment=_environment(folder),
        study_text=folder.study_text(),
        protocol=tuple(folder.protocol()),
        runs=runs,
        failures=tuple(folder.failures()),
        openings=tuple(folder.test_openings()),
        cases=folder.cases(["case", "split", "label", "patient", "source"]),
        audit=read_audit(folder),
        folds=folder.fold_table(),
        mismatches=mismatches,
        not_logged=folder.not_logged,
    )
    return fitting_together(study)


def _environment(folder: StudyFolder) -> dict[str, Any]:
    """Return the environment of the first run; a study that stopped before that has none."""
    return folder.environment() if (folder.path / "environment.json").is_file() else {}


def _read_run(folder: StudyFolder, key: RunKey, parts: Sequence[SplitPredictions]) -> RunData:
    return RunData(
        key=key,
        facts=folder.facts(key),
        history=folder.history(key),
        predictions={part.split: part for part in parts},
    )


def read_sheets(folder: StudyFolder) -> dict[str, bytes]:
    """Return by arm the picture of augmented scans that its first run keeps, a PNG; no entry where none is kept."""
    found: dict[str, bytes] = {}
    for key in folder.run_keys():
        path = folder.run_path(key)
        facts_name = (path / FACTS).relative_to(folder.path).as_posix()
        sheet = None if key.arm in found else read_augmented_sheet(path, folder.hashes.hash_of(facts_name))
        found |= {} if sheet is None else {key.arm: sheet}
    return found


def read_thumbnails(folder: StudyFolder, cases: list[int]) -> dict[int, bytes]:
    """Return the small pictures of some cases, where the folder keeps them."""
    table = folder.cases(["case", "thumbnail"])
    wanted = table.filter(pa.compute.is_in(table["case"], value_set=pa.array(cases, pa.int64())))
    pairs = zip(wanted["case"].to_pylist(), wanted["thumbnail"].to_pylist(), strict=True)
    return {case: bytes(png) for case, png in pairs if png}
