"""Scores of runs: what is taken, and what is refused in which words."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.analysis.drawn import runs_with_errors

from scantrial.analysis.estimates import estimate
from scantrial.analysis.runs import RunScores
from scantrial.core.errors import InputError, ShapeError

Y = np.array([0, 1, 0, 1])
SCORES = np.array([[0.1, 0.9, 0.2, 0.8], [0.3, 0.6, 0.7, 0.4]])


def build(y_true=Y, scores=SCORES, *, arms=("a", "b"), seeds=(0, 0), **options):
    return RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, **options)


def test_a_copied_run_is_refused_by_name():
    """One arm and seed is one run; the message says why a copy is no evidence."""
    with pytest.raises(InputError) as found:
        build(arms=("a", "a"), seeds=(3, 3))
    assert str(found.value) == (
        "arm a has seed 3 twice\nexpected: one run for each arm and seed; a second copy would count as new evidence"
    )


def test_a_score_that_is_not_finite_is_refused_by_its_run_and_case():
    """The message names arm, seed and case, and what to do."""
    scores = SCORES.copy()
    scores[1, 2] = np.nan
    with pytest.raises(InputError) as found:
        build(scores=scores, seeds=(0, 7))
    assert str(found.value) == (
        "a score that is not finite: arm b, seed 7, case at position 2\n"
        "expected: finite scores\n"
        "do this: leave out runs that diverged"
    )


def test_shapes_are_named_when_they_do_not_match():
    """Runs, seeds and cases are told apart in the message."""
    with pytest.raises(ShapeError) as found:
        build(seeds=(0, 1, 2))
    assert str(found.value) == (
        "scores of shape (2, 4) for 2 arms, 3 seeds and 4 cases\n"
        "expected: one row for each run: (2, 4), and one arm and one seed for each run"
    )
    with pytest.raises(ShapeError, match=r"patients of shape \(3,\) for 4 cases"):
        build(patients=["p", "q", "r"])


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_finite_number(threshold):
    """A threshold that no score can be compared with is refused."""
    with pytest.raises(InputError, match=f"threshold {threshold}\nexpected: a finite number"):
        build(threshold=threshold)


def test_nothing_at_all_is_refused():
    """No case, or no run, is no set of scores."""
    with pytest.raises(InputError, match="no run or no case"):
        RunScores.from_scores(np.array([], dtype=int), np.zeros((1, 0)), arms=["a"], seeds=[0])


@pytest.mark.parametrize(
    "patients",
    [
        np.array([1.0, np.nan, 2.0, np.nan]),
        np.array(["p", None, "q", "r"], dtype=object),
        np.array(["p", float("nan"), "q", "r"], dtype=object),
    ],
)
def test_a_case_without_a_patient_is_refused(patients):
    """Cases whose patient is not known are not made into one patient, whichever way the gap is written."""
    with pytest.raises(InputError, match="no patient for the case at position 1\nexpected: a patient for every case"):
        build(patients=patients)


def test_scores_of_any_range_are_ranked_but_are_no_probabilities():
    """Logits give AUROC and accuracy; log loss is refused with what to do."""
    runs = build(scores=SCORES * 10 - 5, threshold=0.0)
    assert runs.y_prob is None
    assert estimate(runs, "accuracy").theta.tolist() == [1.0, 0.5]
    with pytest.raises(InputError) as found:
        estimate(runs, "log_loss")
    assert str(found.value) == (
        "Log loss of scores outside [0, 1]\n"
        "expected: probabilities\n"
        "do this: give one column of probabilities for each class, or choose another metric"
    )


def test_a_case_is_positive_when_its_score_exceeds_the_threshold():
    """A score at the threshold is not above it."""
    assert build(threshold=0.6).y_pred.tolist() == [[0, 1, 0, 1], [0, 0, 1, 0]]


def test_metrics_of_two_classes_are_refused_beyond():
    """Sensitivity of three classes is refused with the metrics that there are."""
    y_prob = np.full((1, 6, 3), 1 / 3)
    runs = RunScores.from_probabilities(np.array([0, 1, 2] * 2), y_prob, arms=["a"], seeds=[0])
    for metric, title in (("sensitivity", "Sensitivity"), ("f1", "F1"), ("mcc", "MCC")):
        with pytest.raises(InputError) as found:
            estimate(runs, metric)
        assert str(found.value) == (
            f"{title} of 3 classes\nexpected: two classes\n"
            "do this: take accuracy, balanced_accuracy, auroc, macro_f1, log_loss or brier"
        )


def test_an_unknown_metric_is_refused_with_the_nearest():
    """The nearest right name is offered."""
    with pytest.raises(InputError, match="no metric is called 'aurocc' \\(did you mean 'auroc'\\?\\)"):
        estimate(build(), "aurocc")


def test_an_absent_class_is_named():
    """AUROC without a positive case says which class is absent."""
    with pytest.raises(InputError, match="no case is of class 1\nexpected: cases of every class the metric needs"):
        estimate(build(y_true=np.zeros(4, dtype=int)), "auroc")


@pytest.mark.parametrize("covariance", ["default", "jackknife"])
def test_one_case_of_a_class_has_no_variance(covariance):
    """AUROC with one positive case is refused, whichever covariance is asked for."""
    with pytest.raises(InputError, match="1 case of a class\nexpected: at least two cases of each class"):
        estimate(build(y_true=np.array([0, 1, 0, 0])), "auroc", covariance=covariance)


def test_an_undefined_metric_names_the_run():
    """MCC of a run that calls everything negative is undefined, and the message says for which run."""
    runs = runs_with_errors({"a": {0: [1]}, "b": {4: range(5)}}, n_cases=10)
    with pytest.raises(InputError) as found:
        estimate(runs, "mcc")
    assert str(found.value) == (
        "MCC is undefined for arm b, seed 4: all, or all but one, of its cases or its decisions are of one class\n"
        "expected: both classes among the cases and among the decisions\n"
        "do this: choose another metric"
    )


def test_an_undefined_kappa_names_the_run():
    """Kappa of a run that puts every case but one, all of grade 1, into grade 1 is undefined without that one."""
    y_true = np.ones(6, dtype=int)
    decided = np.stack([np.eye(3)[[1, 1, 1, 1, 1, 2]], np.eye(3)[[1, 1, 1, 1, 2, 0]]])
    runs = RunScores.from_probabilities(y_true, decided, arms=["a", "b"], seeds=[0, 0])
    with pytest.raises(InputError) as found:
        estimate(runs, "quadratic_weighted_kappa")
    assert str(found.value).startswith(
        "Quadratic weighted kappa is undefined for arm a, seed 0: all, or all but one, of its cases and decisions are "
        "of one class\n"
    )


def test_one_case_of_a_class_has_no_macro_f1_without_it():
    """The jackknife leaves each case out, so macro F1 needs two of each class; weighted F1 does not."""
    decided = np.eye(3)[[[0, 0, 1, 1, 2]]]
    runs = RunScores.from_probabilities(np.array([0, 0, 1, 1, 2]), decided, arms=["a"], seeds=[0])
    with pytest.raises(InputError, match="one case of a class\nexpected: two or more: the jackknife leaves one out"):
        estimate(runs, "macro_f1")
    assert estimate(runs, "weighted_f1").theta == [1.0]


def test_one_patient_is_no_sample():
    """Cases of one patient alone give no variance over patients."""
    with pytest.raises(InputError, match="all cases are of one patient\nexpected: at least two patients"):
        estimate(build(patients=["p"] * 4), "accuracy")


def test_clipped_probabilities_are_counted():
    """Log loss says how many probabilities it clipped, over all runs."""
    scores = np.array([[0.0, 1.0, 0.2, 0.0], [0.3, 0.6, 0.7, 1.0]])
    estimates = estimate(build(scores=scores), "log_loss")
    assert estimates.n_clipped == 4
    assert estimates.theta[0] == pytest.approx((2 * -np.log(1 - 1e-7) - np.log(0.8) - np.log(1e-7)) / 4)


def test_equal_probabilities_are_ties_beyond_two_classes():
    """Two cases with one probability of a class are tied in its ranking, however the rest is shared out.

    0.3 + 0.6 and 0.4 + 0.5 differ in their last bit; whether 0.1 is tied with 0.1 must not hang on it. Near 1, where
    p itself rounds, the rest still tells the order.
    """
    y_true = np.array([0, 0, 1, 1, 2, 2])
    tied = [[0.1, 0.3, 0.6], [0.1, 0.4, 0.5], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8]]
    y_prob = np.array([[*tied, [1.0, 1e-20, 0.0], [1.0, 1e-30, 0.0]]])
    ranking = RunScores.from_probabilities(y_true, y_prob, arms=["a"], seeds=[0]).ranking[0, :, 0]
    assert len(set(ranking[:4].tolist())) == 1
    assert ranking[3] < ranking[4] < ranking[5]


def test_parts_of_runs_and_cases_belong_together():
    """Some runs and some cases keep their arms, labels, scores and patients."""
    runs = build(patients=["p", "q", "p", "r"])
    part = runs.on_runs(np.array([1])).on_cases(np.array([0, 3]))
    assert (part.arms, part.seeds, part.n_runs, part.n_cases) == (("b",), (0,), 1, 2)
    assert part.y_true.tolist() == [0, 1]
    assert part.ranking[0, :, 0].tolist() == [0.3, 0.4]
    assert part.patients.tolist() == [0, 2]
    assert runs.runs_of("b").tolist() == [1]
