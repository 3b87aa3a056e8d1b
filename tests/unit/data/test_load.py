"""`load`: names to scans, the cache, classes, patients, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import HANGS_S

from scantrial.core.errors import DataError, StoreError, UnreadableScansError
from scantrial.data import cache as cache_module
from scantrial.data.fit import fit_image, resize
from scantrial.data.load import available_formats, check_source, find_path, load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import ArmImageSpec, ImageSpec, SourceSpec


class Watcher:
    """Remembers what was told as progress."""

    def __init__(self):
        self.told = []

    def __call__(self, what, n_done, n_total):
        self.told.append((what, n_done, n_total))

    @property
    def n_decoded(self):
        return sum(what.startswith("decoding scans") for what, _, _ in self.told)


def load_path(path, **options) -> ScanSet:
    return load(SourceSpec(name=str(path)), **options)


def decodes_of(path, **options):
    watcher = Watcher()
    return load_path(path, progress=watcher, **options), watcher.n_decoded


@pytest.fixture
def tree(make_tree):
    return make_tree("train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png")


def assert_same(one: ScanSet, other: ScanSet):
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.split, other.split)
    assert (one.sources, one.class_names, one.fingerprint) == (other.sources, other.class_names, other.fingerprint)
    assert (one.skipped, one.origin, one.patients) == (other.skipped, other.origin, other.patients)


def test_a_folder_becomes_a_scan_set(tree, cache):
    """Pixels, labels, splits, sources and facts all arrive, mapped read-only from the cache folder."""
    scans = load_path(tree)
    assert scans.images.shape == (4, 8, 8)
    assert scans.images[:, 0, 0].tolist() == [5, 15, 25, 35]
    assert scans.labels.tolist() == [0, 1, 0, 1]
    assert scans.split.tolist() == ["train", "train", "test", "test"]
    assert scans.sources == ("train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png")
    assert scans.origin == {"name": str(tree), "format": "folder", "path": str(tree), "ignored": {}}
    assert scans.patients is None
    assert isinstance(scans.images, np.memmap)
    assert not scans.images.flags.writeable
    assert scans.images_path.is_relative_to(cache)
    np.testing.assert_array_equal(np.load(scans.images_path), scans.images)


def test_the_second_load_decodes_nothing(tree):
    """The second load reads the files to check their content, decodes none and gives the same scans."""
    first, n_first = decodes_of(tree)
    second, n_second = decodes_of(tree)
    assert (n_first, n_second) == (4, 0)
    assert_same(first, second)


def test_the_cache_goes_by_content_not_by_time(tree):
    """Other pixels under the same name, size and time are seen; the same pixels under a newer time are not decoded."""
    before, _ = decodes_of(tree)
    file = tree / "train/a/1.png"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    size = file.stat().st_size
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(file)
    file.write_bytes(file.read_bytes().ljust(size, b"\0"))
    os.utime(file, ns=times)
    after, n_decoded = decodes_of(tree)
    assert n_decoded == 4
    assert after.images[0, 0, 0] == 99
    assert before.fingerprint != after.fingerprint
    os.utime(file, (1, 1))
    assert decodes_of(tree)[1] == 0


def test_image_spec_is_part_of_the_key(tree):
    """Another size, number of channels or fit is decoded anew."""
    specs = [
        ImageSpec(),
        ImageSpec(size=16),
        ImageSpec(size=(16, 20)),
        ImageSpec(size=(16, 20), fit="pad"),
        ImageSpec(channels=3),
    ]
    found = [decodes_of(tree, image=spec) for spec in specs]
    assert [n for _, n in found] == [4] * 5
    assert [scans.images.shape[1:] for scans, _ in found] == [(8, 8), (16, 16), (16, 20), (16, 20), (8, 8, 3)]


def test_a_moved_folder_hits_the_cache(tree, tmp_path):
    """The key knows relative paths only: the same scans elsewhere are not decoded again."""
    first, _ = decodes_of(tree)
    shutil.move(tree, tmp_path / "moved")
    second, n_decoded = decodes_of(tmp_path / "moved")
    assert n_decoded == 0
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(
    "damage", ["short", "long", "empty", "gone", "header", "no marker", "torn marker", "other key", "other shape"]
)
def test_damaged_entries_are_rebuilt(tree, damage):
    """An entry that is half-written, cut, or at odds with its marker is decoded again."""
    first = load_path(tree)
    images, marker = first.images_path, first.images_path.with_name("entry.json")
    expected = np.array(first.images)
    data, entry = images.read_bytes(), json.loads(marker.read_text())
    del first
    match damage:
        case "short":
            images.write_bytes(data[:-1])
        case "long":
            images.write_bytes(data + b"\0")
        case "empty":
            images.write_bytes(b"")
        case "gone":
            images.unlink()
        case "header":
            images.write_bytes(b"\x93NUMPY\x01\x00" + b"{" * (len(data) - 8))
        case "no marker":
            marker.unlink()
        case "torn marker":
            marker.write_text(marker.read_text()[:40])
        case "other key":
            marker.write_text(json.dumps({**entry, "key": "0" * 64}))
        case "other shape":
            marker.write_text(json.dumps({**entry, "shape": [2, 16, 8]}))
    again, n_decoded = decodes_of(tree)
    assert n_decoded == 4
    np.testing.assert_array_equal(again.images, expected)
    assert decodes_of(tree)[1] == 0
    assert [path.name for path in again.images_path.parents[1].iterdir()] == [again.images_path.parent.name]


def test_a_stopped_load_leaves_nothing(tree, cache):
    """An interruption in the middle leaves no entry and no half-written file."""

    def stop(what, n_done, n_total):
        if what == "decoding scans" and n_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_path(tree, progress=stop)
    assert list((cache / "scans").iterdir()) == []
    assert decodes_of(tree)[1] == 4


def test_leftovers_of_killed_processes_are_removed(tree, cache):
    """Half-made entries are removed when they are a day old, not before."""
    old, new = cache / "scans" / ".x.1.tmp", cache / "scans" / ".x.2.tmp"
    old.mkdir(parents=True)
    new.mkdir()
    (old / "images.npy").touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    load_path(tree)
    assert not old.exists()
    assert new.exists()


LOADER = """
import sys, time, pathlib
from scantrial.data.load import load
from scantrial.data.spec import ArmImageSpec, ImageSpec, SourceSpec
ready = pathlib.Path(sys.argv[2])
(ready / sys.argv[3]).touch()
while len(list(ready.iterdir())) < 3:
    time.sleep(0.001)
scans = load(SourceSpec(name=sys.argv[1]), image=ImageSpec(size=64))
print(scans.fingerprint, int(scans.images.sum()))
"""


def test_three_processes_at_once(make_tree, tmp_path, cache):
    """Processes that decode the same scans at the same time all get them, and one entry remains."""
    tree = make_tree(*(f"{name}/{number}.png" for name in "ab" for number in range(12)))
    (tmp_path / "ready").mkdir()
    start = [sys.executable, "-c", LOADER, str(tree), str(tmp_path / "ready")]
    workers = [subprocess.Popen([*start, str(number)], stdout=subprocess.PIPE, text=True) for number in range(3)]
    found = [worker.communicate(timeout=HANGS_S)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert len(set(found)) == 1
    assert found[0].split()[0] == load_path(tree, image=ImageSpec(size=64)).fingerprint
    assert len(list((cache / "scans").iterdir())) == 1


def test_the_loser_of_a_race_uses_the_winners_entry(tree):
    """Where another process finished first, its entry stays and is used."""
    first = load_path(tree)
    entry_path = first.images_path.with_name("entry.json")
    entry = cache_module.CacheEntry.model_validate_json(entry_path.read_bytes())
    inode = entry_path.stat().st_ino

    def fill(folder):
        np.save(folder / "images.npy", np.zeros((4, 8, 8), np.uint8))
        return entry

    found = cache_module.install(entry.key, fill)
    assert entry_path.stat().st_ino == inode
    np.testing.assert_array_equal(found.images, first.images)


def test_cache_that_cannot_be_written(tree, tmp_path, monkeypatch):
    """A cache folder that cannot be made is refused with the way out."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StoreError, match="SCANTRIAL_CACHE"):
        load_path(tree)


def test_progress(tree):
    """Progress counts every file checked and every scan decoded, in order."""
    watcher = Watcher()
    load_path(tree, progress=watcher)
    assert watcher.told == [("checking files", n, 4) for n in range(1, 5)] + [
        ("decoding scans", n, 4) for n in range(1, 5)
    ]


def test_every_format_gives_the_same_scans(tmp_path, rng):
    """The same scans as folder, table, .npy and .npz have the same pixels, labels and splits."""
    images = rng.integers(0, 256, (6, 8, 8), dtype=np.uint8)
    layout = [("train", "a"), ("train", "a"), ("train", "b"), ("test", "a"), ("test", "b"), ("test", "b")]
    rows = ["path,label,split"]
    for number, (image, (split, name)) in enumerate(zip(images, layout, strict=True)):
        file = tmp_path / "tree" / split / name / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
        rows.append(f"tree/{split}/{name}/{number}.png,{name},{split}")
    (tmp_path / "scans.csv").write_text("\n".join(rows))
    (tmp_path / "arrays").mkdir()
    for file, part in (("a", [0, 1]), ("b", [2]), ("test_a", [3]), ("test_b", [4, 5])):
        np.save(tmp_path / "arrays" / f"{file}.npy", images[part])
    np.savez(
        tmp_path / "m.npz",
        train_images=images[:3],
        train_labels=[0, 0, 1],
        test_images=images[3:],
        test_labels=[0, 1, 1],
    )
    for name in ("tree", "scans.csv", "arrays", "m.npz"):
        scans = load_path(tmp_path / name, classes=("a", "b"))
        np.testing.assert_array_equal(scans.images, images)
        assert scans.class_names == ("a", "b")
        assert scans.labels.tolist() == [0, 0, 1, 0, 1, 1]
        assert scans.split.tolist() == ["train"] * 3 + ["test"] * 3
        assert decodes_of(tmp_path / name, classes=("a", "b"))[1] == 0


@pytest.mark.parametrize("wide_at", [0, 70, 149])
def test_8_and_16_bits_mixed(tmp_path, rng, wide_at):
    """Where one scan has 16 bits all have: the others are scaled by 257, and the origin says how many."""
    for number in range(150):
        folder = tmp_path / "scans" / "ab"[number // 75]
        folder.mkdir(parents=True, exist_ok=True)
        dtype, scale = (np.uint16, 300) if number == wide_at else (np.uint8, 1)
        Image.fromarray(np.full((5, 7), number * scale, dtype)).save(folder / f"{number:03}.png")
    scans = load_path(tmp_path / "scans")
    assert scans.images.dtype == np.uint16
    expected = [number * (300 if number == wide_at else 257) for number in range(150)]
    assert scans.images[:, 4, 6].tolist() == expected
    assert (scans.images == scans.images[:, :1, :1]).all()
    assert scans.origin["notes"] == ["149 8-bit scans were multiplied by 257 to match the 16-bit scans."]
    again = load_path(tmp_path / "scans")
    assert_same(scans, again)


def test_16_bits_are_never_clipped(tmp_path, rng):
    """A data set of 16 bits keeps its values, its sum to the last bit."""
    images = rng.integers(0, 65536, (4, 9, 9), dtype=np.uint16)
    for number, image in enumerate(images):
        folder = tmp_path / "scans" / "ab"[number // 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    np.testing.assert_array_equal(load_path(tmp_path / "scans").images, images)


def test_several_sizes_need_a_size(make_tree):
    """Scans of several sizes are refused, the odd ones named, unless a size is asked for."""
    root = make_tree("a/1.png", "b/2.png", "b/3.png")
    Image.new("L", (6, 5)).save(root / "b/3.png")
    with pytest.raises(DataError) as caught:
        load_path(root)
    assert "2 shapes: 2 of 8x8 gray, 1 of 5x6 gray" in str(caught.value)
    assert "b/3.png: 5x6 gray" in str(caught.value)
    assert "a/1.png" not in str(caught.value)
    assert "data.image.size" in str(caught.value)
    assert load_path(root, image=ImageSpec(size=8)).images.shape == (3, 8, 8)


def test_gray_and_colour_need_a_number_of_channels(make_tree):
    """Gray and RGB mixed are refused, unless the channels are asked for."""
    root = make_tree("a/1.png", "b/2.png")
    Image.new("RGB", (8, 8)).save(root / "b/2.png")
    with pytest.raises(DataError, match="8x8 RGB"):
        load_path(root)
    assert load_path(root, image=ImageSpec(channels=3)).image_shape == (3, 8, 8)
    assert load_path(root, image=ImageSpec(channels=1)).image_shape == (1, 8, 8)


@pytest.fixture
def broken(make_tree):
    """Eight scans, four of which cannot be read."""
    root = make_tree(*(f"{name}/{number}.png" for name in "ab" for number in range(4)))
    (root / "a/1.png").write_bytes(b"")
    (root / "a/2.png").write_bytes((root / "a/2.png").read_bytes()[:50])
    (root / "b/0.png").write_text("hello")
    (root / "b/3.png").write_bytes(b"%PDF-1.7")
    return root


def test_all_unreadable_scans_are_named(broken):
    """Every unreadable scan is named with its reason, and nothing is kept."""
    for _ in range(2):
        with pytest.raises(UnreadableScansError) as caught:
            load_path(broken)
        assert [path for path, _ in caught.value.problems] == ["a/1.png", "a/2.png", "b/0.png", "b/3.png"]
        assert dict(caught.value.problems)["a/1.png"] == "an empty file"
        assert "PDF" in dict(caught.value.problems)["b/3.png"]


def test_skip_unreadable(broken):
    """With skip_unreadable the rest is loaded in order and the skipped are listed; so it is from the cache."""
    scans, n_decoded = decodes_of(broken, skip_unreadable=True)
    assert n_decoded == 8
    assert scans.sources == ("a/0.png", "a/3.png", "b/1.png", "b/2.png")
    assert scans.images[:, 0, 0].tolist() == [5, 35, 55, 65]
    assert scans.labels.tolist() == [0, 0, 1, 1]
    assert [path for path, _ in scans.skipped] == ["a/1.png", "a/2.png", "b/0.png", "b/3.png"]
    again, n_again = decodes_of(broken, skip_unreadable=True)
    assert n_again == 0
    assert_same(scans, again)
    with pytest.raises(UnreadableScansError, match="4 files cannot be used"):
        load_path(broken)


@pytest.mark.parametrize("is_hashed", [True, False])
def test_what_an_earlier_version_skipped_is_decoded_again(tree, is_hashed):
    """An entry of a version that could not read a GIF hides it no longer; where nothing was skipped it stays."""
    Image.new("L", (8, 8), 7).save(tree / "train" / "a" / "1.png", "GIF")
    options = {"image": ImageSpec(channels=1), "skip_unreadable": True}
    fresh, n_decoded = decodes_of(tree, **options)
    assert n_decoded == 4
    path = fresh.images_path.with_name("entry.json")

    def make_old(**other):
        old = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "decoders"}
        old = old | other | {"entry_sha256": ""}
        text = json.dumps({key: value for key, value in old.items() if key != "entry_sha256"}, separators=(",", ":"))
        path.write_text(
            json.dumps(old | {"entry_sha256": hashlib.sha256(text.encode()).hexdigest() if is_hashed else ""})
        )

    make_old()
    assert decodes_of(tree, **options)[1] == 0
    make_old(skipped=[[0, "a GIF file, not PNG"]])
    again, n_decoded = decodes_of(tree, **options)
    assert n_decoded == 4
    assert_same(again, fresh)
    assert decodes_of(tree, **options)[1] == 0


def test_skipping_cannot_empty_a_class(broken):
    """Skipping all scans, or all of one class, is refused."""
    for number in range(4):
        (broken / f"b/{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a \(2\), b \(0\)"):
        load_path(broken, skip_unreadable=True)
    for number in range(4):
        (broken / f"a/{number}.png").write_bytes(b"")
    with pytest.raises(UnreadableScansError, match="8 files cannot be used"):
        load_path(broken, skip_unreadable=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(tree):
    """A file that may not be read is unreadable, by name."""
    (tree / "train/a/1.png").chmod(0)
    with pytest.raises(UnreadableScansError, match=r"train/a/1\.png: permission denied"):
        load_path(tree)


def test_a_link_to_nowhere(tree):
    """A dangling link is unreadable, by name."""
    (tree / "train/a/9.png").symlink_to(tree / "nowhere.png")
    with pytest.raises(UnreadableScansError, match=r"train/a/9\.png: no such file"):
        load_path(tree)


def test_file_names_that_are_not_text(tree):
    """A file name that is not UTF-8 is refused, since no table could hold it."""
    shutil.copy(tree / "train/a/1.png", os.fsdecode(os.fsencode(tree / "train/a") + b"/\xff.png"))
    with pytest.raises(DataError, match="not valid UTF-8"):
        load_path(tree)


def test_one_class_is_refused(make_tree):
    """Scans of one class only are refused before anything is decoded."""
    with pytest.raises(DataError, match=r"scans of each class: a \(2\)\nexpected: at least two classes"):
        load_path(make_tree("a/1.png", "a/2.png"))


def test_class_order(tree):
    """`classes` numbers the classes, matched without regard to case, under the spelling given."""
    plain, turned = load_path(tree), load_path(tree, classes=("B", "a"))
    assert turned.class_names == ("B", "a")
    assert turned.labels.tolist() == [1, 0, 1, 0]
    assert plain.fingerprint != turned.fingerprint
    assert plain.images_path == turned.images_path


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("normal", "pnemonia"), "no class 'pnemonia' (did you mean 'Pneumonia'?); the class 'Pneumonia' is left out"),
        (("normal",), "the class 'Pneumonia' is left out"),
        (("normal", "pneumonia", "normal"), "'normal' is listed 2 times"),
        (("normal", "Normal"), "differ only in upper and lower case"),
    ],
)
def test_wrong_class_lists(make_tree, classes, message):
    """A class list that is not the source's own names, each once, is refused with the nearest right name."""
    with pytest.raises(DataError, match=re.escape(message)):
        load_path(make_tree("Normal/1.png", "Pneumonia/2.png"), classes=classes)


def test_names_for_numbers(tmp_path):
    """Where the source knows numbers only, `classes` names them in order; the numbers can also be reordered."""
    np.savez(tmp_path / "m.npz", train_images=np.zeros((3, 5, 5), np.uint8), train_labels=[0, 1, 1])
    assert load_path(tmp_path / "m.npz").class_names == ("0", "1")
    named = load_path(tmp_path / "m.npz", classes=("well", "ill"))
    assert (named.class_names, named.labels.tolist()) == (("well", "ill"), [0, 1, 1])
    turned = load_path(tmp_path / "m.npz", classes=("1", "0"))
    assert (turned.class_names, turned.labels.tolist()) == (("1", "0"), [1, 0, 0])
    option = load(SourceSpec(name=str(tmp_path / "m.npz"), classes=["well", "ill"]), classes=("ill", "well"))
    assert (option.class_names, option.labels.tolist()) == (("ill", "well"), [1, 0, 0])
    with pytest.raises(DataError, match="3 names for 2 classes"):
        load_path(tmp_path / "m.npz", classes=("x", "y", "z"))


def test_damage_within_an_archive(tmp_path, rng, cache):
    """An .npz whose pixels are damaged is refused whole, and leaves nothing in the cache."""
    images = rng.integers(0, 256, (3, 300, 300), dtype=np.uint8)
    np.savez(tmp_path / "m.npz", train_images=images, train_labels=[0, 1, 1])
    data = bytearray((tmp_path / "m.npz").read_bytes())
    data[bytes(data).find(images[2].tobytes())] ^= 1
    (tmp_path / "m.npz").write_bytes(data)
    for skip in (False, True):
        with pytest.raises(DataError, match=r"not a complete \.npz archive"):
            load_path(tmp_path / "m.npz", skip_unreadable=skip)
    assert list((cache / "scans").iterdir()) == []


def test_patients_from_file_names(make_tree):
    """The first group of the pattern is the patient, searched in the file's name alone."""
    root = make_tree("a/person1_x.png", "a/person1_y.png", "person9/person2.png")
    assert load_path(root, patient=r"(person\d+)").patients == ("person1", "person1", "person2")


def test_cases_without_patient(make_tree):
    """All cases that the pattern misses are counted, and the first ten named."""
    root = make_tree(*(f"{name}/{number:02}.png" for name in "ab" for number in range(6)), "a/p1.png")
    with pytest.raises(DataError) as caught:
        load_path(root, patient=r"(p\d)")
    assert "finds no patient in 12 of 13 file names" in str(caught.value)
    assert "b/03.png" in str(caught.value)
    assert "b/04.png" not in str(caught.value)
    assert "and 2 more" in str(caught.value)


@pytest.mark.parametrize(("pattern", "message"), [("(a", "not a regular expression"), ("a", "has no group")])
def test_wrong_patterns(tree, pattern, message):
    """A pattern that is none, or has no group, is refused."""
    with pytest.raises(DataError, match=message):
        load_path(tree, patient=pattern)


def test_patients_from_the_table(make_tree):
    """A table's patients arrive; a pattern replaces them."""
    root = make_tree("1.png", "2.png")
    (root / "t.csv").write_text("path,label,patient\n1.png,a,p\n2.png,b,q\n")
    assert load_path(root / "t.csv").patients == ("p", "q")
    assert load_path(root / "t.csv", patient=r"(\d)").patients == ("1", "2")


def test_fingerprint(make_tree):
    """The fingerprint knows pixels, labels, names and sources, and does not know splits, patients or places."""
    trees = {
        "same": make_tree("a/1.png", "b/2.png", root="x"),
        "name": make_tree("a/1.png", "b/3.png", root="y"),
        "class": make_tree("a/1.png", "c/2.png", root="z"),
        "pixels": make_tree("a/1.png", "b/2.png", root="v", side=9),
        "place": make_tree("a/1.png", "b/2.png", root="w"),
    }
    prints = {name: load_path(path).fingerprint for name, path in trees.items()}
    assert prints["same"] == prints["place"]
    assert len(set(prints.values())) == 4
    assert load_path(trees["same"], patient=r"(\d)").fingerprint == prints["same"]
    assert len(prints["same"]) == 64


def test_relative_paths(tree, tmp_path, monkeypatch):
    """A relative path is looked for below `base` first, then below the working folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find_path("scans") is None
    assert find_path("scans", tmp_path) == tree
    monkeypatch.chdir(tmp_path)
    assert find_path("scans", tmp_path / "elsewhere") == tree
    assert load(SourceSpec(name="scans"), base=tmp_path / "elsewhere").origin["name"] == "scans"


@pytest.mark.parametrize("name", ["chest-xrays", "no/such/folder", "a\0b", "x" * 5000, "~nobody-here/x"])
def test_unknown_sources(name):
    """An unknown name is refused, with the names of the catalogue, and the nearest where there is one."""
    (message,) = check_source(SourceSpec(name=name))
    assert "no file, folder or data set in the catalogue is called" in message
    assert "phantom, " in message
    assert ("did you mean 'chest-xray'?" in message) == (name == "chest-xrays")
    with pytest.raises(DataError, match="no file, folder or data set in the catalogue is called"):
        load(SourceSpec(name=name))


def test_check_source(tree, tmp_path):
    """Options and formats are checked without decoding: nothing wrong gives no message."""
    assert check_source(SourceSpec(name=str(tree))) == []
    assert check_source(SourceSpec(name="pneumoniamnist")) == []
    assert check_source(SourceSpec(name="phantom", seed=3)) == []
    (unknown,) = check_source(SourceSpec(name=str(tree), label="x"))
    assert "takes no option 'label'" in unknown
    (tmp_path / "notes.txt").touch()
    (odd,) = check_source(SourceSpec(name=str(tmp_path / "notes.txt")))
    assert "has no known format, expected: a folder of .npy arrays" in odd
    wrong = check_source(SourceSpec(name="phantom", sead=3, size="big"))
    assert len(wrong) == 2
    assert any("no option 'sead' (did you mean 'seed'?)" in message for message in wrong)
    assert any(message.startswith("size: ") and "'big'" in message for message in wrong)
    with pytest.raises(DataError, match="sead"):
        load(SourceSpec(name="phantom", sead=3))


def test_a_catalogue_set_that_is_not_here(monkeypatch):
    """A catalogue set that is not on this machine is refused by `load`, with the way to get it."""
    monkeypatch.delenv("SCANTRIAL_DATA", raising=False)
    assert check_source(SourceSpec(name="pneumoniamnist")) == []
    with pytest.raises(DataError, match="scantrial data fetch pneumoniamnist"):
        load(SourceSpec(name="pneumoniamnist"))


def test_the_catalogues_own_words(tmp_path, monkeypatch):
    """A catalogue set takes its class names and facts from the catalogue; `classes` can reverse them."""
    np.savez(tmp_path / "breastmnist.npz", train_images=np.zeros((3, 28, 28), np.uint8), train_labels=[[0], [1], [1]])
    monkeypatch.setenv("SCANTRIAL_DATA", str(tmp_path))
    monkeypatch.setattr("scantrial.data.catalogue.DataSet.is_at", lambda entry, folder: (folder / entry.place).exists())
    scans = load(SourceSpec(name="breastmnist"))
    assert scans.class_names == ("malignant", "normal, benign")
    assert scans.origin["licence"] == "CC BY 4.0"
    assert {"name", "title", "citation", "homepage", "notes", "format", "path"} <= set(scans.origin)
    turned = load(SourceSpec(name="breastmnist"), classes=("normal, benign", "malignant"))
    assert turned.labels.tolist() == [1, 0, 0]


def test_the_courses_files_from_the_catalogue(tmp_path, monkeypatch):
    """The course's four files are read through the catalogue, in its own layout."""
    for name in ("train/normal", "train/pneumonia", "test/test_normal", "test/test_pneumonia"):
        file = tmp_path / "course-xray" / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.zeros((2, 8, 8), np.uint8))
    monkeypatch.setenv("SCANTRIAL_DATA", str(tmp_path))
    monkeypatch.setattr("scantrial.data.catalogue.DataSet.is_at", lambda entry, folder: (folder / entry.place).exists())
    scans = load(SourceSpec(name="course-xray"))
    assert scans.class_names == ("normal", "pneumonia")
    assert scans.split.tolist() == ["train"] * 4 + ["test"] * 4
    assert scans.labels.tolist() == [0, 0, 1, 1] * 2


def test_phantom(monkeypatch):
    """The phantom comes through the same cache: the second load makes no scan and gives the same set."""
    from scantrial.data import phantom

    made = phantom.make_phantom(phantom.PhantomOptions(n_cases=12, size=32, images_per_patient=2))
    source = SourceSpec(name="phantom", n_cases=12, size=32, images_per_patient=2)
    first = load(source)
    np.testing.assert_array_equal(first.images, made.images)
    np.testing.assert_array_equal(first.labels, made.labels)
    np.testing.assert_array_equal(first.split, made.split)
    assert (first.sources, first.patients, first.class_names) == (made.sources, made.patients, made.class_names)
    assert first.origin["options"]["n_cases"] == 12
    assert load(source, image=ImageSpec(size=16)).images.shape == (12, 16, 16)
    monkeypatch.setattr(phantom, "make_phantom", lambda options: pytest.fail("made again"))
    assert_same(first, load(source))
    with pytest.raises(pytest.fail.Exception, match="made again"):
        load(SourceSpec(name="phantom", n_cases=12, size=32, seed=1))


def test_available_formats():
    """The formats are listed for the documentation, in the order in which they are tried."""
    assert [fmt.name for fmt in available_formats()] == ["npy_pairs", "npy_classes", "medmnist", "table", "folder"]


@pytest.mark.skipif(
    not (Path(os.environ.get("SCANTRIAL_DATA", "")) / "chest_xray" / "train").is_dir(),
    reason="SCANTRIAL_DATA names no folder with chest_xray",
)
def test_the_chest_radiographs():
    """The public set has its published counts; its second load decodes nothing."""
    source, image = SourceSpec(name="chest-xray"), ImageSpec(size=64, channels=1)
    scans = load(source, image=image, classes=("normal", "pneumonia"), patient=r"(person\d+|(?:NORMAL2-)?IM-\d+)")
    assert scans.images.shape == (5840, 64, 64)
    counts = {
        (split, name): int(((scans.split == split) & (scans.labels == number)).sum())
        for split in ("train", "test")
        for number, name in enumerate(scans.class_names)
    }
    assert list(counts.values()) == [1341, 3875, 234, 390]
    watcher = Watcher()
    again = load(source, image=image, classes=("normal", "pneumonia"), progress=watcher)
    assert watcher.n_decoded == 0
    assert again.fingerprint == scans.fingerprint
    assert 20 < scans.images.mean() < 220


class TestShapes:
    """The same scans decoded in further shapes, for arms with images of their own."""

    CROPPED = ArmImageSpec(size=(10, 6), crop_border=0.25)

    def test_each_is_decoded_from_the_files_and_has_a_fingerprint(self, tmp_path, rng):
        """A further shape has the pixels and the fingerprint that it would have alone, not those of smaller pixels."""
        for name in ("a/1.png", "b/2.png"):
            path = tmp_path / "scans" / name
            path.parent.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (40, 24), np.uint8)).save(path)
        large = ArmImageSpec(size=20)
        scans = load_path(tmp_path / "scans", image=ImageSpec(size=4), shapes=[large, self.CROPPED])
        alone = load_path(tmp_path / "scans", image=ImageSpec(size=20))
        np.testing.assert_array_equal(scans.shapes[large].images, alone.images)
        assert scans.shapes[large].fingerprint == alone.fingerprint != scans.fingerprint
        decoded = np.asarray(Image.open(tmp_path / "scans" / "a" / "1.png"))
        np.testing.assert_array_equal(scans.shapes[self.CROPPED].images[0], resize(decoded[10:30, 6:18], (10, 6)))
        assert len({shape.images_path for shape in scans.shapes.values()} | {scans.images_path}) == 3

    def test_each_is_decoded_once_and_checked_when_it_is_opened(self, tree):
        """The second call decodes nothing; pixels of a shape that have changed are decoded again."""
        how = {"image": ImageSpec(size=8), "shapes": [self.CROPPED]}
        scans, n_first = decodes_of(tree, **how)
        assert (n_first, decodes_of(tree, **how)[1]) == (8, 0)
        path = scans.shapes[self.CROPPED].images_path
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        again, n_again = decodes_of(tree, **how)
        assert n_again == 4
        assert again.shapes[self.CROPPED].fingerprint == scans.shapes[self.CROPPED].fingerprint

    def test_it_is_counted_how_many_scans_were_enlarged(self, tmp_path, rng):
        """Of an array of 12 x 12 pixels, all scans are enlarged to 16 and none to 12."""
        np.savez(
            tmp_path / "x.npz",
            **{f"{split}_images": rng.integers(0, 256, (4, 12, 12), np.uint8) for split in ("train", "val", "test")},
            **{f"{split}_labels": np.array([[0], [1], [0], [1]]) for split in ("train", "val", "test")},
        )
        sizes = [ArmImageSpec(size=16), ArmImageSpec(size=8)]
        scans = load_path(tmp_path / "x.npz", shapes=sizes)
        assert [scans.shapes[size].n_enlarged for size in sizes] == [12, 0]
        np.testing.assert_array_equal(scans.shapes[sizes[0]].images[3], resize(scans.images[3], (16, 16)))

    def test_the_phantom_is_drawn_again(self):
        """A further size of the phantom is made of what was drawn, though the cache has it at a smaller size."""
        phantom = SourceSpec(name="phantom", n_cases=24, size=32)
        load(phantom, image=ImageSpec(size=8))
        own = load(phantom).images
        made = load(phantom, image=ImageSpec(size=8), shapes=[ArmImageSpec(size=16)]).shapes[ArmImageSpec(size=16)]
        np.testing.assert_array_equal(made.images[5], resize(own[5], (16, 16)))


@pytest.mark.parametrize(
    ("share", "shape", "left"), [(0.29, (100, 10), (42, 6)), (0.4, (2, 3), (2, 1)), (0.05, (19, 20), (19, 18))]
)
def test_borders_are_cut_by_whole_pixels(share, shape, left):
    """The share is rounded down to pixels, the same at opposite borders, and something is always left."""
    image = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    found = fit_image(image, ArmImageSpec(crop_border=share))
    assert found.shape == left
    top, start = ((n - m) // 2 for n, m in zip(shape, left, strict=True))
    np.testing.assert_array_equal(found, image[top : top + left[0], start : start + left[1]])
