"""The audit of a cross-validation looks at every fold: each case tests one network and trains others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .conftest import checked, phantom_scans

BY_CASE = {"folds": 5, "repeats": 2}


def test_a_patient_in_two_folds_is_a_leak_whichever_folds_these_are():
    """Two folds that both train in the first fold leak in their own: every scan of such a patient tests somewhere."""
    scans = phantom_scans(split=BY_CASE, n_cases=60)
    numbers = [f"p{number}" for number in range(60)]
    folds = scans.folds.test
    # Both train in the first fold, and neither tests there.
    first, second = (int(np.flatnonzero((folds[:, 0] == fold) & (scans.split == "train"))[0]) for fold in (1, 3))
    numbers[second] = numbers[first]
    found = checked("AU001", replace(scans, patients=tuple(numbers)))
    assert found.outcome == "found"
    assert found.found[0].severity == "blocker"
    assert sorted(found.found[0].rows) == sorted((first, second))
    assert "No test scan is concerned" not in found.found[0].text
    assert checked("AU001", replace(scans, patients=tuple(f"p{n}" for n in range(60)))).outcome != "found"


def test_folds_by_patient_are_clear():
    """Where the split keeps patients together, no fold has a scan of a patient of another."""
    scans = phantom_scans(split={**BY_CASE, "by": "patient"}, n_cases=60, images_per_patient=3)
    assert checked("AU001", scans).outcome == "clear"


def test_equal_scans_in_two_folds_are_a_leak():
    """A copy in another fold is across folds; one in the same fold of every repeat is within."""
    scans = phantom_scans(split=BY_CASE, n_cases=60)
    folds = scans.folds.test
    first, second = (int(np.flatnonzero(folds[:, 0] == fold)[0]) for fold in (1, 3))
    images = np.array(scans.images)
    images[second] = images[first]
    found = checked("AU003", replace(scans, images=images))
    assert found.found[0].severity == "blocker"
    assert "different folds" in found.found[0].text
    alike = next(int(row) for row in range(first + 1, 60) if (folds[row] == folds[first]).all())
    images = np.array(scans.images)
    images[alike] = images[first]
    assert checked("AU003", replace(scans, images=images)).outcome == "clear"
    assert checked("AU004", replace(scans, images=images)).outcome == "found"
