"""Scores that carry no evidence give no verdict, and the reason names the arms and seeds."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.analysis.drawn import noisy, runs_with_errors

from scantrial.analysis.comparison import compare, compare_runs
from scantrial.analysis.contrasts import difference
from scantrial.analysis.empty_scores import empty_scores
from scantrial.analysis.power_table import plan_again, why_no_plan
from scantrial.analysis.runs import RunScores

ONE_TRAINING = (
    "{}: seeds {} have the same scores on every case, so they are one training and not several (a copied file, a seed "
    "that was not set, or a method without randomness)"
)


@pytest.mark.parametrize("metric", ["accuracy", "auroc", "brier"])
def test_copied_seeds_are_one_training(metric):
    """Seeds 1 and 3 of b are the same scores: better becomes no verdict, for b alone, and the message names both."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8, 0.8))
    p = 1 / (1 + np.exp(-scores))
    asked = {"arms": arms, "seeds": seeds, "metric": metric, "control": "a"}
    assert {item.verdict.label for item in compare(y_true, p, **asked).comparisons} == {"better"}
    copied = p.copy()
    copied[arms.index("b") + 3] = copied[arms.index("b") + 1]
    of_b, of_c = compare(y_true, copied, **asked).comparisons
    assert of_b.verdict.label == "not enough to judge"
    assert of_b.verdict.reasons == (ONE_TRAINING.format("b", "1 and 3"),)
    assert of_c.verdict.label == "better"


def test_a_forgotten_seed_is_told_for_each_arm():
    """Where no seed was set, all seeds of both arms are copies."""
    y_true, scores, arms, _ = noisy(n_seeds=1, gain=(0.0, 0.8))
    many = np.repeat(scores, 3, axis=0)
    found = compare(y_true, many, arms=np.repeat(arms, 3), seeds=[0, 1, 2] * 2, metric="auroc").comparisons[0]
    assert found.verdict.label == "not enough to judge"
    assert found.verdict.reasons == tuple(ONE_TRAINING.format(arm, "0, 1 and 2") for arm in "ba")


def test_a_small_difference_is_no_copy():
    """One score that differs makes two trainings."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8))
    scores[1] = scores[0]
    scores[1, 17] += 1e-9
    assert compare(y_true, scores, arms=arms, seeds=seeds, metric="auroc").comparisons[0].verdict.label == "better"


def test_decisions_that_are_all_right_are_no_copies():
    """Perfect decisions are equal at every seed because they are perfect; the other arm is judged against them."""
    wrong = {seed: range(10 * seed, 10 * seed + 12) for seed in range(5)}
    runs = runs_with_errors({"a": wrong, "b": {seed: [] for seed in range(5)}})
    item = compare_runs(runs, [difference("b", "a")]).comparisons[0]
    assert item.verdict.label == "better"
    assert empty_scores(runs).copies == {"a": (), "b": ()}


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "sensitivity"])
def test_arms_that_give_every_case_one_class(metric):
    """Two arms that call everything negative differ by 0: no information, and not equivalent."""
    rng = np.random.default_rng(0)
    y_true = (np.arange(200) < 20).astype(int)
    scores = rng.uniform(0.0, 0.1, size=(10, 200))
    asked = {"arms": ["a"] * 5 + ["b"] * 5, "seeds": [*range(5)] * 2, "metric": metric, "margin": 0.02}
    found = compare(y_true, scores, **asked)
    assert plan_again(found) is None
    assert why_no_plan(found).startswith("The differences vary neither over seeds nor over cases")
    item = found.comparisons[0]
    assert item.result.effect == 0
    assert item.verdict.label == "not enough to judge"
    assert (
        "every run gives all cases the same class (class 0): equal values say nothing about the arms"
        in item.verdict.reasons
    )
    named = compare(y_true, scores, **asked, class_names=["well", "ill"]).comparisons[0]
    assert (
        "every run gives all cases the same class (well): equal values say nothing about the arms"
        in named.verdict.reasons
    )


def test_one_arm_that_gives_every_case_one_class_is_judged():
    """Against an arm that works, an arm that says one class is worse; where each says another, nothing is learned."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8))
    scores[:5] = np.random.default_rng(3).uniform(-3, -1, size=(5, 200))
    asked = {"arms": arms, "seeds": seeds, "threshold": 0.0}
    assert compare(y_true, scores, **asked).comparisons[0].verdict.label == "better"
    scores[5:] = -scores[:5] + 0.1
    item = compare(y_true, scores, **asked).comparisons[0]
    assert item.verdict.reasons == (
        "every run gives all cases one class, whatever they show: the difference says nothing about the arms",
    )


def test_scores_that_are_the_same_for_every_case():
    """Two arms of one constant score rank nothing; one such arm is told in a note and judged."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8))
    scores[:5] = np.arange(5)[:, None]
    asked = {"arms": arms, "seeds": seeds, "metric": "auroc"}
    found = compare(y_true, scores, **asked)
    assert found.comparisons[0].verdict.label == "better"
    assert "a: every run gives all cases the same score" in found.notes
    scores[5:7] = 0.5
    assert "b: 2 of 5 runs give all cases the same score" in compare(y_true, scores, **asked).notes
    scores[5:] = np.arange(5)[:, None]
    item = compare(y_true, scores, **asked).comparisons[0]
    assert item.verdict.label == "not enough to judge"
    assert "every run gives all cases the same score, which ranks no case above another" in item.verdict.reasons


def test_scores_that_look_like_decisions():
    """AUROC of two values is told to be one of decisions; accuracy needs no such note, and real scores do not."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8))
    decided = np.where(np.arange(10)[:, None] < 5, scores > 0, scores)
    asked = {"arms": arms, "seeds": seeds}
    found = compare(y_true, decided, metric="auroc", **asked)
    told = [note for note in found.notes if "look like decisions" in note]
    assert told == [
        "a: the scores take only two values, so they look like decisions. Their AUROC does not tell how well scores "
        "would rank the cases"
    ]
    assert not any("decisions" in note for note in compare(y_true, decided, threshold=0.0, **asked).notes)


def test_probabilities_of_four_decimals_are_scaled():
    """Three classes with four decimals are judged with a note; a sum that rounding cannot explain is refused."""
    rng = np.random.default_rng(1)
    y_true = rng.integers(0, 3, 90)
    exact = rng.dirichlet(np.ones(3), size=(6, 90)) + 0.5 * np.eye(3)[y_true]
    exact /= exact.sum(axis=2, keepdims=True)
    asked = {"arms": ["a"] * 3 + ["b"] * 3, "seeds": [0, 1, 2] * 2, "metric": "log_loss"}
    rounded = compare(y_true, np.round(exact, 4), **asked)
    assert any("missed a sum of 1 by up to 0.0001 (rounding)" in note for note in rounded.notes)
    assert rounded.comparisons[0].result.effect == pytest.approx(
        compare(y_true, exact, **asked).comparisons[0].result.effect, abs=1e-3
    )
    exact[2, 5, 0] += 0.02
    with pytest.raises(Exception, match=r"y_prob row 185 is .*its sum misses 1 by 0.02"):
        compare(y_true, exact, **asked)


def test_copied_decisions_are_copies_unless_they_could_not_differ():
    """Decisions with the same errors are one training; scores that rank every case rightly are one, if they are equal."""
    wrong = {0: range(12), 1: range(12), 2: range(50, 62), 3: []}
    decided = empty_scores(runs_with_errors({"a": wrong}))
    assert decided.copies == {"a": ((0, 1),)}
    assert decided.one_class.tolist() == [-1] * 4
    y_true = (np.arange(40) < 20).astype(int)
    perfect = np.tile(np.where(y_true == 1, 0.9, 0.1) + np.linspace(0, 0.05, 40), (3, 1))
    perfect[2] += 0.01
    ranked = empty_scores(RunScores.from_scores(y_true, perfect, arms=["a"] * 3, seeds=[5, 3, 4]))
    assert ranked.copies == {"a": ((3, 5),)}
