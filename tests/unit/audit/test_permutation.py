"""Two-sample tests: reference values, and that whole patients are permuted."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from scantrial.analysis.intervals import area_bounds
from scantrial.audit import permutation
from scantrial.audit.permutation import (
    area_limits,
    areas,
    areas_of_groups,
    fold_numbers,
    kernel_test,
    median_distance,
    mmd2,
    out_of_fold,
    permuted_groups,
    predictability,
    squared_distances,
)

POINTS = np.array([0, 1, 2, 1.5, 2.5, 4])[:, None]


def gaussian(width: float) -> np.ndarray:
    return np.exp(-squared_distances(POINTS) / (2 * width**2))


@pytest.mark.parametrize(("width", "expected"), [(1.0, -0.00049718), (1.5, 0.13966801)])
def test_the_discrepancy_has_its_reference_value(width, expected):
    """x = 0, 1, 2 and y = 1.5, 2.5, 4: worked out by hand for both bandwidths."""
    second = np.array([0, 0, 0, 1, 1, 1], dtype=bool)[:, None]
    assert mmd2(gaussian(width), second)[0] == pytest.approx(expected, abs=5e-9)


def test_the_median_distance_and_the_exact_permutation_p_have_their_reference_values():
    """The median distance is 1.5; of all 20 splits 8 have a discrepancy at least as large at bandwidth 1."""
    assert median_distance(squared_distances(POINTS)) == 1.5
    splits = np.zeros((6, 20), dtype=bool)
    for column, rows in enumerate(combinations(range(6), 3)):
        splits[list(rows), column] = True
    values = mmd2(gaussian(1.0), splits)
    observed = mmd2(gaussian(1.0), np.array([0, 0, 0, 1, 1, 1], dtype=bool)[:, None])[0]
    assert (values >= observed - 1e-12).sum() == 8


def test_areas_are_those_of_scikit_learn():
    """Column by column, ties among them."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (40, 5)).astype(float)
    member = rng.random((40, 5)) < 0.4
    expected = [roc_auc_score(member[:, i], scores[:, i]) for i in range(5)]
    assert areas(scores, member) == pytest.approx(expected)


@pytest.mark.parametrize("n_features", [3, 60])
def test_predictions_are_those_of_scikit_learn(n_features):
    """With fewer and with more features than cases: ridge on standardised features, without the mean of the targets."""
    rng = np.random.default_rng(1)
    features, targets = rng.normal(size=(40, n_features)), rng.normal(size=(40, 2))
    folds = np.arange(40) % 5
    found = out_of_fold(features.__getitem__, targets, folds)
    known, held = folds != 2, folds == 2
    mean, sd = features[known].mean(axis=0), features[known].std(axis=0)
    model = Ridge(alpha=n_features).fit((features[known] - mean) / sd, targets[known])
    expected = model.predict((features[held] - mean) / sd) - targets[known].mean(axis=0)
    assert found[held] == pytest.approx(expected)


def test_whole_patients_change_their_group():
    """In every permutation the scans of a patient stay together and the number of patients in each group stays."""
    units, groups = np.repeat(np.arange(12), 3), np.repeat([0, 1], [24, 12])
    labels = permuted_groups(groups, units, n_permutations=50, rng=np.random.default_rng(0))
    assert (labels[:, 0] == groups).all()
    by_patient = labels.reshape(12, 3, 51)
    assert (by_patient == by_patient[:, :1]).all()
    assert (by_patient[:, 0].sum(axis=0) == 4).all()


def test_folds_keep_patients_whole_and_are_of_about_equal_size():
    """Five folds; no patient in two of them."""
    units = np.repeat(np.arange(50), np.arange(50) % 4 + 1)
    folds = fold_numbers(units, rng=np.random.default_rng(0))
    assert all(len(set(folds[units == unit])) == 1 for unit in range(50))
    sizes = np.bincount(folds)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 8


def test_a_large_set_is_cut_down_for_the_kernel_by_whole_patients(monkeypatch):
    """With at most 30 cases allowed, some are drawn and the number is told."""
    monkeypatch.setattr(permutation, "MAX_KERNEL_CASES", 30)
    rng = np.random.default_rng(0)
    features, units = rng.normal(size=(60, 2)), np.repeat(np.arange(30), 2)
    told = kernel_test(features.__getitem__, np.repeat([0, 1], 30), units, n_permutations=20, rng=rng)
    assert told.n == 30


def test_groups_that_differ_are_told_apart_and_equal_ones_are_not():
    """Three groups apart by their mean: AUC near 1 and the smallest p there is; without a difference neither."""
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], 40)
    noise = rng.normal(size=(120, 4))
    shifted = noise + 4 * np.eye(3, 4)[groups]
    apart = predictability(shifted.__getitem__, groups, np.arange(120), n_permutations=99, rng=rng)
    assert apart.auc > 0.95
    assert apart.p == 0.01
    assert apart.scores.shape == (120, 3)
    alike = predictability(noise.__getitem__, groups, np.arange(120), n_permutations=99, rng=rng)
    assert alike.p > 0.01


def plain_predictability(features, groups, units, *, n_permutations, rng):
    """Return AUC, p and scores of `predictability`, by scikit-learn one group, fold and permutation after the other."""
    labels = permuted_groups(groups, units, n_permutations=n_permutations, rng=rng).astype(int)
    folds = fold_numbers(units, rng=rng)
    asked = [1] if groups.max() == 1 else range(groups.max() + 1)
    scores = np.zeros((len(asked), len(groups), 1 + n_permutations))
    for held in (folds == fold for fold in np.unique(folds)):
        mean, sd = features[~held].mean(axis=0), features[~held].std(axis=0)
        known, new = ((features[rows] - mean) / np.where(sd > 1e-12, sd, np.inf) for rows in (~held, held))
        for place, group in enumerate(asked):
            targets = np.where(labels == group, 1.0, -1.0)[~held]
            model = Ridge(alpha=features.shape[1]).fit(known, targets)
            scores[place, held] = (model.predict(new) - targets.mean(axis=0)).reshape(-1, 1 + n_permutations)
    found = [[roc_auc_score(labels[:, i] == group, scores[place, :, i]) for i in range(1 + n_permutations)]
             for place, group in enumerate(asked)]  # fmt: skip
    auc = np.mean(found, axis=0)
    return auc[0], (1 + (auc[1:] >= auc[0] - 1e-12).sum()) / (1 + n_permutations), scores[:, :, 0].T


@pytest.mark.parametrize("n_groups", [2, 5])
def test_predictability_is_that_of_separate_regressions(n_groups, monkeypatch):
    """With constant features, one that varies in a single fold, copies of cases, and blocks smaller than the data."""
    monkeypatch.setattr(permutation, "_ROWS", 37)
    monkeypatch.setattr(permutation, "_COLUMNS", 4)
    monkeypatch.setattr(permutation, "_SCORES", 0)
    rng = np.random.default_rng(2)
    features = np.round(rng.normal(size=(150, 6)), 2) + 100.0
    features[:, 3] = 7.1
    features[:, 4] = 0.3
    features[11, 4] = 0.4
    features[40:60] = features[60:80]
    groups, units = rng.integers(0, n_groups, 150), np.arange(150) // 2
    how = {"n_permutations": 10}
    told = predictability(features.__getitem__, groups, units, rng=np.random.default_rng(3), **how)
    auc, p, scores = plain_predictability(features, groups, units, rng=np.random.default_rng(3), **how)
    assert told.auc == pytest.approx(auc, abs=1e-12)
    assert told.p == p
    assert told.scores == pytest.approx(scores.squeeze(), abs=1e-9)


@pytest.mark.parametrize("n_groups", [2, 5])
def test_permutations_of_many_cases_look_at_a_sample(n_groups, monkeypatch):
    """All cases give the AUC, the sample p: 8 cases of each group at most are asked for again, a rare group's all."""
    rng = np.random.default_rng(6)
    groups = np.r_[np.zeros(5, int), np.arange(200) % (n_groups - 1) + 1]
    features, asked = rng.normal(size=(205, 3)) + 4 * np.eye(5, 3)[groups], []

    def rows_of(rows):
        asked.append(rows)
        return features[rows]

    how = {"n_permutations": 99}
    whole = predictability(features.__getitem__, groups, np.arange(205), rng=np.random.default_rng(3), **how)
    monkeypatch.setattr(permutation, "MAX_PERMUTED", 8 * n_groups * (1 if n_groups == 2 else n_groups))
    monkeypatch.setattr(permutation, "MIN_OF_GROUP", 8)
    told = predictability(rows_of, groups, np.arange(205), rng=np.random.default_rng(3), **how)
    assert told.auc == pytest.approx(whole.auc, abs=0.01)
    assert told.scores.shape == whole.scores.shape
    assert told.p == whole.p == 0.01
    assert (
        np.bincount(groups[np.concatenate(asked)]).tolist()
        == (np.bincount(groups) + np.minimum(np.bincount(groups), 8)).tolist()
    )


def test_limits_of_an_area_count_patients():
    """Newcombe's interval of as many cases as patients; of three groups, of one of their harmonic mean size."""
    z, groups = 1.959964, np.repeat([0, 1], [40, 20])
    expected = area_bounds(0.8, 20, 40, quantile=z)
    assert area_limits(0.8, groups, np.arange(60)) == pytest.approx(expected, abs=1e-6)
    assert area_limits(0.8, np.repeat(groups, 3), np.repeat(np.arange(60), 3)) == pytest.approx(expected, abs=1e-6)
    three = area_limits(0.8, np.repeat([0, 1, 2], [60, 20, 15]), np.arange(95))
    assert three == pytest.approx(area_bounds(0.8, 22.5, 72.5, quantile=z), abs=1e-6)


def test_areas_of_groups_are_those_of_each_group():
    """Ties among them; a group that a column lacks has 0.5."""
    rng = np.random.default_rng(4)
    scores, columns = rng.integers(0, 9, 60).astype(float), rng.integers(0, 4, (60, 6)).astype(np.uint8)
    columns[:, 5] = columns[:, 5] % 3
    found = areas_of_groups(scores, columns, 4)
    expected = np.stack(
        [areas(np.broadcast_to(scores[:, None], columns.shape), columns == group) for group in range(4)]
    )
    assert (found == expected).all()
    assert found[3, 5] == 0.5
