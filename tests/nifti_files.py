"""NIfTI files for tests, written by nibabel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np


def axes_of(codes: str) -> np.ndarray:
    """Return the affine of a volume whose axes run towards these sides, such as ``RAS``."""
    inverse = nibabel.orientations.axcodes2ornt(codes)
    affine = np.zeros((4, 4))
    for stored, (axis, way) in enumerate(inverse.astype(int)):
        affine[axis, stored] = way
    affine[3, 3] = 1
    return affine


def write_nifti(
    path: Path,
    voxels: np.ndarray,
    *,
    codes: str = "RAS",
    kind: type[Any] = nibabel.Nifti1Image,
    change: Callable[[Any], None] = lambda header: None,
) -> Path:
    """Write a volume as it is stored.

    Parameters
    ----------
    voxels : shape as the file's, of any type
    codes : the sides that the axes run towards
    change : changes the header before it is written
    """
    image = kind(voxels, axes_of(codes), dtype=voxels.dtype)
    image.header.set_slope_inter(1, 0)
    change(image.header)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return path
