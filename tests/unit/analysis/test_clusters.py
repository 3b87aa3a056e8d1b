"""The variance over few patients: against matrices written out, and at its ends."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.analysis.drawn import runs_with_errors

from scantrial.analysis.clusters import by_case, by_patient
from scantrial.analysis.estimates import estimate
from scantrial.analysis.influence import Influence, balanced_accuracy
from scantrial.analysis.intervals import arm_estimate


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**exponent) @ vectors.T


def by_matrices(found: Influence, patients: np.ndarray) -> tuple[float, float]:
    """CR2 and its degrees of freedom as Bell and McCaffrey write them, for one run.

    Least squares of each case's score on an indicator of its stratum; the working covariance is diagonal, with the
    variance of the stratum.
    """
    n = len(patients)
    x = np.eye(found.strata.max() + 1)[found.strata]
    sizes = x.sum(axis=0)
    bread = np.diag(1 / sizes)
    hat = x @ bread @ x.T
    y = found.values[0] * (x @ sizes)
    residual = y - hat @ y
    weights = np.ones(x.shape[1])
    spread = np.array([np.square(residual[x[:, k] == 1] / sizes[k]).mean() * sizes[k] ** 2 for k in range(x.shape[1])])
    working = np.diag(x @ spread)
    variance, directions = 0.0, []
    for patient in np.unique(patients):
        mine = patients == patient
        adjusted = power(np.eye(mine.sum()) - hat[np.ix_(mine, mine)], -0.5)
        row = weights @ bread @ x[mine].T @ adjusted
        variance += float(row @ residual[mine]) ** 2
        directions.append((np.eye(n) - hat)[mine].T @ row)
    g = np.stack(directions)
    middle = g @ working @ g.T
    return variance, float(np.trace(middle) ** 2 / np.square(middle).sum())


@pytest.mark.parametrize("seed", range(4))
def test_variance_and_degrees_of_freedom_are_those_of_matrices(seed):
    """Patients of one to nine cases, of one class or of both, against the matrices of the paper."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(12), rng.integers(1, 10, size=12))
    n = len(patients)
    strata = rng.integers(0, 2, size=n) if seed % 2 else (patients < 5).astype(int)
    values = rng.normal(size=(1, n)) / np.where(strata == 1, (strata == 1).sum(), 3 * (strata == 0).sum())
    found = Influence(theta=np.zeros(1), values=values, strata=strata, method="drawn")
    units = by_patient(found, patients)
    assert (float((units.values**2).sum()), units.df) == pytest.approx(by_matrices(found, patients), rel=1e-9)


def test_equal_patients_of_one_class_have_one_degree_of_freedom_less_than_patients():
    """Eight patients of five cases: 7, and the variance of the mean of eight patients' means."""
    rng = np.random.default_rng(0)
    score = rng.normal(size=(1, 40))
    found = Influence(
        theta=score.mean(axis=1), values=(score - score.mean()) / 40, strata=np.zeros(40, dtype=int), method="drawn"
    )
    units = by_patient(found, np.arange(40) // 5)
    means = score.reshape(8, 5).mean(axis=1)
    assert units.df == pytest.approx(7)
    assert float((units.values**2).sum()) == pytest.approx(means.var(ddof=1) / 8)


def test_one_case_a_patient_is_the_variance_over_cases():
    """Two classes, each patient with one case: the sum of the variances of two means."""
    runs = runs_with_errors({"a": {0: [0, 1, 50, 60, 61]}}, n_positive=30)
    found = balanced_accuracy(runs)
    by_one = by_patient(found, np.arange(100))
    assert by_one.values @ by_one.values.T == pytest.approx(by_case(found).values @ by_case(found).values.T)


def test_a_class_of_one_patient_counts_as_one_case():
    """All positive cases of one patient: their recall could be anything that one case allows."""
    patients = [0] * 10 + [1 + case // 3 for case in range(90)]
    runs = runs_with_errors({"a": {0: [0, 1, 20, 40]}}, n_positive=10, patients=patients)
    found = balanced_accuracy(runs)
    units = by_patient(found, np.array(patients))
    assert units.df == 1
    positives = found.values[:, :10]
    assert float((units.values**2).sum()) > float((positives**2).sum()) * 100 / 9 - 1e-12
    arm = arm_estimate(estimate(runs, "balanced_accuracy"), "a")
    assert arm.low < 0.6
    assert arm.high > 0.95


def test_patients_are_never_worth_more_than_their_cases():
    """Cases of a patient that are unlike each other do not narrow an interval."""
    wrong = [2 * case for case in range(50)]
    runs = runs_with_errors({"a": {0: wrong}}, patients=[case // 2 for case in range(100)])
    plain = runs_with_errors({"a": {0: wrong}})
    several, alone = (arm_estimate(estimate(each, "accuracy"), "a") for each in (runs, plain))
    assert several.se >= alone.se
    assert several.high - several.low >= alone.high - alone.low


def drawn(*, n_runs: int = 1, strata: np.ndarray, scale: float = 1.0) -> Influence:
    values = scale * (np.random.default_rng(3).normal(size=(n_runs, len(strata))) + np.arange(n_runs)[:, None])
    return Influence(theta=np.zeros(n_runs), values=values, strata=strata, method="drawn")


def test_each_run_is_measured_by_itself():
    """Three runs with other means together, or one by one."""
    strata, patients = np.repeat([0, 1], [30, 18]), np.arange(48) // 4
    found = drawn(n_runs=3, strata=strata)
    together = by_patient(found, patients).values
    for run in range(3):
        alone = by_patient(found.of_runs(np.array([run])), patients).values
        assert np.square(together[run]).sum() == pytest.approx(np.square(alone[0]).sum())


@pytest.mark.parametrize("lonely", [0, 1])
def test_a_stratum_of_one_patient_adds_its_cases_as_one_to_the_others(lonely):
    """Its variance is n squared times that of a mean over n - 1, and the other stratum's is as if it were alone."""
    strata = np.repeat([lonely, 1 - lonely], [10, 30])
    patients = np.concatenate([np.zeros(10, dtype=int), 1 + np.arange(30) // 5])
    found = drawn(strata=strata)
    units = by_patient(found, patients)
    mine, others = found.values[0, :10], found.values[:, 10:]
    rest = Influence(theta=np.zeros(1), values=others, strata=np.zeros(30, dtype=int), method="drawn")
    expected = (
        np.square(mine - mine.mean()).sum() * 10 * 10 / 9 + np.square(by_patient(rest, patients[10:]).values).sum()
    )
    assert np.square(units.values).sum() == pytest.approx(expected)
    assert units.df == 1


def test_without_any_spread_the_degrees_of_freedom_are_those_of_the_design():
    """Runs that are right on every case: as where each class has the spread of a mean of as many cases of its own."""
    strata, patients = np.repeat([0, 1], [40, 15]), np.concatenate([np.arange(40) // 5, 20 + np.arange(15) // 5])
    none = by_patient(drawn(strata=strata, scale=0.0), patients).df
    alike = np.where(np.arange(55) % 2, 1.0, -1.0)
    alike = (alike - np.where(strata == 0, alike[:40].mean(), alike[40:].mean())) / np.where(strata == 0, 40, 15)
    for stratum in (0, 1):
        mine = strata == stratum
        alike[mine] /= np.sqrt(np.square(alike[mine]).mean()) * mine.sum()
    found = Influence(theta=np.zeros(1), values=alike[None], strata=strata, method="drawn")
    assert none == pytest.approx(by_patient(found, patients).df)
