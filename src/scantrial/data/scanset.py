"""`ScanSet`: labelled scans as one array, whatever they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import ShapeError
from scantrial.core.fold_table import FoldTable
from scantrial.core.records import Split
from scantrial.data.spec import ImageSpec

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapedScans:
    """The pixels of all scans of a `ScanSet`, decoded in one shape.

    Parameters
    ----------
    images : shape (n, height, width) or (n, height, width, channels), memory-mapped read-only
    images_path : the ``.npy`` file behind `images`
    fingerprint : SHA-256 over pixels, labels, class names and sources
    n_enlarged : scans that had fewer pixels than the shape asks for; None where that was not counted
    """

    images: Pixels
    images_path: Path
    fingerprint: str
    n_enlarged: int | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return _image_shape(self.images)


def _image_shape(images: Pixels) -> tuple[int, int, int]:
    channels = 1 if images.ndim == 3 else images.shape[3]
    return channels, images.shape[1], images.shape[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSet:
    """Labelled scans. A case is a row; its number is its case number everywhere.

    Parameters
    ----------
    images : shape (n, height, width) or (n, height, width, channels), uint8 or uint16, memory-mapped read-only
    labels : shape (n,), int64 class indices
    class_names : in the order of the class indices; for two classes the last is the positive one
    split : shape (n,), "train", "val", "test", or "" for a case in no split
    sources : n texts, where each case came from: a path relative to the source, or ``file.npy#12``
    patients : n texts, or None where patients are not known
    fingerprint : SHA-256 over pixels, labels, class names and sources
    images_path : the ``.npy`` file behind `images`, for worker processes to map
    origin : plain facts about the source for the report: name, path, licence, citation, notes
    skipped : pairs of (path, reason), files left out as unreadable
    shapes : the pixels of the same scans as some arms want them, by the spec of their images
    shown : the paths of the cases where their sources do not say them; nothing stores it
    folds : how a cross-validation uses the cases, whose first fold `split` then is; None for other splits
    """

    images: Pixels
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: NDArray[np.str_]
    sources: tuple[str, ...]
    patients: tuple[str, ...] | None
    fingerprint: str
    images_path: Path
    origin: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()
    shapes: Mapping[ImageSpec, ShapedScans] = field(default_factory=dict)
    shown: tuple[str, ...] | None = None
    folds: FoldTable | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        lengths = {
            "labels": len(self.labels),
            "split": len(self.split),
            "sources": len(self.sources),
            "patients": n if self.patients is None else len(self.patients),
        }
        if any(length != n for length in lengths.values()):
            raise ShapeError(f"{n} images with {lengths}", expected="one of each for every image")
        if self.images.ndim not in (3, 4) or self.images.dtype not in (np.uint8, np.uint16):
            raise ShapeError(
                f"images of shape {self.images.shape} and type {self.images.dtype}",
                expected="(n, height, width[, channels]) of uint8 or uint16",
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return _image_shape(self.images)

    def shaped(self, image: ImageSpec | None) -> ShapedScans:
        """Return the pixels in one of `shapes`, or the study's own for None."""
        if image is not None:
            return self.shapes[image]
        return ShapedScans(images=self.images, images_path=self.images_path, fingerprint=self.fingerprint)

    def cases_of(self, split: Split) -> NDArray[np.int64]:
        """Case numbers of one split, rising."""
        return np.flatnonzero(self.split == split).astype(np.int64)

    def with_split(self, split: NDArray[np.str_], folds: FoldTable | None = None) -> ScanSet:
        """Return the same scans with another split."""
        return replace(self, split=split, folds=folds)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {int((self.split == name).sum())}" for name in ("train", "val", "test"))
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"ScanSet({len(self)} scans of {shape} {self.images.dtype}, {'/'.join(self.class_names)}, {counts})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseList:
    """Labelled cases of a source, without their images: enough to split and to count them.

    Parameters are those of `ScanSet`.
    """

    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: NDArray[np.str_]
    sources: tuple[str, ...]
    patients: tuple[str, ...] | None
    origin: Mapping[str, Any] = field(default_factory=dict)
    shown: tuple[str, ...] | None = None
    folds: FoldTable | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def with_split(self, split: NDArray[np.str_], folds: FoldTable | None = None) -> CaseList:
        """Return the same cases with another split."""
        return replace(self, split=split, folds=folds)
