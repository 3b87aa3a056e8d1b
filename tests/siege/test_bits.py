"""A flipped bit in a stored file is told, or changes nothing that is read. So are files cut short and exchanged."""

from __future__ import annotations

import dataclasses
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.siege.bits import is_told, siege_of_bits
from tests.siege.inputs import BASE, stored_readers
from tests.siege.mutation import flipped
from tests.siege.numbers import IN_COMMIT

from scantrial.core.errors import ScantrialError
from scantrial.data.load import load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import SourceSpec

OF_RUNS = [name for name in stored_readers() if name.startswith(BASE)]


@pytest.mark.parametrize("name", stored_readers())
def test_no_flipped_bit_is_read_as_another_value(name, whole):
    """In each kind of file."""
    row = siege_of_bits(name, whole / "study", n=IN_COMMIT["bits"], seed=1)
    assert row.faults == []
    assert row.told


@pytest.mark.parametrize("name", stored_readers())
def test_a_file_cut_short_is_told(name, whole):
    """`verify` tells each, and no file of a run is read."""
    folder, rng = whole / "study", random.Random(name)
    content = (folder / name).read_bytes()
    for n_bytes in rng.sample(range(len(content) - 1), 3):
        (folder / name).write_bytes(content[:n_bytes])
        assert is_told(folder), f"cut after {n_bytes} bytes"
        if name in OF_RUNS:
            with pytest.raises(ScantrialError):
                stored_readers()[name](folder)


@pytest.mark.parametrize("name", OF_RUNS)
def test_an_exchanged_file_is_told(name, whole):
    """The same file of another run is sound in itself, and refused."""
    folder = whole / "study"
    shutil.copy(folder / name.replace("seed-0", "seed-1"), folder / name)
    assert is_told(folder)
    with pytest.raises(ScantrialError, match=Path(name).name):
        stored_readers()[name](folder)


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScanSet:
    """A set of scans in a cache of its own."""
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))
    return load(SOURCE)


SOURCE = SourceSpec(name="phantom", n_cases=12, size=32, images_per_patient=2)


@pytest.mark.parametrize("name", ["images.npy", "entry.json"])
def test_damaged_pixels_of_the_cache_are_decoded_again(scans: ScanSet, name: str):
    """The same scans come back, pixel by pixel, and it is said where they had to be made anew."""
    path, rng = scans.images_path.with_name(name), random.Random(name)
    sound, pixels = path.read_bytes(), scans.images.tobytes()
    for number in range(25):
        path.write_bytes(flipped(sound, rng))
        heard: list[str] = []
        found = load(SOURCE, progress=lambda what, *_, heard=heard: heard.append(what))
        assert found.images.tobytes() == pixels, number
        for field in dataclasses.fields(ScanSet):
            if field.name not in ("images", "images_path"):
                assert np.array_equal(getattr(found, field.name), getattr(scans, field.name)), (number, field.name)
        assert set(heard) <= {"decoding scans again, because the cached pixels were damaged"}
        assert heard or path.read_bytes() != sound
        assert path.read_bytes() == sound or name == "entry.json"
        path.write_bytes(sound)
