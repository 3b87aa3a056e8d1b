"""Mutated inputs of every kind: read or refused in words, in time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.siege.inputs import inputs, siege_of_inputs, stored_readers

ROOT = Path(__file__).parents[2]
KINDS = (
    "study file", "table of cases", "arrays by class", "MedMNIST archive", "predictions, CSV", "predictions, Parquet",
    "PNG", "PNG, 16 bits", "JPEG", "TIFF", "TIFF, compressed", "BMP",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_read_or_refused(kind, whole, tmp_path):
    """Thirty of each kind; only the error tree comes out."""
    folder = Path(shutil.copytree(whole / "study", tmp_path / "folder"))
    row = siege_of_inputs(kind, inputs(whole / "study")[kind], folder, n=30, seed=1)
    assert row.faults == []


def test_every_kind_is_tried(whole):
    """Every kind of file that a user gives."""
    assert set(KINDS) == set(inputs(whole / "study")) - set(stored_readers())
