"""Which scans are used for training, validation and test: the five ways of `SplitSpec`.

Every choice is ordered by a hash of the split's seed and the case's source (or patient), so that it is the same on any
machine and does not depend on the order in which files were found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import DataError
from scantrial.core.fold_table import FoldTable
from scantrial.core.names import listed
from scantrial.core.records import SPLITS, Split
from scantrial.core.rng import derive_seed, hash_order
from scantrial.data.scanset import CaseList, ScanSet
from scantrial.data.spec import SplitSpec

UNUSED = ""
Parts = NDArray[np.str_]
Cases = TypeVar("Cases", ScanSet, CaseList)


def apply_split(scans: Cases, spec: SplitSpec) -> Cases:
    """Split scans, decoded or only listed, as `spec` says.

    * *given*: the source's own splits, of the parts that are named.
    * *first*: in the order of the source, class by class. Where the source has its own test split, ``test``
      is taken from it; else the source's training cases (and those in no split) give train, val and test one after the
      other. ``val`` comes after ``train``.
    * *fractions*: see `share_out`. A part that says ``given`` keeps its cases, the fractions divide all others, and
      the rest is used for training, unless ``train`` has its own fraction.
    * *folds*: `share_out` in equal shares; fold `fold` is for test, the next for validation, the others for training.
    * *cross-validation*: the same folds, every one of which is for test in its turn; `share_out` divides the cases of
      the others into training and validation. Later repeats take the cases in another order.

    With ``by: patient`` the patients are divided, not the cases. If a part is ``given``, the other cases of its
    patients are left out (``origin["left_out"]`` counts them).

    Raises
    ------
    DataError
        If patients are needed and not known, a class has too few cases, or a part would be left without cases or
        without a class.
    """
    if spec.by == "patient" and scans.patients is None:
        raise DataError(
            "a split by patient needs the patient of each scan, and this source does not give it",
            do="name the column of a table (data.source, patient: COLUMN), or set data.patient to a regular expression "
            "with one group that finds the patient in each file's name, or to folder; or leave by: patient out",
        )
    if spec.kind == "cross-validation":
        return _with_folds(scans, spec)
    ways = {"folds": _folds, "first": _first, "given": _given, "fractions": _fractions}
    split = ways[spec.kind](scans, spec)
    _expect_usable(scans, split)
    n_left_out = int(_left_out(scans, spec).sum())
    if n_left_out:
        scans = replace(scans, origin={**scans.origin, "left_out": n_left_out})
    return scans.with_split(split)


def share_out(labels: NDArray[np.int64], groups: Sequence[str], shares: Mapping[str, float], *, seed: int) -> Parts:
    """Divide cases so that each group stays together and every class is divided as closely as possible as asked.

    Groups are taken in the order of their hash. Each goes to the part where it lessens the sum of squared shortfalls
    (asked minus present, class by class) the most; if equal, to the part with the largest total shortfall, then to the
    first. If only as many groups of a class are left as there are parts without that class, one of those parts gets it.
    With one case in each group the number of each class in each part is within one of the number asked, unless a
    part asks for less than one case of a class: it still gets one.

    Parameters
    ----------
    labels : shape (n,), class indices
    groups : n texts; cases with equal text stay together
    shares : part and fraction; the fractions add up to 1
    seed : of the hash order

    Returns
    -------
    shape (n,)
        The part of each case.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        rows[group].append(row)
    names = list(rows)
    content = {name: Counter(int(labels[row]) for row in rows[name]) for name in names}
    left = Counter(label for counts in content.values() for label in counts)
    totals = Counter(int(label) for label in labels)
    short = {part: {label: share * n for label, n in totals.items()} for part, share in shares.items()}
    lacking = {label: {part for part in shares if part != UNUSED} for label in totals}
    result = np.full(len(labels), UNUSED, dtype="U32")
    for position in hash_order(names, seed=seed):
        name = names[position]
        part = _best_part(content[name], short, lacking, left)
        result[rows[name]] = part
        for label, count in content[name].items():
            short[part][label] -= count
            lacking[label].discard(part)
            left[label] -= 1
    return result


def _best_part(
    counts: Counter[int], short: Mapping[str, dict[int, float]], lacking: Mapping[int, set[str]], left: Counter[int]
) -> str:
    urgent = {part for label in counts if left[label] <= len(lacking[label]) for part in lacking[label]}
    candidates = [part for part in short if part in urgent] or list(short)

    def gain(part: str) -> tuple[float, float]:
        # Rounded, so that the order of a sum cannot decide a tie.
        wanted = sum(count * short[part][label] for label, count in counts.items())
        return round(wanted, 6), round(sum(short[part].values()), 6)

    return max(candidates, key=gain)


def _groups(scans: ScanSet | CaseList, spec: SplitSpec, rows: NDArray[np.int64]) -> list[str]:
    if spec.by == "patient" and scans.patients is not None:
        # Pseudonyms depend on a key of the user, so patients are ordered by their first case: alike on every machine.
        first = dict(zip(reversed(scans.patients), reversed(scans.sources), strict=True))
        names = first if "dicom" in scans.origin else {name: name for name in first}
        return [names[scans.patients[row]] for row in rows]
    repeated = {source for source, times in Counter(scans.sources).items() if times > 1}
    return [f"{scans.sources[row]}#{row}" if scans.sources[row] in repeated else scans.sources[row] for row in rows]


def _shared(
    scans: ScanSet | CaseList,
    spec: SplitSpec,
    rows: NDArray[np.int64],
    shares: Mapping[str, float],
    *,
    seed: int | None = None,
) -> Parts:
    order = spec.seed if seed is None else seed
    return share_out(scans.labels[rows], _groups(scans, spec, rows), shares, seed=order)


def _folds(scans: ScanSet | CaseList, spec: SplitSpec) -> Parts:
    n_folds, tested = spec.folds or 0, spec.fold or 0
    equal = {str(fold): 1 / n_folds for fold in range(n_folds)}
    fold = _shared(scans, spec, np.arange(len(scans)), equal)
    split = np.full(len(scans), "train", dtype="U5")
    split[fold == str((tested + 1) % n_folds)] = "val"
    split[fold == str(tested)] = "test"
    return split


# ---------------------------------------------------------------------- cross-validation


def _with_folds(scans: Cases, spec: SplitSpec) -> Cases:
    """Return the scans with the folds of every repeat, and with the split of the first."""
    found = _fold_table(scans, spec)
    for repeat, fold in found.places:
        try:
            _expect_usable(scans, found.parts(repeat, fold))
        except DataError as error:
            raise DataError(
                f"fold {fold} of repeat {repeat}: {error.got}",
                expected="every class in the training, the validation and the test part of every fold",
                do="make fewer folds, or a larger share data.split.val, or join rare classes with data.classes",
            ) from error
    return scans.with_split(found.parts(0, 0), found)


def _fold_table(scans: ScanSet | CaseList, spec: SplitSpec) -> FoldTable:
    n_folds, every = spec.folds or 0, np.arange(len(scans))
    inner = spec.val if isinstance(spec.val, float) else 0.0
    test = np.zeros((len(scans), spec.repeats or 1), dtype=np.int64)
    val = np.zeros_like(test)
    for repeat in range(test.shape[1]):
        # The first repeat has the folds of `fold: K`.
        seed = derive_seed(spec.seed, "repeat", repeat) if repeat else spec.seed
        test[:, repeat] = _shared(scans, spec, every, {str(k): 1 / n_folds for k in range(n_folds)}, seed=seed).astype(
            np.int64
        )
        for fold in range(n_folds):
            rows = np.flatnonzero(test[:, repeat] != fold)
            seed = derive_seed(spec.seed, "inner", repeat, fold)
            part = _shared(scans, spec, rows, {"train": 1 - inner, "val": inner}, seed=seed)
            val[rows[part == "val"], repeat] |= 1 << fold
    return FoldTable(n_folds=n_folds, test=test, val=val)


def _asked(spec: SplitSpec) -> dict[Split, int | float | str]:
    shares = {part: getattr(spec, part) for part in SPLITS}
    return {part: share for part, share in shares.items() if share is not None}


def _given(scans: ScanSet | CaseList, spec: SplitSpec) -> Parts:
    """Keep the source's own parts where the spec says so; every other case is unused so far."""
    keep = [part for part, share in _asked(spec).items() if share == "given"]
    missing = [part for part in keep if not (scans.split == part).any()]
    if missing:
        raise DataError(
            f"the source has no {listed(missing)} split; it has {_counts(scans)}",
            expected="a validation split, and a locked test set" if "test" in missing else None,
            do="write split: {test: given, val: 0.2}; the rest is used for training"
            if missing == ["val"]
            else "divide the cases, for example split: {train: 0.7, val: 0.15, test: 0.15}",
        )
    split = np.where(np.isin(scans.split, keep), scans.split, UNUSED).astype("U5")
    if spec.by == "patient" and scans.patients is not None:
        _expect_apart(scans.patients, split)
    return split


def _expect_apart(patients: Sequence[str], split: Parts) -> None:
    parts: dict[str, set[str]] = defaultdict(set)
    for patient, part in zip(patients, split, strict=True):
        if part != UNUSED:
            parts[patient].add(str(part))
    torn = sorted(patient for patient, found in parts.items() if len(found) > 1)
    if torn:
        raise DataError(
            f"{len(torn)} patients are in more than one of the source's own splits: {listed(torn[:5])}"
            + (", ..." if len(torn) > 5 else ""),
            expected="each patient in one split (by: patient)",
            do="keep only the test split as given, {test: given, val: 0.2, by: patient}: other cases of its patients "
            "are then left out",
        )


def _first(scans: ScanSet | CaseList, spec: SplitSpec) -> Parts:
    split = _given(scans, spec)
    numbers = {part: share for part, share in _asked(spec).items() if isinstance(share, int)}
    own_test = {"test"} & numbers.keys() if (scans.split == "test").any() else set()
    pools = {
        "training": ({part: n for part, n in numbers.items() if part not in own_test}, ["train", UNUSED]),
        "test": ({part: n for part, n in numbers.items() if part in own_test}, ["test"]),
    }
    faults = []
    for label, name in enumerate(scans.class_names):
        for pool_name, (wanted, own) in pools.items():
            free = (scans.labels == label) & np.isin(scans.split, own) & (split == UNUSED)
            pool = np.flatnonzero(free)
            if sum(wanted.values()) > len(pool):
                parts = listed(f"{part} {n}" for part, n in wanted.items())
                faults.append(
                    f"class {name!r}: {sum(wanted.values())} cases asked for ({parts}), "
                    f"{len(pool)} available ({pool_name})"
                )
            else:
                _deal(split, pool, wanted)
    if faults:
        raise DataError("; ".join(faults), do="ask for fewer cases of each class, or for fractions")
    return split


def _deal(split: Parts, pool: NDArray[np.int64], wanted: Mapping[Split, int]) -> None:
    """Write the parts into `split`, one after the other along the pool."""
    start = 0
    for part, n in wanted.items():
        split[pool[start : start + n]] = part
        start += n


def _fractions(scans: ScanSet | CaseList, spec: SplitSpec) -> Parts:
    asked = _asked(spec)
    shares: dict[str, float] = {part: share for part, share in asked.items() if isinstance(share, float)}
    spare = 1 - sum(shares.values())
    if spare > 1e-9:
        rest_trains = "given" in asked.values() and "train" not in asked
        shares = {"train": spare, **shares} if rest_trains else {**shares, UNUSED: spare}
    split = _given(scans, spec)
    rows = np.flatnonzero((split == UNUSED) & ~_left_out(scans, spec))
    split[rows] = _shared(scans, spec, rows, shares)
    return split


def _left_out(scans: ScanSet | CaseList, spec: SplitSpec) -> NDArray[np.bool_]:
    """Mark the cases that cannot be divided because their patient is in a part that is kept as given."""
    if spec.kind != "fractions" or spec.by != "patient" or scans.patients is None:
        return np.zeros(len(scans), dtype=bool)
    kept = _given(scans, spec) != UNUSED
    inside = {scans.patients[row] for row in np.flatnonzero(kept)}
    return np.asarray(~kept & np.array([patient in inside for patient in scans.patients], dtype=bool))


def _counts(scans: ScanSet | CaseList) -> str:
    counts = Counter(str(part) or "in no split" for part in scans.split)
    return listed(f"{counts[part]} {part}" for part in (*SPLITS, "in no split") if counts[part])


def _expect_usable(scans: ScanSet | CaseList, split: Parts) -> None:
    """Refuse a split that is not enough for a trial, with all its faults."""
    faults = []
    for part in SPLITS:
        present = set(np.unique(scans.labels[split == part]).tolist())
        absent = [name for label, name in enumerate(scans.class_names) if label not in present]
        if not present:
            faults.append(f"{part} has no scan" + (": a locked test set is needed" if part == "test" else ""))
        elif part == "train" and len(present) < 2:
            faults.append(f"train has only one class: {scans.class_names[min(present)]!r}")
        elif part != "train" and absent:
            faults.append(f"{part} has no scan of class {listed(map(repr, absent))}")
    if faults:
        raise DataError(
            "; ".join(faults),
            expected="scans for train, val and test, at least two classes in train, every class in val and in test",
            do="name train, val and test in data.split, with larger shares where a class is rare; where the source has "
            "its own test split, {test: given, val: 0.2} keeps it and uses the rest for training",
        )
