"""The files of a finished run: how they are written, and which hash each of them must have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scantrial.core.errors import DamagedError
from scantrial.core.files import sha256_of, write_atomic
from scantrial.core.records import RunFacts, RunResult
from scantrial.core.run_key import RunKey
from scantrial.recipe.plan import Plan
from scantrial.store.contents import RunContent, is_picture
from scantrial.store.hashed import advice_for, read_hashed
from scantrial.store.schema import read_record, write_json
from scantrial.store.tables import history_table, predictions_table, write_table
from scantrial.store.weights import write_weights

FACTS, HISTORY, PREDICTIONS, WEIGHTS = "run.json", "history.parquet", "predictions.parquet", "best.safetensors"
SHEET = "augmented.png"
"""What a run folder holds; the weights and the sheet of augmented scans only where they are kept."""

_HASHES = "sha256"
"""Key of ``run.json``: the SHA-256 of each of the run's other files, by name."""


def write_run_files(folder: Path, result: RunResult, *, keep_weights: bool) -> None:
    """Write the files of a run into an empty folder, ``run.json`` last."""
    write_table(history_table(result.history), folder / HISTORY)
    write_table(predictions_table(result.predictions, result.facts.class_names), folder / PREDICTIONS)
    if keep_weights and result.weights:
        write_weights(result.weights, folder / WEIGHTS)
    if result.sheet is not None:
        write_atomic(folder / SHEET, result.sheet)
    write_facts(folder, result.facts)


def write_facts(folder: Path, facts: RunFacts) -> None:
    """Write ``run.json``, the last file of a run, with the hashes of the others."""
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    write_json(folder / FACTS, {**facts.to_dict(), _HASHES: hashes})


def read_facts(folder: Path, sha256: str | None) -> tuple[RunFacts, Mapping[str, str]]:
    """Return the facts about a run and the hashes of its other files by name, empty where none were kept.

    Parameters
    ----------
    sha256 : the hash of ``run.json``, from the protocol; None where none was kept
    """
    content = read_record(folder / FACTS, RunContent, sha256)
    facts = RunFacts.from_dict(content)
    key = run_key_of(facts)
    if (key.arm, key.folder_name) != (folder.parent.name, folder.name):
        raise DamagedError(
            f"{folder / FACTS} is of run {key}",
            expected=f"that of {folder.parent.name}/{folder.name}",
            do=advice_for(folder / FACTS),
        )
    return facts, content.get(_HASHES, {})


def run_key_of(facts: RunFacts) -> RunKey:
    """Return which run some facts are about."""
    return RunKey(facts.arm, facts.seed, facts.repeat, facts.fold)


def keeps_sheet(plan: Plan, key: RunKey) -> bool:
    """Return whether a run keeps a picture of augmented scans: an arm's first run, if cases have pictures."""
    is_first = key.seed == plan.seeds[0] and key.place in (None, (0, 0))
    return is_first and bool(plan.data.get("thumbnails", True))


def names_to_copy(folder: Path, *, weights: bool, sheet: bool) -> list[str]:
    """Return the files of a run, ``run.json`` apart, that another folder takes over if it keeps weights or sheets."""
    wanted = {HISTORY: True, PREDICTIONS: True, WEIGHTS: weights, SHEET: sheet}
    return [name for name, is_wanted in wanted.items() if is_wanted and (folder / name).is_file()]


def read_augmented_sheet(folder: Path, sha256: str | None) -> bytes | None:
    """Return the picture of augmented scans that a run keeps, a PNG, or None where it keeps none.

    Parameters
    ----------
    sha256 : as in `read_facts`

    Raises
    ------
    DamagedError
        If it is not what was written, or no small picture.
    """
    hashes = read_facts(folder, sha256)[1]
    if SHEET not in hashes:
        return None
    content = read_hashed(folder / SHEET, hashes[SHEET])
    if not is_picture(content):
        raise DamagedError(f"{folder / SHEET} is not a small PNG picture", do=advice_for(folder / SHEET))
    return content


def check_run_files(folder: Path, sha256: str | None, *, strict: bool) -> None:
    """Compare every file of a run with its hash.

    Parameters
    ----------
    sha256 : as in `read_facts`
    strict : whether a file without a hash is refused too

    Raises
    ------
    DamagedError
        If one has changed or is missing.
    """
    hashes = read_facts(folder, sha256)[1]
    for name in run_file_names(folder, hashes):
        if strict and name not in hashes:
            raise DamagedError(f"no hash of {folder / name} was kept", do=advice_for(folder / name))
        if not (folder / name).exists():
            raise DamagedError(f"{folder / name} is missing", do=advice_for(folder / name))
        read_hashed(folder / name, hashes.get(name))


def run_file_names(folder: Path, hashes: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the files that a run has to have beside ``run.json``."""
    return (HISTORY, PREDICTIONS, *(name for name in (WEIGHTS, SHEET) if name in hashes or (folder / name).is_file()))
