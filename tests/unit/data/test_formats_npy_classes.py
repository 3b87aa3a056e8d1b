"""The reader of ``.npy`` arrays by class: splits, classes, order, and every way to be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import DataError
from scantrial.data.formats import FORMATS, format_of

READ = FORMATS["npy_classes"].read


def save(root, **arrays):
    """Save arrays as root/NAME.npy, where a double underscore in NAME stands for a folder."""
    for name, array in arrays.items():
        file = root / (name.replace("__", "/") + ".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array)
    return root


def scans(n, start=0, dtype=np.uint8, tail=()):
    return (np.arange(n * 16, dtype=np.int64).reshape(n, 4, 4, *([1] * len(tail))) * np.ones(tail) + start).astype(
        dtype
    )


def pixels_of(listing):
    return [decode() for decode in listing.decoders()]


def test_the_courses_four_files(tmp_path):
    """Bare names train where others carry a split; train comes before test, classes in sorted order."""
    save(tmp_path, normal=scans(2), pneumonia=scans(3, 1), test_normal=scans(1, 2), test_pneumonia=scans(2, 3))
    assert format_of(tmp_path).name == "npy_classes"
    listing = READ(tmp_path, {})
    assert listing.class_names == ("normal", "pneumonia")
    assert listing.split.tolist() == ["train"] * 5 + ["test"] * 3
    assert listing.labels.tolist() == [0, 0, 1, 1, 1, 0, 1, 1]
    assert listing.sources[:3] == ("normal.npy#0", "normal.npy#1", "pneumonia.npy#0")
    assert listing.sources[-1] == "test_pneumonia.npy#1"
    np.testing.assert_array_equal(pixels_of(listing)[3], scans(3, 1)[1])


def test_split_folders(tmp_path):
    """Split folders work, with or without the prefix repeated in the name."""
    save(
        tmp_path,
        train__normal=scans(1),
        train__pneumonia=scans(1),
        test__test_normal=scans(1),
        test__test_pneumonia=scans(1),
    )
    listing = READ(tmp_path, {})
    assert listing.class_names == ("normal", "pneumonia")
    assert listing.split.tolist() == ["train", "train", "test", "test"]
    assert listing.sources[2] == "test/test_normal.npy#0"


@pytest.mark.parametrize("prefix", ["val", "validation", "valid", "dev", "Val"])
def test_validation_has_many_names(tmp_path, prefix):
    """Every usual word for validation is understood."""
    save(tmp_path, a=scans(1), b=scans(1), **{f"{prefix}_a": scans(1)})
    assert READ(tmp_path, {}).split.tolist() == ["train", "train", "val"]


def test_no_split_anywhere(tmp_path):
    """Where nothing carries a split, no split is given; a class name may hold an underscore."""
    save(tmp_path, covid_19=scans(2), healthy=scans(1))
    listing = READ(tmp_path, {})
    assert listing.split.tolist() == ["", "", ""]
    assert listing.class_names == ("covid_19", "healthy")


def test_16_bits_colour_alpha_and_byte_order(tmp_path):
    """Big-endian 16 bits come back native; alpha goes over black; a channel axis of 1 is dropped."""
    rgba = scans(1, tail=(4,))
    rgba[..., 3] = 0
    save(tmp_path, a=scans(2, 60_000, ">u2"), b=scans(1, tail=(3,)), c=rgba, d=scans(1, tail=(1,)))
    found = pixels_of(READ(tmp_path, {}))
    assert found[0].dtype == np.dtype(np.uint16)
    assert found[0].dtype.isnative
    assert found[0][0, 1] == 60_001
    assert [image.shape for image in found] == [(4, 4), (4, 4), (4, 4, 3), (4, 4, 3), (4, 4)]
    assert (found[3] == 0).all()


def test_all_faults_at_once(tmp_path):
    """Wrong types, wrong shapes, damaged and empty arrays are all named in one message."""
    save(
        tmp_path, a=scans(2, dtype=np.complex128), b=scans(1, dtype=bool), c=scans(1, dtype=np.longdouble), d=scans(1)[0], e=scans(0), f=scans(1, tail=(2, 2)),
        g=np.array([{}, {}], dtype=object),
    )  # fmt: skip
    (tmp_path / "h.npy").write_bytes(b"")
    (tmp_path / "i.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.save(tmp_path / "j.npy", scans(5))
    (tmp_path / "j.npy").write_bytes((tmp_path / "j.npy").read_bytes()[:-10])
    with pytest.raises(DataError) as caught:
        READ(tmp_path, {})
    message = str(caught.value)
    assert "has 10 faults" in message
    assert "a.npy: type complex128, expected whole or floating-point numbers of up to 64 bits" in message
    assert "b.npy: type bool" in message
    assert "c.npy: type float128" in message
    assert "d.npy: shape (4, 4), expected (n, height, width)" in message
    assert "e.npy: shape (0, 4, 4) holds no pixels" in message
    assert "f.npy: shape (1, 4, 4, 2, 2)" in message
    for name in "ghij":
        assert f"{name}.npy: not a complete .npy array" in message


def test_contradictory_names(tmp_path):
    """A split said twice and differently, a split behind the class, and one class twice are refused."""
    save(tmp_path, test__train_a=scans(1), b_test=scans(1), c=scans(1), train_c=scans(1), D=scans(1), d=scans(1))
    with pytest.raises(DataError) as caught:
        READ(tmp_path, {})
    message = str(caught.value)
    assert "test/train_a.npy: the folder says test, the name says train" in message
    assert "b_test.npy: write the split before the class: test_b.npy" in message
    assert "c.npy and train_c.npy both hold the train scans of class c" in message
    assert "'D', 'd' differ only in upper and lower case" in message


def test_hidden_files_are_passed_over(tmp_path):
    """Hidden files are not arrays."""
    save(tmp_path, a=scans(1), b=scans(1))
    (tmp_path / "._a.npy").write_bytes(b"junk")
    assert len(READ(tmp_path, {}).sources) == 2


def test_numbers_without_end_are_not_counted(tmp_path):
    """A header of a hundred bytes may speak of any number of rows that hold nothing."""
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 0), }".ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(DataError, match=r"shape \(1000000000000, 0\), expected \(n, height, width\)"):
        READ(tmp_path, {})
