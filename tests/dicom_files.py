"""DICOM files for tests, written by pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

COMPUTED_RADIOGRAPHY = UID("1.2.840.10008.5.1.4.1.1.1")


def data_set(pixels: np.ndarray, **tags: Any) -> Dataset:
    """Make a data set of one gray or colour image, or of several along the first axis with NumberOfFrames.

    Parameters
    ----------
    pixels : shape (height, width[, 3]) or (n, height, width), of 8 or 16 bits
    tags : further elements by keyword; they win
    """
    colour = pixels.shape[-1] == 3
    height, width = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    n_bits = pixels.dtype.itemsize * 8
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    given = {
        "SOPClassUID": COMPUTED_RADIOGRAPHY,
        "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.1",
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.2",
        "PatientID": "",
        "Rows": height,
        "Columns": width,
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": n_bits,
        "BitsStored": n_bits,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **({"PlanarConfiguration": 0} if colour else {}),
        **({"NumberOfFrames": len(pixels)} if pixels.ndim == 3 and not colour else {}),
        **tags,
    }
    given.setdefault("HighBit", given["BitsStored"] - 1)
    with config.disable_value_validation():
        for keyword, value in given.items():
            setattr(made, keyword, value)
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW" if n_bits == 16 else "OB"
    return made


def table_of(values: list[int], first: int, n_bits: int) -> Dataset:
    """Make the item of a sequence of tables."""
    item = Dataset()
    item.LUTDescriptor = [len(values), first, n_bits]
    item.add_new("LUTData", "US", values)
    return item


def write_dicom(path: Path, pixels: np.ndarray, **tags: Any) -> Path:
    """Write a DICOM file; see `data_set`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data_set(pixels, **tags).save_as(path, enforce_file_format=True)
    return path
