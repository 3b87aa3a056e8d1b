"""Whether two groups of cases differ: by a simple classifier and by a kernel, with permutation of whole patients.

Arrays in, records out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

N_FOLDS = 5
MAX_KERNEL_CASES = 3000
"""The kernel takes no more cases than this: its matrix grows with the square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictability:
    """How well a simple model tells the groups apart on cases it did not learn from.

    Parameters
    ----------
    auc : out of fold; beyond two groups the mean of one against the rest
    p : permutation p-value, (1 + number of permutations with as large an AUC) / (1 + number of permutations)
    scores : shape (n,) for two groups: larger means more like the second; else shape (n, n_groups)
    """

    auc: float
    p: float
    scores: Matrix


def piece_numbers(*columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the distinct combinations of some columns from 0: what is permuted as a whole."""
    return np.asarray(np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1], dtype=np.int64).ravel()


def permuted_groups(
    groups: NDArray[np.int64], units: NDArray[np.int64], *, n_permutations: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the groups as they are, then permuted among whole units, shape (n, 1 + n_permutations).

    The cases of one unit (patient) keep one common group; a unit with cases in two groups counts as two.
    """
    pieces = piece_numbers(units, groups)
    of_piece = np.zeros(pieces.max(initial=-1) + 1, dtype=np.int64)
    of_piece[pieces] = groups
    columns = [of_piece, *(rng.permutation(of_piece) for _ in range(n_permutations))]
    return np.stack(columns, axis=1)[pieces]


def fold_numbers(units: NDArray[np.int64], *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign whole units to folds of about equal size, without looking at the groups; shape (n,)."""
    names, codes, sizes = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    before = np.empty(len(names))
    before[order] = np.cumsum(sizes[order]) - sizes[order] / 2
    return np.minimum((N_FOLDS * before / len(units)).astype(np.int64), N_FOLDS - 1)[codes.ravel()]


def predictability(
    features: Matrix,
    groups: NDArray[np.int64],
    units: NDArray[np.int64],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> Predictability:
    """Try to tell the groups from the features: ridge regression, five folds by unit, area under the ROC curve.

    One factorisation of the features a fold serves the groups as they are and all their permutations, which are the
    right-hand sides. The penalty is the number of features, on standardised features.

    Parameters
    ----------
    features : shape (n, n_features)
    groups : shape (n,), 0 to n_groups - 1, each present
    units : shape (n,), patients

    References
    ----------
    Lopez-Paz, Oquab (2017), Revisiting classifier two-sample tests, ICLR; Phipson, Smyth (2010), Permutation p-values
    should never be zero.
    """
    labels = permuted_groups(groups, units, n_permutations=n_permutations, rng=rng)
    folds = fold_numbers(units, rng=rng)
    n_groups = int(groups.max()) + 1
    asked = [1] if n_groups == 2 else list(range(n_groups))
    aucs, scores = [], []
    for group in asked:
        member = labels == group
        found = out_of_fold(features, np.where(member, 1.0, -1.0), folds)
        aucs.append(areas(found, member))
        scores.append(found[:, 0])
    auc = np.mean(aucs, axis=0)
    p = (1 + int((auc[1:] >= auc[0] - 1e-12).sum())) / (1 + n_permutations)
    return Predictability(
        auc=float(auc[0]), p=p, scores=np.stack(scores, axis=1).squeeze(axis=1 if len(scores) == 1 else ())
    )


def out_of_fold(features: Matrix, targets: Matrix, folds: NDArray[np.int64]) -> Matrix:
    """Return ridge predictions of each column of `targets` on cases of the fold that was left out, shape as `targets`.

    The mean of the targets is not added again: it differs from fold to fold and would rank folds, not cases.
    """
    scores = np.zeros_like(targets)
    for fold in np.unique(folds):
        held = folds == fold
        if held.all():
            continue
        mean, sd = features[~held].mean(axis=0), features[~held].std(axis=0)
        scale = np.where(sd > 1e-12, sd, np.inf)
        known, new = (features[~held] - mean) / scale, (features[held] - mean) / scale
        wanted = targets[~held] - targets[~held].mean(axis=0)
        scores[held] = new @ _ridge(known, wanted)
    return scores


def _ridge(features: Matrix, targets: Matrix) -> Matrix:
    """Return the coefficients, by the smaller of the two equal systems."""
    n, n_features = features.shape
    penalty = float(n_features)
    if n_features <= n:
        gram = features.T @ features + penalty * np.eye(n_features)
        return np.asarray(np.linalg.solve(gram, features.T @ targets))
    gram = features @ features.T + penalty * np.eye(n)
    return np.asarray(features.T @ np.linalg.solve(gram, targets))


def areas(scores: Matrix, member: NDArray[np.bool_]) -> Matrix:
    """Return the area under the ROC curve of every column, ties counting half, shape (n_columns,)."""
    ranks = scipy.stats.rankdata(scores, axis=0)
    n_in = member.sum(axis=0).astype(float)
    n_out = len(scores) - n_in
    total = np.where(member, ranks, 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (total - n_in * (n_in + 1) / 2) / (n_in * n_out)
    return np.where(n_in * n_out > 0, found, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTest:
    """Maximum mean discrepancy of two groups: unbiased squared value, bandwidth, permutation p-value, cases used."""

    mmd2: float
    bandwidth: float
    p: float
    n: int


def kernel_test(
    features: Matrix,
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
    if len(features) > MAX_KERNEL_CASES:
        rows = _some_units(units, rng)
        features, groups, units = features[rows], groups[rows], units[rows]
    squared = squared_distances(standardised(features))
    bandwidth = median_distance(squared)
    kernel = np.exp(-squared / (2 * bandwidth**2))
    labels = permuted_groups(groups, units, n_permutations=n_permutations, rng=rng)
    values = mmd2(kernel, labels == 1)
    p = (1 + int((values[1:] >= values[0] - 1e-12).sum())) / (1 + n_permutations)
    return KernelTest(mmd2=float(values[0]), bandwidth=bandwidth, p=p, n=len(features))


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
