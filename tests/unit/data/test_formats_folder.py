"""The reader of folder trees."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import DataError
from scantrial.data.formats import FORMATS, format_of
from scantrial.data.formats.base import ReadSettings
from scantrial.data.load import list_cases
from scantrial.data.spec import SourceSpec

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
        (["a/train/1.png", "a/training/1.png"], "train and training are the same split"),
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
        "expected: class folders (normal/, pneumonia/) of DICOM, NIfTI, PNG, JPEG, TIFF, WebP, JPEG 2000, GIF, PNM or BMP files"
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
    root = make_tree("train/a/1.png", "train/3.png", "test/A/1.png", "test/2.png")
    assert "has 3 faults" in faults(root)


def patients_of(root):
    listing = READ(root, {})
    return dict(zip(listing.sources, listing.folders, strict=True)) if listing.folders else None


@pytest.mark.parametrize(
    ("paths", "classes", "splits", "folders"),
    [
        (["a/p1/1.png", "a/p2/1.png", "b/p3/1.png"], "aab", "", ["p1", "p2", "p3"]),
        (["train/a/p1/1.png", "test/b/p2/s/1.png"], "ab", "train test", ["p1", "p2"]),
        (["a/1.png", "a/p1/1.png", "b/1.png"], "aab", "", ["", "p1", ""]),
        (["a/train/1.png", "a/test/1.png", "b/train/1.png", "b/test/1.png"], "abab", "train train test test", None),
        (["set/train/a/1.png", "set/train/b/1.png"], "ab", "train train", None),
        (["set/deep/a/1.png", "set/deep/b/1.png"], "ab", "", None),
        (["a/40X/1.png", "a/100X/1.png", "b/40X/1.png", "b/100X/1.png"], "aabb", "", ["100X", "40X"] * 2),
        (["no1/l/1.png", "no1/r/1.png", "two/l/1.png", "two/r/1.png", "x/l/1.png", "x/r/1.png"], None, "", ["l", "r"] * 3),
    ],
)  # fmt: skip
def test_folders_below_the_class(make_tree, paths, classes, splits, folders):
    """Every file below a class folder is of that class; the folder below it may be a patient's, a split's, or neither."""
    listing = READ(make_tree(*paths), {})
    named = [listing.class_names[label] for label in listing.labels]
    assert classes is None or "".join(named) == classes
    assert " ".join(listing.split).strip() == splits
    assert listing.folders == (None if folders is None else tuple(folders))


def test_patients_above_the_classes(make_tree):
    """Ten or more folders with numbers, and the same two or more folders in them, are patients with classes below."""
    root = make_tree(*(f"{10250 + p}/{k}/x{p}.png" for p in range(10) for k in "01"))
    listing = READ(root, {})
    assert listing.class_names == ("0", "1")
    assert listing.sources[:2] == ("10250/0/x0.png", "10251/0/x1.png")
    assert listing.folders == tuple(map(str, range(10250, 10260))) * 2


def test_patients_above_the_classes_are_told(make_tree):
    """Twelve classes with numbers, each with left and right, look the same: the note says how they were read."""
    root = make_tree(*(f"{number}/{side}/1.png" for number in range(12) for side in ("left", "right")))
    notes = list_cases(SourceSpec(name=str(root))).origin["notes"]
    assert "Folders at the top were read as patients, and those below them as classes (left, right); if" in notes[0]
    assert "name a table with the columns path and label as the source instead." in notes[0]


@pytest.mark.parametrize(
    ("paths", "lost"),
    [
        (["A/train/1.png", "A/test/2.png", "B/3.png"], "A/test, A/train"),
        (["A/train/1.png", "A/2.png", "B/train/3.png"], "A/train, B/train"),
        (["A/p1/train/1.png", "A/p1/test/2.png", "B/p2/train/3.png"], "A/p1/test, A/p1/train, B/p2/train"),
        (["set/A/train/1.png", "set/B/3.png"], "set/A/train"),
        (["train/A/test/1.png", "train/B/3.png"], "train/A/test"),
    ],
)
def test_splits_are_not_lost(make_tree, paths, lost):
    """A folder that is named as a split, where not all are or at another depth, is no patient's."""
    assert f"folders named as splits that are none: {lost}; expected all scans in a split" in faults(make_tree(*paths))


def test_folders_that_can_be_read_in_two_ways_are_refused(make_tree):
    """Five folders with numbers may be grades with left and right eyes, or patients with two classes."""
    text = faults(make_tree(*(f"{grade}/{side}/1.png" for grade in range(5) for side in ("left", "right"))))
    assert (
        "two ways to read the folders: 0, 1, 2, 3, 4 ... may be classes, or patients with the classes left, right"
        in text
    )
    assert "write a table with the columns path, label and patient" in text


@pytest.mark.parametrize(
    ("paths", "sources"),
    [
        (["a/images/1.png", "a/masks/1.png", "b/images/2.png", "b/masks/2.png"], ["a/images/1.png", "b/images/2.png"]),
        (["images/a/1.png", "images/b/2.png", "masks/a/1.png", "masks/b/2.png"], ["images/a/1.png", "images/b/2.png"]),
        (["a/1.png", "a/Mask/1.png", "b/2.png", "b/Mask/2.png"], ["a/1.png", "b/2.png"]),
    ],
)  # fmt: skip
def test_folders_of_masks_beside_images_are_left_out_and_counted(make_tree, paths, sources):
    """class/images beside class/masks, images beside masks, and masks below a class: the masks are no scans."""
    listing = READ(make_tree(*paths), {})
    assert list(listing.sources) == sources
    assert listing.left_out == {"files in folders of masks, beside folders of images": 2}
    assert listing.folders is None


def test_a_class_that_is_called_mask_stays(make_tree):
    """At the level of the classes a folder called masks is one of them; the audit asks about it."""
    assert READ(make_tree("masks/1.png", "normal/2.png"), {}).class_names == ("masks", "normal")


def test_ignored_files_are_left_out_and_counted(make_tree):
    """Patterns for names, for folders and for paths; a class whose files all match is no class."""
    root = make_tree("a/1.png", "a/1_mask.png", "b/2.png", "b/2_mask_1.png", "b/old/3.png", "odd/4.png", "c/x/5.png")
    listing = READ(root, {}, ReadSettings(ignore=("*_mask*.png", "old", "odd/*", "c/x")))
    assert listing.sources == ("a/1.png", "b/2.png")
    assert listing.left_out == {
        "files of the pattern *_mask*.png": 2,
        "files of the pattern old": 1,
        "files of the pattern odd/*": 1,
        "files of the pattern c/x": 1,
    }


def test_class_names_that_differ_in_what_is_not_seen(make_tree):
    """A trailing space, and an accent stored in two ways, make no second class."""
    text = faults(make_tree("malignant/1.png", "malignant /2.png", "caf\u00e9/1.png", "cafe\u0301/1.png"))
    assert "the class names 'malignant', 'malignant ' differ only in spaces: use one spelling" in text
    assert "differ only in how an accent is stored" in text


def test_links_in_a_circle_end(make_tree):
    """A link to a folder above is not followed, and is counted."""
    root = make_tree("a/1.png", "b/2.png")
    (root / "a" / "again").symlink_to(root)
    listing = READ(root, {})
    assert listing.sources == ("a/1.png", "b/2.png")
    assert listing.ignored == {"links that are not followed": 1}


def test_a_class_may_be_a_link(make_tree):
    """A link to a class folder elsewhere is followed, a link in there is not: it may lead anywhere."""
    root, elsewhere = make_tree("a/1.png"), make_tree("2.png", root="elsewhere")
    (root / "b").symlink_to(elsewhere)
    (elsewhere / "more").symlink_to(make_tree("3.png", root="further"))
    listing = READ(root, {})
    assert listing.sources == ("a/1.png", "b/2.png")
    assert listing.ignored == {"links that are not followed": 1}


def test_where_everything_is_ignored(make_tree):
    """The refusal says that the patterns left nothing."""
    with pytest.raises(DataError, match=r"no scan is left: 2 files of the pattern \*\.png"):
        READ(make_tree("a/1.png", "b/2.png"), {}, ReadSettings(ignore=("*.png",)))


def test_a_table_beside_loose_scans_is_named(make_tree):
    """Scans without class folders, and a table with them: the refusal says that the table may be the source."""
    root = make_tree("1.png", "2.png")
    (root / "labels.csv").touch()
    assert "1 .csv beside them: name that file as the source if it has their labels" in faults(root)


def test_many_files_keep_their_order(make_tree):
    """File names sort as texts, the same on every machine."""
    root = make_tree(*(f"{name}/{number}.png" for name in "ab" for number in (10, 9, 1)))
    assert READ(root, {}).sources == tuple(f"{name}/{number}.png" for name in "ab" for number in (1, 10, 9))
    np.testing.assert_array_equal(READ(root, {}).labels, [0, 0, 0, 1, 1, 1])
