"""Gaps between accuracies on different cases, and what a gap from validation to test is due to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scantrial.analysis.gap_words import shift_words, train_gap_words
from scantrial.analysis.gaps import (
    Gap,
    Leakage,
    ShiftEvidence,
    TwoSample,
    accuracy_gap,
    case_covariance,
    explain_gap,
    gap_over_seeds,
    shared_covariance,
)
from scantrial.core.errors import InputError, ShapeError


def decisions(*accuracies: float, n: int = 400, seed: int = 0) -> np.ndarray:
    """Runs with exactly these accuracies; cases that are hard for one are hard for all."""
    order = np.random.default_rng(seed).permutation(n)
    return np.stack([order < round(accuracy * n) for accuracy in accuracies])


def evidence(gap: Gap, **known) -> ShiftEvidence:
    """What is known without an audit, unless `known` says otherwise."""
    plain = {
        "kept_by_val": True,
        "val_accuracy_last": 0.92,
        "val_shares": np.array([0.5, 0.5]),
        "test_recalls": np.array([0.5, 0.96]),
        "n_epochs": 30,
    }
    return ShiftEvidence(gap=gap, **{**plain, **known})


BIG = accuracy_gap(decisions(0.93), decisions(0.73))


@pytest.mark.parametrize(
    ("first", "second"), [(np.ones((2, 5)), np.ones((3, 5))), (np.ones((1, 1)), np.ones((1, 5))), ([], [True, False])]
)
def test_decisions_that_do_not_belong_together_are_refused(first, second):
    """Either set has the same runs and at least two cases."""
    with pytest.raises(ShapeError):
        accuracy_gap(np.asarray(first, dtype=bool), np.asarray(second, dtype=bool))


def test_patients_have_to_be_as_many_as_cases_and_more_than_one():
    """A patient for each case; the cases of one patient tell nothing of how patients vary."""
    with pytest.raises(ShapeError, match="with 3 patients"):
        case_covariance(np.ones((1, 4), dtype=bool), np.array([0, 1, 2]))
    with pytest.raises(InputError, match="all cases are of one patient"):
        case_covariance(np.ones((1, 4), dtype=bool), np.zeros(4))


def test_a_gap_over_seeds_counts_seeds_and_cases():
    """Three runs with validation .93, .94, .92, test .73, .75, .70 and Cov2 .0001 and .0004: a result by hand."""
    covariances = tuple(np.full((3, 3), value) for value in (0.0001, 0.0004))
    found = gap_over_seeds((np.array([0.93, 0.94, 0.92]), np.array([0.73, 0.75, 0.70])), covariances, sizes=(400, 400))
    assert found.value == pytest.approx(0.203333, abs=5e-7)
    assert found.se == pytest.approx(0.024037, abs=5e-7)
    assert found.df == pytest.approx(110.3673, abs=5e-5)
    assert (found.low, found.high) == pytest.approx((0.155699, 0.250967), abs=5e-7)
    assert found.method == "seeds and cases"


def test_a_gap_of_two_seeds_ends_where_no_difference_is_possible():
    """With one degree of freedom the interval would reach from -118 to 105 points."""
    covariances = (np.full((2, 2), 1e-4), np.full((2, 2), 4e-4))
    found = gap_over_seeds((np.array([0.5, 0.8]), np.array([0.75, 0.67])), covariances, sizes=(30, 30))
    assert (found.low, found.high) == (-1, 1)
    assert found.value == pytest.approx(-0.06)


def test_with_one_run_it_is_newcombes_interval():
    """372 and 292 of 400 cases: (.1495, .2502)."""
    assert BIG.method == "newcombe"
    assert (BIG.low, BIG.high) == pytest.approx((0.1495, 0.2502), abs=1e-4)
    assert BIG.to_dict()["se"] is None


def test_runs_that_agree_on_every_case_leave_the_cases_to_chance():
    """Identical runs have no variance between seeds; the interval is that of the cases, and no smaller than that."""
    found = accuracy_gap(decisions(0.9, 0.9, 0.9), decisions(0.8, 0.8, 0.8))
    assert found.df == math.inf
    assert found.se == pytest.approx(math.sqrt(0.9 * 0.1 / 399 + 0.8 * 0.2 / 399))


def test_an_error_of_nought_is_never_reported_where_cases_vary():
    """Runs of equal accuracy that err on unlike cases leave no error but that of the cases, which is then taken."""
    right = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)
    found = accuracy_gap(right, right)
    assert (found.method, found.value) == ("cases only", 0)
    variance = 2 * case_covariance(right).mean()
    assert variance > 0
    assert found.se == pytest.approx(math.sqrt(variance))


def test_runs_that_agree_by_luck_do_not_narrow_the_gap():
    """Seeds whose accuracies hardly differ give no narrower interval than the cases alone."""
    covariances = tuple(np.diag([4e-4, 4e-4, 4e-4]) for _ in range(2))
    found = gap_over_seeds((np.array([0.9, 0.9, 0.901]), np.array([0.8, 0.8, 0.8])), covariances, sizes=(200, 400))
    assert (found.method, found.df) == ("cases only", math.inf)
    assert found.se == pytest.approx(math.sqrt(2 * 3 * 4e-4 / 9))


def test_where_nothing_varies_no_interval_is_named():
    """Runs that always say one class, on sets whose class counts are fixed: the accuracy follows from the counts."""
    always = np.repeat([[True, False]], 2, axis=0).repeat(50, axis=1)
    classes = np.repeat([1, 0], 50)
    gap = accuracy_gap(always, always, classes=(classes, classes))
    assert (gap.low, gap.high) == pytest.approx((0, 0), abs=1e-12)
    assert train_gap_words(gap).endswith(
        "no gap beyond chance (0.0 points, without an interval, as neither runs nor cases of a class vary)."
    )


def test_the_covariance_of_runs_is_that_of_their_means():
    """With a case a patient it is the sample covariance over n; the mean off the diagonal is what runs share."""
    right = np.random.default_rng(1).random((3, 50)) < 0.7
    found = case_covariance(right)
    assert found == pytest.approx(np.cov(right.astype(float)) / 50)
    assert case_covariance(right, np.arange(50)) == pytest.approx(found)
    assert shared_covariance(found) == pytest.approx((found[0, 1] + found[0, 2] + found[1, 2]) / 3)


def test_cases_of_one_patient_count_for_less():
    """Each case twice, as two scans of a patient, gives the interval of the cases once."""
    once_first, once_second = decisions(0.9), decisions(0.8, seed=1)
    once = accuracy_gap(once_first, once_second)
    patients = np.repeat(np.arange(400), 2)
    twice = accuracy_gap(
        np.repeat(once_first, 2, axis=1), np.repeat(once_second, 2, axis=1), groups=(patients, patients)
    )
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=2e-4)
    naive = accuracy_gap(np.repeat(once_first, 2, axis=1), np.repeat(once_second, 2, axis=1))
    assert naive.high - naive.low < 0.8 * (twice.high - twice.low)


@pytest.mark.parametrize(
    ("train", "val", "words"),
    [
        (
            0.99,
            0.91,
            "is 8.0 points (95 % CI 5.1 to 11.3) above validation (99.0 % against 91.0 %): the network memorises",
        ),
        (0.96, 0.92, "this is beyond chance, but below the 7 points that count as large"),
        (0.88, 0.80, "this is beyond chance, but below the 10 points that count as large"),
        (0.91, 0.90, "no gap beyond chance (1.0 points, 95 % CI \u22123.1 to 5.1)"),
    ],
)
def test_the_gap_from_training_is_said_with_its_interval(train, val, words):
    """Large, beyond chance but not large, and within chance are told apart."""
    assert words in train_gap_words(accuracy_gap(decisions(train), decisions(val)))


def test_where_chance_can_explain_it_nothing_else_is_asked():
    """A gap whose interval holds 0 is settled at the first step."""
    for second in (0.9, 0.95):
        gap = accuracy_gap(decisions(0.91), decisions(second))
        steps = explain_gap(evidence(gap))
        assert [(step.name, step.state) for step in steps] == [("chance", "settled")]
    assert shift_words(gap, steps) == [
        "Validation 91.0 %, test 95.0 %: validation is not above test (\u22124.0 points, 95 % CI \u22127.6 to "
        "\u22120.4; 400 and 400 cases), so there is no gap to explain."
    ]
    near = accuracy_gap(decisions(0.91), decisions(0.9))
    assert "which may be chance" in shift_words(near, explain_gap(evidence(near)))[0]


def test_without_an_audit_it_may_not_be_called_shift():
    """Steps that need an audit are "not yet checked", and the end says what is missing."""
    steps = explain_gap(evidence(BIG))
    assert [(step.name, step.state) for step in steps] == [
        ("chance", "explains nothing"),
        ("selection", "explains a part"),
        ("class mix", "explains nothing"),
        ("leakage", "not yet checked"),
        ("covariate shift", "not yet checked"),
        ("label quality", "not yet checked"),
        ("unexplained", "open"),
    ]
    assert steps[1].explained == pytest.approx(0.01)
    assert steps[-1].numbers["left"] == pytest.approx(0.19)
    said = shift_words(BIG, steps)
    assert said[0].endswith("a gap of 20.0 points (95 % CI 14.9 to 25.0; 400 and 400 cases), too large for chance.")
    assert said[3] == "Leakage from training into validation: not yet checked."
    assert said[-1] == "19.0 points are left. They cannot be called shift until these are checked: leakage."


def test_each_step_takes_its_part():
    """With everything looked at, selection, mix and leakage are taken off, and the rest is put down to what is there."""
    known = evidence(
        BIG,
        test_recalls=np.array([0.6, 0.94]),
        leakage=Leakage(n_cases=31, accuracy_without=0.90),
        two_sample=TwoSample(auroc=0.83, p=0.005, is_found=True),
        n_suspect_labels=6,
    )
    steps = explain_gap(known)
    assert [step.explained for step in steps[1:4]] == pytest.approx([0.01, 0.04, 0.03])
    assert steps[-1].numbers["left"] == pytest.approx(0.12)
    said = shift_words(BIG, steps)
    assert said[2].endswith("test accuracy would be 77.0 %, so the mix explains 4.0 points.")
    assert said[3].startswith("Leakage: 31 validation cases share a patient or an image with training")
    assert said[5].endswith("they would explain at most 1.5 points.")
    assert said[6] == "12.0 points are left, and the scans of the two sets differ: shift is the likely reason."


@pytest.mark.parametrize(
    ("known", "step", "words"),
    [
        ({"kept_by_val": False}, 1, "validation did not choose the epoch"),
        ({"val_accuracy_last": None}, 1, "Selection: not yet checked"),
        ({"val_accuracy_last": 0.94}, 1, "so selection explains nothing (\u22121.0 points)"),
        (
            {"val_accuracy_last": 0.6},
            1,
            "choosing the best of 30 epochs adds at most 2.6 points by chance, so selection explains 2.6",
        ),
        ({"test_recalls": np.array([0.5, np.nan])}, 2, "Class mix: not yet checked; a class has no test case"),
        ({"leakage": Leakage(n_cases=0)}, 3, "none was found, so it explains nothing"),
        ({"leakage": Leakage(n_cases=0, is_past_unknown=True)}, 3, "the weights that it starts from) is not known."),
        (
            {
                "leakage": Leakage(n_cases=0, is_past_unknown=True),
                "two_sample": TwoSample(auroc=0.9, p=0.01, is_found=True),
            },
            6,
            "shift is a possible reason, and so are validation scans that the network had seen before this study.",
        ),
        ({"leakage": Leakage(n_cases=400)}, 3, "no other cases are left"),
        ({"two_sample": TwoSample(auroc=0.52, p=0.4, is_found=False)}, 4, "no shift was found"),
        ({"n_suspect_labels": 0}, 5, "no test label is doubtful"),
        ({"leakage": Leakage(n_cases=0)}, 6, "points are left unexplained. Not yet checked: covariate shift, label"),
        ({"leakage": Leakage(n_cases=31, accuracy_without=0.7)}, 6, "Nothing is left to explain"),
    ],
)
def test_every_outcome_of_a_step_has_its_words(known, step, words):
    """No step's sentence claims more than its numbers."""
    assert words in shift_words(BIG, explain_gap(evidence(BIG, **known)))[step]
