"""Every layout of the gallery is read, to the last pixel, as it is meant."""

from __future__ import annotations

import numpy as np
import pytest

from layout_examples import LAYOUTS, Layout
from scantrial.data.load import load


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
def test_a_layout_is_read_as_it_is_meant(layout: Layout, tmp_path, monkeypatch) -> None:
    """Scans by class and by split, patients, and how many files were left out."""
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))
    layout.write(tmp_path / "there")
    scans = load(layout.spec().source, base=tmp_path / "there", **layout.options())
    counts = np.bincount(scans.labels, minlength=len(scans.class_names))
    assert dict(zip(scans.class_names, counts.tolist(), strict=True)) == dict(layout.counts)
    assert list(scans.class_names) == list(layout.counts)
    splits = {split: int((scans.split == split).sum()) for split in ("train", "val", "test")}
    assert {split: n for split, n in splits.items() if n} == dict(layout.splits)
    assert (None if scans.patients is None else len(set(scans.patients))) == layout.patients
    assert sum(scans.origin.get("excluded", {}).values()) == layout.left_out
    assert scans.skipped == ()
    assert len(scans.images) == sum(layout.counts.values())


def test_there_are_at_least_twenty() -> None:
    """And no two have one title, since each is a heading."""
    assert len({layout.title for layout in LAYOUTS}) == len(LAYOUTS) >= 20
