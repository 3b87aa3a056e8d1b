"""Whether something other than the body predicts the class: the border, the corners, the file."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.multiplicity import holm
from scantrial.audit.labels import whole_picture_area
from scantrial.audit.permutation import FeatureRows, area_limits, predictability
from scantrial.audit.records import CheckOutcome, Found, Subject, not_applicable, verdict_of
from scantrial.audit.shift import MIN_UNITS
from scantrial.core.format import counted, interval, p_equals
from scantrial.core.rng import stream

FRAME_SIDE, FRAME_WIDTH = 32, 3
"""The outer tenth of a picture, in pixels of its 32 x 32 version."""

CORNER = 8
"""Side of a corner in pixels of the 64 x 64 picture."""


def frame_of(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the outer tenth of pictures of 32 x 32 pixels, shape (n, 348)."""
    inside = slice(FRAME_WIDTH, FRAME_SIDE - FRAME_WIDTH)
    outer = np.ones((FRAME_SIDE, FRAME_SIDE), dtype=bool)
    outer[inside, inside] = False
    return pictures[:, outer]


def corners_of(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the four corners of pictures of 64 x 64 pixels, shape (n, 256), from 0 to 1."""
    ends = (slice(None, CORNER), slice(-CORNER, None))
    parts = [pictures[:, rows, columns].reshape(len(pictures), -1) for rows in ends for columns in ends]
    return np.asarray(np.concatenate(parts, axis=1).astype(np.float32) / np.float32(255))


def check_border(subject: Subject) -> CheckOutcome:
    """Find that the outer tenth of the picture predicts the class."""
    facts = subject.facts
    return _predicts(subject, lambda rows: frame_of(facts.small(FRAME_SIDE, rows)), "Image borders alone", "border")


def check_corners(subject: Subject) -> CheckOutcome:
    """Find that the four corners predict the class."""
    facts = subject.facts
    what = "The four corners of the images alone"
    return _predicts(subject, lambda rows: corners_of(facts.thumbnails[rows]), what, "corners")


def check_metadata(subject: Subject) -> CheckOutcome:
    """Find that size, type, format, file size and mean brightness predict the class."""
    columns = _metadata_columns(subject)
    features = np.concatenate(list(columns.values()), axis=1)
    alone = {name: _area_of(subject, column) for name, column in columns.items()}
    told = [f"{name} {area:.2f}" for name, area in sorted(alone.items(), key=lambda one: -one[1])]
    each = f"AUC of each by itself: {', '.join(told)}" if len(columns) > 1 else next(iter(columns))
    what, told_alone = f"Metadata alone ({each})", {"columns": list(columns), "auc_alone": alone}
    return _predicts(subject, lambda rows: features[rows], what, "metadata", **told_alone)


def _area_of(subject: Subject, column: NDArray[np.float64]) -> float:
    """Return the AUC, out of fold, of one column of metadata on the cases that a network learns or chooses from."""
    rows = subject.learnt_from
    rng = stream(subject.settings.seed, "audit", "shortcut", "metadata-alone")
    if len(np.unique(subject.labels[rows])) < len(subject.scans.class_names):
        return 0.5
    told = predictability(
        lambda some: column[rows[some]], subject.labels[rows], subject.units[rows], n_permutations=0, rng=rng
    )
    return told.auc


def _metadata_columns(subject: Subject) -> dict[str, NDArray[np.float64]]:
    columns = {"mean brightness": subject.facts.statistics[:, :1]}
    files = subject.files
    if files is not None:
        columns["width and height"] = np.log(np.stack([files.width, files.height], axis=1))
        columns["file size"] = np.log(np.maximum(files.n_bytes, 1))[:, None]
        columns |= {"pixel mode": _one_hot(files.mode), "file format": _one_hot(files.format)}
    return columns


def _one_hot(values: tuple[str, ...]) -> NDArray[np.float64]:
    names, codes = np.unique(values, return_inverse=True)
    return np.eye(len(names))[codes.ravel()]


def _predicts(subject: Subject, features: FeatureRows, what: str, name: str, **numbers: Any) -> CheckOutcome:
    """Try to predict the class of the cases that a network learns or chooses from.

    Parameters
    ----------
    features : returns the features of some positions
    """
    settings, rows = subject.settings, subject.learnt_from
    labels, units = subject.labels[rows], subject.units[rows]
    few = min(len(np.unique(units[labels == label])) for label in range(len(subject.scans.class_names)))
    if few < MIN_UNITS:
        return not_applicable(f"a class has scans of only {few} patients; {MIN_UNITS} are needed")
    told = predictability(
        lambda some: features(rows[some]),
        labels,
        units,
        n_permutations=settings.n_permutations,
        rng=stream(settings.seed, "audit", "shortcut", name),
    )
    limits = area_limits(told.auc, labels, units)
    measured: dict[str, Any] = {
        "auc": told.auc,
        "interval": list(limits),
        "auc_whole_picture": whole_picture_area(subject),
        "p": told.p,
        "n": len(rows),
        "n_permutations": settings.n_permutations,
        "alpha": settings.alpha,
        "min_auc": settings.shortcut_auc,
        **numbers,
    }
    if told.p >= settings.alpha or limits[0] < settings.shortcut_auc:
        return verdict_of([], **measured)
    span = interval(f"{limits[0]:.2f}", f"{limits[1]:.2f}", 0.95)
    text = (
        f"{what} predict the label with AUC {told.auc:.2f} ({span}; {p_equals(told.p)}; the whole picture, in the same "
        f"way, {measured['auc_whole_picture']:.2f}): the network can use this shortcut."
    )
    return verdict_of([Found(text=text, numbers=measured)], **measured)


def check_one_class_values(subject: Subject) -> CheckOutcome:
    """Find sizes, types and formats that occur in one class only, more often than by chance."""
    if subject.files is None:
        return not_applicable("the scans are not separate image files")
    tests = []
    for name, values in _values(subject).items():
        tables_of = _value_tables(subject, values)
        if len(tables_of) > 1:
            tests += [(name, value, tables) for value, tables in tables_of.items()]
    ps = [min(_fisher_p(*table[0], *table[1]) for table in tables) * len(tables) for _, _, tables in tests]
    found, measured = [], []
    for (name, value, tables), p in zip(tests, holm([min(1.0, p) for p in ps]), strict=True):
        having = [label for label, table in enumerate(tables) if table[0][0]]
        measured.append(
            {"what": name, "value": value, "p": p, "classes": [subject.scans.class_names[i] for i in having]}
        )
        if p < subject.settings.alpha and len(having) == 1:
            found.append(_one_class_found(subject, name, value, having[0], p))
    return verdict_of(found, values=measured)


def _values(subject: Subject) -> dict[str, list[str]]:
    files = subject.files
    assert files is not None
    sizes = [f"{w} x {h}" for w, h in zip(files.width.tolist(), files.height.tolist(), strict=True)]
    return {"size": sizes, "pixel mode": list(files.mode), "file format": list(files.format)}


def _value_tables(subject: Subject, values: list[str]) -> dict[str, list[list[list[int]]]]:
    """Count patients with and without each value (rows), in a class and in the others (columns); one table a class."""
    names, codes = np.unique(values, return_inverse=True)
    n_classes = len(subject.scans.class_names)
    patients = np.unique(np.stack([subject.units, subject.labels], axis=1), axis=0)[:, 1]
    pieces = np.unique(np.stack([subject.units, subject.labels, codes.ravel()], axis=1), axis=0)[:, 1:]
    of_class = np.bincount(patients, minlength=n_classes)
    having = np.bincount(pieces[:, 1] * n_classes + pieces[:, 0], minlength=len(names) * n_classes)
    there = having.reshape(len(names), n_classes)
    elsewhere = there.sum(axis=1, keepdims=True) - there
    tables = np.stack([there, elsewhere, of_class - there, of_class.sum() - of_class - elsewhere], axis=2)
    return dict(zip(names.tolist(), tables.reshape(len(names), n_classes, 2, 2).tolist(), strict=True))


@cache
def _fisher_p(*counts: int) -> float:
    """Return p of Fisher's exact test of a 2 x 2 table; of many sizes of files most have the same counts."""
    return float(scipy.stats.fisher_exact(np.reshape(counts, (2, 2))).pvalue)


def _one_class_found(subject: Subject, name: str, value: str, label: int, p: float) -> Found:
    rows = [row for row, one in enumerate(_values(subject)[name]) if one == value]
    class_name = subject.scans.class_names[label]
    text = (
        f"The {name} {value} occurs in {class_name} only ({counted(len(rows), 'scan')}, {p_equals(p)}; Fisher's exact "
        "test, Holm's correction)."
    )
    return Found(
        text=text, rows=rows, numbers={"what": name, "value": value, "class": class_name, "p": p, "n": len(rows)}
    )
