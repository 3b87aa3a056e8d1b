"""The rule of ten counts cases of each class, and patients where these have several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from scantrial.analysis.comparison import compare
from scantrial.analysis.few_cases import small_classes
from scantrial.analysis.metrics import METRICS


@dataclass(frozen=True)
class Counts:
    n_by_class: tuple[int, ...]
    n_patients: int | None = None
    patients_by_class: tuple[int, ...] | None = None
    class_names: tuple[str, ...] = ()


@pytest.mark.parametrize("metric", ["quadratic_weighted_kappa", "macro_f1"])
def test_graded_metrics_need_cases_beside_the_commonest_grade(metric):
    """Kappa rests on the cases outside the commonest grade, of any other grade; macro F1 on every class."""
    assert small_classes(metric, Counts((200, 9)))
    assert small_classes(metric, Counts((200, 10))) == []
    assert bool(small_classes(metric, Counts((200, 6, 6)))) == (metric == "macro_f1")
    assert small_classes("quadratic_weighted_kappa", Counts((3, 200, 4))) == [
        "7 cases outside class 1: Quadratic weighted kappa is not judged on fewer than 10"
    ]
    named = small_classes("quadratic_weighted_kappa", Counts((3, 200, 4), class_names=("none", "mild", "severe")))
    assert named[0].startswith("7 cases outside mild: ")
    assert (
        small_classes("weighted_f1", Counts((200, 2))) == small_classes("mean_absolute_error", Counts((200, 2))) == []
    )


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_no_metric_is_judged_on_fewer_than_ten_patients(metric):
    """45 scans of nine patients count as nine, whatever the metric; 50 of ten count as ten."""
    few = Counts((45, 45), n_patients=9, patients_by_class=(9, 9))
    assert small_classes(metric, few)[0].endswith(
        ", from 9 patients: " + METRICS[metric].title + " is not judged on fewer than 10"
    )
    assert small_classes(metric, Counts((50, 50), n_patients=10, patients_by_class=(10, 10))) == []


def test_a_class_of_three_patients_is_named():
    """Twelve scans of three patients are no ten cases; the other class and metrics of all cases have enough."""
    counts = Counts((60, 12), n_patients=23, patients_by_class=(20, 3), class_names=("healthy", "polyp"))
    said = "12 cases of polyp, from 3 patients: AUROC is not judged on fewer than 10"
    assert small_classes("auroc", counts) == [said]
    assert small_classes("specificity", counts) == small_classes("accuracy", counts) == []
    assert small_classes("quadratic_weighted_kappa", counts)[0].startswith("12 cases outside healthy, from 3 patients")


def test_a_patient_with_two_grades_counts_once_for_kappa():
    """Six patients with cases of both rarer grades are six, not twelve."""
    counts = Counts((90, 18, 18), n_patients=30, patients_by_class=(30, 6, 6))
    assert small_classes("quadratic_weighted_kappa", counts)


def test_patients_of_one_scan_each_change_no_word():
    """Where every patient has one scan, a case is a patient."""
    assert small_classes("sensitivity", Counts((20, 8), n_patients=28, patients_by_class=(20, 8))) == [
        "8 cases of class 1: Sensitivity is not judged on fewer than 10"
    ]
    assert small_classes("accuracy", Counts((4, 4), n_patients=8, patients_by_class=(4, 4))) == []


def test_a_comparison_counts_the_patients_of_each_class():
    """An arm that is ahead on 12 positive scans of three patients gets no verdict; on 60 of fifteen it does."""
    rng = np.random.default_rng(0)

    def judged(n_positive: int):
        y_true = np.repeat([0, 1], [80, 4 * n_positive])
        patients = np.arange(len(y_true)) // 4
        noise = rng.standard_normal((6, len(y_true)))
        scores = (2 * y_true - 1) * np.repeat([0.2, 2.5], 3)[:, None] + noise
        return compare(
            y_true, scores, arms=list("aaabbb"), seeds=[0, 1, 2] * 2, patients=patients, metric="auroc", threshold=0.0
        )

    few = judged(3)
    assert few.patients_by_class == (20, 3)
    assert few.comparisons[0].verdict.label == "not enough to judge"
    assert judged(15).comparisons[0].verdict.label == "better"
