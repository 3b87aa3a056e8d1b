"""What holds for every split, whatever the scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scantrial.data.scanset import ScanSet
from scantrial.data.spec import SplitSpec
from scantrial.data.splits import apply_split, share_out

FRACTIONS = st.sampled_from(
    [(0.6, 0.2, 0.2), (0.7, 0.15, 0.15), (0.5, 0.25, 0.25), (0.4, 0.2, 0.1), (0.34, 0.33, 0.33)]
)


@st.composite
def scan_sets(draw) -> ScanSet:
    """Two or three classes with at least six patients each, one to four images a patient, in any order."""
    n_classes = draw(st.integers(2, 3))
    patients, labels = [], []
    for label in range(n_classes):
        for number, images in enumerate(draw(st.lists(st.integers(1, 4), min_size=6, max_size=20))):
            patients += [f"{label}-{number}"] * images
            labels += [label] * images
    order = draw(st.permutations(range(len(labels))))
    n = len(labels)
    return ScanSet(
        images=np.zeros((n, 4, 4), dtype=np.uint8),
        labels=np.array(labels, dtype=np.int64)[list(order)],
        class_names=tuple("abc"[:n_classes]),
        split=np.full(n, "", dtype="U5"),
        sources=tuple(f"{patients[i]}/{i}.png" for i in order),
        patients=tuple(patients[i] for i in order),
        fingerprint="0" * 64,
        images_path=Path("images.npy"),
    )


def specs(by=("case", "patient")) -> st.SearchStrategy[SplitSpec]:
    fractions = st.builds(
        lambda shares, by, seed: SplitSpec(train=shares[0], val=shares[1], test=shares[2], by=by, seed=seed),
        FRACTIONS,
        st.sampled_from(by),
        st.integers(0, 99),
    )
    folds = st.builds(
        lambda fold, by, seed: SplitSpec(folds=4, fold=fold, by=by, seed=seed),
        st.integers(0, 3),
        st.sampled_from(by),
        st.integers(0, 99),
    )
    return fractions | folds


def permuted(scans: ScanSet, order: list[int]) -> ScanSet:
    return ScanSet(
        images=scans.images,
        labels=scans.labels[order],
        class_names=scans.class_names,
        split=scans.split[order],
        sources=tuple(scans.sources[i] for i in order),
        patients=tuple(scans.patients[i] for i in order),
        fingerprint=scans.fingerprint,
        images_path=scans.images_path,
    )


@given(scan_sets(), specs())
def test_every_case_stands_in_one_part_and_every_part_has_every_class(scans, spec):
    """Parts are disjoint by construction, hold all classes, and are complete where the shares add up to 1."""
    split = apply_split(scans, spec)
    for part in ("train", "val", "test"):
        assert set(split.labels[split.split == part]) == set(range(len(scans.class_names)))
    if spec.kind == "folds" or abs(spec.train + spec.val + spec.test - 1) < 1e-9:
        assert (split.split != "").all()


@given(scan_sets(), specs(by=("patient",)))
def test_no_patient_stands_in_two_parts(scans, spec):
    """By patient, all cases of a patient share one part."""
    split = apply_split(scans, spec).split
    parts = {}
    for patient, part in zip(scans.patients, split, strict=True):
        assert parts.setdefault(patient, part) == part


@given(scan_sets(), specs())
def test_the_same_seed_gives_the_same_split(scans, spec):
    """A split is a function of the scans and the spec."""
    assert (apply_split(scans, spec).split == apply_split(scans, spec).split).all()


@given(scan_sets(), specs(), st.data())
def test_the_order_of_the_cases_does_not_matter(scans, spec, data):
    """Permuting the cases permutes the split with them."""
    order = list(data.draw(st.permutations(range(len(scans)))))
    assert (apply_split(scans, spec).split[order] == apply_split(permuted(scans, order), spec).split).all()


@given(scan_sets(), st.sampled_from(["case", "patient"]), st.integers(3, 6), st.integers(0, 99))
def test_the_folds_partition_the_cases(scans, by, folds, seed):
    """Over all folds each case tests once and validates once, and tests where the fold before validates."""
    splits = [apply_split(scans, SplitSpec(folds=folds, fold=f, by=by, seed=seed)).split for f in range(folds)]
    for part in ("test", "val"):
        assert (np.sum([split == part for split in splits], axis=0) == 1).all()
    assert all(((splits[f] == "val") == (splits[(f + 1) % folds] == "test")).all() for f in range(folds))


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=5),
    st.lists(st.integers(1, 20), min_size=2, max_size=5),
    st.integers(0, 10**6),
)
@settings(max_examples=200)
def test_by_case_the_sizes_are_within_one_of_the_asked(sizes, weights, seed):
    """In each class each part has its share to within one case, or one case where its share is below one."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    shares = {f"part{i}": weight / sum(weights) for i, weight in enumerate(weights)}
    part = share_out(labels, [f"case{i}" for i in range(len(labels))], shares, seed=seed)
    for label, size in enumerate(sizes):
        assume(size >= len(shares))
        got = {name: int(((part == name) & (labels == label)).sum()) for name in shares}
        assert min(got.values()) >= 1
        if all(share * size >= 1 for share in shares.values()):
            assert all(abs(got[name] - share * size) < 1 + 1e-6 for name, share in shares.items())
        else:
            assert all(got[name] < share * size + 1 + 1e-6 for name, share in shares.items())
