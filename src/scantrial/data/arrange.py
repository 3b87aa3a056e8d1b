"""What a study file may set for any source: its classes and their order, and how to find its patients."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import DataError, first_of_a_kind, itemised
from scantrial.core.names import listed, nearest
from scantrial.data.formats import Listing
from scantrial.data.formats.base import clashing_names, plain_name
from scantrial.data.left_out import of_classes
from scantrial.data.patients import FOLDER, MAX_PATTERN, find_patients
from scantrial.data.spec import mapping_faults


def arrange(
    listing: Listing, *, classes: Mapping[str, Sequence[str]] | Sequence[str] | None, patient: str | None
) -> Listing:
    """Check the classes of a listing, bring them into the order asked for, and find the patients in the names.

    Parameters and errors are those of `scantrial.data.load.load`.
    """
    spelling = listing.spelling
    if isinstance(classes, Mapping):
        one = {new: list(dict.fromkeys(spelling.get(name, name) for name in old)) for new, old in classes.items()}
        listing = pick_classes(listing, one)
    refuse_missing_classes(listing.class_names, listing.labels)
    if classes is not None and not isinstance(classes, Mapping):
        listing = _in_class_order(listing, tuple(spelling.get(name, name) for name in classes))
    if patient == FOLDER:
        listing = replace(listing, patients=_patients_by_folder(listing))
    elif patient is not None:
        listing = replace(listing, patients=_patients_by(patient, listing.sources))
    return listing


def _some(names: Sequence[str]) -> str:
    """Join names for a message; of many the first, with the number of the others."""
    return listed(first_of_a_kind(names, alike=True))


def pick_classes(listing: Listing, classes: Mapping[str, Sequence[str]]) -> Listing:
    """Give the classes new names, several of them one name; leave out the cases of classes that have none.

    Parameters
    ----------
    classes : for each new class, in their order, the source's own names; upper and lower case are the same

    Raises
    ------
    DataError
        If a name is no class of the source, stands twice, or new names clash.
    """
    own = {plain_name(name): number for number, name in enumerate(listing.class_names)}
    faults = clashing_names(classes) + mapping_faults(classes)
    new_number = np.full(len(own), -1)
    for number, (name, old_names) in enumerate(classes.items()):
        for old in old_names:
            if plain_name(old) in own:
                new_number[own[plain_name(old)]] = number
            else:
                guess = nearest(old, listing.class_names)
                hint = f" (did you mean {guess!r}?)" if guess else ""
                faults.append(f"{name}: the source has no class {old!r}{hint}")
    if faults:
        raise DataError(
            "classes: " + "; ".join(faults), expected=f"each of {_some(listing.class_names)} in one list at most"
        )
    labels = new_number[listing.labels]
    gone = np.bincount(listing.labels[labels < 0], minlength=len(own))
    left_out = of_classes({name: int(n) for name, n in zip(listing.class_names, gone, strict=True) if n})
    kept = replace(
        listing,
        labels=labels,
        class_names=tuple(classes),
        has_class_names=True,
        left_out={**listing.left_out, **left_out},
    )
    return kept.where(labels >= 0) if left_out else kept


def refuse_missing_classes(class_names: Sequence[str], labels: NDArray[np.int64]) -> None:
    """Refuse scans of fewer than two classes, or a class without any scan."""
    counts = np.bincount(labels, minlength=len(class_names))
    seen = _some([f"{name} ({n})" for name, n in zip(class_names, counts, strict=True)])
    if len(class_names) < 2 or (counts == 0).any():
        raise DataError(f"scans of each class: {seen}", expected="at least two classes, each with at least one scan")


def _in_class_order(listing: Listing, classes: tuple[str, ...]) -> Listing:
    """Number the classes in the order of `classes`, which must be the source's names, see `plain_name`."""
    if not listing.has_class_names and set(classes) != set(listing.class_names):
        _refuse_class_list(classes, listing, any_names=True)
        return replace(listing, class_names=classes, has_class_names=True)
    _refuse_class_list(classes, listing, any_names=False)
    index = {plain_name(name): number for number, name in enumerate(classes)}
    new_number = np.array([index[plain_name(name)] for name in listing.class_names], dtype=np.int64)
    return replace(listing, labels=new_number[listing.labels], class_names=classes)


def _refuse_class_list(classes: tuple[str, ...], listing: Listing, *, any_names: bool) -> None:
    faults = clashing_names(classes)
    faults += [f"{name!r} is listed {n} times" for name, n in Counter(classes).items() if n > 1]
    own = {plain_name(name) for name in listing.class_names}
    for name in [] if any_names else classes:
        if plain_name(name) not in own:
            guess = nearest(name, listing.class_names)
            faults.append(f"the source has no class {name!r}" + (f" (did you mean {guess!r}?)" if guess else ""))
    given = {plain_name(name) for name in classes}
    if any_names and len(classes) != len(listing.class_names):
        faults.append(f"{len(classes)} names for {len(listing.class_names)} classes")
    elif not any_names:
        gone = [f"the class {name!r} is left out" for name in listing.class_names if plain_name(name) not in given]
        faults += first_of_a_kind(gone, alike=True)
    if faults:
        raise DataError(
            "classes: " + "; ".join(faults),
            expected=f"each of {_some(listing.class_names)} once, in any order; to leave classes out, or to join some, "
            "a mapping: {NEW NAME: [their names], ...}",
        )


def _patients_by_folder(listing: Listing) -> tuple[str, ...]:
    folders = listing.folders
    if folders is None or "" in folders:
        loose = (
            listing.sources if folders is None else [s for s, f in zip(listing.sources, folders, strict=True) if not f]
        )
        raise DataError(
            f"patient: folder: {len(loose)} of {len(listing.sources)} scans are in no folder of a patient:\n"
            + itemised(loose, alike=True),
            expected="a folder for each patient, below the class folders or above them",
            do=r"give an expression that finds the patient in the file names, such as '(person\d+)_', or a table with "
            "a column patient",
        )
    return folders


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
