"""Classes that are picked and joined, and patients by folder."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from scantrial.core.errors import DataError
from scantrial.data.load import list_cases, load
from scantrial.data.spec import DataSpec, SourceSpec


@pytest.fixture
def grades(make_tree):
    """Five grades, the third with two scans."""
    return make_tree(*(f"{grade}/{n}.png" for grade in range(5) for n in range(2 if grade == 2 else 1)))


def listed(path, **options):
    return list_cases(SourceSpec(name=str(path)), **options)


def test_classes_are_joined_and_left_out(grades):
    """New names in their order; classes in no list are left out, with their pixels, and counted."""
    scans = load(SourceSpec(name=str(grades)), classes={"ill": ["2", "3"], "healthy": ["0"]})
    assert scans.class_names == ("ill", "healthy")
    assert scans.sources == ("0/0.png", "2/0.png", "2/1.png", "3/0.png")
    assert scans.labels.tolist() == [1, 0, 0, 0]
    assert scans.images[:, 0, 0].tolist() == [5, 25, 35, 45]
    assert scans.origin["excluded"] == {"scans of the class 1": 1, "scans of the class 4": 1}


def test_joining_all_leaves_nothing_out(grades):
    """Where every class is in a list nothing is counted."""
    cases = listed(grades, classes={"healthy": ["0"], "ill": ["1", "2", "3", "4"]})
    assert len(cases) == 6
    assert "excluded" not in cases.origin


def test_of_arrays_some_rows_are_decoded(tmp_path):
    """From an array the rows of the picked classes are taken, in their order."""
    np.savez(tmp_path / "x.npz", train_images=np.arange(6, dtype=np.uint8)[:, None, None] + np.zeros((6, 4, 4), np.uint8),
             train_labels=np.arange(6) % 3)  # fmt: skip
    scans = load(SourceSpec(name=str(tmp_path / "x.npz")), classes={"a": ["2"], "b": ["0"]})
    assert scans.images[:, 0, 0].tolist() == [0, 2, 3, 5]
    assert scans.labels.tolist() == [1, 0, 1, 0]
    assert scans.sources == tuple(f"train_images#{n}" for n in (0, 2, 3, 5))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"a": ["0"], "b": ["9"]}, "b: the source has no class '9'"),
        ({"a": ["0"], "A": ["1"]}, "'A', 'a' differ only in upper and lower case"),
        ({"a": ["0", "1"], "b": ["1"]}, "'1' is listed 2 times; expected once"),
        ({"a": ["0"], "b": []}, "'b' stands for no class; expected a list of names"),
    ],
)
def test_wrong_mappings(grades, classes, message):
    """A name that is no class, that stands twice, or that is too like another is refused."""
    with pytest.raises(DataError) as caught:
        listed(grades, classes=classes)
    assert message in str(caught.value)
    assert "in one list at most" in caught.value.expected


def test_a_list_that_lacks_classes_says_how_to_leave_them_out(grades):
    """The refusal of an incomplete list shows the mapping."""
    with pytest.raises(DataError) as caught:
        listed(grades, classes=["0", "1"])
    assert "the class '2' is left out" in str(caught.value)
    assert "a mapping: {NEW NAME: [their names], ...}" in caught.value.expected


def test_many_classes_are_not_all_listed(make_tree):
    """Of many classes ten are named."""
    root = make_tree(*(f"class{n:02d}/1.png" for n in range(20)))
    with pytest.raises(DataError) as caught:
        listed(root, classes=["class00", "class01"])
    assert "the class 'class11' is left out; and 8 more" in str(caught.value)
    assert "class09, and 10 more once" in caught.value.expected
    cases = listed(root, classes={"a": ["class00"], "b": ["class01"]})
    assert cases.origin["excluded"]["scans of 8 other classes"] == 8
    assert len(cases.origin["excluded"]) == 11


@pytest.mark.parametrize("classes", [["Mild  disease", "caf\u00e9"], {"a": ["Mild  disease"], "b": ["caf\u00e9"]}])
def test_lists_and_mappings_compare_names_alike(make_tree, classes):
    """Case, spaces and the form of accents make no other name."""
    cases = listed(make_tree("mild disease/1.png", "cafe\u0301/1.png"), classes=classes)
    assert cases.class_names == tuple(classes)
    assert cases.labels.tolist() == [1, 0]


def test_the_mapping_in_a_study_file():
    """Single names and numbers need no list and no quotes; what cannot be meant is a fault of the file."""
    split = {"train": 0.6, "val": 0.2, "test": 0.2}
    spec = DataSpec.model_validate({"source": "x", "split": split, "classes": {"low": 0, "high": [1, "2"]}})
    assert spec.classes == {"low": ("0",), "high": ("1", "2")}
    for classes in ({"low": [0]}, {"low": [0], "high": [0]}, {"low": [0], "high": []}):
        with pytest.raises(ValidationError):
            DataSpec.model_validate({"source": "x", "split": split, "classes": classes})


def test_patients_by_folder(make_tree):
    """The folder below the class is the patient, in every class and split the same."""
    root = make_tree("train/a/p1/1.png", "train/b/p2/1.png", "test/a/p1/1.png", "test/b/p3/s1/1.png")
    scans = load(SourceSpec(name=str(root)), patient="folder")
    assert scans.patients == ("p1", "p2", "p1", "p3")
    assert "n_folders" not in scans.origin
    assert load(SourceSpec(name=str(root))).origin["n_folders"] == 3


def test_scans_in_no_folder_of_a_patient(make_tree):
    """Where some scans lie in the class folder itself the word cannot be meant."""
    with pytest.raises(DataError) as caught:
        listed(make_tree("a/p1/1.png", "a/2.png", "b/p2/1.png"), patient="folder")
    assert "patient: folder: 1 of 3 scans are in no folder of a patient:\n  a/2.png" in str(caught.value)
    with pytest.raises(DataError, match="2 of 2 scans"):
        listed(make_tree("a/1.png", "b/1.png", root="flat"), patient="folder")


def test_folder_is_the_only_word():
    """Anything else is a regular expression with a group."""
    split = {"train": 0.6, "val": 0.2, "test": 0.2}
    assert DataSpec.model_validate({"source": "x", "split": split, "patient": "folder"}).patient == "folder"
    with pytest.raises(ValidationError, match="or the word folder"):
        DataSpec.model_validate({"source": "x", "split": split, "patient": "folders"})
