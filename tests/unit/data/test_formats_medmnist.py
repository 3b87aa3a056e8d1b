"""The reader of MedMNIST's ``.npz``."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import DataError
from scantrial.data.formats import FORMATS, format_of

READ = FORMATS["medmnist"].read


def images(n, side=7, tail=(), dtype=np.uint8):
    return (
        (np.arange(n * side * side * int(np.prod(tail, dtype=int))) % 251).reshape(n, side, side, *tail).astype(dtype)
    )


def column(*labels):
    return np.array(labels, dtype=np.uint8)[:, None]


def save(path, compress=True, **arrays):
    (np.savez_compressed if compress else np.savez)(path, **arrays)
    return path


@pytest.fixture
def whole():
    return {
        "train_images": images(4), "train_labels": column(0, 1, 2, 1),
        "val_images": images(2), "val_labels": column(2, 0),
        "test_images": images(3), "test_labels": np.array([0, 1, 2]),
    }  # fmt: skip


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("tail", [(), (3,)])
def test_whole_file(tmp_path, whole, compress, tail):
    """Splits, labels and pixels come back as they are, compressed or not, gray or colour, for any number of classes."""
    for split, n in (("train", 4), ("val", 2), ("test", 3)):
        whole[f"{split}_images"] = images(n, tail=tail)
    path = save(tmp_path / "x.npz", compress, **whole)
    assert format_of(path).name == "medmnist"
    listing = READ(path, {})
    assert listing.class_names == ("0", "1", "2")
    assert not listing.has_class_names
    assert listing.split.tolist() == ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    assert listing.labels.tolist() == [0, 1, 2, 1, 2, 0, 0, 1, 2]
    assert listing.sources[4] == "val_images#0"
    found = np.stack([decode() for decode in listing.decoders()])
    np.testing.assert_array_equal(found, np.concatenate([images(n, tail=tail) for n in (4, 2, 3)]))


def test_class_names(tmp_path, whole):
    """The option `classes` names the label numbers."""
    listing = READ(save(tmp_path / "x.npz", **whole), {"classes": ["a", "b", "c"]})
    assert listing.class_names == ("a", "b", "c")
    assert listing.has_class_names


def test_multi_label_is_refused(tmp_path, whole):
    """Several labels for one scan are refused in words."""
    whole["train_labels"] = np.zeros((4, 14), dtype=np.uint8)
    with pytest.raises(
        DataError, match="train_labels: 14 labels for each scan, expected 1: multi-label sets are not supported"
    ):
        READ(save(tmp_path / "x.npz", **whole), {})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 255, 1]), "label out of range: the labels are 0, 1, 2, 255, expected each of 0 to 3"),
        (np.array([0, -1, 2, 1]), "train_labels: label out of range: -1"),
        (np.array([0, 0.5, np.nan, 1]), "train_labels: label out of range: 0.5, nan"),
        (np.array([0, 1, 2]), r"train_labels: shape \(3,\) for 4 images"),
        (np.array(["a"] * 4), "some labels are texts and others are numbers, expected one kind"),
        (np.array([b"a"] * 4), r"train_labels: type \|S1, expected whole numbers or texts"),
        (np.full((4, 2), 1), "train_labels: 2 labels for each scan, expected 1: multi-label sets are not supported"),
        (np.zeros((4, 2)), "train_labels: 2 labels for each scan"),
    ],
)
def test_wrong_labels(tmp_path, whole, labels, message):
    """Labels out of range, of another number or type are refused."""
    with pytest.raises(DataError, match=message):
        READ(save(tmp_path / "x.npz", **{**whole, "train_labels": labels}), {})


def test_labels_beyond_the_names(tmp_path, whole):
    """A label with no name is out of range."""
    with pytest.raises(DataError, match="label out of range: the labels are 0, 1, 2, expected each of 0 to 1"):
        READ(save(tmp_path / "x.npz", **whole), {"classes": ["a", "b"]})


def test_all_faults_at_once(tmp_path, whole):
    """Missing arrays, volumes and complex numbers are all named in one message."""
    del whole["val_labels"]
    whole["train_images"] = images(4).astype(np.complex64)
    whole["test_images"] = images(3, tail=(7,))
    with pytest.raises(DataError) as caught:
        READ(save(tmp_path / "x.npz", **whole), {})
    message = str(caught.value)
    assert "has 3 faults" in message
    assert "train_images: type complex64, expected whole or floating-point numbers of up to 64 bits" in message
    assert "val_labels is missing" in message
    assert "test_images: shape (3, 7, 7, 7), expected (n, height, width)" in message


def test_other_archives(tmp_path):
    """An archive without names that tell says what it holds."""
    with pytest.raises(DataError, match=r"it holds arr_0\.npy, arr_1\.npy"):
        READ(save(tmp_path / "x.npz", arr_0=images(2), arr_1=column(0, 1)), {})


def test_one_hot_labels_are_classes(tmp_path, whole):
    """Rows with a single 1 among zeros name one class each, of whatever type the numbers are."""
    hot = np.eye(3)
    whole |= {"train_labels": hot[[0, 1, 2, 1]], "val_labels": hot[[2, 0]].astype(np.uint8), "test_labels": hot > 0}
    listing = READ(save(tmp_path / "x.npz", **whole), {"classes": ["a", "b", "c"]})
    assert listing.labels.tolist() == [0, 1, 2, 1, 2, 0, 0, 1, 2]
    assert listing.class_names == ("a", "b", "c")


@pytest.mark.parametrize("names", [("x_{}", "y_{}"), ("X_{}", "Y_{}"), ("{}_x", "{}_y"), ("images_{}", "labels_{}")])
def test_names_of_course_code(tmp_path, names):
    """x_train and y_train, in either order and case."""
    arrays = {}
    for split, n in (("train", 4), ("valid", 2)):
        arrays |= {names[0].format(split): images(n), names[1].format(split): np.arange(n) % 2}
    listing = READ(save(tmp_path / "x.npz", **arrays), {})
    assert listing.split.tolist() == ["train"] * 4 + ["val"] * 2
    assert listing.labels.tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("others", [["data"], ["x", "data"], ["labels", "y"], ["images", "labels"], ["x_train"]])
def test_other_arrays_beside_the_usual_ones(tmp_path, whole, others):
    """MedMNIST's names win: arrays without a split, and further ones of a split, are passed over."""
    more = {name: images(4) if name in ("data", "x", "images", "x_train") else column(0, 1, 2, 1) for name in others}
    listing = READ(save(tmp_path / "x.npz", **more, **whole), {})
    assert {source.split("#")[0] for source in listing.sources} == {"train_images", "val_images", "test_images"}


def test_a_pair_and_an_array_without_a_split(tmp_path):
    """A lone array without a split is no part of a set that has a pair; one of a split lacks its partner."""
    pair = {"x_train": images(4), "y_train": np.arange(4) % 2}
    assert len(READ(save(tmp_path / "x.npz", data=images(4), **pair), {}).sources) == 4
    with pytest.raises(DataError, match="y_test is missing"):
        READ(save(tmp_path / "y.npz", x_test=images(4), **pair), {})


def test_labels_as_texts(tmp_path):
    """Texts name the classes; a text that stands for no value is refused."""
    path = save(tmp_path / "x.npz", images=images(3), labels=np.array(["sick", "well ", "sick"]))
    listing = READ(path, {})
    assert listing.class_names == ("sick", "well")
    assert listing.has_class_names
    assert listing.split.tolist() == ["", "", ""]
    with pytest.raises(DataError, match="the labels are texts: use data"):
        READ(path, {"classes": ["sick", "well"]})
    with pytest.raises(DataError, match="labels: 1 of 3 have no label"):
        READ(save(tmp_path / "y.npz", images=images(3), labels=np.array(["sick", "nan", "well"])), {})


def test_fortran_order(tmp_path, whole):
    """Arrays stored column by column are refused, since they cannot be read image by image."""
    whole["train_images"] = np.asfortranarray(whole["train_images"])
    with pytest.raises(DataError, match="train_images: stored column by column"):
        READ(save(tmp_path / "x.npz", **whole), {})


def test_damage(tmp_path, whole):
    """Damage anywhere in the file is refused: in the directory at once, in the pixels while they are read."""
    whole["train_images"] = images(4, side=200)
    path = save(tmp_path / "x.npz", False, **whole)
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(DataError, match=r"not a complete \.npz archive"):
        READ(path, {})
    position = bytes(data).find(images(4, side=200).tobytes())
    data[position + 5] ^= 0xFF
    path.write_bytes(bytes(data))
    listing = READ(path, {})
    with pytest.raises(DataError, match=r"not a complete \.npz archive \(Bad CRC-32"):
        list(listing.decoders())
