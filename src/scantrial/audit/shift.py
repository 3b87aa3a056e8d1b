"""Whether two splits are alike: what the scans look like, and how often each class occurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.multiplicity import holm
from scantrial.analysis.proportions import newcombe, wilson
from scantrial.audit.permutation import KernelTest, Predictability, areas, kernel_test, predictability
from scantrial.audit.records import CheckOutcome, Found, Subject, not_applicable, verdict_of
from scantrial.core.format import interval, p_equals, percent, proportion, signed
from scantrial.core.rng import stream

MIN_UNITS = 10
"""A group with fewer patients than this is not tested."""

N_ALIKE = 10
"""How many cases are shown that look most like the other split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPair:
    """Two splits as one set of cases.

    Parameters
    ----------
    rows : positions of the cases of both
    second : shape (len(rows),), 1 for the cases of the second split, else 0
    enough : whether each has `MIN_UNITS` patients
    """

    names: tuple[str, str]
    rows: NDArray[np.int64]
    second: NDArray[np.int64]
    enough: bool


def split_pairs(subject: Subject) -> list[SplitPair]:
    """Return every two splits; computed once."""
    if "pairs" not in subject.memo:
        subject.memo["pairs"] = _split_pairs(subject)
    found: list[SplitPair] = subject.memo["pairs"]
    return found


def _split_pairs(subject: Subject) -> list[SplitPair]:
    pairs = []
    for names in subject.split_pairs:
        rows = subject.rows_of(*names)
        second = (subject.parts[rows] == names[1]).astype(np.int64)
        units = subject.units[rows]
        n_units = [len(np.unique(units[second == side])) for side in (0, 1)]
        pairs.append(SplitPair(names=names, rows=rows, second=second, enough=min(n_units) >= MIN_UNITS))
    return pairs


def look_features(subject: Subject, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 16 x 16 gray values, statistics of the histogram, and sizes where known; shape (len(rows), n_features)."""
    gray = subject.facts.small(16, rows).reshape(len(rows), -1)
    columns = [gray.astype(np.float64), subject.facts.statistics[rows]]
    if subject.files is not None:
        columns.append(np.log(np.stack([subject.files.width[rows], subject.files.height[rows]], axis=1)))
    return np.concatenate(columns, axis=1)


def _look_of(subject: Subject, pair: SplitPair, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return `look_features` of some rows of a pair of splits."""
    return look_features(subject, pair.rows[rows])


def told_apart(subject: Subject, pair: SplitPair) -> Predictability:
    """Return how well the two splits are told apart by the appearance of their scans; computed once."""
    key = f"apart {pair.names}"
    if key not in subject.memo:
        subject.memo[key] = predictability(
            partial(_look_of, subject, pair),
            pair.second,
            subject.units[pair.rows],
            n_permutations=subject.settings.n_permutations,
            rng=stream(subject.settings.seed, "audit", "shift", *pair.names),
        )
    found: Predictability = subject.memo[key]
    return found


def check_look(subject: Subject) -> CheckOutcome:
    """Find splits that a simple classifier tells apart."""
    pairs = [pair for pair in split_pairs(subject) if pair.enough]
    if not pairs:
        return not_applicable(f"no two splits have scans of {MIN_UNITS} patients each")
    settings, found, measured = subject.settings, [], {}
    for pair in pairs:
        told = told_apart(subject, pair)
        numbers = {"splits": list(pair.names), **_look_numbers(subject, pair, told)}
        measured[" and ".join(pair.names)] = numbers
        if told.p < settings.alpha and told.auc >= settings.shift_auc:
            found.append(_look_found(subject, pair, told, numbers))
    return verdict_of(found, pairs=measured)


def _look_numbers(subject: Subject, pair: SplitPair, told: Predictability) -> dict[str, Any]:
    labels = subject.labels[pair.rows]
    inside, weights = [], []
    for label in np.unique(labels):
        rows = labels == label
        member = pair.second[rows, None] == 1
        if 0 < member.sum() < len(member):
            inside.append(float(areas(told.scores[rows, None], member)[0]))
            weights.append(len(member))
    return {
        "auc": told.auc,
        "p": told.p,
        "auc_within_classes": float(np.average(inside, weights=weights)) if inside else None,
        "n": [int((pair.second == side).sum()) for side in (0, 1)],
        "n_permutations": subject.settings.n_permutations,
        "alpha": subject.settings.alpha,
        "min_auc": subject.settings.shift_auc,
    }


def _look_found(subject: Subject, pair: SplitPair, told: Predictability, numbers: dict[str, Any]) -> Found:
    first, second = pair.names
    strength = "strongly " if told.auc >= subject.settings.strong_shift_auc else ""
    within = numbers["auc_within_classes"]
    text = (
        f"The {second} scans differ {strength}in appearance from the {first} scans: a simple classifier tells them "
        f"apart with AUC {told.auc:.2f} "
        f"({p_equals(told.p)}" + (f"; AUC within classes {within:.2f})." if isinstance(within, float) else ").")
    )
    return Found(text=text, rows=most_alike(pair, told), numbers=numbers)


def most_alike(pair: SplitPair, told: Predictability) -> list[int]:
    """Return the positions of the cases of the second split that look most like that split and no other."""
    of_second = np.flatnonzero(pair.second == 1)
    order = of_second[np.argsort(-told.scores[of_second], kind="stable")]
    return [int(row) for row in pair.rows[order[:N_ALIKE]]]


def check_kernel(subject: Subject) -> CheckOutcome:
    """Find splits whose scans differ by a kernel test."""
    pairs = [pair for pair in split_pairs(subject) if pair.enough]
    if not pairs:
        return not_applicable(f"no two splits have scans of {MIN_UNITS} patients each")
    found, measured = [], {}
    for pair in pairs:
        tested = kernel_test(
            partial(_look_of, subject, pair),
            pair.second,
            subject.units[pair.rows],
            n_permutations=subject.settings.n_permutations,
            rng=stream(subject.settings.seed, "audit", "kernel", *pair.names),
        )
        numbers = _kernel_numbers(subject, pair, tested)
        measured[" and ".join(pair.names)] = numbers
        if tested.p < subject.settings.alpha:
            text = (
                f"The {pair.names[1]} scans and the {pair.names[0]} scans do not come from one distribution: "
                f"squared maximum mean discrepancy {tested.mmd2:.4f} ({p_equals(tested.p)})."
            )
            found.append(Found(text=text, numbers=numbers))
    return verdict_of(found, pairs=measured)


def _kernel_numbers(subject: Subject, pair: SplitPair, tested: KernelTest) -> dict[str, Any]:
    return {
        "splits": list(pair.names),
        "mmd2": tested.mmd2,
        "p": tested.p,
        "bandwidth": tested.bandwidth,
        "n": tested.n,
        "n_permutations": subject.settings.n_permutations,
        "alpha": subject.settings.alpha,
    }


def check_scores(subject: Subject) -> CheckOutcome:
    """Find that a study's own networks score scans of one class differently in test and in validation."""
    scores = subject.scores
    if scores is None:
        return not_applicable("no stored predictions: give a study folder")
    parts, labels = subject.parts[scores.rows], subject.labels[scores.rows]
    names, tests = [], []
    for label, name in enumerate(subject.scans.class_names):
        samples = [scores.y_prob[(parts == part) & (labels == label), label] for part in ("val", "test")]
        if min(map(len, samples)) >= MIN_UNITS:
            names.append(name)
            tests.append((scipy.stats.ks_2samp(*samples), [float(np.median(sample)) for sample in samples]))
    if not tests:
        return not_applicable(f"no class has {MIN_UNITS} scored scans in both validation and test")
    adjusted = holm([float(test.pvalue) for test, _ in tests])
    found, measured = [], {}
    for name, (test, medians), p in zip(names, tests, adjusted, strict=True):
        numbers = {"class": name, "ks": float(test.statistic), "p": p, "medians": medians, "n_runs": scores.n_runs}
        measured[name] = numbers
        if p < subject.settings.alpha:
            text = (
                f"For scans of class {name}, the networks' probability of this class differs between test and "
                f"validation: median {medians[1]:.2f} in test, {medians[0]:.2f} in validation (Kolmogorov-Smirnov "
                f"{test.statistic:.2f}, {p_equals(p)})."
            )
            found.append(Found(text=text, numbers=numbers))
    return verdict_of(found, classes=measured)


def check_prevalence(subject: Subject) -> CheckOutcome:
    """Find classes that are more frequent in one split than in another."""
    names = subject.scans.class_names
    asked = [1] if len(names) == 2 else list(range(len(names)))
    tests = []
    for pair in split_pairs(subject):
        tables = _class_tables(subject, pair)
        for label in asked:
            table = tables[label]
            tests.append((pair, label, table, float(scipy.stats.fisher_exact(table).pvalue)))
    if not tests:
        return not_applicable("the scans are in one split or in none")
    adjusted = holm([p for *_, p in tests]) if len(asked) > 1 else [p for *_, p in tests]
    found, measured = [], []
    for (pair, label, table, _), p in zip(tests, adjusted, strict=True):
        numbers = _prevalence_numbers(subject, pair, table, p) | {"class": names[label]}
        measured.append(numbers)
        if p < subject.settings.alpha:
            found.append(Found(text=_prevalence_text(pair, names[label], numbers), numbers=numbers))
    return verdict_of(found, pairs=measured)


def _class_tables(subject: Subject, pair: SplitPair) -> list[list[list[int]]]:
    """Count patients (cases where patients are not known) by split, with and without each class.

    A patient with scans of the class and of others counts in both.
    """
    n_classes = len(subject.scans.class_names)
    sides = []
    for side in (0, 1):
        rows = pair.rows[pair.second == side]
        units, labels = np.unique(np.stack([subject.units[rows], subject.labels[rows]], axis=1), axis=0).T
        _, unit, n_labels = np.unique(units, return_inverse=True, return_counts=True)
        having = np.bincount(labels, minlength=n_classes)
        alone = np.bincount(labels[n_labels[unit.ravel()] == 1], minlength=n_classes)
        sides.append(np.stack([having, len(n_labels) - alone], axis=1).tolist())
    return [[first, second] for first, second in zip(*sides, strict=True)]


def _prevalence_numbers(subject: Subject, pair: SplitPair, table: Sequence[Sequence[int]], p: float) -> dict[str, Any]:
    first, second = (wilson(row[0], sum(row)) for row in table)
    interval = newcombe(second, first)
    shares = [first.value, second.value]
    return {
        "splits": list(pair.names),
        "shares": shares,
        "difference": shares[1] - shares[0],
        "interval": [interval.low, interval.high],
        "p": p,
        "counts": [list(row) for row in table],
        "unit": "patient" if subject.patients_known else "case",
        "alpha": subject.settings.alpha,
    }


def _prevalence_text(pair: SplitPair, name: str, numbers: dict[str, Any]) -> str:
    low, high = numbers["interval"]
    shares = numbers["shares"]
    span = interval(proportion(low), proportion(high), 0.95)
    return (
        f"{percent(shares[1], 1)} of the {numbers['unit']}s in {pair.names[1]} are {name}, {percent(shares[0], 1)} in "
        f"{pair.names[0]}: a difference of {signed(100 * (shares[1] - shares[0]))} points ({span}; "
        f"{p_equals(numbers['p'])})."
    )
