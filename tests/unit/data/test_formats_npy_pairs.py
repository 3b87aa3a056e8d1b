"""The reader of images and labels in two arrays."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import DataError
from scantrial.data.formats import FORMATS, format_of
from scantrial.data.formats.base import ReadSettings

READ = FORMATS["npy_pairs"].read


def images(n, first=0):
    return (np.arange(n)[:, None, None] + first + np.zeros((n, 5, 4))).astype(np.uint8)


def save(root, **arrays):
    for name, array in arrays.items():
        file = root / f"{name.replace('__', '/')}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array)
    return root


def faults(path):
    with pytest.raises(DataError) as caught:
        READ(path, {})
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ("X_train", "y_train", "X_test", "y_test"),
        ("xtrain", "ytrain", "xtest", "ytest"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("training__X", "training__y", "testing__X", "testing__y"),
        ("only__train__images", "only__train__targets", "only__test__images", "only__test__targets"),
    ],
)
def test_pairs_by_split(tmp_path, names):
    """The names, or folders, say which array holds what; pixels and labels come back in order."""
    arrays = (images(3), np.array([0, 1, 0]), images(2, first=9), np.array([[1], [0]]))
    root = save(tmp_path / "set", **dict(zip(names, arrays, strict=True)))
    assert format_of(root).name == "npy_pairs"
    listing = READ(root, {})
    assert listing.labels.tolist() == [0, 1, 0, 1, 0]
    assert listing.split.tolist() == ["train"] * 3 + ["test"] * 2
    assert [int(decode()[0, 0]) for decode in listing.decoders()] == [0, 1, 2, 9, 10]
    assert listing.class_names == ("0", "1")
    assert not listing.has_class_names


def test_without_splits(tmp_path):
    """X and y alone are scans in no split; other arrays are passed over and counted; texts name the classes."""
    root = save(tmp_path, X=images(4), y=np.array(["b", "a", "b", "a"]), patients=np.arange(4))
    listing = READ(root, {})
    assert listing.class_names == ("a", "b")
    assert listing.labels.tolist() == [1, 0, 1, 0]
    assert listing.split.tolist() == [""] * 4
    assert listing.ignored == {"other .npy files": 1}
    assert listing.sources[0] == "X.npy#0"


def test_one_hot(tmp_path):
    """Labels with a column for each class; the option names these."""
    root = save(tmp_path, images=images(3), labels=np.eye(3, dtype=np.float32))
    assert READ(root, {"classes": ["a", "b", "c"]}).class_names == ("a", "b", "c")


def test_classes_that_are_called_x_and_y(tmp_path):
    """Arrays of images called x and y are two classes, as before."""
    root = save(tmp_path, x=images(3), y=images(2))
    assert format_of(root).name == "npy_classes"


def test_all_faults_at_once(tmp_path):
    """What is missing, of a wrong type, of another length, or there twice is named."""
    root = save(
        tmp_path,
        X_train=images(3).astype(np.complex64),
        y_train=np.arange(3),
        X_val=images(2),
        y_val=np.arange(3),
        X_test=images(2),
        test_x=images(2),
        y_test=np.array([0, -1]),
    )
    text = faults(root)
    assert "X_train.npy: type complex64, expected whole or floating-point numbers of up to 64 bits" in text
    assert "y_val.npy: shape (3,) for 2 images, expected (2, 1) or (2,)" in text
    assert "X_test.npy and test_x.npy both hold the test images" in text
    assert "y_test.npy: label out of range: -1" in text
    assert "x.npy is missing" in faults(save(tmp_path / "lone", y=np.arange(3)))


def test_several_labels_a_scan(tmp_path):
    """A row with two 1s, or none, is no class."""
    root = save(tmp_path, X=images(2), y=np.array([[1, 1], [0, 1]]))
    assert "y.npy: 2 labels for each scan, expected 1: multi-label sets are not supported" in faults(root)


def test_labels_as_objects(tmp_path):
    """Objects would need code to be run: they are refused."""
    root = save(tmp_path, X=images(2), y=np.array([0, "a"], dtype=object))
    assert "y.npy: not a complete .npy array" in faults(root)


def test_ignored_arrays(tmp_path):
    """A pattern leaves arrays out."""
    root = save(tmp_path, X_train=images(2), y_train=np.arange(2), X_old=images(1), X_test=images(1), y_test=[0])
    listing = READ(root, {}, ReadSettings(ignore=("*_test.npy",)))
    assert listing.split.tolist() == ["train"] * 2
    assert listing.left_out == {"files of the pattern *_test.npy": 2}
