"""Which arm is best: constrained intervals by hand, what withholds a call, and the sentence word for word.

Arms differ by the same amount at every seed, with a standard deviation of 1 point over samples of cases, so that every
number is normal theory by hand: of three arms each bound is 1.960 points wide (2.5 % one-sided), of five 2.241 (1.25 %).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tests.unit.analysis.drawn import laid_down, noisy, runs_with_errors

from scantrial.analysis.best import best_of, one_sided_bounds
from scantrial.analysis.best_words import best_sentence
from scantrial.analysis.comparison import compare, compare_runs, with_best
from scantrial.analysis.contrasts import against_control, difference
from scantrial.analysis.estimates import estimate
from scantrial.analysis.mrmc import analyse
from scantrial.analysis.runs import RunScores

BASE = [0.70, 0.72, 0.71, 0.74, 0.73]
METHOD = "(multiple comparisons with the best, Hsu 1996; 95 % together)"


def arms(*gains, n_seeds=5, **options):
    base = BASE[:n_seeds]
    names = "abcdefgh"[: len(gains)]
    return laid_down(
        {name: [value + gain for value in base] for name, gain in zip(names, gains, strict=True)}, **options
    )


def spans(found):
    return {arm.arm: (round(arm.low, 4), round(arm.high, 4)) for arm in found.arms}


def test_an_arm_is_called_best_where_every_other_is_excluded():
    """The constrained intervals of three arms, by hand: 0 and 5 points behind 8, each with 1.96 points."""
    found = best_of(arms(0.0, 0.03, 0.08))
    assert (found.best, found.may_be_best, found.highest) == ("c", ("c",), ("c",))
    assert spans(found) == {"a": (-0.0996, 0.0), "b": (-0.0696, 0.0), "c": (0.0, 0.0696)}
    assert [round(arm.effect, 4) for arm in found.arms] == [-0.08, -0.05, 0.05]


def test_an_arm_that_may_be_better_keeps_the_first_from_being_called_best():
    """One point is less than 1.96: b may be better than c by 0.96 points, a is excluded."""
    found = best_of(arms(0.0, 0.04, 0.05))
    assert (found.best, found.may_be_best, found.highest) == (None, ("b", "c"), ("c",))
    assert spans(found) == {"a": (-0.0696, 0.0), "b": (-0.0296, 0.0096), "c": (-0.0096, 0.0296)}


def test_more_arms_need_a_wider_bound():
    """Of five arms each bound errs with 5 % / 4, one-sided."""
    found = best_of(arms(0.0, 0.0, 0.0, 0.0, 0.02))
    wide = 0.01 * stats.norm.ppf(1 - 0.05 / 4)
    assert found.arm("e").low == pytest.approx(0.02 - wide)
    assert found.may_be_best == tuple("abcde")
    assert best_of(arms(0.0, 0.0, 0.02)).best == "c"


def test_a_bound_is_the_widest_of_three():
    """Over seeds and cases, over cases alone and over seeds alone: by hand from each standard error."""
    y_true, scores, names, seeds = noisy(gain=(0.0, 0.2, 0.4), n_seeds=3, sd_training=0.3)
    runs = RunScores.from_scores(y_true, scores, arms=names, seeds=seeds, threshold=0.0)
    result = analyse(estimate(runs, "auroc"), difference("c", "a"))
    parts = (result.both, result.cases_only, result.seeds_only)
    halves = [stats.t.ppf(0.975, one.df) * one.se if math.isfinite(one.df) else 1.959964 * one.se for one in parts]
    low, high = one_sided_bounds(result, alpha=0.025)
    assert (low, high) == pytest.approx((result.effect - max(halves), result.effect + max(halves)), abs=1e-6)


def test_in_a_loss_the_lowest_is_best():
    """Losses are turned round: the lowest mean is ahead."""
    found = best_of(arms(0.08, 0.03, 0.0, metric="log_loss"))
    assert (found.best, found.highest, found.mean) == ("c", ("c",), pytest.approx(0.72))
    assert best_sentence(found).startswith("Best of the 3 arms on log loss: c with 0.720 (95 % CI ")


@pytest.mark.parametrize("n_arms", [1, 2])
def test_two_arms_have_their_own_verdict(n_arms):
    """With fewer than three arms there is nothing to add."""
    assert best_of(arms(*[0.0, 0.5][:n_arms])) is None


@pytest.mark.parametrize(("n_seeds", "said"), [(1, "one seed"), (2, "2 seeds")])
def test_fewer_than_three_seeds_call_no_arm_best(n_seeds, said):
    """However far one is ahead: no arm is excluded, nothing is bounded, and the sentence says why."""
    found = best_of(arms(0.0, 0.1, 0.25, n_seeds=n_seeds))
    assert (found.best, found.may_be_best) == (None, ("a", "b", "c"))
    assert found.arm("a").low == -math.inf
    assert best_sentence(found).endswith(
        f"No arm can be called best: {said} in each arm: at least 3 are needed, 5 or more are recommended."
    )
    assert found.to_dict()["arms"][0]["low"] is None


def test_what_withholds_verdicts_withholds_the_call():
    """A leak, or few cases of a class: the same reasons as the verdicts give."""
    found = best_of(arms(0.0, 0.03, 0.08), withheld=["3 patients are in two splits"])
    assert (found.best, found.reasons) == (None, ("3 patients are in two splits",))
    few = best_of(arms(0.0, 0.03, 0.08, metric="sensitivity", n_by_class=(200, 9)))
    assert few.best is None
    assert few.reasons == ("9 cases of class 1: Sensitivity is not judged on fewer than 10",)


def test_equal_arms_exclude_each_other_never():
    """Arms with the same decisions on every case are equal: both may be best, a worse one is not."""
    same = {seed: range(seed, seed + 4) for seed in range(5)}
    worse = {seed: range(30 - seed, 62) for seed in range(5)}
    found = best_of(estimate(runs_with_errors({"a": same, "b": same, "c": worse}), "accuracy"))
    assert (found.best, found.highest, found.may_be_best) == (None, ("a", "b"), ("a", "b"))
    assert best_sentence(found).startswith("Highest accuracy so far: a and b with 96.0 % (95 % CI ")
    assert f" each. a cannot be called best: b may be as good {METHOD}. Behind the best: c by up to " in best_sentence(
        found
    )


def test_a_pair_without_a_verdict_excludes_nobody_and_forbids_no_other_call():
    """Two perfect arms cannot be told apart; an arm with errors is excluded all the same."""
    perfect = {seed: [] for seed in range(5)}
    worse = {seed: range(30 - seed, 62) for seed in range(5)}
    found = best_of(estimate(runs_with_errors({"a": perfect, "b": perfect, "c": worse}), "accuracy"))
    assert (found.best, found.may_be_best) == (None, ("a", "b"))
    assert found.reasons == ("every run reaches the best possible value: these cases cannot tell the arms apart",)


def test_an_arm_that_cannot_be_compared_is_named():
    """One run whose seed no other arm has: no arm is called best, and the reason is told."""
    y_true, scores, names, seeds = noisy(gain=(0.0, 0.2, 0.9), n_seeds=4)
    seeds[8:] = [9, 9, 9, 9]
    keep = list(range(9))
    runs = RunScores.from_scores(y_true, scores[keep], arms=names[:9], seeds=[*seeds[:8], 9], threshold=0.0)
    found = best_of(estimate(runs, "accuracy"))
    assert found.best is None
    assert found.highest == ("c",)
    assert found.reasons[0].startswith("a and c are not compared: arm c has one seed, and shares none with the others")


def test_order_and_names_change_nothing():
    """Runs in another order give the same intervals."""
    estimates = arms(0.0, 0.04, 0.05)
    turned = best_of(estimates.permuted(np.arange(len(estimates.arms))[::-1]))
    assert spans(turned) == spans(best_of(estimates))


# ---------------------------------------------------------------------- words


def test_a_best_arm_beside_an_inconclusive_verdict_is_explained():
    """The two are different questions; without such a verdict nothing is added."""
    found = best_of(arms(0.0, 0.03, 0.08))
    plain = best_sentence(found)
    said = best_sentence(found, undecided=["c \u2212 b"])
    assert said.startswith(plain)
    assert said.removeprefix(plain).startswith(
        " The verdict on c \u2212 b is inconclusive all the same: it has to tell better"
    )


def test_the_sentence_of_the_best():
    """Its value with its own interval, what was done, and how far behind the others are at most."""
    text = best_sentence(best_of(arms(0.0, 0.03, 0.08)), {"c": "lr = 0.001"})
    start, end = text.split(" (95 % CI ")[0], text.split("), ahead")[1]
    assert start == "Best of the 3 arms on accuracy: lr = 0.001 with 80.0 %"
    assert end == f" of every other arm {METHOD}. Behind the best: b by up to 7.0 points and a by up to 10 points."


def test_the_sentence_where_another_may_be_better():
    """Who is ahead, who may be better by how much, and who is excluded; limits are rounded up."""
    text = best_sentence(best_of(arms(0.0, 0.04, 0.05)))
    assert text.startswith("Highest accuracy so far: c with 77.0 % (95 % CI ")
    assert text.endswith(
        f"). It cannot be called best: b may be better by up to 0.96 points {METHOD}. "
        "Behind the best: a by up to 7.0 points."
    )


def test_three_seeds_are_provisional():
    """A call on three or four seeds says so; where no arm is called, there is nothing to qualify."""
    text = best_sentence(best_of(arms(0.0, 0.03, 0.08, n_seeds=3)))
    assert text.endswith(" Provisional: with only 3 seeds this may still change.")
    assert "Provisional" not in best_sentence(best_of(arms(0.0, 0.04, 0.05, n_seeds=3)))


def test_many_arms_are_counted():
    """At most four arms are named one by one; of the others, how many and the farthest."""
    text = best_sentence(best_of(arms(0.0, 0.0, 0.0, 0.0, 0.0, 0.001)))
    assert "It cannot be called best: a, b, c and 2 other arms may be better by up to 2.3 points (" in text
    behind = best_sentence(best_of(arms(0.0, 0.01, 0.02, 0.03, 0.04, 0.2)))
    assert behind.endswith(
        " Behind the best: e by up to 19 points, d by up to 20 points, c by up to 21 points and 2 other arms by up to "
        "23 points."
    )


# ---------------------------------------------------------------------- in a comparison


def test_a_comparison_of_arrays_says_which_arm_is_best():
    """In the record, its JSON, its notebook and its methods; the verdicts are as without."""
    y_true, scores, names, seeds = noisy(gain=(0.0, 0.1, 0.9))
    found = compare(y_true, scores, arms=names, seeds=seeds, control="a", threshold=0.0)
    assert found.best.best == "c"
    assert found.to_dict()["best"]["sentence"] == found.best.sentence == found.sentences[0]
    assert found.best.sentence in found._repr_html_()
    assert found.methods["best arm"].startswith("multiple comparisons with the best (Hsu 1996)")
    runs = RunScores.from_scores(y_true, scores, arms=names, seeds=seeds, threshold=0.0)
    bare = compare_runs(runs, against_control(runs.arm_names, "a"), control="a")
    assert bare.best is None
    assert bare.comparisons == found.comparisons
    assert with_best(bare, runs).best == found.best


def test_a_comparison_of_two_arms_has_its_verdict_alone():
    """`best` is null in the JSON, and no method is named."""
    y_true, scores, names, seeds = noisy(gain=(0.0, 0.9))
    found = compare(y_true, scores, arms=names, seeds=seeds, threshold=0.0)
    assert found.to_dict()["best"] is None
    assert "best arm" not in found.methods


def test_no_arm_is_behind_by_more_than_is_possible():
    """Three seeds that swing from 0.05 to 0.95: limits of a difference in accuracy stay within 1."""
    found = best_of(laid_down({"a": [0.95, 0.05, 0.5], "b": [0.05, 0.95, 0.4], "c": [0.5, 0.2, 0.9]}))
    assert all(-1 <= arm.low <= arm.high <= 1 for arm in found.arms)
