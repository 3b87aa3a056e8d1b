"""Published and independently computed numbers of multi-reader analyses, reproduced to the last printed digit.

VanDyke: 5 readers, 2 treatments, 114 cases (45 positive), ratings 1 to 5, with numbers of the R packages MRMCaov 0.3.0
(Smith and Hillis) and RJafroc. iMRMC: the simulated example of the R package iMRMC (US FDA, CC0), analysed with MRMCaov.
aSAH: the data set of the R package pROC. Only the second is in this repository; the others are read from the folder that
``$SCANTRIAL_REFDATA`` names. Files are read with the csv module, and decimal texts carry the tolerance: one unit in the
last printed digit.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from scantrial.analysis.comparison import compare
from scantrial.analysis.contrasts import difference, single_arm
from scantrial.analysis.estimates import estimate
from scantrial.analysis.intervals import area_bounds, arm_estimate, wilson_bounds
from scantrial.analysis.mrmc import analyse, components, global_test, infer
from scantrial.analysis.multiplicity import holm
from scantrial.analysis.one_seed import bonett_price, mcnemar_midp
from scantrial.analysis.power import (
    floor_over_cases,
    floor_over_seeds,
    from_components,
    power,
    smallest_difference,
)
from scantrial.analysis.runs import RunScores
from scantrial.analysis.verdicts import decide, evidence

Z95 = 1.959963984540054


def agrees(value: float, text: str) -> None:
    """Assert that a number is the printed one, within one unit of its last digit."""
    unit = Decimal(10) ** int(Decimal(text).as_tuple().exponent)
    assert abs(Decimal(value) - Decimal(text)) <= unit, f"{value!r} is not {text}"


def all_agree(values, texts: str) -> None:
    for value, text in zip(values, texts.split(), strict=True):
        agrees(float(value), text)


class Readers:
    """Ratings by treatment, reader and case, as a table on disk has them."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.treatments = sorted({row["treatment"] for row in rows})
        self.readers = sorted({int(row["reader"]) for row in rows})
        cases = sorted({int(row["case"]) for row in rows})
        truth = {int(row["case"]): int(row["truth"]) for row in rows}
        self.y_true = np.array([truth[case] for case in cases])
        self.ratings = np.full((len(self.treatments), len(self.readers), len(cases)), np.nan)
        for row in rows:
            place = (self.treatments.index(row["treatment"]), self.readers.index(int(row["reader"])))
            self.ratings[(*place, cases.index(int(row["case"])))] = float(row["rating"])

    def runs(self, *, threshold: float = 0.0, patients=None, ratings=None) -> RunScores:
        given = self.ratings if ratings is None else ratings
        t, r, n = given.shape
        return RunScores.from_scores(
            self.y_true,
            given.reshape(t * r, n),
            arms=np.repeat([str(arm + 1) for arm in range(t)], r).tolist(),
            seeds=self.readers * t,
            threshold=threshold,
            patients=patients,
        )


@pytest.fixture(scope="module")
def vandyke(refdata) -> Readers:
    return Readers(refdata / "VanDyke.csv")


@pytest.fixture(scope="module")
def imrmc() -> Readers:
    return Readers(Path(__file__).parent / "data" / "iMRMC_example.csv")


ONE_TWO = difference("1", "2")


def test_row_1_vandyke_auroc_readers_and_cases_random(vandyke):
    """Row 1: components, F, df, p, difference, SE and interval of the user guide of MRMCaov (DeLong)."""
    estimates = estimate(vandyke.runs(), "auroc")
    found = components(estimates)
    all_agree(
        (found.ms_arm, found.ms_arm_seed, found.var_error, found.cov1, found.cov2, found.cov3),
        "0.004796171 0.0005510306 0.0007921325 0.0003420090 0.0003395265 0.0002358497",
    )
    all_agree((found.var_seed, found.var_arm_seed), "0.0015364254 0.0002045840")
    both = analyse(estimates, ONE_TWO).both
    all_agree((both.statistic**2, both.df, both.p), "4.484854 15.06611 0.05123303")
    all_agree((both.effect, both.se, both.low, both.high), "-0.04380032 0.0206825 -0.0878671960 0.0002665519")
    whole = global_test(found)
    all_agree((whole.statistic, whole.df2, whole.p), "4.484854 15.06611 0.05123303")


def test_row_2_vandyke_single_arms(vandyke):
    """Row 2: each treatment alone, on its own scale and on the logit's."""
    estimates = estimate(vandyke.runs(), "auroc")
    plain = {
        "1": "0.8970370 0.03307642 12.59597 0.8253461 0.9687280",
        "2": "0.9408374 0.02150464 12.56530 0.8942155 0.9874592",
    }
    logit = {"1": "0.800357 0.949833", "2": "0.873127 0.973508"}
    for arm in "12":
        both = analyse(estimates, single_arm(arm)).both
        all_agree((both.effect, both.se, both.df, both.low, both.high), plain[arm])
        scaled = arm_estimate(estimates, arm)
        all_agree((scaled.low, scaled.high), logit[arm])
        assert scaled.method == "logit, t"


def test_row_3_vandyke_fixed_readers_and_fixed_cases(vandyke):
    """Row 3: jackknife; readers fixed (chi-squared), and cases fixed (a paired t-test over readers)."""
    estimates = estimate(vandyke.runs(), "auroc", covariance="jackknife")
    found = components(estimates)
    all_agree(
        (found.var_error, found.cov1, found.cov2, found.cov3), "0.0008022883 0.0003466137 0.0003440748 0.0002390284"
    )
    result = analyse(estimates, ONE_TWO)
    cases = result.cases_only
    all_agree(
        (cases.statistic**2, cases.p, cases.se, cases.low, cases.high),
        "5.475953 0.01927984 0.01871748 -0.08048591 -0.00711473",
    )
    whole = global_test(found)
    all_agree((whole.chi2, whole.chi2_p), "5.475953 0.01927984")
    seeds = result.seeds_only
    assert seeds.df == pytest.approx(4)
    all_agree(
        (seeds.statistic**2, seeds.p, seeds.se, seeds.low, seeds.high),
        "8.704 0.04195875 0.01484629 -0.08502022 -0.00258042",
    )
    by_hand = stats.ttest_rel(*(estimates.theta[estimates_of] for estimates_of in (slice(0, 5), slice(5, 10))))
    assert seeds.p == pytest.approx(by_hand.pvalue, rel=1e-9)


def test_row_4_vandyke_sensitivity(vandyke):
    """Row 4: sensitivity at a rating of 3 or more; only positive cases carry its covariance."""
    estimates = estimate(vandyke.runs(threshold=2.5), "sensitivity")
    found = components(estimates)
    all_agree(
        (found.var_error, found.cov1, found.cov2, found.cov3, found.var_arm_seed),
        "0.0023681257 0.0009943883 0.0010145903 0.0006604938 0.0007828283",
    )
    both = analyse(estimates, ONE_TWO).both
    all_agree((both.statistic**2, both.df, both.p), "6.689493 15.71732 0.02008822")
    all_agree((both.effect, both.se, both.low, both.high), "-0.09777778 0.03780451 -0.1780371 -0.0175185")


def test_row_5_what_the_verdict_on_vandyke_is_drawn_from(vandyke):
    """Row 5: the larger p decides, so that treatments 1 and 2 stay undecided; the two one-sided tests agree."""
    estimates = estimate(vandyke.runs(), "auroc")
    result = analyse(estimates, ONE_TWO)
    all_agree((result.cases_only.se, result.cases_only.p), "0.01859926 0.0185252")
    found = evidence(result)
    agrees(found.p, "0.0512")
    all_agree((result.both.equivalence_low, result.both.equivalence_high), "-0.0800474 -0.0075533")
    agrees(result.both.p_equivalence(0.10), "0.00792548")
    verdict = decide(result, found, estimates, p_adjusted=found.p, margin=None)
    assert verdict.label == "inconclusive"
    assert decide(result, found, estimates, p_adjusted=found.p, margin=0.1).label == "equivalent"


def test_row_5_what_the_verdict_on_imrmc_is_drawn_from(imrmc):
    """Row 5: standard error and p over cases alone of the iMRMC example."""
    cases = analyse(estimate(imrmc.runs(), "auroc"), ONE_TWO).cases_only
    all_agree((cases.se, cases.p), "0.03770113 0.05365015")


def test_row_6_imrmc_auroc(imrmc):
    """Row 6: MRMCaov run on the iMRMC example (DeLong), both treatments together and each alone."""
    estimates = estimate(imrmc.runs(), "auroc")
    found = components(estimates)
    all_agree(
        (found.var_error, found.cov1, found.cov2, found.cov3, found.ms_arm_seed),
        "0.0030686018 0.0017855769 0.0017416466 0.0011740435 0.0012016211",
    )
    both = analyse(estimates, ONE_TWO).both
    all_agree((both.statistic**2, both.df, both.p), "3.275394922 45.20740409 0.0769769145")
    all_agree((both.effect, both.se, both.low, both.high), "-0.07275 0.04019769605 -0.153702065 0.008202065")
    for arm, texts in (("1", "0.692875 0.05513520859 28.6410905"), ("2", "0.765625 0.06358455625 10.77313632")):
        alone = analyse(estimates, single_arm(arm)).both
        all_agree((alone.effect, alone.se, alone.df), texts)


def test_row_7_imrmc_clustered_by_patient(imrmc):
    """Row 7: two cases a patient, one of either class; influence values are summed over patients."""
    patients = [case % 40 for case in range(80)]
    both = analyse(estimate(imrmc.runs(patients=patients), "auroc"), ONE_TWO).both
    all_agree((both.se, both.df, both.p), "0.04586442 76.61408 0.1168137")


def test_row_8_imrmc_accuracy(imrmc):
    """Row 8: accuracy, positive above a score of 1."""
    estimates = estimate(imrmc.runs(threshold=1.0), "accuracy")
    result = analyse(estimates, ONE_TWO)
    all_agree([arm_estimate(estimates, arm).mean for arm in "12"], "0.64 0.6825")
    both = result.both
    all_agree((both.statistic**2, both.df, both.p), "1.18719775 11.044201 0.29909871")
    all_agree((both.se, both.low, both.high), "0.03900564 -0.12830893 0.04330893")


def test_row_9_three_arms(vandyke):
    """Row 9: a third arm with the readers of the first moved on by one; pooled F, and the contrast of 2 and 3 alone."""
    third = np.roll(vandyke.ratings[0], 1, axis=0)
    estimates = estimate(vandyke.runs(ratings=np.stack([*vandyke.ratings, third])), "auroc")
    found = components(estimates)
    whole = global_test(found)
    all_agree((whole.statistic, whole.df2, whole.p), "1.187073481 8.411164713 0.3514759999")
    assert whole.df1 == 2
    pooled = np.sqrt(2 / 5 * (found.ms_arm_seed + 5 * max(found.cov2 - found.cov3, 0)))
    agrees(pooled, "0.03282410346")
    both = analyse(estimates, difference("2", "3")).both
    all_agree((both.se, both.df, both.p), "0.03354816 5.335031 0.2451563")


def test_row_9b_unpaired_seeds(imrmc):
    """Row 9b: the iMRMC example as if no reader had read under both treatments."""
    result = analyse(estimate(imrmc.runs(), "auroc"), ONE_TWO, pairing="unpaired")
    all_agree((result.q, result.both.se, result.both.df, result.both.p), "0.00089059 0.06700886 10.957954 0.30092827")


def test_row_10_power_from_vandyke(vandyke):
    """Row 10: the examples of RJafroc's test suite: power with readers, cases or both random, and cases needed."""
    found = components(estimate(vandyke.runs(), "auroc", covariance="jackknife"))
    variances, delta = from_components(found, source="pilot"), 0.043800322
    agrees(power(variances, delta, n_seeds=10, n_cases=165, test="seeds and cases"), "0.80541995")
    agrees(power(variances, delta, n_seeds=10, n_cases=131, test="cases only"), "0.80091813")
    agrees(power(variances, delta, n_seeds=10, n_cases=53, test="seeds only"), "0.80496663")
    enough, fewer = (power(variances, delta, n_seeds=6, n_cases=n, test="seeds and cases") for n in (251, 250))
    assert fewer < 0.8 <= enough
    own = variances.var_arm_seed + 114 / 165 * (variances.error - variances.excess)
    den = own + 114 / 165 * 10 * variances.excess
    all_agree((10 * delta**2 / (2 * den), den**2 * 9 / own**2), "8.209597 62.70728")


def test_row_11_smallest_differences_from_imrmc(imrmc):
    """Row 11: the smallest difference with power 0.80, and what no number of seeds or of cases goes below."""
    variances = from_components(components(estimate(imrmc.runs(), "auroc")), source="pilot")
    agrees(smallest_difference(variances, n_seeds=5, n_cases=80, test="seeds and cases"), "0.115081")
    agrees(smallest_difference(variances, n_seeds=10, test="seeds and cases"), "0.104245")
    agrees(smallest_difference(variances, n_seeds=5, n_cases=400, test="seeds and cases"), "0.065767")
    agrees(floor_over_seeds(variances), "0.094393")
    agrees(floor_over_cases(variances, n_seeds=5), "0.052450")


@pytest.fixture(scope="module")
def bleeding(refdata):
    """Estimates of two markers of aSAH, as two arms of one seed."""
    with (refdata / "aSAH.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    poor = np.array([int(row["outcome"] == "Poor") for row in rows])
    markers = np.array([[float(row[name]) for row in rows] for name in ("s100b", "ndka")])
    return estimate(RunScores.from_scores(poor, markers, arms=["s100b", "ndka"], seeds=[0, 0]), "auroc")


def test_row_12_delong_on_asah(bleeding):
    """Row 12: pROC's areas, DeLong variance, interval, interval on the logit scale, and paired test."""
    all_agree(bleeding.theta, "0.7313685637 0.6119579946")
    agrees(bleeding.covariance[0, 0], "0.002668682457")
    alone = analyse(bleeding, single_arm("s100b")).cases_only
    all_agree((alone.low, alone.high), "0.6301182 0.8326189")
    scaled = arm_estimate(bleeding, "s100b")
    all_agree((scaled.low, scaled.high), "0.61921694 0.82008575")
    paired = analyse(bleeding, difference("s100b", "ndka"))
    all_agree((paired.cases_only.statistic, paired.cases_only.p), "1.390770026 0.1642951752")
    assert (paired.pairing, paired.both) == ("one seed", None)


def test_row_13_one_seed_of_vandyke(vandyke):
    """Row 13: reader 5 alone is a paired DeLong test, and no verdict on the arms."""
    found = compare(
        vandyke.y_true, vandyke.ratings[:, 4], arms=["1", "2"], seeds=[5, 5], metric="auroc", control="2", threshold=2.5
    )
    all_agree([found.arm(arm).mean for arm in "12"], "0.82979066 0.92995169")
    compared = found.comparisons[0]
    all_agree((compared.result.cases_only.statistic, compared.evidence.p), "-2.287716 0.022154")
    assert compared.verdict.label == "not enough to judge"


def test_row_14_mcnemar():
    """Row 14: mid-p of Fagerland et al. (2013); with the point probability added it is the exact p of R and statsmodels."""
    agrees(mcnemar_midp(1, 7), "0.0390625")
    for b, c, exact in ((1, 7, "0.0703125"), (150, 86, "0.000037159")):
        point = float(stats.binom.pmf(min(b, c), b + c, 0.5))
        agrees(mcnemar_midp(b, c) + point, exact)
        assert mcnemar_midp(b, c) + point == pytest.approx(mcnemar([[0, b], [c, 0]], exact=True).pvalue, rel=1e-9)
    all_agree(bonett_price(1, 7, 21), "-0.508359 -0.013380")


@pytest.mark.parametrize(
    ("right", "n", "texts"), [(81, 263, "0.2553 0.3662"), (0, 20, "0 0.1611"), (372, 400, "0.9007 0.9511")]
)
def test_row_15_wilson(right, n, texts):
    """Row 15: Wilson's interval as Newcombe (1998) prints it, and as statsmodels computes it."""
    found = wilson_bounds(right / n, n, quantile=Z95)
    low, high = texts.split()
    assert found[0] == 0 if low == "0" else agrees(found[0], low) is None
    agrees(found[1], high)
    assert found == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-12)


def test_newcombes_score_interval_of_an_area():
    """The example in the documentation of the R package SingleCaseES: 11 / 12 of six and seven, his method 5.

    R's uniroot stops at 1.2e-4 from the root.
    """
    found = area_bounds(11 / 12, 6, 7, quantile=Z95)
    assert found == pytest.approx((0.5973406, 0.9860176), abs=1.2e-4)


def test_row_16_wilson_with_an_effective_number_of_cases(vandyke):
    """Row 16: accuracy of treatment 1 at a rating of 3 or more, readers included."""
    found = arm_estimate(estimate(vandyke.runs(threshold=2.5), "accuracy"), "1")
    all_agree(
        (found.mean, found.se, found.df, found.n_effective, found.low, found.high),
        "0.84210526 0.03183794 8.56987 131.1729 0.756704 0.901434",
    )


def test_row_19_two_one_sided_tests():
    """Row 19: the paired example of TOSTER, within 1e-4."""
    n, sd1, sd2, r, bound = 65, 1.17, 1.29, 0.75, 0.350782
    se = float(np.sqrt((sd1**2 + sd2**2 - 2 * r * sd1 * sd2) / n))
    found = infer(5.83 - 5.75, se, n - 1, scope="seeds only", level=0.95)
    assert (found.effect + bound) / found.se == pytest.approx(3.960381, abs=1e-4)
    assert (found.effect - bound) / found.se == pytest.approx(-2.489426, abs=1e-4)
    assert found.p_equivalence(bound) == pytest.approx(0.00770235, abs=1e-4)
    assert float(stats.t.sf(3.960381, n - 1)) == pytest.approx(9.531728e-05, abs=1e-4)
    assert (found.equivalence_low, found.equivalence_high) == pytest.approx((-0.1015433, 0.2615433), abs=1e-4)


def test_row_20_holm():
    """Row 20: Holm's adjustment, as statsmodels has it."""
    given = [0.01, 0.02, 0.03, 0.04, 0.05]
    assert holm(given) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09], abs=1e-12)
    assert holm(given) == pytest.approx(multipletests(given, method="holm")[1], abs=1e-12)


def test_row_21_average_precision_and_brier_score():
    """Row 21: the values in scikit-learn's documentation, as the comparison computes them."""
    scores = np.array([[0.1, 0.4, 0.35, 0.8]])
    runs = RunScores.from_scores(np.array([0, 0, 1, 1]), scores, arms=["a"], seeds=[0])
    agrees(estimate(runs, "average_precision").theta[0], "0.8333")
    runs = RunScores.from_scores(np.array([0, 1, 1, 0]), np.array([[0.1, 0.9, 0.8, 0.3]]), arms=["a"], seeds=[0])
    agrees(estimate(runs, "brier").theta[0], "0.0375")


def test_row_21_interval_of_average_precision_with_one_seed():
    """Row 21: Boyd et al. (2013) for an average precision of 0.75 with 50 positive cases.

    25 positives stand alone at the top; the other 25 are tied with 50 negatives: (25 * 1 + 25 * 50 / 100) / 50.
    """
    y_true = np.array([1] * 50 + [0] * 50)
    scores = np.array([[2.0] * 25 + [1.0] * 75])
    found = arm_estimate(
        estimate(RunScores.from_scores(y_true, scores, arms=["a"], seeds=[0]), "average_precision"), "a"
    )
    assert found.mean == pytest.approx(0.75, abs=1e-12)
    all_agree((found.low, found.high), "0.612656 0.850526")
