"""What a verdict rests on, at the edges."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from tests.unit.analysis.drawn import laid_down, noisy, runs_with_errors

from scantrial.analysis.comparison import compare, compare_runs
from scantrial.analysis.contrasts import difference, factorial_effects, single_arm
from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import arm_estimate
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import Components, analyse, components, global_test, largest_effect
from scantrial.analysis.runs import RunScores
from scantrial.analysis.verdict_words import verdict_sentence
from scantrial.analysis.verdicts import decide, evidence
from scantrial.core.errors import InputError

B_A = difference("b", "a")


def judged(runs, metric="accuracy", *, margin=None):
    return compare_runs(runs, [B_A], metric=metric, margin=margin).comparisons[0]


def test_nothing_varies_over_seeds():
    """b errs on five other cases than a at each seed: s2 and q are 0, so the interval over cases alone is used.

    The differences of the printed accuracies are equal only up to rounding; rounding is no spread.
    """
    own = {seed: range(60 + 5 * seed, 65 + 5 * seed) for seed in range(5)}
    shared = {seed: range(seed + 1) for seed in range(5)}
    runs = runs_with_errors({"a": shared, "b": {seed: [*shared[seed], *own[seed]] for seed in own}})
    item = judged(runs)
    assert len(set(item.result.per_seed)) > 1
    assert (item.result.s2, item.result.q, item.result.both.se) == (0, 0, 0)
    assert item.result.q_untruncated < 0
    assert item.evidence.p == item.result.cases_only.p > 0
    assert item.to_dict()["seeds_and_cases"]["p"] is None
    assert item.verdict.notes == (
        "the difference is the same at every seed, so the interval accounts for the cases only",
    )
    assert (item.evidence.low, item.evidence.high) == (item.result.cases_only.low, item.result.cases_only.high)


def test_equal_accuracies_at_every_seed_leave_an_interval():
    """An arm whose seeds all reach one accuracy with errors on different cases still has an interval of some width."""
    runs = runs_with_errors({"a": {seed: range(7 * seed, 7 * seed + 7) for seed in range(3)}})
    found = arm_estimate(estimate(runs, "accuracy"), "a")
    assert found.low < 0.92 < found.mean < 0.94 < found.high
    assert found.se == pytest.approx(math.sqrt(analyse(estimate(runs, "accuracy"), single_arm("a")).cases_only.se ** 2))


def test_a_p_of_just_alpha_is_not_below_it():
    """0.05 is not below 0.05, though 1 - 0.95 is a little more in floating point."""
    estimates = laid_down({"a": [0.7] * 5, "b": [0.73] * 5})
    result = analyse(estimates, B_A)
    verdicts = [decide(result, evidence(result), estimates, p_adjusted=p, margin=None).label for p in (0.05, 0.0499999)]
    assert verdicts == ["inconclusive", "better"]


def test_a_margin_that_is_just_reached_is_not_enough():
    """Equivalence needs a p of both one-sided tests below 0.05, and the smallest margin is where it is 0.05."""
    estimates = laid_down({"a": [0.7] * 5, "b": [0.71] * 5})
    result = analyse(estimates, B_A)
    found = evidence(result)
    edge = max(-found.equivalence_low, found.equivalence_high)
    labels = [decide(result, found, estimates, p_adjusted=1.0, margin=m).label for m in (edge, edge + 1e-9)]
    assert labels == ["inconclusive", "equivalent"]
    assert decide(result, found, estimates, p_adjusted=1.0, margin=None).smallest_margin == edge


def test_a_reason_from_outside_withholds_the_verdict():
    """A leak, say, is told in place of better."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8))
    runs_options = {"arms": arms, "seeds": seeds, "control": "a", "threshold": 0.0}
    assert compare(y_true, scores, **runs_options).comparisons[0].verdict.label == "better"
    from scantrial.analysis.runs import RunScores

    runs = RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0)
    item = compare_runs(runs, [B_A], withheld=["3 patients are in two splits"]).comparisons[0]
    assert item.verdict.label == "not enough to judge"
    assert item.verdict.reasons == ("3 patients are in two splits",)
    assert item.sentence.startswith("No verdict on b against a is possible: 3 patients are in two splits. Measured:")


@pytest.mark.parametrize("metric", ["auroc", "sensitivity", "balanced_accuracy", "average_precision", "f1", "mcc"])
def test_fewer_than_ten_positive_cases_are_not_judged(metric):
    """What rests on nine cases of a class gets no verdict; accuracy, which rests on all, does."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.8), n_positive=9)
    found = compare(y_true, scores, arms=arms, seeds=seeds, metric=metric, threshold=0.0).comparisons[0].verdict
    assert found.label == "not enough to judge"
    assert found.reasons[0].startswith("9 cases of class 1: ")
    assert found.reasons[0].endswith(" is not judged on fewer than 10")
    for other in ("accuracy", "specificity"):
        item = compare(y_true, scores, arms=arms, seeds=seeds, metric=other, threshold=0.0).comparisons[0]
        assert item.verdict.label != "not enough to judge"


@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"sensitivity", "specificity"}))
def test_perfect_arms_hold_no_information(metric):
    """Where every run is perfect there is no verdict, and the reason is told, on every metric."""
    item = judged(runs_with_errors({arm: {seed: [] for seed in range(5)} for arm in "ab"}, n_cases=70), metric)
    assert item.verdict.label == "not enough to judge"
    assert item.verdict.reasons == (
        "every run reaches the best possible value: these cases cannot tell the arms apart",
    )
    assert item.evidence.p == 1


def test_an_arm_that_is_always_right_and_one_that_never_is():
    """A difference of 1 without any spread has no error that could be given."""
    item = judged(runs_with_errors({"a": {s: range(100) for s in range(5)}, "b": {s: [] for s in range(5)}}))
    assert item.verdict.reasons == ("nothing varies over the cases, so there is no standard error",)
    assert math.isnan(item.evidence.p)
    assert item.verdict.p_adjusted == 1


def test_one_missing_run_drops_its_seed():
    """A seed that one arm lacks is left out and named; the rest stays paired."""
    y_true, scores, arms, seeds = noisy(n_seeds=5)
    whole = np.arange(10) != 8
    found = compare(y_true, scores[whole], arms=np.array(arms)[whole], seeds=np.array(seeds)[whole], metric="auroc")
    result = found.comparisons[0].result
    assert (result.pairing, result.seeds, result.dropped_seeds) == ("paired", (0, 1, 2, 4), (3,))
    assert found.notes == ("seeds left out because an arm lacks them: 3",)
    assert found.comparisons[0].verdict.provisional
    four = [run for run in range(10) if seeds[run] != 3]
    alone = compare(y_true, scores[four], arms=[arms[r] for r in four], seeds=[seeds[r] for r in four], metric="auroc")
    assert alone.comparisons[0].result.both == result.both


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 6, 7, 8]], ids=["5 and 3 seeds", "0-3, 1-3"])
def test_more_than_one_missing_run_is_unpaired(kept):
    """Where arms share too few seeds, they are readers nested in tests: SE, df and p by hand (Hillis 2014)."""
    if kept == [0, 1, 2, 3, 6, 7, 8]:
        kept = [0, 1, 2, 3, 7, 8, 9]
    y_true, scores, arms, seeds = noisy(n_seeds=5)
    found = compare(y_true, scores[kept], arms=[arms[r] for r in kept], seeds=[seeds[r] for r in kept], metric="auroc")
    result = found.comparisons[0].result
    assert result.pairing == "unpaired"
    assert result.n_seeds == 3
    assert found.notes == ("arms do not share their seeds: analysed as unpaired (Hillis 2014)",)
    from scantrial.analysis.runs import RunScores

    runs = RunScores.from_scores(y_true, scores[kept], arms=[arms[r] for r in kept], seeds=[seeds[r] for r in kept])
    estimates = estimate(runs, "auroc")
    a, b = runs.runs_of("a"), runs.runs_of("b")
    blocks = [estimates.covariance[np.ix_(x, y)] for x, y in ((a, a), (b, b), (a, b))]
    within = [(block.sum() - np.trace(block)) / (len(block) * (len(block) - 1)) for block in blocks[:2]]
    q = max(sum(within) - 2 * blocks[2].mean(), 0)
    parts = [estimates.theta[arm].var(ddof=1) / len(arm) for arm in (a, b)]
    assert result.both.se == pytest.approx(math.sqrt(sum(parts) + q))
    df = (sum(parts) + q) ** 2 / sum(part**2 / (len(arm) - 1) for part, arm in zip(parts, (a, b), strict=True))
    assert result.both.df == pytest.approx(df)


def test_arms_that_cannot_be_compared_are_named():
    """An arm without a run, one seed that no other arm has, and a word that is no pairing."""
    estimates = laid_down({"a": [0.7, 0.8], "b": [0.7]})
    with pytest.raises(InputError, match="arm c has no run\nexpected: runs of c, a"):
        analyse(estimates, difference("c", "a"))
    with pytest.raises(InputError, match="pairing 'none'\nexpected: auto or unpaired"):
        analyse(estimates, B_A, pairing="none")
    with pytest.raises(InputError) as found:
        analyse(estimates, B_A, pairing="unpaired")
    assert str(found.value) == (
        "arm b has one seed, and shares none with the others\n"
        "expected: the same seeds in every arm, or two seeds and more in each"
    )


@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan"), float("inf")])
def test_a_margin_is_positive(margin):
    """A margin of 0 or less makes no sense, and is refused."""
    y_true, scores, arms, seeds = noisy()
    with pytest.raises(InputError, match="expected: a positive number, in the metric's unit"):
        compare(y_true, scores, arms=arms, seeds=seeds, margin=margin)


@pytest.mark.parametrize("level", [0.5, 1.0, 95])
def test_a_level_is_a_probability(level):
    """95 is no level; 0.95 is."""
    y_true, scores, arms, seeds = noisy()
    with pytest.raises(InputError, match=f"level {level}\nexpected: above 0.5 and below 1, such as 0.95"):
        compare(y_true, scores, arms=arms, seeds=seeds, level=level)


def test_components_need_two_arms_and_two_seeds():
    """Where there is less there are none, and no global test."""
    assert components(laid_down({"a": [0.7, 0.8]})) is None
    assert components(laid_down({"a": [0.7], "b": [0.8]})) is None
    assert components(laid_down({"a": [0.7, 0.8], "b": [0.8, 0.8]})).n_seeds == 2
    assert components(laid_down({"a": [0.7, 0.8], "b": [0.8, 0.8]}), arms=()) is None


def test_mean_squares_by_hand():
    """Two arms, three seeds: of arms, of seeds, and of what is left."""
    found = components(laid_down({"a": [0.70, 0.72, 0.74], "b": [0.74, 0.80, 0.80]}))
    # Means of arms 0.72 and 0.78; of seeds 0.72, 0.76, 0.77; of all 0.75. What is left: 0.01, -0.01, 0 and its mirror.
    assert found.ms_arm == pytest.approx(3 * 2 * 0.03**2)
    assert found.ms_seed == pytest.approx(2 * (0.03**2 + 0.01**2 + 0.02**2) / 2)
    assert found.ms_arm_seed == pytest.approx(4 * 0.01**2 / 2)


def test_seeds_whose_errors_are_independent_share_nothing():
    """Products of two seeds' influence sum to 0 but for rounding, which counts as none."""
    of_b = 0.1 * np.linalg.qr(np.random.default_rng(1).normal(size=(8, 5)))[0].T
    moved = np.concatenate([np.zeros((5, 8)), of_b])
    estimates = replace(
        laid_down({"a": [0.7] * 5, "b": [0.7, 0.8, 0.75, 0.7, 0.8]}), influence=moved, covariance=moved @ moved.T
    )
    result = analyse(estimates, B_A)
    assert result.q_untruncated == 0
    assert [item.scope for item in (result.both, result.cases_only, result.seeds_only)] == [
        "seeds and cases",
        "cases only",
        "seeds only",
    ]


def test_a_family_is_adjusted_and_covered_together():
    """Three comparisons: Holm's p by hand, and intervals at 1 - 0.05 / 3 each."""
    y_true, scores, arms, seeds = noisy(gain=(0.0, 0.1, 0.2, 0.4))
    found = compare(y_true, scores, arms=arms, seeds=seeds, control="a", threshold=0.0)
    p = np.array([item.evidence.p for item in found.comparisons])
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.minimum(p[order] * [3, 2, 1], 1))
    assert [found.comparisons[i].verdict.p_adjusted for i in order] == pytest.approx(stepped.tolist())
    assert found.methods["multiplicity"] == "Holm over 3 comparisons; intervals by Bonferroni"
    assert found.global_test.df1 == 3
    for item in found.comparisons:
        one = analyse(
            estimate(_runs(y_true, scores, arms, seeds), "accuracy"), item.result.contrast, level=1 - 0.05 / 3
        )
        three = (one.both, one.cases_only, one.seeds_only)
        assert item.evidence.low == pytest.approx(min(each.low for each in three))
        assert item.evidence.high == pytest.approx(max(each.high for each in three))
        assert item.evidence.low < item.alone.low < item.alone.high < item.evidence.high


def _runs(y_true, scores, arms, seeds):
    from scantrial.analysis.runs import RunScores

    return RunScores.from_scores(y_true, scores, arms=arms, seeds=seeds, threshold=0.0)


def test_notes_say_what_a_reader_has_to_know():
    """A threshold that plays no part, and clipped probabilities."""
    y_true, scores, arms, seeds = noisy()
    assert compare(y_true, scores, arms=arms, seeds=seeds, metric="auroc", threshold=0.2).notes == (
        "the threshold 0.2 plays no part in AUROC",
    )
    sure = (scores > 0).astype(float)
    found = compare(y_true, sure, arms=arms, seeds=seeds, metric="log_loss")
    assert found.notes == (f"{sure.size} probabilities were clipped",)


def test_the_global_test_gives_no_p_of_0_where_nothing_varies_over_seeds():
    """Three arms that differ by the same amounts at every seed, up to rounding: F has no denominator, and no p."""
    shared = {seed: range(seed + 1) for seed in range(4)}
    wrong = {
        arm: {seed: [*shared[seed], *range(start + 5 * seed, start + 5 * seed + n)] for seed in shared}
        for arm, start, n in (("a", 20, 0), ("b", 20, 3), ("c", 50, 5))
    }
    estimates = estimate(runs_with_errors(wrong), "accuracy")
    found = components(estimates)
    assert found.cov2 < found.cov3
    assert found.ms_arm_seed == 0
    whole = global_test(found)
    assert math.isnan(whole.p)
    assert whole.to_dict()["p"] is None
    assert 0 < whole.chi2_p < 1


def test_effects_that_cancel_up_to_rounding_are_zero():
    """In a design whose second factor does nothing at all, its effect is 0 and identical, whatever rounding leaves."""
    wrong = {seed: range(3 + seed) for seed in range(5)}, {seed: range(40, 47 + seed) for seed in range(5)}
    settings = {f"{x}{y}": {"x": x, "y": y} for x in (0, 1) for y in (0, 1)}
    runs = runs_with_errors({name: wrong[chosen["x"]] for name, chosen in settings.items()}, n_cases=70)
    for metric in ("accuracy", "balanced_accuracy", "auroc"):
        estimates = estimate(runs, metric)
        for effect in factorial_effects(settings)[1:]:
            result = analyse(estimates, effect)
            assert (result.effect, result.both.se, result.both.p, result.identical) == (0, 0, 1, True)


def test_a_difference_has_to_hold_over_seeds_alone():
    """Over seeds and cases p is below 0.05, over seeds alone it is not: the p of the verdict is the larger one."""
    estimates = laid_down({"a": [0.7, 0.7, 0.7], "b": [0.7166, 0.73, 0.7434]})
    result = analyse(estimates, B_A)
    found = evidence(result)
    assert result.both.p == pytest.approx(0.0323, abs=1e-4)
    assert result.cases_only.p == pytest.approx(0.0027, abs=1e-4)
    # A paired t test over three differences by hand: t = 0.03 / (0.0134 / sqrt(3)) on 2 degrees of freedom.
    assert found.p == result.seeds_only.p == pytest.approx(2 * stats.t.sf(0.03 * math.sqrt(3) / 0.0134, 2))
    assert (found.low, found.high) == (result.seeds_only.low, result.seeds_only.high)
    assert found.low < 0
    assert found.notes == ()
    assert decide(result, found, estimates, p_adjusted=found.p, margin=None).label == "inconclusive"


def test_equivalence_of_a_family_is_adjusted():
    """Alone the arms are equivalent; among ten comparisons Holm's p of both one-sided tests is above 0.05."""
    theta = {"a": [0.70, 0.72, 0.71, 0.74, 0.73]}
    theta |= {name: [value + 0.001 for value in theta["a"]] for name in "bcdefghijk"}
    estimates = laid_down(theta)
    result = analyse(estimates, B_A)
    p = evidence(result).p_equivalence(0.02)
    assert 0.005 < p < 0.05
    alone = decide(result, evidence(result), estimates, p_adjusted=1.0, margin=0.02)
    family = decide(
        result,
        evidence(result, n_comparisons=10),
        estimates,
        p_adjusted=1.0,
        p_equivalence_adjusted=10 * p,
        margin=0.02,
    )
    assert (alone.label, family.label) == ("equivalent", "inconclusive")
    assert family.smallest_margin > alone.smallest_margin
    assert family.p_equivalence == p
    assert family.p_equivalence_adjusted == 10 * p


def test_holm_may_show_more_than_the_simultaneous_interval():
    """The second of two comparisons is judged at 0.05, its interval at 0.025: a note says which of them decides."""
    estimates = laid_down({"a": [0.7, 0.71, 0.72, 0.7, 0.71], "b": [0.721, 0.731, 0.741, 0.721, 0.731]})
    result = analyse(estimates, B_A)
    alone, family = evidence(result), evidence(result, n_comparisons=2)
    assert alone.low > 0 > family.low
    verdict = decide(result, family, estimates, p_adjusted=family.p, margin=None)
    assert verdict.label == "better"
    assert verdict.notes == (
        "the difference is the same at every seed, so the interval accounts for the cases only",
        "the simultaneous interval contains 0, but Holm's stepwise test, which is more powerful than simultaneous "
        "intervals, decides",
    )
    said = verdict_sentence(result, family, verdict, estimates)
    assert said.startswith("b is better than a by 2.1 points of accuracy (simultaneous 95 % CI −0.1 to 4.3), ")


def test_no_interval_goes_beyond_what_is_possible():
    """Ten cases, three seeds: the interval of a difference of accuracies is cut at -1 and 1."""
    wrong = {"a": {0: range(9), 1: range(3), 2: range(6)}, "b": {0: range(2, 4), 1: range(5), 2: []}}
    item = judged(runs_with_errors(wrong, n_cases=10))
    spread = [inference for inference in item.evidence.used if inference.scope == "seeds only"]
    assert spread[0].effect + 4.3 * spread[0].se > 1
    assert item.evidence.high == 1
    assert item.evidence.low >= -1
    family = evidence(item.result, n_comparisons=3)
    assert (family.high, family.equivalence_high) == (1, 1)


@pytest.mark.parametrize(
    ("patients", "n", "share"), [(None, "100 cases", "3"), (np.arange(100) // 2, "50 patients", "5.8")]
)
def test_identical_arms_may_differ_on_cases_that_were_not_seen(patients, n, share):
    """If none of n cases tells them apart, up to 1 - 0.05^(1/n) of all may: 2.95 % with 100, 5.82 % with 50 patients."""
    wrong = {seed: range(3 * seed, 3 * seed + 8) for seed in range(5)}
    runs = runs_with_errors({"a": wrong, "b": wrong}, patients=patients)
    assert judged(runs).verdict.notes == (
        "identical on this metric at every seed",
        f"the arms do not differ on any of these {n}, but they may differ on up to {share} % of all {n.split()[1]} "
        "(rule of three, 95 %); the interval of width 0 does not show this",
    )
    # A ranking says nothing of single cases.
    assert judged(runs, "auroc").verdict.notes == ("identical on this metric at every seed",)


def test_where_only_seeds_vary_there_is_no_p():
    """Without any spread over the cases one of three tests cannot be done, so neither can difference or equivalence."""
    result = analyse(laid_down({"a": [0.7, 0.71, 0.72], "b": [0.71, 0.73, 0.72]}, sd_difference=0.0), B_A)
    assert result.both.se == result.seeds_only.se > 0
    found = evidence(result)
    assert math.isnan(found.p)
    assert math.isnan(found.p_equivalence(0.5))


def shifted(gain):
    """Lay down b, `gain` beyond a at every seed, and analyse it against a; se over cases is 0.01."""
    base = [0.70, 0.72, 0.71, 0.74, 0.73]
    estimates = laid_down({"a": base, "b": [value + gain for value in base]})
    return estimates, analyse(estimates, B_A)


@pytest.mark.parametrize(("gain", "label"), [(0.03, "better"), (-0.03, "worse")])
def test_a_difference_may_be_smaller_than_the_margin(gain, label):
    """Better or worse by less than the margin is said so, in either direction; where TOST does not show it, not."""
    estimates, result = shifted(gain)
    found = evidence(result)
    verdicts = [decide(result, found, estimates, p_adjusted=found.p, margin=margin) for margin in (0.06, 0.04)]
    assert [verdict.label for verdict in verdicts] == [label, label]
    # One-sided by hand: (0.06 - 0.03) / 0.01 is 3 standard errors, (0.04 - 0.03) / 0.01 is 1.
    assert [verdict.p_equivalence for verdict in verdicts] == pytest.approx(stats.norm.sf([3, 1]).tolist())
    assert [verdict.within_margin for verdict in verdicts] == [True, False]
    assert decide(result, found, estimates, p_adjusted=1.0, margin=0.06).within_margin is False


@pytest.mark.parametrize("gain", [0.01, -0.01])
def test_holm_may_show_equivalence_that_the_simultaneous_interval_does_not(gain):
    """The second of two comparisons is tested at 0.05, and its interval is that of 0.025: a note says what decides."""
    estimates, result = shifted(gain)
    family = evidence(result, n_comparisons=2)
    reach = 0.01 + 0.01 * stats.norm.ppf(0.975)
    assert max(-family.equivalence_low, family.equivalence_high) == pytest.approx(reach)
    p = family.p_equivalence(0.028)
    asked = {"p_adjusted": 1.0, "p_equivalence_adjusted": p}
    inside, across = (decide(result, family, estimates, margin=margin, **asked) for margin in (0.03, 0.028))
    assert (inside.label, across.label) == ("equivalent", "equivalent")
    assert inside.notes == ("the difference is the same at every seed, so the interval accounts for the cases only",)
    assert across.notes == (
        *inside.notes,
        "the simultaneous interval reaches beyond the margin, but Holm's stepwise test, which is more powerful than "
        "simultaneous intervals, decides",
    )
    just = decide(result, family, estimates, margin=inside.smallest_margin, **asked)
    assert just.notes == across.notes


@pytest.mark.parametrize(("gain", "end"), [(0.03, "low"), (-0.03, "high")])
def test_an_interval_that_ends_at_0_contains_it(gain, end):
    """Where Holm's test shows a difference all the same, the note is there for better and for worse."""
    estimates, result = shifted(gain)
    found = replace(evidence(result), **{end: 0.0})
    verdict = decide(result, found, estimates, p_adjusted=0.01, margin=None)
    assert verdict.notes[-1].startswith("the simultaneous interval contains 0, but Holm's stepwise test")
    assert len(decide(result, evidence(result), estimates, p_adjusted=0.01, margin=None).notes) == 1


def test_a_p_of_equivalence_of_just_alpha_is_not_below_it():
    """0.05 shows no equivalence; and without a margin there is no p of it, whatever a family says."""
    estimates, result = shifted(0.0)
    asked = {"p_adjusted": 1.0, "margin": 0.03}
    found = [decide(result, evidence(result), estimates, p_equivalence_adjusted=p, **asked) for p in (0.05, 0.0499)]
    assert [verdict.label for verdict in found] == ["inconclusive", "equivalent"]
    without = decide(result, evidence(result), estimates, p_adjusted=1.0, margin=None, p_equivalence_adjusted=0.01)
    assert (without.label, without.p_equivalence_adjusted) == ("inconclusive", None)


@pytest.mark.parametrize("metric", ["auroc", "brier"])
def test_a_main_effect_of_arms_with_seeds_of_their_own(metric):
    """Two seeds in each of four arms, none in common: every number of the unpaired analysis by hand, weights 1/2."""
    y_true, scores, _, _ = noisy(n_seeds=2, gain=(0.0, 0.1, 0.2, 0.5))
    arms = [arm for arm in ("00", "01", "10", "11") for _ in range(2)]
    runs = RunScores.from_scores(y_true, 1 / (1 + np.exp(-scores)), arms=arms, seeds=range(8))
    estimates = estimate(runs, metric)
    effect = factorial_effects({f"{x}{y}": {"x": x, "y": y} for x in (0, 1) for y in (0, 1)})[0]
    found = analyse(estimates, effect)
    assert (found.pairing, found.n_seeds, found.seeds, found.per_seed) == ("unpaired", 2, tuple(range(8)), ())
    assert effect.weights == {"00": -0.5, "01": -0.5, "10": 0.5, "11": 0.5}
    weights = estimates.sign * np.repeat([-0.25, -0.25, 0.25, 0.25], 2)  # of each run: half a mean of two
    assert found.effect == pytest.approx(weights @ estimates.theta)
    assert found.cases_only.se == pytest.approx(math.sqrt(weights @ estimates.covariance @ weights))
    # Of pairs of runs, those within an arm are half of its block; both count as the whole block.
    same_arm = np.kron(np.eye(4), np.ones((2, 2)))
    alike = np.where(np.eye(8) == 1, 0.0, 1 + same_arm)
    q = weights @ (alike * estimates.covariance) @ weights
    terms = np.square(estimates.theta.reshape(4, 2) @ [1, -1]) / 2 / 2 / 4
    assert found.q_untruncated == pytest.approx(q)
    assert found.seeds_only.se == pytest.approx(math.sqrt(terms.sum()))
    assert found.seeds_only.df == pytest.approx(terms.sum() ** 2 / np.square(terms).sum())
    assert found.both.se == pytest.approx(math.sqrt(terms.sum() + max(q, 0)))
    assert found.s2 == pytest.approx(2 * terms.sum())
    assert found.identical is False
    scopes = [item.scope for item in (found.both, found.cases_only, found.seeds_only)]
    assert scopes == ["seeds and cases", "cases only", "seeds only"]


def test_the_largest_effect_by_hand():
    """Of two accuracies 1, of two kappas 2, of an interaction 2, of a main effect 1; one arm alone is not cut."""
    main, *_, interaction = factorial_effects({f"{x}{y}": {"x": x, "y": y} for x in (0, 1) for y in (0, 1)})
    assert set(interaction.weights.values()) == {1, -1}
    assert [largest_effect(each, "accuracy") for each in (B_A, main, interaction)] == [1, 1, 2]
    assert largest_effect(B_A, "quadratic_weighted_kappa") == 2
    assert largest_effect(single_arm("a"), "accuracy") == math.inf


def test_the_global_test_at_its_edges():
    """Three arms, five seeds: infinite degrees of freedom where no arm's seeds differ; no chi-squared of no spread."""
    asked = {"n_arms": 3, "n_seeds": 5, "n_cases": 100, "ms_arm": 0.02, "ms_seed": 0.1, "var_seed": 0.0}
    still = Components(**asked, ms_arm_seed=0.0, var_error=0.003, cov1=0.001, cov2=0.003, cov3=0.001, var_arm_seed=0.0)
    found = global_test(still)
    assert (found.statistic, found.df1, found.df2) == (pytest.approx(2), 2, math.inf)
    # The tail of chi-squared on 2 degrees of freedom is exp(-x / 2).
    assert found.p == pytest.approx(math.exp(-2))
    assert (found.chi2, found.chi2_p) == (pytest.approx(4), pytest.approx(math.exp(-2)))
    alike = Components(
        **asked, ms_arm_seed=0.01, var_error=0.001, cov1=0.001, cov2=0.001, cov3=0.001, var_arm_seed=0.01
    )
    found = global_test(alike)
    assert (found.statistic, found.df2) == (pytest.approx(2), pytest.approx(8))
    assert found.p == pytest.approx(stats.f.sf(2, 2, 8))
    assert math.isnan(found.chi2)
    assert math.isnan(found.chi2_p)


@pytest.mark.parametrize("pairing", ["auto", "unpaired"])
def test_no_inference_goes_beyond_what_is_possible(pairing):
    """Over seeds and cases, over cases and over seeds, paired or not, two accuracies differ by 1 at most."""
    up = laid_down({"a": [0.0, 0.2, 0.1], "b": [0.9, 1.0, 0.7]}, sd_difference=0.4)
    down = laid_down({"b": [0.0, 0.2, 0.1], "a": [0.9, 1.0, 0.7]}, sd_difference=0.4)
    for found in (analyse(up, B_A, pairing=pairing), analyse(down, B_A, pairing=pairing)):
        assert found.pairing == {"auto": "paired", "unpaired": "unpaired"}[pairing]
        for item in (found.both, found.cases_only, found.seeds_only):
            uncut = item.effect + math.copysign(stats.t.ppf(0.975, item.df) * item.se, item.effect)
            assert abs(uncut) > 1
            assert max(abs(item.low), abs(item.high)) == 1


def test_one_seed_says_nothing_of_training():
    """No variance over seeds, no covariance of two trainings, and only the cases are random."""
    found = analyse(laid_down({"a": [0.7], "b": [0.8]}), B_A)
    assert (found.pairing, found.both, found.seeds_only) == ("one seed", None, None)
    assert all(map(math.isnan, (found.s2, found.q, found.q_untruncated)))
    assert found.cases_only.se == pytest.approx(0.01)


def test_arms_that_share_too_few_seeds_are_paired_only_where_one_has_a_single_seed():
    """Two seeds against five are unpaired, though they are among the five; one seed is compared at that seed."""
    of_a = [0.70, 0.72, 0.71, 0.74, 0.73]
    two = analyse(laid_down({"a": of_a, "b": [0.75, 0.76]}), B_A)
    assert (two.pairing, two.n_seeds, two.dropped_seeds) == ("unpaired", 2, ())
    one = analyse(laid_down({"a": of_a, "b": [0.75]}), B_A)
    assert (one.pairing, one.seeds, one.dropped_seeds) == ("one seed", (0,), (1, 2, 3, 4))
    assert one.effect == pytest.approx(0.05)


def test_a_small_spread_is_a_spread():
    """Differences of a ten-millionth are more than rounding."""
    found = analyse(laid_down({"a": [0.7] * 3, "b": [0.7 - 1e-7, 0.7, 0.7 + 1e-7]}), B_A)
    assert found.s2 == pytest.approx(1e-14, rel=1e-6, abs=0)
