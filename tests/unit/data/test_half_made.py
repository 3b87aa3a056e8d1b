"""A decode that was stopped goes on, and what is damaged is noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import HANGS_S

from scantrial.data import half_made, load, pixels
from scantrial.data.half_made import JOURNAL
from scantrial.data.spec import ImageSpec, SourceSpec

N = 300


@pytest.fixture
def tree(tmp_path: Path, rng: np.random.Generator) -> Path:
    """300 scans of 6 x 6, the last but ten with 16 bits, two that cannot be read, one that is enlarged."""
    folder = tmp_path / "scans"
    for number in range(N):
        file = folder / "ab"[number // 150] / f"{number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        dtype, side = (np.uint16 if number == 290 else np.uint8), (4 if number == 30 else 6)
        Image.fromarray(rng.integers(0, 256, (side, side)).astype(dtype)).save(file)
        if number in (5, 100):
            file.write_bytes(b"no image")
    return folder


def loaded(tree: Path, stop_at: int = 0, after: BaseException | None = None):
    """Load the scans; return them and the positions that were decoded; an exception may come after some of them."""
    seen: Counter[str] = Counter()
    decode = pixels.fit_image

    def counted(image, spec):
        seen["decoded"] += 1
        return decode(image, spec)

    def watch(what, n_done, n_total):
        if what.startswith("decoding scans") and n_done == stop_at and after is not None:
            raise after

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "fit_image", counted)
        scans = load.load(SourceSpec(name=str(tree)), image=ImageSpec(size=6), skip_unreadable=True, progress=watch)
    return scans, seen["decoded"]


def interrupted(tree: Path, stop_at: int, after: BaseException | None = None) -> None:
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        loaded(tree, stop_at, after or KeyboardInterrupt())


def entries(cache: Path) -> list[Path]:
    return sorted((cache / "scans").iterdir())


def whole(tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Return the bytes of an entry that was made at once."""
    monkeypatch.setenv("SCANTRIAL_CACHE", str(folder))
    scans, n_decoded = loaded(tree)
    assert n_decoded == N - 2
    return scans, [path.read_bytes() for path in sorted(scans.images_path.parent.iterdir())]


KILLED = """
import os, signal, sys
from scantrial.data.load import load
from scantrial.data.spec import ImageSpec, SourceSpec
def kill(what, n_done, n_total):
    if what.startswith("decoding scans") and n_done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
load(SourceSpec(name=sys.argv[1]), image=ImageSpec(size=6), skip_unreadable=True, progress=kill)
"""


def test_a_killed_decode_goes_on(tree, tmp_path, cache, monkeypatch):
    """After three kills what was decoded up to each is not decoded again, and the entry has the same bytes."""
    expected, content = whole(tree, tmp_path / "other", monkeypatch)
    monkeypatch.setenv("SCANTRIAL_CACHE", str(cache))
    for at in (70, 200, 260):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tree), str(at)], timeout=HANGS_S, check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(entries(cache)) == 1
    scans, n_decoded = loaded(tree)
    # Blocks of 64: the four that were complete, of 256 scans, are there.
    assert n_decoded == N - 256
    assert scans.fingerprint == expected.fingerprint
    assert (scans.skipped, scans.origin) == (expected.skipped, expected.origin)
    assert [path.read_bytes() for path in sorted(scans.images_path.parent.iterdir())] == content
    assert entries(cache) == [scans.images_path.parent]


@pytest.mark.parametrize(("stop_at", "kept"), [(63, 0), (191, 128), (290, 256), (291, 291), (300, 291)])
def test_an_interrupted_decode_goes_on(tree, tmp_path, cache, monkeypatch, stop_at, kept):
    """From the last whole block; when all became 16 bits, from a block that holds all of them."""
    _, content = whole(tree, tmp_path / "other", monkeypatch)
    monkeypatch.setenv("SCANTRIAL_CACHE", str(cache))
    interrupted(tree, stop_at)
    scans, n_decoded = loaded(tree)
    n_bad = sum(case < kept for case in (5, 100))
    assert n_decoded == N - 2 - (kept - n_bad)
    assert [path.read_bytes() for path in sorted(scans.images_path.parent.iterdir())] == content


def place_of(cache: Path) -> Path:
    (place,) = entries(cache)
    return place


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (lambda place: flip(place / "images.npy", 128 + 36 * 70), 64),
        (lambda place: flip(place / "images.npy", 20), 0),
        (lambda place: os.truncate(place / "images.npy", 128 + 36 * 100), 64),
        (lambda place: (place / "images.npy").unlink(), 0),
        (lambda place: os.truncate(place / JOURNAL, (place / JOURNAL).stat().st_size - 3), 128),
        (lambda place: (place / JOURNAL).write_bytes(b"{}"), 0),
        (lambda place: (place / JOURNAL).write_bytes(b""), 0),
    ],
)
def test_damage_is_noticed(tree, tmp_path, cache, monkeypatch, damage, kept):
    """Blocks before it count; all others are decoded anew, and the entry has the same bytes."""
    _, content = whole(tree, tmp_path / "other", monkeypatch)
    monkeypatch.setenv("SCANTRIAL_CACHE", str(cache))
    interrupted(tree, 200)
    damage(place_of(cache))
    scans, n_decoded = loaded(tree)
    assert n_decoded == N - 2 - max(0, kept - sum(case < kept for case in (5, 100)))
    assert [path.read_bytes() for path in sorted(scans.images_path.parent.iterdir())] == content
    assert entries(cache) == [scans.images_path.parent]


def test_other_versions_begin_anew(tree, cache, monkeypatch):
    """No entry mixes what two versions of a package decode."""
    interrupted(tree, 200)
    monkeypatch.setattr(half_made, "decoding_versions", lambda: {"pillow": "0"})
    assert loaded(tree)[1] == N - 2


def test_an_error_leaves_nothing(tree, cache):
    """Only what was killed or interrupted is kept."""
    interrupted(tree, 200, RuntimeError())
    assert entries(cache) == []


def test_what_somebody_makes_is_not_taken(tree, cache):
    """A second process makes the same entry by itself; the first one then finds it there, and nothing is left."""
    seen = []

    def meanwhile(what, n_done, n_total):
        if what == "decoding scans" and n_done == 200:
            seen.append(loaded(tree)[1])

    first = load.load(SourceSpec(name=str(tree)), image=ImageSpec(size=6), skip_unreadable=True, progress=meanwhile)
    assert seen[0] >= N - 2  # and those of the first one that were in flight
    assert entries(cache) == [first.images_path.parent]
    assert len(list(first.images_path.parent.iterdir())) == 2


def test_several_that_were_left_become_one(tree, cache):
    """Of what two killed processes left of one entry, the one that came further goes on; the other is removed."""
    nested = []

    def meanwhile(what, n_done, n_total):
        if what == "decoding scans" and n_done == 100 and not nested:
            nested.append(True)
            interrupted(tree, 200)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load.load(SourceSpec(name=str(tree)), image=ImageSpec(size=6), skip_unreadable=True, progress=meanwhile)
    assert len(entries(cache)) == 2
    scans, n_decoded = loaded(tree)
    assert n_decoded == N - 192
    assert entries(cache) == [scans.images_path.parent]


def test_old_leftovers_are_removed_unless_somebody_works_on_them(tree, cache):
    """Nothing stays for ever, and nothing is taken from under a process that decodes for days."""
    interrupted(tree, 200)
    place = place_of(cache)
    for path in (place, place / JOURNAL):
        os.utime(path, (time.time() - 90_000,) * 2)
    with half_made.half_made(place.parent / place.name.split(".")[1]) as taken:
        assert taken == place
        os.utime(place, (time.time() - 90_000,) * 2)
        os.utime(place / JOURNAL, (time.time() - 90_000,) * 2)
        half_made.remove_stale(place.parent)
        assert place.exists()
    assert not place.exists()
