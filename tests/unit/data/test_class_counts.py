"""For which parts of a split the design fixes the class counts."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.data.class_counts import fixed_class_counts
from scantrial.data.load import list_cases
from scantrial.data.spec import DataSpec
from scantrial.data.splits import apply_split

ALL = ("train", "val", "test")


@pytest.mark.parametrize(
    ("source", "split", "fixed"),
    [
        ("scans", {"train": 8, "val": 2, "test": 2, "per": "class"}, ALL),
        ("scans", {"train": 8, "val": 2, "test": "given", "per": "class"}, ("train", "val")),
        ("scans", {"train": 0.7, "val": 0.15, "test": 0.15}, ALL),
        ("scans", {"train": 0.7, "val": 0.15, "test": 0.15, "by": "patient"}, ALL),
        ("scans", {"val": 0.15, "test": 0.15}, ("val", "test")),
        ("scans", {"val": 0.2, "test": "given"}, ("train", "val")),
        ("scans", {"folds": 5, "fold": 0}, ALL),
        ("scans", "given", ()),
        ("phantom", {"val": 0.2, "test": "given"}, ALL),
        ({"name": "phantom", "label_noise": 0.1}, {"train": "given", "val": "given", "test": "given"}, ("test",)),
        ("course-xray", "given", ALL),
        ("chest-xray", {"val": 0.2, "test": "given"}, ("train", "val")),
        ("chest-xray", {"train": 800, "val": 200, "test": 200, "per": "class"}, ALL),
        ("pneumoniamnist", "given", ()),
    ],
)
def test_numbers_fractions_and_folds_fix_them_and_a_given_part_has_those_of_its_source(source, split, fixed):
    """A source is known to be made with fixed counts, or it is not; a folder of scans is not."""
    assert fixed_class_counts(DataSpec.model_validate({"source": source, "split": split})) == fixed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ({"val": 0.2, "test": "given"}, {"train": [28, 12], "val": [7, 3], "test": [7, 3]}),
        (
            {"train": 0.6, "val": 0.2, "test": 0.2, "seed": 3},
            {"train": [25, 11], "val": [8, 4], "test": [9, 3]},
        ),
    ],
)
def test_the_phantom_has_the_same_class_counts_whatever_its_seed(split, counts, seed):
    """Its seed decides which patients there are, and not how many of each class."""
    data = DataSpec.model_validate(
        {"source": {"name": "phantom", "n_cases": 60, "size": 32, "prevalence": 0.3, "seed": seed}, "split": split}
    )
    cases = apply_split(list_cases(data.source), data.split)
    assert {part: np.bincount(cases.labels[cases.split == part]).tolist() for part in ALL} == counts
