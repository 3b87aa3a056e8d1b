"""Gaps between the accuracies of one network on different cases, with intervals; and the possible causes of a gap.

A gap is positive where the network is worse on the newer cases: training minus validation, validation minus test, both
with the weights of the kept epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.class_mix import within_classes
from scantrial.analysis.diagnosis.thresholds import GAP, GAP_HIGH, HIGH_ACCURACY
from scantrial.analysis.estimates import covariance_of
from scantrial.analysis.influence import Influence
from scantrial.analysis.mrmc import t_quantile
from scantrial.analysis.proportions import LEVEL, newcombe, wilson
from scantrial.analysis.selection import expected_optimism
from scantrial.analysis.single_arm import ROUNDING
from scantrial.core.errors import ShapeError
from scantrial.core.plain import Plain

Correct = NDArray[np.bool_]
Groups = NDArray[Any]

GapMethod = Literal["newcombe", "seeds and cases", "cases only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Plain):
    """A difference of accuracies on two sets of different cases.

    Parameters
    ----------
    value, low, high : as proportions; the interval ends where no difference is possible, at -1 and 1
    first, second : mean accuracy over the seeds on either set
    level : nominal coverage
    method : ``newcombe`` with one seed; ``seeds and cases`` with more; ``cases only`` where that interval is wider
    se, df : standard error and degrees of freedom; NaN for ``newcombe``, which has none
    n_seeds, n_first, n_second : runs, and cases of either set
    per_seed : the gap of each run
    class_counts_fixed : whether the design fixed how many cases of each class the first set has, and the second
    """

    value: float
    low: float
    high: float
    first: float
    second: float
    level: float
    method: GapMethod
    se: float
    df: float
    n_seeds: int
    n_first: int
    n_second: int
    per_seed: tuple[float, ...]
    class_counts_fixed: tuple[bool, bool] = (False, False)

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low > 0

    @property
    def has_interval(self) -> bool:
        """Whether anything varies: runs, or cases of a class."""
        return not math.isclose(self.low, self.high, abs_tol=ROUNDING)

    @property
    def is_large(self) -> bool:
        """Whether a gap from training to validation is large: 10 points, 7 where training accuracy is above 90 %."""
        least = GAP_HIGH.value if self.first > HIGH_ACCURACY.value else GAP.value
        return self.value >= least and self.is_beyond_chance


def case_covariance(
    correct: Correct, groups: Groups | None = None, *, classes: Groups | None = None
) -> NDArray[np.float64]:
    """Estimate how the accuracies of some runs vary together with the cases, shape (n_runs, n_runs).

    ``C = sum_k (x_ik - a_i)(x_jk - a_j) / (n (n - 1))``; with patients, the cases of one are summed first:
    ``C = P/(P - 1) sum_g U_ig U_jg``, U the sums of ``(x - a)/n``. With classes, the cases of each are a sample of
    their own, and a is the class's mean.

    Parameters
    ----------
    correct : shape (n_runs, n), whether each run decided each case rightly
    groups : shape (n,), the patient of each case, or None where each case is one of its own
    classes : shape (n,), the class of each case, where the design fixed how many of each there are; else None

    References
    ----------
    Gallas, Pennello and Myers (2007), JOSA A; Rao and Scott (1992) for patients with several cases.
    """
    right = np.atleast_2d(np.asarray(correct, dtype=np.float64))
    n = right.shape[1]
    if n < 2 or (groups is not None and len(groups) != n):
        of = "" if groups is None else f" with {len(groups)} patients"
        raise ShapeError(
            f"decisions of shape {right.shape}{of}", expected="(n_runs, n), n at least 2, a patient a case"
        )
    found = Influence(theta=right.mean(axis=1), values=right / n, strata=np.zeros(n, dtype=np.int64), method="mean")
    if classes is not None:
        found = within_classes(found, classes)
    return covariance_of(found, None if groups is None else np.unique(groups, return_inverse=True)[1])[0]


def shared_covariance(covariance: NDArray[np.float64]) -> float:
    """Return Cov2: the mean covariance of two different runs of one arm, shape (n_runs, n_runs), n_runs at least 2."""
    n = len(covariance)
    return float((covariance.sum() - np.trace(covariance)) / (n * (n - 1)))


def accuracy_gap(
    first: Correct,
    second: Correct,
    *,
    groups: tuple[Groups | None, Groups | None] = (None, None),
    classes: tuple[Groups | None, Groups | None] = (None, None),
    level: float = LEVEL,
) -> Gap:
    """Compute the gap from one set of cases to another, with its interval.

    With one run only the cases are random: Newcombe's interval. With r runs, l_j the gap of run j, s2 their
    variance and q the covariance that runs share through the cases (Cov2 of either set, added up, as the sets are
    independent): ``SE^2 = s2/r + q``, ``df = (s2 + r q)^2 / (s2^2/(r - 1))``; or the normal interval over cases alone,
    if that is wider.

    Parameters
    ----------
    first, second : shape (n_runs, n), whether each run decided each case rightly; the same runs in both
    groups : the patients of either set's cases, where several cases are of one
    classes : the classes of either set's cases, where the design fixed how many of each there are
    level : in (0, 1)

    References
    ----------
    Newcombe (1998b); Obuchowski and Rockette (1995) and Hillis (2007), with runs as readers.
    """
    right = tuple(np.atleast_2d(np.asarray(part, dtype=bool)) for part in (first, second))
    if right[0].shape[0] != right[1].shape[0] or not right[0].size or not right[1].size:
        raise ShapeError(f"decisions of shapes {right[0].shape} and {right[1].shape}", expected="the same runs in both")
    covariances = tuple(
        case_covariance(part, group, classes=of_cases)
        for part, group, of_cases in zip(right, groups, classes, strict=True)
    )
    fixed = (classes[0] is not None, classes[1] is not None)
    if len(right[0]) > 1:
        means = tuple(part.mean(axis=1) for part in right)
        sizes = (right[0].shape[1], right[1].shape[1])
        return replace(gap_over_seeds(means, covariances, sizes=sizes, level=level), class_counts_fixed=fixed)
    plain = tuple(group is None and not by_class for group, by_class in zip(groups, fixed, strict=True))
    return replace(_gap_of_one(right, covariances, plain, level), class_counts_fixed=fixed)


def _gap_of_one(
    right: tuple[NDArray[np.bool_], ...],
    covariances: tuple[NDArray[np.float64], ...],
    plain: tuple[bool, ...],
    level: float,
) -> Gap:
    intervals = []
    for part, covariance, is_plain in zip(right, covariances, plain, strict=True):
        n, share = part.shape[1], float(part.mean())
        # Patients with several cases, or fixed class counts: the number of independent cases that would vary as much.
        variance, alike = float(covariance[0, 0]), share in (0.0, 1.0)
        n_eff = n if is_plain or alike or variance == 0 else share * (1 - share) / variance
        intervals.append(wilson(share * n_eff, n_eff, level=level))
    found = newcombe(*intervals)
    return Gap(
        value=found.value,
        low=found.low,
        high=found.high,
        first=intervals[0].value,
        second=intervals[1].value,
        level=level,
        method="newcombe",
        se=math.nan,
        df=math.nan,
        n_seeds=1,
        n_first=right[0].shape[1],
        n_second=right[1].shape[1],
        per_seed=(found.value,),
    )


def gap_over_seeds(
    accuracies: tuple[NDArray[np.float64], ...],
    covariances: tuple[NDArray[np.float64], ...],
    *,
    sizes: tuple[int, int],
    level: float = LEVEL,
) -> Gap:
    """Compute the gap of two or more runs.

    Parameters
    ----------
    accuracies : shape (n_runs,) on either set
    covariances : shape (n_runs, n_runs) on either set, by `case_covariance`
    sizes : cases of either set
    """
    gaps = accuracies[0] - accuracies[1]
    r = len(gaps)
    s2 = float(gaps.var(ddof=1))
    q = max(sum(shared_covariance(covariance) for covariance in covariances), 0.0)
    se, method = math.sqrt(s2 / r + q), "seeds and cases"
    df = (s2 + r * q) ** 2 / (s2**2 / (r - 1)) if s2 > 0 else math.inf
    half = t_quantile(0.5 + level / 2, df) * se
    se_cases = math.sqrt(max(float(sum(covariance.mean() for covariance in covariances)), 0.0))
    half_cases = t_quantile(0.5 + level / 2, math.inf) * se_cases
    # The true variance over seeds and cases is at least that over cases, but its estimate can be below it.
    if half <= half_cases:
        se, df, half, method = se_cases, math.inf, half_cases, "cases only"
    value = float(gaps.mean())
    return Gap(
        value=value,
        low=max(value - half, -1.0),
        high=min(value + half, 1.0),
        first=float(accuracies[0].mean()),
        second=float(accuracies[1].mean()),
        level=level,
        method="seeds and cases" if method == "seeds and cases" else "cases only",
        se=se,
        df=df,
        n_seeds=r,
        n_first=sizes[0],
        n_second=sizes[1],
        per_seed=tuple(gaps.tolist()),
    )


# ---------------------------------------------------------------------- what a gap from validation to test is due to


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """Validation cases that training has seen in some form.

    Parameters
    ----------
    n_cases : such cases
    accuracy_without : validation accuracy on the others, at the class mix of all validation cases, mean over the runs;
        None where there are no others of some class
    lost : names of the classes of which no others are left
    is_past_unknown : whether nobody knows what the network had learnt from before this study
    """

    n_cases: int
    accuracy_without: float | None = None
    lost: tuple[str, ...] = ()
    is_past_unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSample:
    """How well a classifier tells validation and test scans apart.

    Parameters
    ----------
    auroc : of a classifier that guesses the split
    p : of its permutation test
    is_found : whether that is called shift
    """

    auroc: float
    p: float
    is_found: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftEvidence:
    """What is known about validation and test in addition to the gap; None is "not yet checked".

    Parameters
    ----------
    gap : from validation to test, at the kept epoch
    kept_by_val : whether validation cases chose the epoch
    val_accuracy_last : validation accuracy at the last epoch, mean over the runs; None where it has none
    n_epochs : epochs that the kept one was chosen from
    val_shares : share of each class among the validation cases
    test_recalls : shape (n_classes,), share of each class's test cases that are decided rightly, mean over the runs
    leakage, two_sample : from an audit of the scans
    n_suspect_labels : test cases whose label is doubtful, from an audit
    """

    gap: Gap
    kept_by_val: bool
    val_accuracy_last: float | None
    val_shares: NDArray[np.float64]
    test_recalls: NDArray[np.float64]
    leakage: Leakage | None = None
    two_sample: TwoSample | None = None
    n_suspect_labels: int | None = None
    n_epochs: int = 1


StepState = Literal["settled", "explains a part", "explains nothing", "not yet checked", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GapStep(Plain):
    """One step of the answer.

    Parameters
    ----------
    name : ``chance``, ``selection``, ``class mix``, ``leakage``, ``covariate shift``, ``label quality`` or
        ``unexplained``
    explained : points of accuracy (as a proportion) that it explains, or None
    """

    name: str
    state: StepState
    explained: float | None
    numbers: Mapping[str, Any]


def explain_gap(evidence: ShiftEvidence) -> tuple[GapStep, ...]:
    """Look for the causes of a gap between validation and test, step by step.

    Chance, selection, class mix, leakage, covariate shift, label quality, and what is left. If chance can explain the
    gap, the other steps are skipped. Nothing is called shift before the first four are done.
    """
    gap = evidence.gap
    inside = gap.low <= 0
    first = GapStep(
        name="chance",
        state="settled" if inside else "explains nothing",
        explained=gap.value if inside else None,
        numbers={"gap": gap.value, "low": gap.low, "high": gap.high},
    )
    if inside:
        return (first,)
    steps = (first, _selection(evidence), _class_mix(evidence), _leakage(evidence), _shift(evidence), _labels(evidence))
    return (*steps, _unexplained(gap, steps))


def _selection(evidence: ShiftEvidence) -> GapStep:
    last = evidence.val_accuracy_last
    if not evidence.kept_by_val:
        return GapStep(name="selection", state="explains nothing", explained=0.0, numbers={"kept_by_val": False})
    if last is None or not math.isfinite(last):
        return GapStep(name="selection", state="not yet checked", explained=None, numbers={"kept_by_val": True})
    luck = _luck_of_the_best(evidence)
    numbers = {
        "kept_by_val": True,
        "val_accuracy": evidence.gap.first,
        "val_accuracy_last": last,
        "n_epochs": evidence.n_epochs,
        "luck": luck,
    }
    return _part("selection", min(evidence.gap.first - last, luck), numbers)


def _luck_of_the_best(evidence: ShiftEvidence) -> float:
    """Return the most that picking the best of all epochs by these cases can add to validation accuracy.

    As if the epochs were equally good and their errors independent, ``SE c_n`` (see `expected_optimism`): epochs of one
    run are much alike, so that the true figure lies below it. A last epoch that is worse by more than this is worse.
    """
    accuracy, n = evidence.gap.first, evidence.gap.n_first
    return expected_optimism(math.sqrt(accuracy * (1 - accuracy) / n), evidence.n_epochs)


def _class_mix(evidence: ShiftEvidence) -> GapStep:
    if not np.isfinite(evidence.test_recalls).all():
        return GapStep(name="class mix", state="not yet checked", explained=None, numbers={})
    reweighted = float(evidence.val_shares @ evidence.test_recalls)
    numbers = {"test_accuracy": evidence.gap.second, "reweighted": reweighted}
    return _part("class mix", reweighted - evidence.gap.second, numbers)


def _leakage(evidence: ShiftEvidence) -> GapStep:
    leak = evidence.leakage
    if leak is None:
        return GapStep(name="leakage", state="not yet checked", explained=None, numbers={})
    numbers = {"n_cases": leak.n_cases, "accuracy_without": leak.accuracy_without, "lost": leak.lost}
    numbers |= {"is_past_unknown": True} if leak.is_past_unknown else {}
    if leak.n_cases and leak.accuracy_without is None:
        return GapStep(name="leakage", state="open", explained=None, numbers=numbers)
    # With no such case it is the accuracy itself, which a sum over classes would give but for rounding.
    without = leak.accuracy_without if leak.n_cases and leak.accuracy_without is not None else evidence.gap.first
    return _part("leakage", evidence.gap.first - without, numbers)


def _shift(evidence: ShiftEvidence) -> GapStep:
    found = evidence.two_sample
    if found is None:
        return GapStep(name="covariate shift", state="not yet checked", explained=None, numbers={})
    numbers = {"auroc": found.auroc, "p": found.p}
    return GapStep(
        name="covariate shift",
        state="open" if found.is_found else "explains nothing",
        explained=None if found.is_found else 0.0,
        numbers=numbers,
    )


def _labels(evidence: ShiftEvidence) -> GapStep:
    n = evidence.n_suspect_labels
    if n is None:
        return GapStep(name="label quality", state="not yet checked", explained=None, numbers={})
    # Were every doubtful label wrong and every such case counted as a mistake, so much could be explained at most.
    at_most = n / evidence.gap.n_second
    numbers = {"n_suspect": n, "at_most": at_most}
    return GapStep(name="label quality", state="open" if n else "explains nothing", explained=None, numbers=numbers)


_SMALLEST = 0.0005
"""A part that is shown as 0.0 points explains nothing."""


def _part(name: str, part: float, numbers: Mapping[str, Any]) -> GapStep:
    state: StepState = "explains a part" if part >= _SMALLEST else "explains nothing"
    return GapStep(name=name, state=state, explained=part, numbers=numbers)


def _unexplained(gap: Gap, steps: tuple[GapStep, ...]) -> GapStep:
    left = gap.value - sum(step.explained for step in steps if step.explained is not None and step.explained > 0)
    # Leakage that cannot be measured, because no unseen cases of some class are left, is not ruled out.
    waiting = [
        step.name for step in steps if step.state == "not yet checked" or (step.name, step.state) == ("leakage", "open")
    ]
    may_be_shift = not {"selection", "class mix", "leakage"} & set(waiting)
    shift = any(step.name == "covariate shift" and step.state == "open" for step in steps)
    numbers = {"left": left, "waiting": waiting, "may_be_shift": may_be_shift, "shift_found": shift}
    numbers |= {"is_past_unknown": True} if any(step.numbers.get("is_past_unknown") for step in steps) else {}
    return GapStep(name="unexplained", state="open" if left > 0 else "settled", explained=None, numbers=numbers)
