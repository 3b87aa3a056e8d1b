"""Arms compared by cross-validation: is a newly trained B better than a newly trained A?

In every fold of every repeat both arms are trained on the same cases and tested on the same others; ``d_j`` is the
difference in one fold, the mean over its seeds. Two folds share most of their training cases, so the J differences go
together, and a plain t-test finds differences that are none. The variance of their mean is therefore corrected:
``(1 / J + n_test / n_train) s2(d)``, Student's t with ``J - 1`` degrees of freedom (Nadeau and Bengio 2003; Bouckaert
and Frank 2004). This is a heuristic that was derived for random splits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis import fold_words as words
from scantrial.analysis.contrasts import Contrast, against_control, all_pairs
from scantrial.analysis.direction import OF_ARRAYS, below_chance_by_fold, direction_warnings
from scantrial.analysis.empty_scores import empty_scores
from scantrial.analysis.few_cases import small_classes
from scantrial.analysis.fold_estimates import FoldArm, FoldDifference, Values, arm_by_fold, corrected, values_by_fold
from scantrial.analysis.folds import Folds, folds_of_arrays
from scantrial.analysis.metric_names import check_comparison
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import ROUNDING, infer, largest_effect
from scantrial.analysis.multiplicity import holm, simultaneous_level
from scantrial.analysis.verdict_words import sentence_on
from scantrial.analysis.verdicts import FEW_SEEDS, MIN_SEEDS, Adjusted, Evidence, Verdict, verdict_on
from scantrial.core.format import NONE, minus, percent
from scantrial.core.notebook import notebook_html
from scantrial.core.plain import Plain, fields_of
from scantrial.core.positive import positive_class

MIN_FOLDS, FEW_FOLDS = MIN_SEEDS, FEW_SEEDS
"""Differences, over all repeats, below which there is no verdict, and below which it is provisional."""

COLUMNS = ("comparison", "difference", "interval", "p adjusted", "verdict", "by fold")
"""Of a table of comparisons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFacts(Plain):
    """One fold: its numbers of cases; `n_by_class` are those that it tests."""

    repeat: int
    fold: int
    n_test: int
    n_train: int
    n_by_class: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldCompared(Plain):
    """One comparison of the family.

    Parameters
    ----------
    evidence : with the interval that holds for all comparisons of the family together
    alone : the same for this comparison alone
    sentence : the verdict with its numbers
    by_fold : the differences by fold in words
    """

    result: FoldDifference
    evidence: Evidence
    alone: Evidence
    verdict: Verdict
    sentence: str
    by_fold: str

    @property
    def name(self) -> str:
        """The contrast's name."""
        return self.result.contrast.name

    def row(self) -> tuple[str, ...]:
        """Return what a table shows; the effect is positive where better."""
        found = self.evidence
        p = self.verdict.p_adjusted
        return (
            self.name,
            minus(f"{found.effect:+.4g}"),
            minus(f"{found.low:.4g} to {found.high:.4g}"),
            NONE if math.isnan(p) else f"{p:.3g}",
            self.verdict.label,
            self.by_fold,
        )

    def _content(self) -> dict[str, Any]:
        result, found, alone = self.result, self.evidence, self.alone
        return {
            "name": self.name,
            "kind": result.contrast.kind,
            "weights": result.contrast.weights,
            "effect": found.effect,
            "se": result.inference.se,
            "df": result.inference.df,
            "p": found.p,
            "p_adjusted": self.verdict.p_adjusted,
            "interval": {"low": alone.low, "high": alone.high, "level": found.level},
            "equivalence_interval": {"low": alone.equivalence_low, "high": alone.equivalence_high},
            "simultaneous_interval": {"low": found.low, "high": found.high},
            "simultaneous_equivalence_interval": {"low": found.equivalence_low, "high": found.equivalence_high},
            "s2": result.s2,
            "by_fold": result.by_fold,
            "verdict": self.verdict.label,
            "verdict_details": self.verdict,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldComparison(Plain):
    """Arms compared on one metric by cross-validation.

    Parameters
    ----------
    threshold : at which decisions were made; None where the metric uses none, or runs have their own
    folds : every fold of every repeat; `by_fold` of arms and comparisons has one value for each
    n_repeats : cross-validations
    test_share : test cases for each training case, the mean over the folds; the correction's
    notes, warnings : what a reader has to know; before the verdicts
    """

    metric: str
    level: float
    margin: float | None
    control: str | None
    threshold: float | None
    n_cases: int
    n_patients: int | None
    n_by_class: tuple[int, ...]
    folds: tuple[FoldFacts, ...]
    n_repeats: int
    test_share: float
    arms: tuple[FoldArm, ...]
    comparisons: tuple[FoldCompared, ...]
    methods: Mapping[str, str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """Each verdict."""
        return tuple(item.sentence for item in self.comparisons)

    def arm(self, name: str) -> FoldArm:
        """Return one arm over the folds."""
        return next(arm for arm in self.arms if arm.arm == name)

    def _repr_html_(self) -> str:
        """Show the comparisons in a notebook."""
        return notebook_html(
            f"{METRICS[self.metric].title}, positive is better ({percent(self.level)} CI, {self.n_cases} cases in "
            f"{len(self.folds)} folds)",
            columns=COLUMNS,
            rows=[item.row() for item in self.comparisons],
            lines=[*self.warnings, *self.sentences, *self.notes],
        )

    def _content(self) -> dict[str, Any]:
        direction = {"higher_is_better": METRICS[self.metric].higher_is_better, "positive_effect": "better"}
        named = {"positive_class": positive_class(self.class_names), "design": "cross-validation"}
        return {"metric": self.metric, **direction, **named, **fields_of(self)}


def compare_arrays_by_fold(  # noqa: PLR0913 - the arrays and the choices of a whole analysis, in one call
    y_true: NDArray[Any],
    scores: NDArray[Any],
    *,
    arms: Sequence[str],
    folds: NDArray[Any],
    seeds: Sequence[int] | None = None,
    repeats: Sequence[int] | None = None,
    patients: Sequence[Any] | NDArray[Any] | None = None,
    metric: str = "accuracy",
    threshold: float = 0.5,
    margin: float | None = None,
    control: str | None = None,
    level: float = 0.95,
    class_names: Sequence[str] = (),
) -> FoldComparison:
    """Compare arms by out-of-fold scores, and give a verdict on each comparison.

    Parameters
    ----------
    scores : shape (n_runs, n_cases) or (n_runs, n_cases, n_classes): each case's from the network that was not trained
        on it; a row for each arm, repeat and seed
    folds : the fold that tests each case: shape (n_cases,), or (n_runs, n_cases) where there are several repeats
    seeds : length n_runs; default: one training of an arm in each fold
    repeats : length n_runs: of which cross-validation each row is; default: all of one
    y_true, arms, patients, metric, threshold, margin, control, level, class_names : as in
        `scantrial.analysis.comparison.compare`

    Raises
    ------
    ShapeError, InputError
        If arrays do not belong together, the folds are no cross-validations of these cases, or some fold does not give
        the metric.
    """
    found = folds_of_arrays(
        y_true,
        scores,
        arms=arms,
        seeds=[0] * len(arms) if seeds is None else seeds,
        folds=folds,
        repeats=repeats,
        patients=patients,
        threshold=threshold,
    )
    parts = tuple(replace(part, runs=part.runs.named(class_names)) for part in found.parts)
    found = replace(found, parts=parts)
    names = found.arm_names
    family = all_pairs(names) if control is None else against_control(names, control)
    compared = compare_folds(found, family, metric=metric, margin=margin, level=level, control=control)
    return replace(compared, warnings=direction_warnings(below_chance_by_fold(found, level=level), OF_ARRAYS))


def compare_folds(
    folds: Folds,
    family: Sequence[Contrast],
    *,
    metric: str = "accuracy",
    margin: float | None = None,
    level: float = 0.95,
    control: str | None = None,
    withheld: Sequence[str] = (),
) -> FoldComparison:
    """Judge a family of contrasts on one metric, which is taken in each fold and averaged.

    Parameters
    ----------
    family : the comparisons declared beforehand; their p are adjusted together (Holm 1979)
    withheld : other reasons to give no verdict, such as a choice that was made on these same cases
    """
    check_comparison(metric, margin, level)
    values, n_clipped = values_by_fold(folds, metric)
    results = [_difference(folds, values, contrast, metric, level=level) for contrast in family]
    thresholds = {part.runs.threshold for part in folds.parts}
    one = thresholds.pop() if len(thresholds) == 1 and METRICS[metric].needs == "labels" else None
    return FoldComparison(
        metric=metric,
        level=level,
        margin=margin,
        control=control,
        threshold=one if isinstance(one, float) else None,
        n_cases=folds.n_cases,
        n_patients=folds.n_patients,
        n_by_class=folds.n_by_class,
        folds=_facts(folds),
        n_repeats=folds.n_repeats,
        test_share=folds.test_share,
        class_names=folds.class_names,
        arms=tuple(arm_by_fold(folds, arm, metric, found, level=level) for arm, found in values.items()),
        comparisons=_judged(folds, results, margin=margin, withheld=withheld),
        methods=words.fold_methods(folds, metric, len(results)),
        notes=words.fold_notes(folds, n_clipped),
    )


def _difference(
    folds: Folds, values: Mapping[str, Values], contrast: Contrast, metric: str, *, level: float
) -> FoldDifference:
    sign = 1 if METRICS[metric].higher_is_better else -1
    d = sum((sign * weight * values[arm] for arm, weight in contrast.weights.items()), np.zeros(len(folds.parts)))
    scale = max(float(np.abs(values[arm]).max()) for arm in contrast.arms)
    d[np.abs(d) <= ROUNDING * scale] = 0.0
    found, s2 = corrected(d, folds.test_share, level=level, largest=largest_effect(contrast, metric), scale=scale)
    return FoldDifference(
        contrast=contrast,
        metric=metric,
        by_fold=tuple(d.tolist()),
        s2=s2,
        inference=found,
        identical=not d.any() and _are_identical(folds, contrast, metric),
    )


def _are_identical(folds: Folds, contrast: Contrast, metric: str) -> bool:
    """Whether all arms of a contrast give every case the same decisions, or scores where the metric takes these."""

    def given(part: Any, arm: str) -> Values:
        runs = part.runs.on_runs(part.runs.runs_of(arm))
        found = runs.y_pred if METRICS[metric].needs == "labels" else runs.ranking
        return np.asarray(found)

    first, *others = contrast.arms
    return all(np.array_equal(given(part, first), given(part, arm)) for part in folds.parts for arm in others)


def _facts(folds: Folds) -> tuple[FoldFacts, ...]:
    return tuple(
        FoldFacts(
            repeat=part.repeat,
            fold=part.fold,
            n_test=part.runs.n_cases,
            n_train=part.n_train,
            n_by_class=tuple(np.bincount(part.runs.y_true, minlength=part.runs.n_classes).tolist()),
        )
        for part in folds.parts
    )


# ---------------------------------------------------------------------- verdicts


def _judged(
    folds: Folds, results: Sequence[FoldDifference], *, margin: float | None, withheld: Sequence[str]
) -> tuple[FoldCompared, ...]:
    alone, together = ([_evidence(result, n) for result in results] for n in (1, len(results)))
    adjusted = holm([item.p for item in alone])
    equal = [None] * len(results) if margin is None else holm([item.p_equivalence(margin) for item in alone])
    found = []
    for result, own, shared, p, p_equal in zip(results, alone, together, adjusted, equal, strict=True):
        verdict = verdict_on(
            shared,
            Adjusted(p=p, p_equivalence=p_equal),
            margin=margin,
            reasons=(*withheld, *_too_little(folds, result)),
            same=["identical on this metric in every fold"] if result.identical else [],
            provisional=len(folds.parts) < FEW_FOLDS,
        )
        n = f"{len(folds.parts)} folds"
        counted = words.counting_folds(folds, result)
        found.append(
            FoldCompared(
                result=result,
                evidence=shared,
                alone=own,
                verdict=verdict,
                sentence=sentence_on(result, shared, verdict, counted, each="in every fold", few=n),
                by_fold=words.by_fold(result),
            )
        )
    return tuple(found)


def _evidence(result: FoldDifference, n_comparisons: int) -> Evidence:
    one = result.inference
    level = simultaneous_level(one.level, n_comparisons)
    largest = largest_effect(result.contrast, result.metric)
    wide = infer(one.effect, one.se, one.df, scope=one.scope, level=level, largest=largest)
    return Evidence(
        effect=one.effect,
        p=one.p,
        low=wide.low,
        high=wide.high,
        equivalence_low=wide.equivalence_low,
        equivalence_high=wide.equivalence_high,
        level=one.level,
        used=(one,),
        n_comparisons=n_comparisons,
    )


def _too_little(folds: Folds, result: FoldDifference) -> tuple[str, ...]:
    """Return why the numbers of this comparison cannot carry a verdict."""
    reasons = []
    n = len(folds.parts)
    if n < MIN_FOLDS:
        reasons.append(f"{n} folds: at least {MIN_FOLDS} are needed, {FEW_FOLDS} or more are recommended")
    reasons += small_classes(result.metric, folds)
    reasons += _empty(folds, result)
    if not reasons and result.s2 == 0 and not result.identical:
        reasons.append("the difference is the same in every fold, so there is no standard error")
    return tuple(reasons)


def _empty(folds: Folds, result: FoldDifference) -> list[str]:
    """Return why scores are no evidence: in every fold one score for every case, or in all folds one class of an arm.

    Copies among the seeds of a fold are no reason: the spread is that between folds.
    """
    arms = result.contrast.arms
    decided = [set().union(*(part.runs.y_pred[part.runs.runs_of(arm)].flat for part in folds.parts)) for arm in arms]
    if METRICS[result.metric].needs == "labels" and max(map(len, decided)) > 1:
        return []
    found = []
    for part in folds.parts:
        empty = empty_scores(part.runs)
        bare = replace(empty, copies=dict.fromkeys(empty.copies, ()))
        found.append(bare.reasons(result.contrast, result.metric))
    return list(found[0]) if all(found) else []
