"""Mutated inputs of every kind: read or refused in words, in time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.siege.inputs import DICOM_KINDS, inputs, siege_of_inputs, stored_readers
from tests.siege.numbers import IN_COMMIT

ROOT = Path(__file__).parents[2]
KINDS = (
    "study file", "table of cases", "arrays by class", "labels as an array", "arrays, floating-point", "archive, zip",
    "archive, a table", "archive, tar.gz",
    "MedMNIST archive", "predictions, CSV", "predictions, Parquet", "PNG", "PNG, 16 bits", "PNG, 16-bit colour", "JPEG", "JPEG 2000", "JPEG 2000, 16-bit colour", "TIFF",
    "TIFF, compressed", "TIFF, floating-point", "TIFF, five channels", "OME-TIFF, a stack", "BMP", "WebP", "GIF", "PGM",
    "PGM, plain", "PPM, 16 bits", "TIFF, LZW in 16-bit colour", "JPEG 2000, EXIF", "NIfTI", "NIfTI, compressed",
    "NIfTI, second version", "NIfTI, compressed afterwards", *DICOM_KINDS, *stored_readers(),
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_read_or_refused(kind, whole, tmp_path):
    """Some of each kind; only the error tree comes out."""
    folder = Path(shutil.copytree(whole / "study", tmp_path / "folder"))
    row = siege_of_inputs(kind, inputs(whole / "study")[kind], folder, n=IN_COMMIT["inputs"], seed=1)
    assert row.faults == []


def test_every_kind_is_tried(whole):
    """Every kind of image file and every file that a study folder keeps."""
    assert set(KINDS) == set(inputs(whole / "study"))
