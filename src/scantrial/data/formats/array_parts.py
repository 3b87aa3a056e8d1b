"""Images and their labels in two arrays: what the names of arrays say, and what their labels are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scantrial.core.names import listed
from scantrial.core.numbering import MAX_TEXT
from scantrial.data.formats.base import SPLIT_OF_WORD, clashing_names, split_rank
from scantrial.data.formats.table_labels import NOT_A_VALUE

_SPLIT = "|".join(SPLIT_OF_WORD)
_NAME = re.compile(
    rf"(?:(?P<before>{_SPLIT})[ _.-]?)?(?:(?P<images>x|images?|imgs?|scans?|data)|(?P<labels>y|labels?|targets?))"
    rf"(?:[ _.-]?(?P<after>{_SPLIT}))?"
)
_USUAL = re.compile(r"(train|val|test)_(images|labels)(\.npy)?")
"""The names that MedMNIST gives."""

_MAX_COLUMNS, _MAX_LABEL_BYTES = 1000, 1 << 30
"""Of an array of labels."""


class ArrayPart(NamedTuple):
    """What the name of an array says: its split or "", and whether it holds images or labels."""

    split: str
    is_images: bool


class ArrayPair(NamedTuple):
    """The names of the two arrays of a split."""

    split: str
    images: str
    labels: str


def part_of(name: str) -> ArrayPart | None:
    """Read names such as ``train_images``, ``X_train``, ``y`` or ``labels_test``; None for any other."""
    found = _NAME.fullmatch(name.lower())
    if found is None or (found["before"] and found["after"]):
        return None
    word = found["before"] or found["after"]
    return ArrayPart(SPLIT_OF_WORD[word] if word else "", found["images"] is not None)


def pairs_of(parts: Iterable[tuple[str, ArrayPart]]) -> tuple[list[ArrayPair], list[str]]:
    """Return the pairs in the order train, val, test, none; and faults: what is missing, or there twice.

    MedMNIST's names (``train_images``) win over others of the same split. Arrays without a split are passed over beside
    a pair of these names, and where they are no pair themselves beside any pair.

    Parameters
    ----------
    parts : names of arrays and what they say
    """
    found: dict[tuple[str, bool], str] = {}
    doubles: dict[str, list[str]] = {}
    for name, part in sorted(parts, key=lambda one: _USUAL.fullmatch(one[0]) is None):
        other = found.setdefault((part.split, part.is_images), name)
        if other != name and _USUAL.fullmatch(other) is None:
            what = f"{part.split} {'images' if part.is_images else 'labels'}".strip()
            doubles.setdefault(part.split, []).append(f"{other} and {name} both hold the {what}")
    pairs: list[ArrayPair] = []
    faults: list[str] = []
    for split in sorted({split for split, _ in found}, key=split_rank):
        images, labels = found.get((split, True)), found.get((split, False))
        is_pair = images is not None and labels is not None
        has_usual = any(_USUAL.fullmatch(pair.images) and _USUAL.fullmatch(pair.labels) for pair in pairs)
        if not split and (has_usual or (pairs and not is_pair)):
            continue
        faults += doubles.get(split, [])
        if images is not None and labels is not None:
            pairs.append(ArrayPair(split, images, labels))
        else:
            faults.append(_missing(images or labels or "", is_images=images is None))
    return pairs, faults


def _missing(other: str, *, is_images: bool) -> str:
    """Say that the array that belongs to another is missing, by the name that it would have."""
    words = {"labels": "images", "images": "labels", "y": "x", "x": "y", "Y": "X", "X": "y"}
    name = re.sub(r"images|labels|(?<![a-z])[xyXY](?![a-z])", lambda found: words[found[0]], other)
    return (
        f"{name} is missing" if name != other else f"the {'images' if is_images else 'labels'} of {other} are missing"
    )


def label_array_fault(shape: tuple[int, ...], dtype: np.dtype[Any], n_images: int) -> str | None:
    """Return why an array is not the labels of so many images, or None; its values are not looked at."""
    is_column = shape in ((n_images,), (n_images, 1))
    is_wide = len(shape) == 2 and shape[0] == n_images and shape[1] > 1
    if is_wide and (dtype.kind not in "uifb" or shape[1] > _MAX_COLUMNS):
        return _multi_label(shape[1])
    if not is_column and not is_wide:
        return f"shape {shape} for {n_images} images, expected ({n_images}, 1) or ({n_images},)"
    if dtype.kind not in "uifbU" or (dtype.kind != "U" and dtype.itemsize > 8) or dtype.itemsize > 4 * MAX_TEXT:
        return f"type {dtype}, expected whole numbers or texts"
    if int(np.prod(shape)) * dtype.itemsize > _MAX_LABEL_BYTES:
        return f"shape {shape} of type {dtype}: more than {_MAX_LABEL_BYTES >> 20:,} MB of labels"
    return None


def _multi_label(n_columns: int) -> str:
    return f"{n_columns} labels for each scan, expected 1: multi-label sets are not supported"


def plain_labels(raw: NDArray[Any]) -> NDArray[Any]:
    """Return labels of shape (n,), int64 or text; of rows with a single 1 among zeros, the position of the 1.

    Raises
    ------
    ValueError
        With the fault: several labels, no whole number, no label.
    """
    if raw.ndim == 2 and raw.shape[1] > 1:
        is_hot = ((raw == 0) | (raw == 1)).all() and (raw.sum(axis=1) == 1).all()
        if not is_hot:
            raise ValueError(_multi_label(raw.shape[1]))
        return np.asarray(raw.argmax(axis=1), dtype=np.int64)
    raw = raw.reshape(-1)
    if raw.dtype.kind == "U":
        texts = np.char.strip(raw)
        n_none = int(np.isin(texts, ["", *NOT_A_VALUE]).sum())
        if n_none:
            raise ValueError(f"{n_none} of {len(texts)} have no label (empty, or nan)")
        return texts
    values = np.unique(raw).astype(np.float64)
    wrong = [value for value in values if not (value.is_integer() and 0 <= value < 2**31)]
    if wrong:
        raise ValueError(f"label out of range: {listed(f'{value:g}' for value in wrong[:10])}")
    return raw.astype(np.int64)


class NumberedLabels(NamedTuple):
    """Labels as class indices.

    Parameters
    ----------
    has_class_names : whether the names are more than the numbers
    """

    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    has_class_names: bool


def numbered_labels(by_part: Sequence[NDArray[Any]], given: tuple[str, ...]) -> NumberedLabels:
    """Number the labels of all parts together.

    Parameters
    ----------
    by_part : what `plain_labels` returned, for each part
    given : names for the numbers 0, 1, ...; empty where the labels are texts, or the numbers are their own names

    Raises
    ------
    ValueError
        With all faults, one a line: parts of numbers and of texts, numbers that do not run from 0, clashing names.
    """
    kinds = {part.dtype.kind for part in by_part}
    if len(kinds) > 1:
        raise ValueError("some labels are texts and others are numbers, expected one kind")
    every = np.concatenate(by_part)
    if kinds == {"U"} and given:
        raise ValueError(
            "classes of the source name numbers, but the labels are texts: use data.classes for their order"
        )
    if kinds == {"U"}:
        names, labels = np.unique(every, return_inverse=True)
        faults = clashing_names(map(str, names))
        if faults:
            raise ValueError("\n".join(faults))
        return NumberedLabels(labels.reshape(-1).astype(np.int64), tuple(map(str, names)), has_class_names=True)
    return NumberedLabels(every, _names_of_numbers(every, given), bool(given))


def _names_of_numbers(labels: NDArray[np.int64], given: tuple[str, ...]) -> tuple[str, ...]:
    """Names for the label numbers: the given ones, or the numbers themselves, which must then run from 0."""
    present = np.unique(labels).tolist()
    n_classes = len(given) if given else len(present)
    is_complete = present == list(range(n_classes))
    faults = clashing_names(given)
    if not is_complete:
        seen = listed(map(str, present[:20])) + (" ..." if len(present) > 20 else "")
        faults.append(f"label out of range: the labels are {seen}, expected each of 0 to {n_classes - 1}")
    if faults:
        raise ValueError("\n".join(faults))
    return given or tuple(map(str, present))
