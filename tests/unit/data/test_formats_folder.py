"""The reader of folder trees."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import DataError
from scantrial.data.formats import FORMATS, format_of

READ = FORMATS["folder"].read


def faults(path):
    with pytest.raises(DataError) as caught:
        READ(path, {})
    return str(caught.value)


def test_classes_only(make_tree):
    """Without split folders no split is given; classes are sorted, their spelling kept."""
    root = make_tree("Normal/b.png", "Normal/a.png", "COVID/c.tif")
    assert format_of(root).name == "folder"
    listing = READ(root, {})
    assert listing.class_names == ("COVID", "Normal")
    assert listing.sources == ("COVID/c.tif", "Normal/a.png", "Normal/b.png")
    assert listing.labels.tolist() == [0, 1, 1]
    assert listing.split.tolist() == ["", "", ""]
    assert [decode()[0, 0] for decode in listing.decoders()] == [25, 15, 5]


def test_split_folders(make_tree):
    """Cases come by split (train, val, test), then class, then file name; split words in any case and form."""
    root = make_tree(
        "Testing/b/1.png", "Testing/a/2.png", "TRAIN/b/3.png", "TRAIN/a/5.png", "TRAIN/a/4.png", "dev/b/6.png"
    )
    listing = READ(root, {})
    assert listing.sources == (
        "TRAIN/a/4.png", "TRAIN/a/5.png", "TRAIN/b/3.png", "dev/b/6.png", "Testing/a/2.png", "Testing/b/1.png",
    )  # fmt: skip
    assert listing.split.tolist() == ["train"] * 3 + ["val"] + ["test"] * 2
    assert listing.labels.tolist() == [0, 0, 1, 1, 0, 1]


def test_what_is_passed_over_is_counted(make_tree):
    """Hidden files and files that are no pictures are passed over, and counted by kind."""
    root = make_tree("a/1.png", "b/2.png")
    for name in ("README.md", "a/Thumbs.db", "a/notes.txt", "b/more.TXT", "a/.DS_Store", "b/._2.png", "LICENCE"):
        (root / name).write_text("x")
    (root / "__MACOSX").mkdir()
    listing = READ(root, {})
    assert listing.sources == ("a/1.png", "b/2.png")
    assert dict(listing.ignored) == {
        ".db files": 1, ".md files": 1, ".txt files": 2, "hidden files": 2, "hidden folders": 1, "no suffix files": 1,
    }  # fmt: skip


def test_unsupported_pictures_are_not_passed_over(make_tree):
    """A GIF or DICOM file among the scans is a case that cannot be read, not a file to pass over."""
    root = make_tree("a/1.png", "a/2.gif", "b/3.png")
    (root / "b/4.dcm").write_bytes(bytes(200))
    assert len(READ(root, {}).sources) == 4


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a.png", "b.png"], "2 scans are in the folder itself, not in a class folder: a.png ..."),
        (["train/1.png", "train/a/2.png"], "1 scans are in train, not in a class folder: 1.png ..."),
        (["data/train/a/1.png", "data/train/b/1.png"], "the class folder data holds folders: train"),
        (["train/a/1.png", "other/a/2.png"], "split folders train beside other folders: other"),
        (["train/a/1.png", "training/a/2.png"], "train and training are the same split"),
        (["train/normal/1.png", "test/NORMAL/2.png"], "'NORMAL', 'normal' differ only in upper and lower case"),
    ],
)
def test_other_layouts(make_tree, paths, message):
    """Any other layout is refused with what was seen."""
    text = faults(make_tree(*paths))
    assert message in text
    assert (
        "expected: class folders (normal/, pneumonia/) of PNG, JPEG, TIFF, WebP, JPEG 2000, GIF, PNM or BMP files"
        in text
    )


def test_empty_folders(tmp_path, make_tree):
    """An empty folder, and an empty class folder, are refused; what lies there instead is said."""
    (tmp_path / "empty").mkdir()
    assert "no class folder was found" in faults(tmp_path / "empty")
    root = make_tree("a/1.png")
    (root / "b").mkdir()
    (root / "b/slides.pptx").touch()
    assert "the class folder b holds no scans (seen: 1 .pptx)" in faults(root)


def test_all_faults_at_once(make_tree):
    """Several faults are named in one message."""
    root = make_tree("train/a/1.png", "train/a/deep/1.png", "test/A/1.png", "test/2.png")
    assert "has 3 faults" in faults(root)


def test_many_files_keep_their_order(make_tree):
    """File names sort as texts, the same on every machine."""
    root = make_tree(*(f"{name}/{number}.png" for name in "ab" for number in (10, 9, 1)))
    assert READ(root, {}).sources == tuple(f"{name}/{number}.png" for name in "ab" for number in (1, 10, 9))
    np.testing.assert_array_equal(READ(root, {}).labels, [0, 0, 0, 1, 1, 1])
