"""Comparisons by cross-validation: the corrected t-test, its verdicts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scantrial import compare_arrays
from scantrial.analysis.fold_estimates import corrected
from scantrial.core.errors import InputError, ShapeError

PUBLISHED = np.array([0.02, 0.01, 0.03, -0.01, 0.02, 0.0, 0.04, 0.01, 0.02, 0.01])
"""Differences of ten folds."""

N = 120
Y = np.arange(N) % 2


def crossed(*, arms=("a", "b"), lead=0.0, n_repeats=2, n_folds=5, n_seeds=1, spread=1.0, n=N, seed=0):
    """Return arrays of arms that share what is hard about a case; the last arm leads."""
    rng = np.random.default_rng(seed)
    y, hard = np.arange(n) % 2, rng.normal(size=n)
    rows: dict[str, list] = {name: [] for name in ("scores", "arms", "seeds", "repeats", "folds")}
    for repeat in range(n_repeats):
        fold = rng.permutation(n) % n_folds
        for arm in arms:
            for number in range(n_seeds):
                pull = 0.7 + lead * (arm == arms[-1])
                logit = pull * (2 * y - 1) + hard + spread * rng.normal(size=n)
                rows["scores"].append(1 / (1 + np.exp(-logit)))
                for name, value in zip(("arms", "seeds", "repeats", "folds"), (arm, number, repeat, fold), strict=True):
                    rows[name].append(value)
    options = {name: np.array(value) if name == "folds" else value for name, value in rows.items()}
    return y, np.array(options.pop("scores")), options


def refused(*arrays, **options) -> str:
    with pytest.raises((InputError, ShapeError)) as caught:
        compare_arrays(*arrays, **options)
    return str(caught.value)


# ---------------------------------------------------------------------- numbers


def test_the_reference_comes_out():
    """The t, p and posterior mass that baycomp gives for these differences of ten folds."""
    found, _ = corrected(PUBLISHED, 1 / 9, level=0.95)
    assert found.statistic == pytest.approx(2.27704, abs=5e-6)
    assert found.p == pytest.approx(0.048798, abs=5e-7)
    assert 1 - found.p / 2 == pytest.approx(0.975601, abs=5e-7)
    assert found.df == 9


def test_a_comparison_is_the_formula_by_hand():
    """Values in each fold, averaged over seeds; their variance times 1/J + 1/4; Student's t with J - 1."""
    y, scores, options = crossed(n_seeds=3, lead=0.5)
    found = compare_arrays(y, scores, metric="auroc", margin=0.05, **options)
    d = []
    for repeat in (0, 1):
        fold = options["folds"][options["repeats"].index(repeat)]
        for k in range(5):
            means = []
            for arm in ("a", "b"):
                rows = [i for i in range(len(scores)) if options["arms"][i] == arm and options["repeats"][i] == repeat]
                inside = scores[rows][:, fold == k]
                wins = inside[:, y[fold == k] == 1][:, :, None] > inside[:, y[fold == k] == 0][:, None, :]
                means.append(wins.mean())
            d.append(means[1] - means[0])
    se = np.sqrt((1 / 10 + 1 / 4) * np.var(d, ddof=1))
    (compared,) = found.comparisons
    assert compared.result.by_fold == pytest.approx(d)
    assert compared.evidence.effect == pytest.approx(np.mean(d))
    assert compared.evidence.p == pytest.approx(2 * stats.t.sf(abs(np.mean(d)) / se, 9))
    wide = stats.t.ppf(0.975, 9) * se
    assert (compared.evidence.low, compared.evidence.high) == pytest.approx((np.mean(d) - wide, np.mean(d) + wide))
    assert compared.verdict.p_equivalence == pytest.approx(stats.t.sf((0.05 - abs(np.mean(d))) / se, 9))
    arm = found.arm("a")
    assert arm.sd == pytest.approx(np.std(arm.by_fold, ddof=1))
    assert arm.se == pytest.approx(arm.sd * np.sqrt(0.35))
    assert (found.test_share, len(found.folds), found.n_cases) == (0.25, 10, N)


def test_folds_of_unequal_size_take_the_mean_share():
    """Each fold's test cases over its training cases, averaged; a note says so."""
    y, scores, options = crossed(n_repeats=1)
    fold = np.repeat([0, 1, 2], [20, 40, 60])
    found = compare_arrays(y, scores, metric="accuracy", **(options | {"folds": fold}))
    assert found.test_share == pytest.approx((20 / 100 + 40 / 80 + 60 / 60) / 3)
    assert any("folds of 20 to 60 cases count alike; 0.567 test cases" in note for note in found.notes)


def test_losses_are_turned_round_and_scores_are_never_pooled():
    """A lower log loss is better; a monotone change of one fold's scores moves no AUROC."""
    y, scores, options = crossed(lead=2.0)
    (compared,) = compare_arrays(y, scores, metric="log_loss", **options).comparisons
    assert compared.evidence.effect > 0
    before = compare_arrays(y, scores, metric="auroc", **options)
    moved = np.where(options["folds"] == 0, scores / 10, scores)
    assert compare_arrays(y, moved, metric="auroc", **options).comparisons[0].result == before.comparisons[0].result


# ---------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("lead", "options", "label"),
    [
        (2.5, {}, "better"),
        (-0.7, {}, "worse"),
        (0.0, {}, "inconclusive"),
        (0.0, {"margin": 0.3}, "equivalent"),
        (2.5, {"metric": "sensitivity"}, "better"),
    ],
)
def test_verdicts_are_those_of_the_rule(lead, options, label):
    """With the words of every other comparison, and what the interval counts."""
    y, scores, arrays = crossed(lead=lead)
    found = compare_arrays(y, scores, **({"metric": "auroc"} | options), **arrays)
    (compared,) = found.comparisons
    assert compared.verdict.label == label
    assert (
        "new training cases and the limited number of cases (120 cases in 10 folds of 2 repeats)" in compared.sentence
    )
    assert any("heuristic that was derived for random splits" in note for note in found.notes)
    assert compared.by_fold in found._repr_html_()


def test_few_folds_are_provisional_or_give_no_verdict():
    """Two differences give none, three or four a provisional one."""
    labels = {}
    for n_folds in (2, 4, 5):
        y, scores, options = crossed(lead=3.0, n_repeats=1, n_folds=n_folds, spread=0.1, n=400)
        (compared,) = compare_arrays(y, scores, metric="accuracy", **options).comparisons
        labels[n_folds] = (compared.verdict.label, "Provisional: with only" in compared.sentence)
    assert labels == {2: ("not enough to judge", False), 4: ("better", True), 5: ("better", False)}


def test_p_is_adjusted_over_the_family():
    """Holm over three pairs, Bonferroni's intervals; against a control over two."""
    y, scores, options = crossed(arms=("a", "b", "c"), lead=0.4)
    pairs = compare_arrays(y, scores, metric="auroc", **options).comparisons
    smallest = min(pairs, key=lambda item: item.evidence.p)
    assert smallest.verdict.p_adjusted == pytest.approx(min(1.0, 3 * smallest.evidence.p))
    assert smallest.evidence.high - smallest.evidence.low > smallest.alone.high - smallest.alone.low
    names = [item.name for item in compare_arrays(y, scores, control="a", **options).comparisons]
    assert names == ["b - a", "c - a"]


def test_equal_differences_are_evidence_only_of_identical_arms():
    """The same scores in both arms are equivalent; a difference of 0 in every fold by chance is not enough."""
    y, scores, options = crossed(n_repeats=1)
    same = compare_arrays(y, scores[[0, 0]], margin=0.05, **options)
    assert same.comparisons[0].verdict.label == "equivalent"
    assert "identical on this metric in every fold" in same.comparisons[0].sentence
    right = np.where(y == 1, 0.9, 0.1)
    first, second = right.copy(), right.copy()
    for k in range(5):
        inside = np.flatnonzero(options["folds"][0] == k)
        first[inside[0]] = 1 - first[inside[0]]
        second[inside[1]] = 1 - second[inside[1]]
    (compared,) = compare_arrays(y, np.array([first, second]), margin=0.05, **options).comparisons
    assert compared.verdict.label == "not enough to judge"
    assert "the difference is the same in every fold" in compared.sentence
    assert np.isnan(same.arm("a").low) == (same.arm("a").sd == 0)


def test_arms_that_say_one_class_and_rare_classes_get_no_verdict():
    """Where every run gives all cases one class; where a class that the metric rests on has fewer than 10 cases."""
    y, scores, options = crossed()
    said = compare_arrays(y, np.full_like(scores, 0.2), **options).comparisons[0].sentence
    assert "every run gives all cases the same class (class 0)" in said
    rare = np.zeros(N, dtype=int)
    rare[[int(np.flatnonzero(options["folds"][0] == k)[0]) for k in range(5)]] = 1
    (compared,) = compare_arrays(rare, scores, metric="specificity", **options).comparisons
    assert compared.verdict.label != "not enough to judge"
    one = options | {"folds": options["folds"][0], "repeats": None}
    keep = [0, 1]
    picked = {name: value if name in ("folds", "repeats") else [value[i] for i in keep] for name, value in one.items()}
    (compared,) = compare_arrays(rare, scores[keep], metric="sensitivity", **picked).comparisons
    assert "5 cases of class 1: Sensitivity is not judged on fewer than 10" in compared.sentence


def test_folds_of_one_case_are_judged():
    """Each run then gives its one case one class, which is no fault."""
    y, scores, options = crossed(lead=3.0, n_repeats=1, n_folds=N)
    (compared,) = compare_arrays(y, scores, **options).comparisons
    assert (compared.verdict.label, compared.result.inference.df) == ("better", N - 1)


def test_scores_of_the_other_class_are_warned_of():
    """An arm whose whole interval of AUROC lies below 0.5."""
    y, scores, options = crossed(lead=1.5)
    turned = np.where(np.array(options["arms"])[:, None] == "b", 1 - scores, scores)
    (warning,) = compare_arrays(y, turned, metric="accuracy", **options).warnings
    assert warning.startswith("AUROC of b is 0.0")


# ---------------------------------------------------------------------- what is refused


def test_classes_that_folds_lack_are_named():
    """AUROC needs both classes in each fold; accuracy does not."""
    y, scores, options = crossed(n_repeats=1)
    fold = np.where(y == 0, np.arange(N) % 5, np.arange(N) % 3)
    told = refused(y, scores, metric="auroc", **(options | {"folds": fold}))
    assert "AUROC is undefined in 2 of 5 folds:" in told
    assert "fold 3: no case is of class 1" in told
    assert "divide the cases into folds by class" in told
    compare_arrays(y, scores, metric="accuracy", **(options | {"folds": fold}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"folds": np.zeros(N, dtype=int), "repeats": None}, "one fold only in repeat 0, expected two or more"),
        ({"folds": np.arange(N) / 2}, "folds of type float64"),
        ({"folds": np.arange(N - 1)}, "folds of shape (119,)"),
        ({"repeats": [0, 0, 1]}, "repeats of shape (3,)"),
        ({"folds": np.arange(N) % 5}, "repeats 0, 1 have the same folds: they are seeds of one repeat"),
        ({"seeds": [0, 0, 0]}, "4 arms, 3 seeds and 120 cases"),
        ({"repeats": [0, 0, 0, 1]}, "the runs of repeat 0 have different folds"),
        ({"patients": np.arange(N) // 2}, "patients in more than one fold, so scans of a patient are tested by"),
        ({"class_counts_fixed": True}, "class_counts_fixed with folds"),
        ({"folds": None}, "repeats without folds"),
        ({"metric": "acuracy"}, "did you mean 'accuracy'"),
    ],
)
def test_folds_that_are_no_cross_validation_are_refused(changed, message):
    """Each with what was found."""
    y, scores, options = crossed()
    assert message in refused(y, scores, **(options | changed))


def test_arms_have_to_share_the_folds():
    """An arm without one of the repeats is named."""
    y, scores, options = crossed()
    first = {name: value[:3] for name, value in options.items()}
    assert "arm b has no run in fold 0 of repeat 1" in refused(y, scores[:3], **first)


def test_folds_given_as_seeds_are_recognised():
    """Rows that know only their own fold, and say so with NaN, are pointed to folds=; other gaps are not."""
    y, scores, options = crossed(n_repeats=1)
    rows = [np.where(options["folds"][0] == k, row, np.nan) for row in scores for k in range(5)]
    told = refused(y, np.array(rows), arms=["a"] * 5 + ["b"] * 5, seeds=[*range(5)] * 2)
    assert "the 5 seeds of arm a test 24 of the 120 cases each, and share no case" in told
    assert "give compare_arrays folds=" in told
    scores[0, 0] = np.nan
    assert "a score that is not finite" in refused(y, scores, arms=["a", "b"], seeds=[0, 0])


def test_too_few_patients_are_refused():
    """A patient for each case."""
    y = np.arange(30) % 2
    scores = np.tile(y.astype(float), (2, 1))
    with pytest.raises(ShapeError, match="5 patients for 30 cases"):
        compare_arrays(y, scores, arms=["A", "B"], folds=np.arange(30) % 5, patients=list(range(5)))
