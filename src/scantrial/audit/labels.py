"""Labels: which look wrong, and how unequal the classes are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.proportions import wilson
from scantrial.audit.permutation import areas, fold_numbers, out_of_fold
from scantrial.audit.records import CheckOutcome, Found, Subject, not_applicable, verdict_of
from scantrial.audit.shift import MIN_UNITS
from scantrial.core.format import counted, percent
from scantrial.core.rng import stream

SLOPE = 3.0
"""Of the logistic curve that turns the simple model's scores into probabilities: a score of 1 becomes 0.95."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What confident learning says about some labels.

    Parameters
    ----------
    thresholds : shape (n_classes,), mean probability of a class over the cases recorded as it; NaN for an absent class
    joint : shape (n_classes, n_classes), cases counted by recorded class (row) and class they look like (column)
    suspects : positions of the cases off the diagonal, the least likely first
    """

    thresholds: NDArray[np.float64]
    joint: NDArray[np.int64]
    suspects: NDArray[np.int64]


def confident_learning(y_true: NDArray[np.int64], y_prob: NDArray[np.float64]) -> Suspicion:
    """Count cases by recorded class and the class that they confidently look like, and list those that differ.

    A case looks like class j if its probability of j is at least the mean probability of j over the cases recorded
    as j; among several such classes like the likeliest. A case that looks like none is not counted.

    Parameters
    ----------
    y_true : shape (n,), recorded classes
    y_prob : shape (n, n_classes), probabilities of a model that did not learn from the case

    References
    ----------
    Northcutt, Jiang, Chuang (2021), Confident learning: estimating uncertainty in dataset labels, JAIR 70, equation 1.
    """
    n_classes = y_prob.shape[1]
    thresholds = np.array([y_prob[y_true == j, j].mean() if (y_true == j).any() else np.nan for j in range(n_classes)])
    above = y_prob >= np.where(np.isnan(thresholds), np.inf, thresholds)
    like = np.where(above, y_prob, -1.0).argmax(axis=1)
    counted_ones = above.any(axis=1)
    joint = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(joint, (y_true[counted_ones], like[counted_ones]), 1)
    off = np.flatnonzero(counted_ones & (like != y_true))
    return Suspicion(
        thresholds=thresholds, joint=joint, suspects=off[np.argsort(y_prob[off, y_true[off]], kind="stable")]
    )


def cheap_scores(subject: Subject) -> NDArray[np.float64]:
    """Return out-of-fold scores of the cases that are learnt from, shape (n, n_classes); computed once.

    By ridge regression on 16 x 16 pictures, folds by patient, of each class against the rest: -1 and 1 are aimed at.
    """
    rows = subject.learnt_from

    def pictures(some: NDArray[np.int64]) -> NDArray[np.float32]:
        return subject.facts.small(16, rows[some]).reshape(len(some), -1)

    if "cheap scores" not in subject.memo:
        targets = 2.0 * np.eye(len(subject.scans.class_names))[subject.labels[rows]] - 1
        folds = fold_numbers(subject.units[rows], rng=stream(subject.settings.seed, "audit", "labels"))
        subject.memo["cheap scores"] = out_of_fold(pictures, targets, folds)
    found: NDArray[np.float64] = subject.memo["cheap scores"]
    return found


def cheap_probabilities(subject: Subject) -> NDArray[np.float64]:
    """Return the `cheap_scores` through a logistic curve of slope `SLOPE`, made to sum to 1."""
    y_prob = 1 / (1 + np.exp(-SLOPE * cheap_scores(subject)))
    return np.asarray(y_prob / y_prob.sum(axis=1, keepdims=True))


def whole_picture_area(subject: Subject) -> float:
    """Return the AUC of the `cheap_scores`; beyond two classes the mean of one against the rest."""
    labels = subject.labels[subject.learnt_from]
    return float(areas(cheap_scores(subject), labels[:, None] == np.arange(len(subject.scans.class_names))).mean())


def check_suspicious(subject: Subject) -> CheckOutcome:
    """Find labels that look wrong to a model that did not learn from them."""
    settings, n_classes = subject.settings, len(subject.scans.class_names)
    if subject.scores is not None:
        rows, y_prob, model = subject.scores.rows, subject.scores.y_prob, "the study's own runs, averaged"
    else:
        rows, model = subject.learnt_from, "a ridge regression on 16 x 16 pictures, out of fold by patient"
        labels, units = subject.labels[rows], subject.units[rows]
        if min(len(np.unique(units[labels == label])) for label in range(n_classes)) < MIN_UNITS:
            return not_applicable(f"a class has scans of fewer than {MIN_UNITS} patients")
        y_prob = cheap_probabilities(subject)
    labels = subject.labels[rows]
    suspicion = confident_learning(labels, y_prob)
    given = y_prob[np.arange(len(rows)), labels]
    n_doubtful = int((given[suspicion.suspects] <= settings.doubt).sum())
    low = wilson(n_doubtful, len(rows), level=0.90).low
    accuracy = float((y_prob.argmax(axis=1) == labels).mean())
    numbers = {
        "model": model,
        "accuracy": accuracy,
        "thresholds": suspicion.thresholds.tolist(),
        "joint": suspicion.joint.tolist(),
        "n": len(rows),
        "n_suspects": len(suspicion.suspects),
        "n_doubtful": n_doubtful,
        "doubt": settings.doubt,
        "lower_bound": low,
        "noise_share": settings.noise_share,
        "p_given": given[suspicion.suspects].tolist(),
        "suspects": [int(subject.cases[rows[i]]) for i in suspicion.suspects],
    }
    if low <= settings.noise_share:
        return verdict_of([], **numbers)
    text = (
        f"{len(suspicion.suspects):,} of {counted(len(rows), 'label')} "
        f"{'is' if len(suspicion.suspects) == 1 else 'are'} worth a second look: according to {model} (accuracy "
        f"{percent(accuracy, 1)}), these scans look like another class. For {n_doubtful:,} of them the labelled class "
        f"has a probability of at most {settings.doubt:g}."
    )
    return verdict_of([Found(text=text, rows=[int(rows[i]) for i in suspicion.suspects], numbers=numbers)])


def check_balance(subject: Subject) -> CheckOutcome:
    """Find that one class holds most of the cases."""
    found, measured = [], {}
    for split in subject.splits or ("",):
        labels = subject.labels[subject.parts == split]
        counts = np.bincount(labels, minlength=len(subject.scans.class_names))
        largest = int(counts.argmax())
        share = float(counts[largest] / max(1, counts.sum()))
        name = subject.scans.class_names[largest]
        numbers = {"split": split, "class": name, "share": share, "counts": counts.tolist()}
        measured[split or "all"] = numbers
        if share > subject.settings.majority_share:
            where = f"of the {split} scans" if split else "of the scans"
            text = f"{percent(share, 1)} {where} are {name}: always answering {name} reaches this accuracy."
            found.append(Found(text=text, numbers={**numbers, "majority_share": subject.settings.majority_share}))
    return verdict_of(found, splits=measured)
