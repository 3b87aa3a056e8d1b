"""A folder with images and labels in two arrays: ``X_train.npy`` and ``y_train.npy``, ``images.npy`` and so on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.data.formats.array_parts import (
    ArrayPair,
    ArrayPart,
    label_array_fault,
    numbered_labels,
    pairs_of,
    part_of,
    plain_labels,
)
from scantrial.data.formats.base import (
    PLAIN,
    SPLIT_OF_WORD,
    Decode,
    Format,
    Listing,
    Option,
    ReadSettings,
    array_fault,
    refuse,
    row_decoder,
)
from scantrial.data.formats.npy_classes import array_files, mapped_array, not_ignored

_EXPECTED = "X_train.npy, images, and y_train.npy, a label for each; likewise _val and _test"


def matches(path: Path) -> bool:
    """Whether the folder has an array of images and, by its name and its shape, one of their labels."""
    if not path.is_dir():
        return False
    root, parts = _parts(path, array_files(path))
    pairs, _ = pairs_of(parts)
    return any(_is_flat(root / pair.labels) for pair in pairs)


def _is_flat(file: Path) -> bool:
    """Whether an array has fewer dimensions than images have."""
    try:
        return bool(np.load(file, mmap_mode="r", allow_pickle=False).ndim <= 2)
    except Exception:  # a damaged header raises nearly anything; labels as objects need pickle
        return True


def _parts(root: Path, files: list[Path]) -> tuple[Path, list[tuple[str, ArrayPart]]]:
    """Return the names of the arrays relative to the root, with what these say; a split may be a folder's name."""
    found = []
    for file in files:
        part = part_of(file.stem)
        above = SPLIT_OF_WORD.get(file.parent.name.lower(), "") if file.parent != root else ""
        if part is not None and (not part.split or not above or part.split == above):
            found.append((file.relative_to(root).as_posix(), ArrayPart(part.split or above, part.is_images)))
    return root, found


def _opened(root: Path, pair: ArrayPair, faults: list[str]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Map the images and read the labels of a split; what is wrong is added to the faults."""
    try:
        images = mapped_array(root / pair.images, pair.images)
        fault = array_fault(images.shape, images.dtype)
        if fault:
            raise ValueError(f"{pair.images}: {fault}")
        raw = mapped_array(root / pair.labels, pair.labels)
        fault = label_array_fault(raw.shape, raw.dtype, len(images))
        if fault:
            raise ValueError(f"{pair.labels}: {fault}")
        return images, _named(pair.labels, raw)
    except ValueError as error:
        faults.append(str(error))
        return None


def _named(name: str, raw: NDArray[Any]) -> NDArray[Any]:
    try:
        return plain_labels(np.asarray(raw))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def read(path: Path, options: Mapping[str, Any], settings: ReadSettings = PLAIN) -> Listing:
    """List the cases of a folder of pairs of arrays; the images are mapped, not loaded."""
    files, left_out = not_ignored(path, array_files(path), settings.ignore)
    root, parts = _parts(path, files)
    pairs, faults = pairs_of(parts)
    opened = [(pair, found) for pair in pairs if (found := _opened(root, pair, faults)) is not None]
    if faults or not opened:
        raise refuse(path, faults or ["no pair of arrays is left"], expected=_EXPECTED)
    arrays = [images for _, (images, _) in opened]
    try:
        numbered = numbered_labels([labels for _, (_, labels) in opened], tuple(options.get("classes", ())))
    except ValueError as error:
        raise refuse(path, str(error).split("\n"), expected=_EXPECTED) from error
    lengths = [len(images) for images in arrays]
    n_others = len(files) - len(parts)

    def decoders() -> Iterator[Decode]:
        return (partial(row_decoder, rows, number) for rows in arrays for number in range(len(rows)))

    return Listing(
        sources=tuple(f"{pair.images}#{i}" for (pair, _), n in zip(opened, lengths, strict=True) for i in range(n)),
        labels=numbered.labels,
        class_names=numbered.class_names,
        has_class_names=numbered.has_class_names,
        split=np.repeat(np.array([pair.split for pair, _ in opened], dtype="U5"), lengths),
        files=tuple(root / pair.images for pair, _ in opened),
        decoders=decoders,
        ignored={"other .npy files": n_others} if n_others else {},
        left_out=left_out,
    )


FORMAT = Format(
    name="npy_pairs",
    looks_like="a folder of .npy arrays of images and of labels",
    options={"classes": Option(kind="names", meaning="names for the label numbers 0, 1, ... in this order")},
    matches=matches,
    read=read,
)
