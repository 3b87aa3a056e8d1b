"""Scans for `predict`: what is taken of folders, tables and arrays, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import DataError
from scantrial.data.new_scans import LIKE_MASKS, new_scans


def names(found, root):
    return [scan.name.removeprefix(f"{root}/") for scan in found.scans]


def test_a_folder_without_masks_and_what_the_study_ignores(make_tree):
    """X_mask.png beside X.png and files of a pattern are left out and counted, and so is what is no image."""
    root = make_tree("a/1.png", "a/1_mask.png", "b/2.png", "b/old-2.png")
    (root / "notes.txt").touch()
    found = new_scans([root], ignore=("old-*",), options={})
    assert names(found, root) == ["a/1.png", "b/2.png"]
    assert found.left_out == {"files of the pattern old-*": 1, ".txt files": 1, LIKE_MASKS: 1}
    assert found.kinds == {".png": 2}
    mask = root / "a" / "1_mask.png"
    assert [scan.path for scan in new_scans([mask], options={}).scans] == [mask]


@pytest.mark.parametrize("options", [{"path": "scan"}, {"path": "other"}, {}])
def test_a_table_stands_for_its_files(make_tree, options):
    """The study's column if the table has it, else the one that names files; no label is needed."""
    root = make_tree("a/1.png", "b/2.png", "b/3.png")
    (root / "new.csv").write_text("age,scan\n40,1\n41,3\n42,4\n")
    found = new_scans([root / "new.csv"], options=options)
    assert names(found, root) == ["a/1.png", "b/3.png"]
    assert found.left_out == {"rows whose file is missing": 1}
    (root / "new.csv").write_text("age,scan\n40,8\n")
    with pytest.raises(DataError, match=r"new\.csv"):
        new_scans([root / "new.csv"], options=options)


def test_arrays_with_labels_stand_for_their_images(tmp_path, rng):
    """An .npz and a folder as a study reads them: images in order, labels are no images."""
    images = rng.integers(0, 255, (3, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", test_images=images, test_labels=np.arange(3) % 2)
    (tmp_path / "xy").mkdir()
    np.save(tmp_path / "xy" / "X_test.npy", images)
    np.save(tmp_path / "xy" / "y_test.npy", np.arange(3) % 2)
    for place in (tmp_path / "set.npz", tmp_path / "xy"):
        found = list(new_scans([place], options={}).scans)
        assert np.array_equal([scan.decode() for scan in found], images)
