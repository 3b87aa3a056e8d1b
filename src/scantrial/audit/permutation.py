"""Whether two groups of cases differ: by a simple classifier and by a kernel, with permutation of whole patients.

Arrays in, records out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.analysis.intervals import area_bounds

Matrix = NDArray[np.float64]

FeatureRows = Callable[[NDArray[np.int64]], NDArray[np.floating]]
"""Returns the features of some rows, shape (len(rows), n_features); asked for a few hundred rows at a time."""

N_FOLDS = 5
MAX_KERNEL_CASES = 3000
"""The kernel takes no more cases than this: its matrix grows with the square."""

MAX_PERMUTED, MIN_OF_GROUP = 20_000, 50
"""Permutations take no more cases times groups asked for than this, but so many cases of each group where there are."""

_ROWS = 512
"""Cases whose features are asked for together."""

_COLUMNS, _SCORES = 8, 1 << 22
"""Permutations whose scores exist at the same time, or as many more as have so many scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictability:
    """How well a simple model tells the groups apart on cases it did not learn from.

    Parameters
    ----------
    auc : out of fold; beyond two groups the mean of one against the rest
    p : permutation p-value, (1 + number of permutations with as large an AUC) / (1 + number of permutations); of many
        cases that of a sample
    scores : shape (n,) for two groups: larger means more like the second; else shape (n, n_groups)
    """

    auc: float
    p: float
    scores: Matrix


def piece_numbers(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the distinct combinations of some columns of numbers from 0 on: what is permuted as a whole."""
    codes = columns[0]
    for column in columns[1:]:
        codes = codes * (int(column.max(initial=0)) + 1) + column
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64).ravel()


def permuted_groups(
    groups: NDArray[np.int64], units: NDArray[np.int64], *, n_permutations: int, rng: np.random.Generator
) -> NDArray[np.unsignedinteger]:
    """Return the groups as they are, then permuted among whole units, shape (n, 1 + n_permutations).

    The cases of one unit (patient) keep one common group; a unit with cases in two groups counts as two.
    The type is the smallest that holds the groups.
    """
    pieces = piece_numbers(units, groups)
    of_piece = np.zeros(pieces.max(initial=-1) + 1, dtype=np.int64)
    of_piece[pieces] = groups
    columns = np.empty((len(of_piece), 1 + n_permutations), dtype=np.min_scalar_type(groups.max(initial=0)))
    columns[:, 0] = of_piece
    for number in range(1, 1 + n_permutations):
        columns[:, number] = rng.permutation(of_piece)
    return columns[pieces]


def fold_numbers(units: NDArray[np.int64], *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign whole units to folds of about equal size, without looking at the groups; shape (n,)."""
    names, codes, sizes = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    before = np.empty(len(names))
    before[order] = np.cumsum(sizes[order]) - sizes[order] / 2
    return np.minimum((N_FOLDS * before / len(units)).astype(np.int64), N_FOLDS - 1)[codes.ravel()]


def predictability(
    features: FeatureRows,
    groups: NDArray[np.int64],
    units: NDArray[np.int64],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> Predictability:
    """Try to tell the groups from the features: ridge regression, five folds by unit, area under the ROC curve.

    One factorisation of the features serves all groups as they are and all their permutations, which are the
    right-hand sides. The penalty is the number of features, on standardised features.

    The AUC is that of all cases. Where these times the groups asked for are more than `MAX_PERMUTED`, p is that of a
    sample, with as many cases of each group as there are, or as have room. Those of one unit stay together in it. An
    AUC of 0.52 of two groups still has a p below 0.01, and the time does not grow with the cases or the groups.

    Parameters
    ----------
    features : returns the features of some of the n cases
    groups : shape (n,), 0 to n_groups - 1, each present
    units : shape (n,), patients

    References
    ----------
    Lopez-Paz, Oquab (2017), Revisiting classifier two-sample tests, ICLR; Phipson, Smyth (2010), Permutation p-values
    should never be zero.
    """
    n_groups = int(groups.max()) + 1
    n_asked = 1 if n_groups == 2 else n_groups
    if not n_permutations or len(groups) * n_asked <= MAX_PERMUTED:
        return _predictability(features, groups, units, n_permutations=n_permutations, rng=rng)
    told = _predictability(features, groups, units, n_permutations=0, rng=rng)
    most = max(MIN_OF_GROUP, MAX_PERMUTED // n_asked // n_groups)
    rows = np.concatenate([rng.permutation(np.flatnonzero(groups == group))[:most] for group in range(n_groups)])
    sample = _predictability(
        lambda some: features(rows[some]), groups[rows], units[rows], n_permutations=n_permutations, rng=rng
    )
    return replace(told, p=sample.p)


def _predictability(
    features: FeatureRows,
    groups: NDArray[np.int64],
    units: NDArray[np.int64],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> Predictability:
    """Do what `predictability` does with all cases."""
    labels = permuted_groups(groups, units, n_permutations=n_permutations, rng=rng)
    ridge = LeftOutRidge(features, fold_numbers(units, rng=rng))
    n_groups = int(groups.max()) + 1
    asked = [1] if n_groups == 2 else list(range(n_groups))
    auc = np.zeros(1 + n_permutations)
    scores = np.empty((len(groups), len(asked)))
    n_at_once = max(_COLUMNS, _SCORES // (len(groups) * len(asked)))
    for start in range(0, 1 + n_permutations, n_at_once):
        columns = labels[ridge.order, start : start + n_at_once]
        members = np.concatenate([columns == group for group in asked], axis=1)
        sums = np.concatenate([*ridge.sums_of_groups(columns, n_groups)[:, asked].swapaxes(0, 1)], axis=2)
        # Twice, because the groups are -1 and 1 to the regression, whose intercept does not count.
        found = 2 * ridge.scores(sums, ridge.totals(members))
        auc[start : start + n_at_once] = areas(found, members).reshape(len(asked), -1).mean(axis=0)
        if start == 0:
            scores[ridge.order] = found[:, :: columns.shape[1]]
    p = (1 + int((auc[1:] >= auc[0] - 1e-12).sum())) / (1 + n_permutations)
    return Predictability(auc=float(auc[0]), p=p, scores=scores.squeeze(axis=1 if len(asked) == 1 else ()))


class LeftOutRidge:
    """Ridge regression with one fold left out after the other, for any number of targets.

    The features are read once. Each fold is centred by itself, and the sums over the other folds follow from the sums
    within each and the distances of their means, so that no large numbers cancel (Chan, Golub, LeVeque 1983).

    Parameters
    ----------
    features : returns the features of some rows; the penalty is their number, on standardised features
    folds : shape (n,)
    """

    def __init__(self, features: FeatureRows, folds: NDArray[np.int64]) -> None:
        self.order = np.argsort(folds, kind="stable")
        """Shape (n,), the rows fold by fold, which is the order of what the methods take and return."""
        starts = np.flatnonzero(np.diff(folds[self.order], prepend=-1)).tolist()
        self._folds = [slice(*ends) for ends in zip(starts, [*starts[1:], len(folds)], strict=True)]
        self._values = self._read(features)
        means = []
        for fold in self._folds:
            part = self._values[fold]
            means.append(part.mean(axis=0))
            part -= means[-1]
        n_of = np.array([fold.stop - fold.start for fold in self._folds])
        within = np.stack([part.T @ part for part in (self._values[fold] for fold in self._folds)])
        self._systems = [self._left_out(fold, n_of, np.stack(means), within) for fold in range(len(self._folds))]

    def _read(self, features: FeatureRows) -> Matrix:
        parts = (self.order[start : start + _ROWS] for start in range(0, len(self.order), _ROWS))
        first = np.asarray(features(self.order[:_ROWS]))
        values = np.empty((len(self.order), first.shape[1]))
        for number, rows in enumerate(parts):
            values[number * _ROWS : number * _ROWS + len(rows)] = features(rows) if number else first
        return values

    @staticmethod
    def _left_out(fold: int, n_of: NDArray[np.int64], means: Matrix, within: Matrix) -> _System:
        """Set up the system of all folds but one."""
        others = np.arange(len(n_of)) != fold
        n = n_of[others].sum()
        mean = (n_of[others, None] * means[others]).sum(axis=0) / max(n, 1)
        away = means - mean
        products = within[others].sum(axis=0) + (n_of[others, None] * away[others]).T @ away[others]
        sd = np.sqrt(np.diag(products) / max(n, 1))
        scale = np.where(sd > 1e-12, sd, np.inf)
        matrix = products / np.outer(scale, scale) + len(mean) * np.eye(len(mean))
        return _System(matrix=matrix, scale=scale, away=away, others=others)

    def sums(self, targets: Matrix) -> Matrix:
        """Return the products of each fold's features with some targets, shape (n_folds, n_features, n_columns).

        Parameters
        ----------
        targets : shape (n, n_columns), in the order of the folds
        """
        return np.stack([self._values[fold].T @ targets[fold] for fold in self._folds])

    def sums_of_groups(self, columns: NDArray[np.unsignedinteger], n_groups: int) -> Matrix:
        """Return `sums` for each group's membership, shape (n_folds, n_groups, n_features, n_columns).

        Parameters
        ----------
        columns : shape (n, n_columns), groups, in the order of the folds
        """
        if n_groups == 2:
            second = self.sums(columns.astype(np.float64))
            return np.stack([-second, second], axis=1)
        # Each case is in one group: adding up its features takes as long for many groups as for few.
        found = np.empty((len(self._folds), n_groups, self._values.shape[1], columns.shape[1]))
        for number, fold in enumerate(self._folds):
            n = fold.stop - fold.start
            for column in range(columns.shape[1]):
                member = (np.ones(n), columns[fold, column].astype(np.int32), np.arange(n + 1))
                found[number, :, :, column] = scipy.sparse.csc_matrix(member, shape=(n_groups, n)) @ self._values[fold]
        return found

    def totals(self, targets: NDArray[np.generic]) -> Matrix:
        """Return the sums of targets in each fold, shape (n_folds, n_columns); parameters as `sums`."""
        return np.stack([targets[fold].sum(axis=0, dtype=np.float64) for fold in self._folds])

    def scores(self, sums: Matrix, totals: Matrix) -> Matrix:
        """Return the predictions of each fold by the others, shape (n, n_columns); 0 where there is no other fold.

        The mean of the targets is not added again: it differs from fold to fold and would rank folds, not cases.

        Parameters
        ----------
        sums, totals : of the targets
        """
        found = np.zeros((totals.shape[1], len(self.order)))  # a column's scores side by side, to be sorted
        for number, (fold, system) in enumerate(zip(self._folds, self._systems, strict=True)):
            others = system.others
            if others.any():
                wanted = sums[others].sum(axis=0) + system.away[others].T @ totals[others]
                solved = np.linalg.solve(system.matrix, wanted / system.scale[:, None]) / system.scale[:, None]
                found[:, fold] = solved.T @ self._values[fold].T + (system.away[number] @ solved)[:, None]
        return found.T


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """The regression without one fold.

    Parameters
    ----------
    matrix : shape (n_features, n_features), of the standardised features, with the penalty
    scale : shape (n_features,), standard deviations; infinite for a constant feature
    away : shape (n_folds, n_features), the mean of each fold less that of the others
    others : shape (n_folds,), whether a fold is one of the others
    """

    matrix: Matrix
    scale: Matrix
    away: Matrix
    others: NDArray[np.bool_]


def out_of_fold(features: FeatureRows, targets: Matrix, folds: NDArray[np.int64]) -> Matrix:
    """Return ridge predictions of each column of `targets` on cases of the fold that was left out, shape as `targets`.

    See `LeftOutRidge`.
    """
    ridge = LeftOutRidge(features, folds)
    ordered = targets[ridge.order]
    scores = np.empty_like(targets)
    scores[ridge.order] = ridge.scores(ridge.sums(ordered), ridge.totals(ordered))
    return scores


def areas(scores: Matrix, member: NDArray[np.bool_]) -> Matrix:
    """Return the area under the ROC curve of every column, ties counting half, shape (n_columns,)."""
    return np.array([_area(*column) for column in zip(scores.T, member.T, strict=True)])


def _area(scores: Matrix, member: NDArray[np.bool_]) -> float:
    inside, outside = np.sort(scores[member]), np.sort(scores[~member])
    n_pairs = len(inside) * len(outside)
    if not n_pairs:
        return 0.5
    few, many = (inside, outside) if len(inside) <= len(outside) else (outside, inside)
    below = np.searchsorted(many, few)
    is_tied = (many.take(below, mode="clip") == few).any()
    twice = int(below.sum() + (np.searchsorted(many, few, side="right") if is_tied else below).sum())
    return (twice if few is inside else 2 * n_pairs - twice) / 2 / n_pairs


def areas_of_groups(scores: Matrix, columns: NDArray[np.unsignedinteger], n_groups: int) -> Matrix:
    """Return the area under the ROC curve of each group against all others, shape (n_groups, n_columns).

    Parameters
    ----------
    scores : shape (n,), the same for all columns
    columns : shape (n, n_columns), groups
    """
    ranks = scipy.stats.rankdata(scores)
    found = np.full((n_groups, columns.shape[1]), 0.5)
    for number, groups in enumerate(np.ascontiguousarray(columns.T)):
        n_in = np.bincount(groups, minlength=n_groups)
        total = np.bincount(groups, weights=ranks, minlength=n_groups)
        n_pairs = n_in * (len(scores) - n_in)
        there = n_pairs > 0
        found[there, number] = ((total - n_in * (n_in + 1) / 2)[there]) / n_pairs[there]
    return found


def area_limits(area: float, groups: NDArray[np.int64], units: NDArray[np.int64]) -> tuple[float, float]:
    """Return Newcombe's interval (95 %) of an area of two groups, or of the mean of one group against the rest.

    Units are counted, not cases, which makes it wide where a unit has several. Beyond two groups a group counts as the
    harmonic mean of all: as if their areas were in error together, which makes it wide as well.

    Parameters
    ----------
    groups : shape (n,), 0 to n_groups - 1, each present
    units : shape (n,), patients
    """
    pieces = np.unique(piece_numbers(groups, units), return_index=True)[1]
    n_of = np.bincount(groups[pieces])
    n_second = n_of[1] if len(n_of) == 2 else len(n_of) / (1 / n_of).sum()
    return area_bounds(area, n_second, n_of.sum() - n_second, quantile=float(scipy.special.ndtri(0.975)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTest:
    """Maximum mean discrepancy of two groups: unbiased squared value, bandwidth, permutation p-value, cases used."""

    mmd2: float
    bandwidth: float
    p: float
    n: int


def kernel_test(
    features: FeatureRows,
    groups: NDArray[np.int64],
    units: NDArray[np.int64],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> KernelTest:
    """Compare two groups (0 and 1) by the maximum mean discrepancy under a Gaussian kernel.

    The bandwidth is the median distance of pairs. Beyond `MAX_KERNEL_CASES` whole units are drawn at random.

    References
    ----------
    Gretton et al. (2012), A kernel two-sample test, JMLR 13, lemma 6.
    """
    rows = np.arange(len(groups))
    if len(groups) > MAX_KERNEL_CASES:
        rows = _some_units(units, rng)
        groups, units = groups[rows], units[rows]
    looked = np.concatenate([features(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)])
    squared = squared_distances(standardised(looked.astype(np.float64)))
    bandwidth = median_distance(squared)
    kernel = np.exp(-squared / (2 * bandwidth**2))
    labels = permuted_groups(groups, units, n_permutations=n_permutations, rng=rng)
    values = mmd2(kernel, labels == 1)
    p = (1 + int((values[1:] >= values[0] - 1e-12).sum())) / (1 + n_permutations)
    return KernelTest(mmd2=float(values[0]), bandwidth=bandwidth, p=p, n=len(rows))


def _some_units(units: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    names, codes, sizes = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    kept = np.zeros(len(names), dtype=bool)
    kept[order[np.cumsum(sizes[order]) <= MAX_KERNEL_CASES]] = True
    return np.flatnonzero(kept[codes.ravel()])


def standardised(features: Matrix) -> Matrix:
    """Return columns of mean 0 and standard deviation 1; constant ones become 0."""
    sd = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(sd > 1e-12, sd, np.inf))


def squared_distances(features: Matrix) -> Matrix:
    """Return squared Euclidean distances, shape (n, n)."""
    norms = (features**2).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2 * features @ features.T
    np.fill_diagonal(squared, 0)
    return np.asarray(np.maximum(squared, 0))


def median_distance(squared: Matrix) -> float:
    """Return the median distance of pairs of different cases; 1 where it is 0."""
    above = squared[np.triu_indices(len(squared), 1)]
    return float(np.sqrt(np.median(above))) or 1.0


def mmd2(kernel: Matrix, second: NDArray[np.bool_]) -> Matrix:
    """Return the unbiased squared maximum mean discrepancy for every column of group memberships.

    Parameters
    ----------
    kernel : shape (n, n)
    second : shape (n, n_columns), True for the second group; each group with two cases or more in each column
    """
    inside = second.astype(float)
    of_second = kernel @ inside
    total, diagonal = kernel.sum(axis=1), np.diag(kernel)
    n_second = inside.sum(axis=0)
    n_first = len(kernel) - n_second
    both = (inside * of_second).sum(axis=0)
    across = ((1 - inside) * of_second).sum(axis=0)
    first: Matrix = (
        ((1 - inside) * total[:, None]).sum(axis=0) - across - ((1 - inside) * diagonal[:, None]).sum(axis=0)
    )
    second_sum = both - (inside * diagonal[:, None]).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values: Matrix = (
            first / (n_first * (n_first - 1))
            + second_sum / (n_second * (n_second - 1))
            - 2 * across / (n_first * n_second)
        )
    return np.asarray(np.nan_to_num(values))
