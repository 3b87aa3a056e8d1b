"""Splits: the five ways, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from scantrial.audit.audit import audit_key
from scantrial.core.errors import DataError
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import INNER_SHARE, SplitSpec
from scantrial.data.splits import apply_split, share_out


def scans_of(labels, *, split=None, patients=None, n_classes=2) -> ScanSet:
    """A scan set whose pixels do not matter."""
    n = len(labels)
    return ScanSet(
        images=np.zeros((n, 4, 4), dtype=np.uint8),
        labels=np.array(labels, dtype=np.int64),
        class_names=tuple("abcdef"[:n_classes]),
        split=np.array(split if split is not None else [""] * n, dtype="U5"),
        sources=tuple(f"folder/{i:05d}.png" for i in range(n)),
        patients=None if patients is None else tuple(patients),
        fingerprint="0" * 64,
        images_path=Path("images.npy"),
    )


def course(n_train=1000, n_test=200) -> ScanSet:
    """The shape of the course's data: one class after the other, with a test split."""
    labels = [0] * n_train + [1] * n_train + [0] * n_test + [1] * n_test
    return scans_of(labels, split=["train"] * 2 * n_train + ["test"] * 2 * n_test)


def counts(scans: ScanSet) -> dict[str, list[int]]:
    return {
        part: np.bincount(scans.labels[scans.split == part], minlength=len(scans.class_names)).tolist()
        for part in ("train", "val", "test", "")
    }


def test_the_courses_split_is_first_800_train_last_200_validate():
    """The first 800 of each class train, the next 200 validate, the source's own test cases test."""
    split = apply_split(course(), SplitSpec(train=800, val=200, test=200, per="class"))
    assert split.cases_of("train").tolist() == [*range(800), *range(1000, 1800)]
    assert split.cases_of("val").tolist() == [*range(800, 1000), *range(1800, 2000)]
    assert split.cases_of("test").tolist() == list(range(2000, 2400))


def test_first_goes_through_one_sequence_where_the_source_has_no_splits():
    """Without splits of the source, train, val and test follow each other in each class, the rest is unused."""
    split = apply_split(scans_of([0, 1] * 10), SplitSpec(train=5, val=2, test=2, per="class"))
    of_first_class = split.split[split.labels == 0].tolist()
    assert of_first_class == ["train"] * 5 + ["val"] * 2 + ["test"] * 2 + [""]


def test_first_may_keep_a_given_part():
    """A part that says given keeps its cases, and a number takes from the others."""
    split = apply_split(course(10, 4), SplitSpec(train=6, val=3, test="given", per="class"))
    assert counts(split) == {"train": [6, 6], "val": [3, 3], "test": [4, 4], "": [1, 1]}


def test_first_names_every_class_that_is_too_small():
    """The message says which class, how many were wanted and how many are there, for all classes at once."""
    with pytest.raises(DataError) as caught:
        apply_split(course(900, 150), SplitSpec(train=800, val=200, test=200, per="class"))
    message = str(caught.value)
    for name in "ab":
        assert f"class '{name}': 1000 cases asked for (train 800, val 200), 900 available (training)" in message
        assert f"class '{name}': 200 cases asked for (test 200), 150 available (test)" in message


def test_given_keeps_the_sources_splits():
    """`given` changes nothing where the source has all three splits."""
    source = scans_of([0, 1] * 6, split=["train"] * 6 + ["val"] * 2 + ["test"] * 4)
    assert (apply_split(source, SplitSpec.model_validate("given")).split == source.split).all()


def test_given_without_a_validation_split_says_how_to_make_one():
    """A source with train and test only is refused with the line to write."""
    with pytest.raises(DataError, match=r"no val split; it has.*2000 train, 400 test") as caught:
        apply_split(course(), SplitSpec.model_validate("given"))
    assert "{test: given, val: 0.2}" in str(caught.value)


def test_given_without_a_test_split_asks_for_a_locked_one():
    """A source without a test split is told that a locked test set is needed."""
    with pytest.raises(DataError, match="a locked test set"):
        apply_split(scans_of([0, 1] * 6), SplitSpec.model_validate("given"))


def test_a_fraction_beside_given_shares_out_the_rest():
    """{test: given, val: 0.2}: a fifth of the other cases of each class validates, the rest trains."""
    split = apply_split(course(), SplitSpec(test="given", val=0.2))
    assert counts(split) == {"train": [800, 800], "val": [200, 200], "test": [200, 200], "": [0, 0]}
    assert (split.split[2000:] == "test").all()


def test_a_fraction_for_train_beside_given_leaves_the_rest_unused():
    """Where train has a fraction of its own, it is not filled up."""
    split = apply_split(course(100, 20), SplitSpec(train=0.5, val=0.2, test="given"))
    assert counts(split) == {"train": [50, 50], "val": [20, 20], "test": [20, 20], "": [30, 30]}


def test_fractions_are_stratified_and_leave_the_rest_unused():
    """Fractions count in each class, whatever the source's own splits, and what is not asked for is in no split."""
    split = apply_split(scans_of([0] * 100 + [1] * 20), SplitSpec(train=0.6, val=0.2, test=0.1))
    assert counts(split) == {"train": [60, 12], "val": [20, 4], "test": [10, 2], "": [10, 2]}


def test_fractions_are_the_same_everywhere():
    """The split of these sources at this seed is pinned: it rests on SHA-256 and on counting alone."""
    split = apply_split(scans_of([0, 1] * 6), SplitSpec(train=0.5, val=0.25, test=0.25, seed=3))
    assert split.split.tolist() == [
        "train",
        "val",
        "test",
        "train",
        "train",
        "train",
        "test",
        "val",
        "train",
        "train",
        "val",
        "test",
    ]


def test_a_rare_class_reaches_every_part():
    """Three cases of a class in shares of 0.9, 0.05 and 0.05 give one to each part."""
    split = apply_split(scans_of([0] * 200 + [1] * 3), SplitSpec(train=0.9, val=0.05, test=0.05))
    assert [counts(split)[part][1] for part in ("train", "val", "test")] == [1, 1, 1]


def test_a_class_too_small_for_all_parts_is_refused():
    """One case cannot be in three parts; the message names the parts without it and the class."""
    with pytest.raises(DataError) as caught:
        apply_split(scans_of([0] * 20 + [1]), SplitSpec(train=0.6, val=0.2, test=0.2))
    assert (
        str(caught.value).count("has no scan of class 'b'") + str(caught.value).count("train has only one class: 'a'")
        == 2
    )


def test_fractions_without_test_ask_for_a_locked_test_set():
    """Every trial needs test cases."""
    with pytest.raises(DataError, match="test has no scan: a locked test set is needed"):
        apply_split(scans_of([0, 1] * 10), SplitSpec(train=0.8, val=0.2))


def test_one_class_cannot_train():
    """A training split of one class is refused."""
    source = scans_of([0, 0, 0, 1, 0, 1, 0], split=["train"] * 3 + ["val"] * 2 + ["test"] * 2)
    with pytest.raises(DataError, match="train has only one class: 'a'"):
        apply_split(source, SplitSpec.model_validate("given"))


def test_all_faults_are_told_at_once():
    """A split wrong in two parts names both."""
    source = scans_of([0, 1, 0, 1], split=["train", "train", "val", "test"])
    with pytest.raises(DataError) as caught:
        apply_split(source, SplitSpec.model_validate("given"))
    assert "val has no scan of class 'b'" in str(caught.value)
    assert "test has no scan of class 'a'" in str(caught.value)


def test_folds_take_turns():
    """Fold f tests, fold f + 1 validates, the others train, and each class is spread evenly."""
    source = scans_of([0] * 30 + [1] * 15)
    splits = [apply_split(source, SplitSpec(folds=5, fold=fold)) for fold in range(5)]
    for fold in range(5):
        assert counts(splits[fold]) == {"train": [18, 9], "val": [6, 3], "test": [6, 3], "": [0, 0]}
        assert (splits[fold].cases_of("val") == splits[(fold + 1) % 5].cases_of("test")).all()


def test_a_cross_validation_tests_every_case_once_a_repeat():
    """Folds by class, the inner validation part outside the tested fold, no patient in two parts, other repeats anew."""
    labels, patients = [0, 0, 1, 1] * 15, [f"p{i // 2}" for i in range(60)]
    source = scans_of(labels, patients=patients)
    spec = SplitSpec(folds=5, repeats=2, by="patient")
    split = apply_split(source, spec)
    folds = split.folds
    assert spec.val == INNER_SHARE
    assert (folds.n_folds, folds.n_repeats) == (5, 2)
    assert (split.split == folds.parts(0, 0)).all()
    assert (folds.test[:, 0] != folds.test[:, 1]).any()
    for repeat, fold in folds.places:
        used = split.with_split(folds.parts(repeat, fold))
        assert counts(used) == {"train": [20, 20], "val": [4, 4], "test": [6, 6], "": [0, 0]}
        parts = {(patient, str(part)) for patient, part in zip(patients, used.split, strict=True)}
        assert len(parts) == len(set(patients))
    assert folds.fault() is None


def test_folds_of_a_cross_validation_do_not_depend_on_its_repeats_or_on_order():
    """More repeats leave the first as they are, the first has the folds of `fold`, and files may come in any order."""
    source = scans_of([0, 1] * 20)
    two, four = (apply_split(source, SplitSpec(folds=4, repeats=n)).folds for n in (2, 4))
    assert (four.test[:, :2] == two.test).all()
    assert (four.val[:, :2] == two.val).all()
    for fold in range(4):
        one = apply_split(source, SplitSpec(folds=4, fold=fold))
        assert one.cases_of("test").tolist() == np.flatnonzero(two.test[:, 0] == fold).tolist()
    turned = replace(source, labels=source.labels[::-1], sources=source.sources[::-1])
    again = apply_split(turned, SplitSpec(folds=4, repeats=2)).folds
    assert (again.test[::-1] == two.test).all()
    assert (again.val[::-1] == two.val).all()


def test_a_fold_without_a_class_is_refused():
    """The message names the fold, what it lacks, and what to do."""
    with pytest.raises(DataError, match=r"fold \d of repeat 0: .*no scan of class 'b'\n.*\n.*make fewer folds"):
        apply_split(scans_of([0] * 30 + [1] * 4), SplitSpec(folds=5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 5, "val": 0.2, "test": 0.2}, "no train and no test"),
        ({"folds": 5, "val": 30}, "of val a fraction"),
        ({"folds": 5, "fold": 1, "repeats": 2}, "repeats are of a cross-validation"),
        ({"train": 0.6, "val": 0.2, "test": 0.2, "repeats": 2}, "repeats are of a cross-validation"),
        ({"folds": 80}, "at most 60"),
    ],
)
def test_what_a_cross_validation_does_not_take(given, message):
    with pytest.raises(ValidationError, match=message):
        SplitSpec.model_validate(given)


def test_by_patient_needs_patients():
    """Without patients the message says where to name them."""
    with pytest.raises(DataError, match=r"set data\.patient"):
        apply_split(scans_of([0, 1] * 10), SplitSpec(train=0.6, val=0.2, test=0.2, by="patient"))


def test_by_patient_beside_given_leaves_the_test_patients_out():
    """Cases outside the given test split whose patient stands in it are in no part, and are counted."""
    patients = [f"p{i // 2}" for i in range(40)]
    split = np.array(["train"] * 40)
    split[1:10:4] = "test"
    split[2:11:4] = "test"
    source = scans_of([0, 0, 1, 1] * 10, split=split, patients=patients)
    result = apply_split(source, SplitSpec(test="given", val=0.25, by="patient"))
    in_part = {part: {patients[i] for i in np.flatnonzero(result.split == part)} for part in ("train", "val", "test")}
    assert not in_part["test"] & (in_part["train"] | in_part["val"])
    assert not in_part["train"] & in_part["val"]
    assert result.origin["left_out"] == int((result.split == "").sum()) == 6


def test_what_a_source_excludes_is_counted_apart_from_what_a_split_leaves_out():
    """The audit of such scans has a key, and its check names the files alone."""
    patients = [f"p{i // 2}" for i in range(40)]
    split = np.array(["train"] * 40)
    split[1:10:4] = "test"
    split[2:11:4] = "test"
    source = scans_of([0, 0, 1, 1] * 10, split=split, patients=patients)
    source = replace(source, origin={**source.origin, "excluded": {"files of the pattern *.txt": 3}})
    result = apply_split(source, SplitSpec(test="given", val=0.25, by="patient"))
    assert result.origin["excluded"] == {"files of the pattern *.txt": 3}
    assert result.origin["left_out"] == 6
    assert audit_key(result) != audit_key(replace(result, origin={}))


def test_by_patient_refuses_given_splits_that_tear_a_patient():
    """Given splits with a patient in two of them are refused by patient, and the patient is named."""
    source = scans_of([0, 1] * 6, split=["train"] * 6 + ["val"] * 2 + ["test"] * 4, patients=["p"] * 7 + ["q"] * 5)
    spec = SplitSpec(train="given", val="given", test="given", by="patient")
    with pytest.raises(DataError, match="2 patients are in more than one of the source's own splits: p, q"):
        apply_split(source, spec)


def test_large_patients_are_spread_as_asked():
    """With patients of one to nine cases the parts still come near their shares, class by class."""
    rng = np.random.default_rng(1)
    patients = np.repeat([f"p{i:03d}" for i in range(400)], rng.integers(1, 10, 400))
    labels = np.array([int(p[1:]) % 3 == 0 for p in patients], dtype=np.int64)
    part = share_out(labels, patients.tolist(), {"train": 0.6, "val": 0.2, "test": 0.2}, seed=0)
    for name, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
        got = np.bincount(labels[part == name], minlength=2)
        assert np.abs(got - share * np.bincount(labels)).max() <= 5
