"""Cross-validations with a known truth: learners of scikit-learn, trained on features that are drawn anew.

Two arms see three features that they share, and three each of their own. A feature is normal, and moved by the class; the
scans of a patient share a part of it. Arms of one learner are therefore equal by symmetry, however differently they do on
one set of cases. Where the learners differ, fresh training and test sets tell the true difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from scantrial.analysis.cross_validation import FoldComparison, compare_arrays_by_fold
from scantrial.analysis.metrics import measure

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]

SHARED, OWN = 3, 3
MOVED = 0.6
"""How far the class moves a feature, in its standard deviations."""

OF_PATIENT = 0.5
"""Share of a feature's variance that the scans of a patient have in common."""

N_FRESH_TEST = 2000

LEARNERS: Mapping[str, Callable[[int], Any]] = {
    "logistic": lambda seed: LogisticRegression(C=1.0, random_state=seed),
    "neighbours": lambda seed: KNeighborsClassifier(7),
    "tree": lambda seed: DecisionTreeClassifier(max_depth=3, max_features=2, random_state=seed),
}
"""By name; the tree has luck of training: it looks at two features at each node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One kind of cross-validation.

    Parameters
    ----------
    learners : of the two arms; equal ones are equally good
    n_cases : about, where patients have several
    positive : share of positive cases, or patients
    most_scans : a patient has 1 to as many
    n_seeds : trainings in a fold
    same_features : both arms see the same, so that only the luck of training tells them apart
    """

    learners: tuple[str, str]
    metric: str
    n_cases: int
    positive: float = 0.5
    most_scans: int = 1
    n_folds: int = 5
    n_repeats: int = 1
    n_seeds: int = 1
    same_features: bool = False

    @property
    def is_null(self) -> bool:
        """Whether both arms are equally good."""
        return self.learners[0] == self.learners[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Cases that were drawn: features, classes, and a patient for each."""

    x: Values
    y: Numbers
    patients: Numbers


def draw(cell: Cell, n_cases: int, rng: np.random.Generator) -> Drawn:
    """Draw cases whose classes have their expected numbers of patients."""
    n_patients = round(n_cases / ((1 + cell.most_scans) / 2))
    of_patient = (np.arange(n_patients) < round(cell.positive * n_patients)).astype(np.int64)
    patients = np.repeat(np.arange(n_patients), rng.integers(1, cell.most_scans + 1, n_patients))
    n_features = SHARED + 2 * OWN
    common = rng.normal(size=(n_patients, n_features))[patients]
    x = np.sqrt(OF_PATIENT) * common + np.sqrt(1 - OF_PATIENT) * rng.normal(size=common.shape)
    y = of_patient[patients]
    return Drawn(x=x + MOVED * y[:, None], y=y, patients=patients)


def features_of(cell: Cell, arm: int) -> Numbers:
    """Return the columns that an arm sees."""
    own = SHARED + (0 if cell.same_features else arm * OWN)
    return np.r_[np.arange(SHARED), own + np.arange(OWN)]


def folds_of(drawn: Drawn, n_folds: int, rng: np.random.Generator) -> Numbers:
    """Deal the patients of each class to the folds in turn."""
    first = np.unique(drawn.patients, return_index=True)[1]
    fold = np.empty(len(first), dtype=np.int64)
    start = 0
    for index in (0, 1):
        mine = rng.permutation(np.flatnonzero(drawn.y[first] == index))
        fold[mine] = (start + np.arange(len(mine))) % n_folds
        start += len(mine)
    return fold[drawn.patients]


def cross_validated(cell: Cell, rng: np.random.Generator) -> FoldComparison:
    """Draw cases, cross-validate both arms on them, and compare."""
    drawn = draw(cell, cell.n_cases, rng)
    arms, seeds, repeats, folds, scores = [], [], [], [], []
    for repeat in range(cell.n_repeats):
        fold = folds_of(drawn, cell.n_folds, rng)
        for arm, name in enumerate(cell.learners):
            columns = features_of(cell, arm)
            for seed in range(cell.n_seeds):
                found = np.empty(len(drawn.y))
                for k in range(cell.n_folds):
                    test = fold == k
                    network = LEARNERS[name](int(rng.integers(2**31))).fit(drawn.x[~test][:, columns], drawn.y[~test])
                    found[test] = network.predict_proba(drawn.x[test][:, columns])[:, 1]
                arms.append("AB"[arm])
                seeds.append(seed)
                repeats.append(repeat)
                folds.append(fold)
                scores.append(found)
    return compare_arrays_by_fold(
        drawn.y,
        np.array(scores),
        arms=arms,
        seeds=seeds,
        repeats=repeats,
        folds=np.array(folds),
        patients=drawn.patients if cell.most_scans > 1 else None,
        metric=cell.metric,
    )


def trials(cell: Cell, *, n_trials: int, seed: int) -> Iterator[FoldComparison]:
    """Yield cross-validations of new cases."""
    rng = np.random.default_rng([seed, 1])
    with threadpool_limits(1):
        for _ in range(n_trials):
            yield cross_validated(cell, rng)


def true_values(cell: Cell, *, n_sets: int, seed: int) -> tuple[float, float]:
    """Return the metric of each arm: the mean over fresh training sets of the folds' size, on fresh cases."""
    rng = np.random.default_rng([seed, 2])
    found = np.empty((n_sets, 2))
    n_train = round(cell.n_cases * (1 - 1 / cell.n_folds))
    with threadpool_limits(1):
        for row in range(n_sets):
            train, test = draw(cell, n_train, rng), draw(cell, N_FRESH_TEST, rng)
            for arm, name in enumerate(cell.learners):
                columns = features_of(cell, arm)
                network = LEARNERS[name](int(rng.integers(2**31))).fit(train.x[:, columns], train.y)
                found[row, arm] = measure(cell.metric, test.y, network.predict_proba(test.x[:, columns])).value
    first, second = found.mean(axis=0).tolist()
    return first, second
