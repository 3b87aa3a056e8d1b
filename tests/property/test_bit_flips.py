"""One bit of a stored file is flipped: it is told, or what is read is equal. So are files cut short and exchanged."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.studies import TWO_ARMS, StudyShape, write_study

from scantrial.core.errors import ScantrialError
from scantrial.data.load import load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import SourceSpec
from scantrial.store.folder import StudyFolder
from scantrial.store.verify import verify_folder

N_FLIPS = 25
"""For each file."""

RUN = "runs/base/seed-0"
FILES = (
    "plan.json",
    "study.yaml",
    "data.json",
    "cases.parquet",
    "audit.json",
    "environment.json",
    "protocol.jsonl",
    "test-openings.jsonl",
    f"{RUN}/run.json",
    f"{RUN}/history.parquet",
    f"{RUN}/predictions.parquet",
    f"{RUN}/best.safetensors",
)
OF_RUNS = FILES[-4:]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A small study with every kind of file."""
    shape = StudyShape(arms=TWO_ARMS, seeds=(0, 1), n_cases={"train": 4, "val": 4, "test": 6}, weights=True)
    folder = write_study(tmp_path_factory.mktemp("flips") / "study", shape)
    folder.write_audit({"key": "k", "findings": [{"code": "leak", "severity": "blocker"}]})
    return folder


def read(folder: StudyFolder) -> list[Any]:
    """Return everything that a run of the folder holds, as values that can be compared."""
    key = folder.run_keys()[0]
    parts = folder.predictions(key, ["train", "val", "test"], by="test", purpose="comparison")
    weights = {name: array.tobytes() for name, array in folder.weights(key).items()}
    arrays = [array.tobytes() for part in parts for array in (part.cases, part.y_true, part.logits, part.y_prob)]
    return [folder.facts(key), folder.history(key), arrays, weights]


def flip(path: Path, rng: np.random.Generator) -> str:
    """Flip one bit of a file; return which."""
    content = bytearray(path.read_bytes())
    byte, bit = int(rng.integers(len(content))), int(rng.integers(8))
    content[byte] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {byte}"


def cut(path: Path, rng: np.random.Generator) -> str:
    """Cut a file short; return where."""
    content = path.read_bytes()
    n = int(rng.integers(len(content) - 1))
    path.write_bytes(content[:n])
    return f"cut after {n} bytes"


def is_told(folder: StudyFolder) -> bool:
    """Return whether `verify` says that the folder is not whole, or refuses it, or notes a line without its end."""
    try:
        found = verify_folder(StudyFolder(folder.path))
    except ScantrialError:
        return True
    return not found.is_whole or bool(found.notes)


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_told(study: StudyFolder, name: str, damage: Callable[..., str]):
    """`verify` tells each, and no file of a run that is damaged is read as another value."""
    path, rng = study.path / name, np.random.default_rng(len(name))
    sound, before = path.read_bytes(), read(study)
    try:
        for _ in range(N_FLIPS if damage is flip else 5):
            where = damage(path, rng)
            assert is_told(study), f"{name}: {where} is not told"
            if name in OF_RUNS:
                with pytest.raises(ScantrialError):
                    read(StudyFolder(study.path))
            path.write_bytes(sound)
    finally:
        path.write_bytes(sound)
    assert read(study) == before


@pytest.mark.parametrize("name", OF_RUNS)
def test_an_exchanged_file_is_told(study: StudyFolder, name: str):
    """The same file of another run is sound in itself, and refused."""
    path = study.path / name
    sound = path.read_bytes()
    try:
        shutil.copy(study.path / name.replace("seed-0", "seed-1"), path)
        assert is_told(study)
        with pytest.raises(ScantrialError, match=path.name):
            read(StudyFolder(study.path))
    finally:
        path.write_bytes(sound)


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScanSet:
    """A set of scans in a cache of its own."""
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))
    return load(SOURCE)


SOURCE = SourceSpec(name="phantom", n_cases=12, size=32, images_per_patient=2)


@pytest.mark.parametrize("name", ["images.npy", "entry.json"])
def test_damaged_pixels_of_the_cache_are_decoded_again(scans: ScanSet, name: str):
    """The same scans come back, pixel by pixel, and it is said where they had to be made anew."""
    path, rng = scans.images_path.with_name(name), np.random.default_rng(len(name))
    sound, pixels = path.read_bytes(), scans.images.tobytes()
    for _ in range(N_FLIPS):
        where = flip(path, rng)
        heard: list[str] = []
        found = load(SOURCE, progress=lambda what, *_, heard=heard: heard.append(what))
        assert found.images.tobytes() == pixels, where
        for field in dataclasses.fields(ScanSet):
            if field.name not in ("images", "images_path"):
                assert np.array_equal(getattr(found, field.name), getattr(scans, field.name)), (where, field.name)
        assert set(heard) <= {"decoding scans again, because the cached pixels were damaged"}
        assert heard or path.read_bytes() != sound
        assert path.read_bytes() == sound or name == "entry.json"
        path.write_bytes(sound)
