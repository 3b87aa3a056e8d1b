"""Whether scans of one class, or of one split, are blurred: the mean absolute Laplacian, tested by ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.permutation import area_limits, areas, areas_of_groups, permuted_groups
from scantrial.audit.records import CheckOutcome, Found, Subject, not_applicable, verdict_of
from scantrial.audit.shift import MIN_UNITS, SplitPair, split_pairs
from scantrial.core.format import interval, p_equals, percent
from scantrial.core.rng import stream


def check_sharpness(subject: Subject) -> CheckOutcome:
    """Find that sharpness alone separates the classes, or that the scans of a class are sharper in one split."""
    classes, splits = _classes(subject), _splits(subject)
    if not classes and not splits:
        return not_applicable(f"neither two classes nor two splits have scans of {MIN_UNITS} patients each")
    found = [Found(text=text, numbers=numbers) for text, numbers in (*classes, *splits) if text is not None]
    return verdict_of(found, classes=[numbers for _, numbers in classes], splits=[numbers for _, numbers in splits])


_Outcome = tuple[str | None, dict[str, Any]]
"""What was found, in words, or None; and what was measured."""


def _classes(subject: Subject) -> list[_Outcome]:
    """Compare each class with the others, on the cases that a network learns or chooses from."""
    names, rows = subject.scans.class_names, subject.learnt_from
    if min(_n_units(subject, rows[subject.labels[rows] == label]) for label in range(len(names))) < MIN_UNITS:
        return []
    settings, sharp = subject.settings, subject.facts.sharpness
    labels = permuted_groups(
        subject.labels[rows],
        subject.units[rows],
        n_permutations=settings.n_permutations,
        rng=stream(settings.seed, "audit", "sharpness", "classes"),
    )
    asked = [1] if len(names) == 2 else list(range(len(names)))
    found = areas_of_groups(sharp[rows], labels, len(names))[asked]
    which, area, p = _furthest(found)
    label = asked[which]
    medians = [_median(sharp[rows[(subject.labels[rows] == label) == side]]) for side in (True, False)]
    in_test = _area_in_test(subject, label)
    limits = area_limits(_auc(area), (subject.labels[rows] == label).astype(np.int64), subject.units[rows])
    is_found = p < settings.alpha and limits[0] >= settings.shortcut_auc
    numbers = {
        "class": names[label],
        "auc": _auc(area),
        "interval": list(limits),
        "auc_test": None if in_test is None else (in_test if area >= 0.5 else 1 - in_test),
        "p": p,
        "medians": medians,
        "n": len(rows),
        "min_auc": settings.shortcut_auc,
        **_settings(subject),
    }
    return [(_class_text(subject, numbers) if is_found else None, numbers)]


def _class_text(subject: Subject, numbers: dict[str, Any]) -> str:
    name, others = numbers["class"], [one for one in subject.scans.class_names if one != numbers["class"]]
    rest = others[0] if len(others) == 1 else "the other classes"
    test = numbers["auc_test"]
    low, high = numbers["interval"]
    span = interval(f"{low:.2f}", f"{high:.2f}", 0.95)
    return (
        f"Sharpness alone (mean absolute Laplacian) separates {name} from {rest} with AUC {numbers['auc']:.2f} "
        f"({span}; {p_equals(numbers['p'])}{'' if test is None else f'; {test:.2f} in test'}): its median is "
        f"{_share(numbers['medians'][0])} of the gray range in {name}, {_share(numbers['medians'][1])} in {rest}. The "
        "network can use this shortcut."
    )


def _area_in_test(subject: Subject, label: int) -> float | None:
    rows = subject.rows_of("test")
    member = subject.labels[rows] == label
    if min(_n_units(subject, rows[member]), _n_units(subject, rows[~member])) < MIN_UNITS:
        return None
    return float(areas(subject.facts.sharpness[rows, None], member[:, None])[0])


def _splits(subject: Subject) -> list[_Outcome]:
    """Compare every two splits within each class, so that a different class mix explains nothing."""
    return [outcome for pair in split_pairs(subject) if (outcome := _of_splits(subject, pair)) is not None]


def _of_splits(subject: Subject, pair: SplitPair) -> _Outcome | None:
    settings, sharp = subject.settings, subject.facts.sharpness
    found, asked = [], []
    for label in range(len(subject.scans.class_names)):
        inside = subject.labels[pair.rows] == label
        rows, second = pair.rows[inside], pair.second[inside]
        if min(_n_units(subject, rows[second == side]) for side in (0, 1)) < MIN_UNITS:
            continue
        rng = stream(settings.seed, "audit", "sharpness", *pair.names, str(label))
        sides = permuted_groups(second, subject.units[rows], n_permutations=settings.n_permutations, rng=rng)
        found.append(areas_of_groups(sharp[rows], sides, 2)[1])
        asked.append((label, [_median(sharp[rows[second == side]]) for side in (0, 1)]))
    if not found:
        return None
    which, area, p = _furthest(np.stack(found))
    label, medians = asked[which]
    numbers = {
        "splits": list(pair.names),
        "class": subject.scans.class_names[label],
        "auc": _auc(area),
        "p": p,
        "medians": medians,
        "min_auc": settings.shift_auc,
        **_settings(subject),
    }
    is_found = p < settings.alpha and _auc(area) >= settings.shift_auc
    return (_split_text(pair, area, numbers) if is_found else None), numbers


def _split_text(pair: SplitPair, area: float, numbers: dict[str, Any]) -> str:
    first, second = pair.names
    return (
        f"Scans of class {numbers['class']} are {'sharper' if area > 0.5 else 'more blurred'} in {second} than in "
        f"{first}: AUC {numbers['auc']:.2f} ({p_equals(numbers['p'])}); the median of the mean absolute Laplacian is "
        f"{_share(numbers['medians'][1])} of the gray range in {second}, {_share(numbers['medians'][0])} in {first}."
    )


def _furthest(found: NDArray[np.float64]) -> tuple[int, float, float]:
    """Return which of several areas is furthest from one half, that area, and the p of the largest distance.

    Parameters
    ----------
    found : shape (n, 1 + n_permutations), the areas as they are, then of each permutation
    """
    away = np.abs(found - 0.5)
    which = int(np.argmax(away[:, 0]))
    largest = away.max(axis=0)
    p = (1 + int((largest[1:] >= largest[0] - 1e-12).sum())) / len(largest)
    return which, float(found[which, 0]), p


def _auc(area: float) -> float:
    return max(area, 1 - area)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values))


def _share(value: float) -> str:
    return percent(value, 1)


def _n_units(subject: Subject, rows: NDArray[np.int64]) -> int:
    return len(np.unique(subject.units[rows]))


def _settings(subject: Subject) -> dict[str, Any]:
    return {"n_permutations": subject.settings.n_permutations, "alpha": subject.settings.alpha}
