"""The statistics in the methods text: metrics with their intervals, and how arms were compared."""

from __future__ import annotations

from collections.abc import Sequence

from scantrial.analysis.cross_validation import FoldComparison
from scantrial.analysis.fold_words import OVER_FOLDS
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import order_of_grades
from scantrial.core.format import joined, percent, spread_words
from scantrial.findings.view import ReportView
from scantrial.prose.folds import over

_SCALES = {"Fisher's z": "kappa", "log odds of the share of the largest error": "the mean absolute error"}


def evaluation(view: ReportView) -> list[str]:
    """Metrics and the interval of each, by what was computed."""
    found = [arm.estimates for arm in view.evaluation.arms]
    names = list(dict.fromkeys(name for estimates in found for name in estimates))
    if not names:
        return []
    of = {name: next(estimates[name] for estimates in found if name in estimates) for name in names}
    used = {one.method for one in of.values()}
    several = max(len(one.by_seed) for one in of.values()) > 1
    means = f", each as the mean over {over(view)}" if several else ""
    said = [f"Reported on the test cases: {joined([METRICS[name].title for name in names])}{means}."]
    if {"auroc", "average_precision"} & set(names):
        said.append("Areas under curves were computed with scikit-learn [@scikit-learn].")
    said += [f"{order}." for name in names for order in _order(name, view.data.class_names)]
    level = percent(next(iter(of.values())).level)
    kinds = _kinds(used, names)
    spread = spread_words(*(len(one.by_seed) for estimates in found for one in estimates.values()))
    by_kind = f"; they use {joined(kinds)}" if kinds else ""
    if used == {OVER_FOLDS}:
        said.append(
            f"{level} confidence intervals are over the folds, with their variance corrected for shared training cases "
            "[@nadeau-bengio; @bouckaert-frank]: they account for other training sets of this size and other cases."
        )
        return said
    said.append(f"{level} confidence intervals account for {spread}{by_kind}.")
    if any(one.is_by_patient for one in of.values()):
        said.append(
            "Where patients have several cases, the intervals use the variance over patients with the correction for "
            "few of them and its degrees of freedom [@bell-mccaffrey]."
        )
    said += _class_counts(view)
    if view.curves:
        averaged = "averaged vertically over seeds, with their range as a band" if several else "shown for each run"
        said.append(f"ROC and precision-recall curves [@roc; @average-precision] are {averaged}.")
    return said


def _class_counts(view: ReportView) -> list[str]:
    """Say that the design fixed the class counts of the test cases, and for which cases the intervals then hold."""
    counts = view.data.counts.get("test", {})
    if "test" not in view.data.class_counts_fixed or not counts:
        return []
    mix = joined([f"{percent(n / sum(counts.values()), 1)} “{name}”" for name, n in counts.items()])
    return [
        "The design fixed how many test cases of each class there are, so cases count as sampled within their class "
        f"[@cochran]: intervals hold for cases of this class mix ({mix})."
    ]


def _order(metric: str, class_names: Sequence[str]) -> list[str]:
    """Say in which order a metric of grades takes the classes, with the metric's source."""
    source = {"quadratic_weighted_kappa": " [@kappa]", "mean_absolute_error": " [@mae]"}.get(metric, "")
    return [f"{said}{source}" for said in order_of_grades(metric, class_names)]


def _kinds(used: set[str], names: Sequence[str]) -> list[str]:
    """Name the kinds of intervals by the methods that were used, one for each kind of metric."""
    averaged = " and averaged F1" if {"macro_f1", "weighted_f1"} & set(names) else ""
    kinds = []
    if any(method.startswith("Wilson") for method in used):
        is_effective = any("effective number of cases" in method for method in used)
        effective = " with an effective number of cases [@korn]" if is_effective else ""
        kinds.append(f"Wilson's score [@brown]{effective} for proportions")
    if any("MOVER on Wilson" in method for method in used):
        kinds.append("the limits of each recall by the recovery of variances [@zou-donner] for balanced accuracy")
    if any(method.startswith("logit") for method in used):
        boyd = any("Boyd" in method for method in used)
        kinds.append(f"the logit scale [@qin{'; @boyd' if boyd else ''}] for areas{averaged}")
    if any("Newcombe" in method for method in used):
        kinds.append("Newcombe's score [@newcombe-2006] for ROC areas with few cases or near 1")
    if any("MOVER on the areas" in method for method in used):
        kinds.append(
            "the limits of each class's ROC area [@qin; @newcombe-2006] by the recovery of variances [@zou-donner] for "
            "their mean"
        )
    return [
        *kinds,
        *(f"{scale} for {what}" for scale, what in _SCALES.items() if any(one.startswith(scale) for one in used)),
    ]


def comparison(view: ReportView) -> list[str]:
    """How arms were compared: what is random, the covariance, equivalence, several comparisons."""
    primary = view.judgement.primary
    if view.judgement.by_fold is not None:
        return _by_fold(view, view.judgement.by_fold)
    if primary is None:
        return []
    pairings = {item.result.pairing for item in primary.comparisons}
    said = [f"Compared: {view.judgement.family}."]
    if pairings & {"paired", "unpaired"}:
        said.append(
            "Differences were analysed with seeds and cases as random effects, as in a multi-reader multi-case study "
            "with trained networks in the role of the readers [@obuchowski-rockette; @chen] and the degrees of freedom "
            "of Hillis [@hillis-2007]. A difference had to hold over seeds and cases, over cases alone and over "
            "seeds alone [@berger]: verdicts use the smallest interval that contains all three, and the largest p."
        )
    if "unpaired" in pairings:
        said.append("Arms that do not share their seeds were analysed as unpaired [@hillis-2014].")
    if "one seed" in pairings:
        said.append(
            "With one seed, a comparison accounts only for the sample of cases: it holds for these trained networks "
            "and says "
            "nothing about the arms."
        )
    if any(item.paired_proportions is not None for item in primary.comparisons):
        said.append(
            "Two networks were compared by McNemar's mid-p test [@mcnemar] with the interval of Bonett and Price "
            "[@bonett-price]."
        )
    said += _covariance(primary.methods["covariance"])
    if len(primary.comparisons) > 1:
        said.append(
            f"p values, also those of equivalence, were adjusted over {len(primary.comparisons)} comparisons by Holm's "
            "method [@holm; @lauzon-caffo]; the intervals of the comparisons are simultaneous, by Bonferroni's method."
        )
    if primary.best is not None:
        said.append(
            "Which arm is best was judged by constrained multiple comparisons with the best [@hsu]: unions of "
            "one-sided comparisons with each arm as the control [@edwards-hsu] at Bonferroni's level, where the bound "
            "of each pair is the widest over seeds and cases, over cases alone and over seeds alone."
        )
    if view.judgement.margin is not None:
        said.append(
            f"Arms count as equivalent if two one-sided tests [@schuirmann; @lakens] place their difference within "
            f"±{view.judgement.margin:g}."
        )
        if primary.metric == "auroc":
            said.append(
                "Their standard errors are those of areas that differ by just the margin [@farrington-manning]: luck "
                "of training moves an area as in the binormal model, and its variance over cases is in proportion to "
                "that of Hanley and McNeil [@hanley-mcneil]."
            )
    if any(item.cross_check is not None for item in primary.comparisons):
        said.append("Intervals were checked by a crossed bootstrap of seeds and cases [@owen].")
    return said


def _by_fold(view: ReportView, found: FoldComparison) -> list[str]:
    """How arms were compared over folds."""
    n, several = len(found.folds), len(found.comparisons) > 1
    said = [
        f"Compared: {view.judgement.family}.",
        f"In each of the {n} folds the difference was taken, and their mean was tested by the t-test that is corrected "
        f"for training cases that folds share, with variance (1/{n} + {found.test_share:.3g}) times theirs and {n - 1} "
        "degrees of freedom [@nadeau-bengio; @bouckaert-frank]; the correction is a heuristic for random splits.",
    ]
    if several:
        said.append(
            f"p values, also those of equivalence, were adjusted over {len(found.comparisons)} comparisons by Holm's "
            "method [@holm; @lauzon-caffo]; the intervals of the comparisons are simultaneous, by Bonferroni's method."
        )
    if found.margin is not None:
        said.append(
            f"Arms count as equivalent if two one-sided tests [@schuirmann; @lakens] place their difference within "
            f"±{found.margin:g}."
        )
    return said


def _covariance(method: str) -> list[str]:
    said = []
    if "DeLong" in method:
        said.append("The covariance over cases was estimated by DeLong's method [@delong].")
    if "jackknife" in method:
        said.append("The covariance over cases was estimated by a jackknife over cases.")
    if "patients" in method:
        source = "@obuchowski-1997" if "DeLong" in method else "@rao-scott"
        said.append(f"The sampling unit is the patient, not the scan [{source}].")
    return said
