"""The same scan twice: pixel for pixel, or nearly so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.hash_search import HashPairs, near_pairs
from scantrial.audit.phash import distances, nearest_orientation, orient
from scantrial.audit.reach import clean_test, touching_test
from scantrial.audit.records import CheckOutcome, Found, Severity, Subject, not_applicable, verdict_of
from scantrial.core.format import counted
from scantrial.core.rng import stream

N_CALIBRATION = 100_000
"""Pairs of different patients that the distance is calibrated on."""

CALIBRATION_QUANTILE = 0.001
N_CHANCE_NEIGHBOURS = 10
"""Scans of other patients that a scan may have within the distance; in large sets this is a smaller share."""

_PIECE = 256
"""Pairs of pictures correlated at a time, so that they fit in a processor's cache."""

Pair = tuple[int, int]


# ---------------------------------------------------------------------- exact


def exact_groups(subject: Subject) -> list[list[int]]:
    """Return groups of positions whose decoded pixels are equal, each in the order of splits."""
    if "exact" not in subject.memo:
        by_digest: dict[bytes, list[int]] = defaultdict(list)
        for row, digest in enumerate(subject.facts.digests):
            by_digest[digest].append(row)
        subject.memo["exact"] = [sorted(rows, key=subject.rank) for rows in by_digest.values() if len(rows) > 1]
    found: list[list[int]] = subject.memo["exact"]
    return found


def across(subject: Subject, groups: Iterable[Sequence[int]]) -> list[Pair]:
    """Pair every case of a group with the group's first case of another split; each pair once."""
    pairs: dict[Pair, None] = {}
    for group in groups:
        for row in group:
            other = next((one for one in group if subject.are_apart(row, one)), None)
            if other is not None:
                pairs[_in_order(subject, row, other)] = None
    return list(pairs)


def within(subject: Subject, groups: Iterable[Sequence[int]]) -> list[Pair]:
    """Pair every case of a group with the group's first case of its own split."""
    pairs = []
    for group in groups:
        first: dict[bytes, int] = {}
        for row in group:
            side = subject.sides[row].tobytes()
            if side in first:
                pairs.append((first[side], row))
            first.setdefault(side, row)
    return pairs


def _in_order(subject: Subject, row: int, other: int) -> Pair:
    return (row, other) if subject.rank(row) < subject.rank(other) else (other, row)


def check_exact_across(subject: Subject) -> CheckOutcome:
    """Find scans that are in two splits, pixel for pixel."""
    if not subject.split_pairs:
        return not_applicable("the scans are in one split or in none")
    pairs = across(subject, exact_groups(subject))
    n_test = len(_test_rows(subject, pairs))
    text = (
        f"Equal pixel for pixel in different {subject.side_word}s: {counted(len(pairs), 'pair')} of scans. "
        f"{n_test:,} of {counted(int(subject.tested.sum()), 'test scan')} {'is' if n_test == 1 else 'are'} also in "
        "training or validation."
    )
    return _pairs_verdict(subject, pairs, text + clean_test(n_test), severity=touching_test(n_test))


def check_exact_within(subject: Subject) -> CheckOutcome:
    """Find scans that occur twice in one split, pixel for pixel."""
    pairs = within(subject, exact_groups(subject))
    by_split = _by_split(subject, pairs)
    where = ", ".join(f"{n} in {split}" if split else str(n) for split, n in by_split.items())
    same = f"Equal pixel for pixel to another scan of the same {subject.side_word}"
    text = f"{same}: {counted(len(pairs), 'scan')} ({where})."
    return _pairs_verdict(subject, pairs, text, by_split=by_split)


def check_contradicting(subject: Subject) -> CheckOutcome:
    """Find equal or nearly equal scans whose labels differ."""
    exact = [pair for group in exact_groups(subject) for pair in _unlike(subject, group)]
    near = [(pair.first, pair.second) for pair in near_duplicates(subject).pairs]
    pairs = list(
        dict.fromkeys([*exact, *(pair for pair in near if subject.labels[pair[0]] != subject.labels[pair[1]])])
    )
    text = (
        f"The same scan with different labels: {counted(len(pairs), 'pair')}, {len(exact)} of them equal "
        f"pixel for pixel, {len(pairs) - len(exact)} nearly equal."
    )
    return _pairs_verdict(subject, pairs, text, n_exact=len(exact))


def _unlike(subject: Subject, group: Sequence[int]) -> list[Pair]:
    labels = subject.labels
    pairs = ((row, next((one for one in group if labels[one] != labels[row]), None)) for row in group)
    return list(dict.fromkeys(_in_order(subject, row, other) for row, other in pairs if other is not None))


def _by_split(subject: Subject, pairs: Sequence[Pair]) -> dict[str, int]:
    parts = [str(subject.parts[second]) for _, second in pairs]
    return {part: parts.count(part) for part in dict.fromkeys(parts)}


def _test_rows(subject: Subject, pairs: Iterable[Pair]) -> set[int]:
    return {row for pair in pairs for row in pair if subject.tested[row]}


def _pairs_verdict(
    subject: Subject, pairs: Sequence[Pair], text: str, *, severity: Severity | None = None, **numbers: Any
) -> CheckOutcome:
    counts: dict[str, Any] = {"n_pairs": len(pairs), "n_test_cases": len(_test_rows(subject, pairs)), **numbers}
    rows = sorted({row for pair in pairs for row in pair})
    found = [Found(text=text, rows=rows, pairs=pairs, numbers=counts, severity=severity)]
    return verdict_of(found if pairs else [], **counts)


# ---------------------------------------------------------------------- near


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPair:
    """Two scans that look alike and are not equal.

    Parameters
    ----------
    distance : bits of 64 that differ between the perceptual hashes
    orientation : of the second scan, 0 where it is not turned; see `scantrial.audit.phash.orient`
    correlation, residual : of the small pictures, unchanged and without the mean picture
    """

    first: int
    second: int
    distance: int
    orientation: int
    correlation: float
    residual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicates:
    """What the search found.

    Parameters
    ----------
    pairs : confirmed ones
    radius : bits up to which pairs were looked at, after calibration
    quantile : of the distance of pairs of different patients
    n_calibration, n_different_within, n_different_confirmed : pairs of different patients that were drawn, that fall
        within the radius, and that would be confirmed
    n_near, n_candidates : pairs within the radius, and pairs that were compared
    """

    pairs: tuple[NearPair, ...]
    radius: int
    quantile: int
    n_calibration: int
    n_different_within: int
    n_different_confirmed: int
    n_near: int
    n_candidates: int


def near_duplicates(subject: Subject) -> NearDuplicates:
    """Search once for what three checks ask for; see `search_near_duplicates`."""
    if "near" not in subject.memo:
        subject.memo["near"] = search_near_duplicates(subject)
    found: NearDuplicates = subject.memo["near"]
    return found


def search_near_duplicates(subject: Subject) -> NearDuplicates:
    """Search for near duplicates, confirm them, and say how sharp the search is on these scans.

    Scans of one body part are alike. The radius is therefore the smaller of the setting and `calibrated_radius` of
    pairs of different patients, and a pair counts only if two correlations of its 64 x 64 pictures, in the
    orientation that was found, reach the setting: that of the pictures, and that of what is left when the mean
    picture of the data set is taken away, which leaves what is this scan's own.
    """
    settings, hashes = subject.settings, subject.facts.hashes
    first, second = _different_patients(subject)
    apart = distances(hashes, first, second)
    quantile = calibrated_radius(apart, len(subject)) if len(apart) else settings.suspect_distance
    radius = min(settings.suspect_distance, quantile)
    found = near_pairs(hashes, radius=radius)
    mean = subject.facts.mean_picture().astype(np.float32)
    plain, residual = _correlations(subject, found, mean)
    equal = _equal(subject, found)
    confirmed = (plain >= settings.min_correlation) & (residual >= settings.min_correlation)
    drawn = _drawn_pairs(hashes, first, second, apart, radius)
    drawn_plain, drawn_residual = _correlations(subject, drawn, mean)
    drawn_confirmed = (drawn_plain >= settings.min_correlation) & (drawn_residual >= settings.min_correlation)
    return NearDuplicates(
        pairs=tuple(
            NearPair(
                first=int(found.first[i]),
                second=int(found.second[i]),
                distance=int(found.distance[i]),
                orientation=int(found.orientation[i]),
                correlation=float(plain[i]),
                residual=float(residual[i]),
            )
            for i in np.flatnonzero(confirmed & ~equal)
        ),
        radius=radius,
        quantile=quantile,
        n_calibration=len(apart),
        n_different_within=len(drawn),
        n_different_confirmed=int(drawn_confirmed.sum()),
        n_near=len(found),
        n_candidates=found.n_candidates,
    )


def calibrated_radius(apart: NDArray[np.int64], n: int) -> int:
    """Return the 0.1 % quantile of distances of different patients, or that of 10 in n where n is above 10,000.

    A fixed share would be ever more pairs a scan: of 100,000 scans each had 100 neighbours by chance, all to be
    confirmed.

    Parameters
    ----------
    apart : shape (n_pairs,), distances of pairs of different patients
    n : scans that are searched
    """
    share = min(CALIBRATION_QUANTILE, N_CHANCE_NEIGHBOURS / n)
    return int(np.quantile(apart, share, method="lower"))


def _different_patients(subject: Subject) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pairs of cases of different patients; where patients are not known, of different cases."""
    n = len(subject)
    rng = stream(subject.settings.seed, "audit", "calibration")
    first, second = rng.integers(0, max(n, 1), (2, min(N_CALIBRATION, n * (n - 1) // 2)))
    keep = subject.units[first] != subject.units[second]
    return first[keep].astype(np.int64), second[keep].astype(np.int64)


def _drawn_pairs(
    hashes: NDArray[np.uint64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    apart: NDArray[np.int64],
    radius: int,
) -> HashPairs:
    """Return those of the drawn pairs that fall within the radius."""
    rows = apart <= radius
    first, second = first[rows], second[rows]
    orientation = nearest_orientation(hashes, first, second)
    return HashPairs(
        first=first,
        second=second,
        orientation=orientation,
        distance=apart[rows],
        n_looked_up=0,
        n_candidates=len(first),
    )


def _equal(subject: Subject, pairs: HashPairs) -> NDArray[np.bool_]:
    digests = subject.facts.digests
    same = [digests[a] == digests[b] for a, b in zip(pairs.first, pairs.second, strict=True)]
    return np.array(same, dtype=bool)


def _correlations(
    subject: Subject, pairs: HashPairs, mean: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the correlation of each pair's pictures, plain and without the mean picture."""
    pictures = subject.facts.thumbnails
    plain, residual = np.zeros(len(pairs)), np.zeros(len(pairs))
    for start in range(0, len(pairs), _PIECE):
        part = slice(start, start + _PIECE)
        left = pictures[pairs.first[part]].astype(np.float32)
        right = pictures[pairs.second[part]].astype(np.float32)
        for orientation in np.unique(pairs.orientation[part]):
            rows = pairs.orientation[part] == orientation
            right[rows] = orient(right[rows], int(orientation))
        plain[part], residual[part] = correlations(left, right, mean)
    return plain, residual


def correlations(
    left: NDArray[np.float32], right: NDArray[np.float32], mean: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Pearson's correlation of each pair of pictures, as they are and without the mean picture; 0 if constant.

    With r the picture without the mean picture m, both centred, the plain one follows from the same sums:
    (r1 + m)(r2 + m) = r1 r2 + r1 m + r2 m + m m.
    """
    middle = (mean - mean.mean()).ravel()
    own = [(pictures - mean).reshape(len(pictures), -1) for pictures in (left, right)]
    own = [part - part.mean(axis=1, keepdims=True) for part in own]
    product = np.einsum("ij,ij->i", *own).astype(np.float64)
    with_mean = [(part @ middle).astype(np.float64) for part in own]
    power = [np.einsum("ij,ij->i", part, part).astype(np.float64) for part in own]
    of_mean = float(middle.astype(np.float64) @ middle)
    whole = [squared + 2 * mixed + of_mean for squared, mixed in zip(power, with_mean, strict=True)]
    return _ratio(product + sum(with_mean) + of_mean, whole), _ratio(product, power)


def _ratio(product: NDArray[np.float64], power: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    scale = np.sqrt(np.maximum(power[0], 0) * np.maximum(power[1], 0))
    return np.asarray(product / np.where(scale > 1.0, scale, np.inf))


def check_near_across(subject: Subject) -> CheckOutcome:
    """Find scans that are in two splits, changed a little."""
    if not subject.split_pairs:
        return not_applicable("the scans are in one split or in none")
    n_exact = len(across(subject, exact_groups(subject)))
    where = f"in different splits{_beside(n_exact, 'AU003')}"
    return _near_verdict(subject, where, same_split=False, n_exact=n_exact)


def check_near_within(subject: Subject) -> CheckOutcome:
    """Find scans that occur twice in one split, changed a little."""
    n_exact = len(within(subject, exact_groups(subject)))
    where = f"of one split{_beside(n_exact, 'AU004')}"
    return _near_verdict(subject, where, same_split=True, n_exact=n_exact)


def _beside(n_exact: int, code: str) -> str:
    """Return what a reader should look at first: the exact copies, which explain near ones."""
    return f", beside {n_exact:,} that {'is' if n_exact == 1 else 'are'} exactly equal ({code})" if n_exact else ""


def _near_verdict(subject: Subject, where: str, *, same_split: bool, n_exact: int) -> CheckOutcome:
    search = near_duplicates(subject)
    chosen = [pair for pair in search.pairs if subject.are_apart(pair.first, pair.second) != same_split]
    same = [subject.units[pair.first] == subject.units[pair.second] for pair in chosen]
    n_of_one_patient = int(sum(same)) if subject.patients_known else None
    n_near = sum(pair.distance <= subject.settings.near_distance for pair in chosen)
    numbers = {
        "n_near": n_near,
        "n_suspect": len(chosen) - n_near,
        "min_correlation": subject.settings.min_correlation,
        **{name: getattr(search, name) for name in _SEARCH_FACTS},
        "of_pairs": [
            {"distance": p.distance, "orientation": p.orientation, "correlation": p.correlation, "residual": p.residual}
            for p in chosen
        ],
    }
    numbers |= {"n_exact": n_exact, "n_of_one_patient": n_of_one_patient}
    near, n_far = subject.settings.near_distance, len(chosen) - n_near
    far = f", in the other {n_far} in more bits, up to {search.radius}" if n_far else ""
    text = (
        f"Nearly equal scans {where}: {counted(len(chosen), 'pair')}; in {n_near} of them the two hashes differ in at "
        f"most {near} of 64 bits{far}.{_of_one_patient(n_of_one_patient, len(chosen))}"
    )
    return _pairs_verdict(subject, [_in_order(subject, pair.first, pair.second) for pair in chosen], text, **numbers)


def _of_one_patient(n: int | None, n_pairs: int) -> str:
    return f" {n:,} of the {counted(n_pairs, 'pair')} {'is' if n == 1 else 'are'} of one patient." if n else ""


_SEARCH_FACTS = (
    "radius",
    "quantile",
    "n_calibration",
    "n_different_within",
    "n_different_confirmed",
)
