"""What a study folder says about its scans."""

from __future__ import annotations

import pytest
from tests.unit.study.trial import SPLIT, Trial

from scantrial.core.errors import StudyConflictError
from scantrial.study import record
from scantrial.study.record import cases_table, check_same_scans, data_record, holds_same_scans

UNUSED_FIRST = ("", *SPLIT[1:])


def test_facts_count_what_the_study_uses(trial: Trial):
    """By split and class; a case that no split holds is counted among the scans only."""
    record = data_record(trial.scans(split=UNUSED_FIRST), trial.study().spec.data)
    assert record["counts"] == {
        "train": {"well": 2, "sick": 3},
        "val": {"well": 2, "sick": 1},
        "test": {"well": 1, "sick": 2},
    }
    assert (record["n_scans"], record["n_used"], record["has_patients"]) == (12, 11, False)
    assert (record["image"]["shape"], record["pixel_type"]) == ([1, 6, 5], "uint8")


@pytest.mark.parametrize("thumbnails", [True, False])
def test_cases_keep_their_numbers(trial: Trial, thumbnails: bool):
    """One row for each case that a split holds, with its number among all scans."""
    table = cases_table(trial.scans(split=UNUSED_FIRST), thumbnails=thumbnails).to_pylist()
    assert [row["case"] for row in table] == list(range(1, 12))
    assert [row["split"] for row in table] == list(SPLIT[1:])
    assert [row["label"] for row in table] == [case % 2 for case in range(1, 12)]
    assert [row["source"] for row in table] == [f"{case}.png" for case in range(1, 12)]
    assert all((row["thumbnail"] or b"").startswith(b"\x89PNG" * thumbnails) for row in table)
    assert all((row["thumbnail"] is not None) == thumbnails for row in table)


def test_pictures_are_of_some_cases_only_test_first(trial: Trial, monkeypatch):
    """Of three test, three validation and five training cases, five pictures: those of test, and the first two of validation."""
    monkeypatch.setattr(record, "MAX_PICTURES", 5)
    table = cases_table(trial.scans(split=UNUSED_FIRST), thumbnails=True).to_pylist()
    whole = cases_table(trial.scans(split=UNUSED_FIRST), thumbnails=False).to_pylist()
    pictured = [row["split"] for row in table if row["thumbnail"]]
    assert sorted(pictured) == ["test"] * 3 + ["val"] * 2
    assert [{**row, "thumbnail": None} for row in table] == whole
    first = [row["case"] for row in table if row["split"] == "val"][:2]
    assert all(row["thumbnail"] for row in table if row["case"] in first)


def test_the_same_scans_elsewhere_are_the_same(trial: Trial):
    """Fingerprint and split decide, not the file."""
    trial.record()
    check_same_scans(trial.folder, trial.scans(file="elsewhere/scans.npy"))
    assert holds_same_scans(trial.folder, trial.scans(file="elsewhere/scans.npy"))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"brighter": 1}, "the scans have changed"),
        ({"split": UNUSED_FIRST}, "1 case in another split"),
        ({"split": ("val", "test", *SPLIT[2:])}, "2 cases in another split"),
    ],
)
def test_others_are_not(trial: Trial, how: dict, words: str):
    """Other pixels, a case more or less, a case that moved."""
    trial.record()
    assert not holds_same_scans(trial.folder, trial.scans(**how))
    with pytest.raises(StudyConflictError, match=words):
        check_same_scans(trial.folder, trial.scans(**how))
