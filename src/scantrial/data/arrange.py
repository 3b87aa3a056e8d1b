"""What a study file may set for any source: the order of its classes, and how to find its patients."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import DataError, itemised
from scantrial.core.names import listed, nearest
from scantrial.data.formats import Listing
from scantrial.data.formats.base import clashing_names
from scantrial.data.patients import MAX_PATTERN, find_patients


def arrange(listing: Listing, *, classes: Sequence[str] | None, patient: str | None) -> Listing:
    """Check the classes of a listing, bring them into the order asked for, and find the patients in the names.

    Parameters and errors are those of `scantrial.data.load.load`.
    """
    refuse_missing_classes(listing.class_names, listing.labels)
    if classes is not None:
        listing = _in_class_order(listing, tuple(classes))
    if patient is not None:
        listing = replace(listing, patients=_patients_by(patient, listing.sources))
    return listing


def refuse_missing_classes(class_names: Sequence[str], labels: NDArray[np.int64]) -> None:
    """Refuse scans of fewer than two classes, or a class without any scan."""
    counts = np.bincount(labels, minlength=len(class_names))
    seen = listed(f"{name} ({n})" for name, n in zip(class_names, counts, strict=True))
    if len(class_names) < 2 or (counts == 0).any():
        raise DataError(f"scans of each class: {seen}", expected="at least two classes, each with at least one scan")


def _in_class_order(listing: Listing, classes: tuple[str, ...]) -> Listing:
    """Number the classes in the order of `classes`, which must be the source's names, ignoring case."""
    if not listing.has_class_names and set(classes) != set(listing.class_names):
        _refuse_class_list(classes, listing, any_names=True)
        return replace(listing, class_names=classes, has_class_names=True)
    _refuse_class_list(classes, listing, any_names=False)
    index = {name.casefold(): number for number, name in enumerate(classes)}
    new_number = np.array([index[name.casefold()] for name in listing.class_names], dtype=np.int64)
    return replace(listing, labels=new_number[listing.labels], class_names=classes)


def _refuse_class_list(classes: tuple[str, ...], listing: Listing, *, any_names: bool) -> None:
    faults = clashing_names(classes)
    faults += [f"{name!r} is listed {n} times" for name, n in Counter(classes).items() if n > 1]
    own = {name.casefold() for name in listing.class_names}
    for name in [] if any_names else classes:
        if name.casefold() not in own:
            guess = nearest(name, listing.class_names)
            faults.append(f"the source has no class {name!r}" + (f" (did you mean {guess!r}?)" if guess else ""))
    given = {name.casefold() for name in classes}
    if any_names and len(classes) != len(listing.class_names):
        faults.append(f"{len(classes)} names for {len(listing.class_names)} classes")
    elif not any_names:
        faults += [f"the class {name!r} is left out" for name in listing.class_names if name.casefold() not in given]
    if faults:
        raise DataError(
            "classes: " + "; ".join(faults), expected=f"each of {listed(listing.class_names)} once, in any order"
        )


def _patients_by(pattern: str, sources: Sequence[str]) -> tuple[str, ...]:
    if len(pattern) > MAX_PATTERN:
        raise DataError(f"patient: a pattern of {len(pattern):,} characters", expected=f"at most {MAX_PATTERN:,}")
    try:
        n_groups = re.compile(pattern).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"patient: {pattern!r} is not a regular expression: {error}") from error
    if n_groups < 1:
        raise DataError(f"patient: {pattern!r} has no group", expected=r"a group, such as (person\d+)")
    patients = find_patients(pattern, [PurePosixPath(source).name for source in sources])
    missed = [source for source, found in zip(sources, patients, strict=True) if not found]
    if missed:
        raise DataError(
            f"patient: {pattern!r} finds no patient in {len(missed)} of {len(sources)} file names:\n"
            + itemised(missed, alike=True),
            expected="a patient for every scan",
        )
    return tuple(patients)
