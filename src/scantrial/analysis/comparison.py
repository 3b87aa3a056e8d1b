"""`compare`: from arrays of predictions to verdicts, in one call.

>>> import numpy as np
>>> y_true = np.array([0, 1] * 20)
>>> scores = np.random.default_rng(0).uniform(size=(6, 40))
>>> found = compare(y_true, scores, arms=["a"] * 3 + ["b"] * 3, seeds=[0, 1, 2] * 2, control="a")
>>> found.comparisons[0].verdict.label
'inconclusive'
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.analysis.area_margin import with_area_spread
from scantrial.analysis.best import BestArm, best_of
from scantrial.analysis.best_words import best_sentence
from scantrial.analysis.bootstrap import N_DRAWS, CrossCheck, cross_check, disagreement_words
from scantrial.analysis.contrasts import Contrast, against_control, all_pairs
from scantrial.analysis.direction import OF_ARRAYS, below_chance, direction_warnings
from scantrial.analysis.empty_scores import empty_scores
from scantrial.analysis.estimates import Estimates, estimate
from scantrial.analysis.intervals import ArmEstimate, arm_estimate
from scantrial.analysis.metric_names import check_comparison
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import Components, ContrastResult, GlobalTest, analyse, components, global_test
from scantrial.analysis.multiplicity import holm, simultaneous_level
from scantrial.analysis.one_seed import PairedProportions, bonett_price, paired_proportions
from scantrial.analysis.runs import RunScores
from scantrial.analysis.verdict_words import verdict_sentence
from scantrial.analysis.verdicts import Evidence, Verdict, decide, evidence
from scantrial.core.errors import InputError
from scantrial.core.format import NONE, minus, percent
from scantrial.core.notebook import notebook_html
from scantrial.core.plain import Plain, fields_of
from scantrial.core.positive import positive_class

_OF_RESULT = ("cases_only", "seeds_only", "s2", "q", "q_untruncated", "pairing", "seeds", "dropped_seeds", "per_seed")
COLUMNS = ("comparison", "difference", "interval", "p adjusted", "verdict")
"""Of a table of comparisons."""

BEST_METHOD = (
    "multiple comparisons with the best (Hsu 1996), each pair over seeds and cases, cases alone and seeds alone, with "
    "Bonferroni's one-sided level for each control"
)

_RIGHT_OR_WRONG = ("accuracy", "sensitivity", "specificity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Plain):
    """One comparison of the family.

    Parameters
    ----------
    result : effect, standard errors and intervals by what is random; positive is better
    evidence : the hull that the verdict is drawn from, with the intervals that hold for all comparisons of the family
        together: these belong beside the adjusted p
    alone : the same with the intervals of this comparison alone
    paired_proportions : with one seed: McNemar's test and Bonett and Price's interval for these two networks
    cross_check : a crossed bootstrap to compare with the interval over seeds and cases; None where it was not asked
        for, or is not possible
    sentence : the verdict with its numbers
    """

    result: ContrastResult
    evidence: Evidence
    alone: Evidence
    verdict: Verdict
    sentence: str
    paired_proportions: PairedProportions | None = None
    cross_check: CrossCheck | None = None

    @property
    def name(self) -> str:
        """The contrast's name."""
        return self.result.contrast.name

    def row(self) -> tuple[str, ...]:
        """Return name, effect, interval, p and verdict as a table shows them; the effect positive where better."""
        found, p = self.evidence, self.verdict.p_adjusted
        return (
            self.name,
            minus(f"{found.effect:+.4g}"),
            NONE if math.isnan(found.low) else minus(f"{found.low:.4g} to {found.high:.4g}"),
            NONE if math.isnan(p) else f"{p:.3g}",
            self.verdict.label,
        )

    def _repr_html_(self) -> str:
        """Show the comparison in a notebook."""
        return notebook_html(self.name, columns=COLUMNS, rows=[self.row()], lines=[self.sentence])

    def _content(self) -> dict[str, Any]:
        result, found = self.result, self.evidence
        return {
            "name": self.name,
            "kind": result.contrast.kind,
            "weights": result.contrast.weights,
            "effect": result.effect,
            "se": (result.both or result.cases_only).se,
            "df": (result.both or result.cases_only).df,
            "p": found.p,
            "p_adjusted": self.verdict.p_adjusted,
            "interval": {"low": self.alone.low, "high": self.alone.high, "level": found.level},
            "equivalence_interval": {"low": self.alone.equivalence_low, "high": self.alone.equivalence_high},
            "simultaneous_interval": {"low": found.low, "high": found.high},
            "simultaneous_equivalence_interval": {"low": found.equivalence_low, "high": found.equivalence_high},
            "seeds_and_cases": result.both,
            **{name: getattr(result, name) for name in _OF_RESULT},
            "verdict": self.verdict.label,
            "verdict_details": self.verdict,
            "sentence": self.sentence,
            "mcnemar": self.paired_proportions,
            "bootstrap": self.cross_check,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Plain):
    """Arms compared on one metric.

    Parameters
    ----------
    arms : each arm's mean with its interval
    comparisons : the family, in order
    control : the arm that the others are compared with, or None for all pairs or declared contrasts
    threshold : at which decisions were made, one for each run where runs have their own; None where it uses none
    components, global_test : over all arms and the seeds they share; None where there are too few
    methods : names of what was used, by step
    notes : what a reader has to know
    best : which arm is best: see `with_best`; None with fewer than three arms, and where it was not asked for
    warnings : what a reader has to know before the verdicts
    patients_by_class : patients with a case of each class; None where patients are not known
    class_names : in the order of their indices; empty where they are not known
    """

    metric: str
    level: float
    margin: float | None
    control: str | None
    threshold: float | tuple[float, ...] | None
    n_cases: int
    n_patients: int | None
    n_by_class: tuple[int, ...]
    arms: tuple[ArmEstimate, ...]
    comparisons: tuple[Compared, ...]
    components: Components | None
    global_test: GlobalTest | None
    methods: Mapping[str, str]
    notes: tuple[str, ...] = ()
    best: BestArm | None = None
    warnings: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    patients_by_class: tuple[int, ...] | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """The answer: which arm is best, where that was asked, then each verdict."""
        first = () if self.best is None else (self.best.sentence,)
        return (*first, *(item.sentence for item in self.comparisons))

    def _repr_html_(self) -> str:
        """Show the comparisons in a notebook."""
        return notebook_html(
            f"{METRICS[self.metric].title}, positive is better ({percent(self.level)} CI, {self.n_cases} cases)",
            columns=COLUMNS,
            rows=[item.row() for item in self.comparisons],
            lines=[*self.warnings, *self.sentences],
        )

    @property
    def positive_class(self) -> str | None:
        """Name of the positive class of two; None where it is not known."""
        return positive_class(self.class_names)

    def arm(self, name: str) -> ArmEstimate:
        """Return one arm's estimate."""
        return next(arm for arm in self.arms if arm.arm == name)

    def _content(self) -> dict[str, Any]:
        # Positive effects are better: losses are turned round.
        direction = {"higher_is_better": METRICS[self.metric].higher_is_better, "positive_effect": "better"}
        return {"metric": self.metric, **direction, "positive_class": self.positive_class, **fields_of(self)}


def compare(  # noqa: PLR0913 - the arrays and the choices of a whole analysis, in one call
    y_true: NDArray[Any],
    scores: NDArray[Any],
    *,
    arms: Sequence[str],
    seeds: Sequence[int],
    patients: Sequence[Any] | NDArray[Any] | None = None,
    metric: str = "accuracy",
    threshold: float = 0.5,
    margin: float | None = None,
    control: str | None = None,
    level: float = 0.95,
    class_counts_fixed: bool = False,
    class_names: Sequence[str] = (),
) -> Comparison:
    """Compare arms on the same cases over seeds, and give a verdict on each comparison.

    Parameters
    ----------
    y_true : shape (n_cases,), class indices
    scores : shape (n_runs, n_cases), scores of class 1 of any range; or (n_runs, n_cases, n_classes), probabilities
    arms, seeds : length n_runs: the arm and the seed of each run
    patients : length n_cases; where given, patients and not cases are what was sampled
    metric : default accuracy
    threshold : a case is called positive when its score exceeds it, default 0.5; ranking metrics do not use it
    margin : the smallest difference that matters, in the metric's unit; without it nothing is called equivalent
    control : every other arm is compared with it; without it all pairs are compared
    level : confidence level, default 0.95
    class_counts_fixed : whether the design fixed how many cases of each class there are, such as 200 of each, default
        False: cases then count as a sample of each class, and intervals hold for this class mix
    class_names : what sentences call the classes, in the order of their indices; default: they say ``class 0``

    Raises
    ------
    ShapeError, InputError
        If arrays do not belong together, a run occurs twice, or the metric cannot be computed from these scores.
    """
    array = np.asarray(scores, dtype=np.float64)
    build = RunScores.from_probabilities if array.ndim == 3 else RunScores.from_scores
    runs = build(
        y_true,
        array,
        arms=arms,
        seeds=seeds,
        patients=patients,
        threshold=threshold,
        class_counts_fixed=class_counts_fixed,
    ).named(class_names)
    names = runs.arm_names
    family = all_pairs(names) if control is None else against_control(names, control)
    found = compare_runs(runs, family, metric=metric, margin=margin, level=level, control=control)
    warnings = direction_warnings(below_chance(runs, level=level), OF_ARRAYS)
    return replace(with_best(found, runs), warnings=warnings)


def compare_runs(
    runs: RunScores,
    family: Sequence[Contrast],
    *,
    metric: str = "accuracy",
    margin: float | None = None,
    level: float = 0.95,
    control: str | None = None,
    withheld: Sequence[str] = (),
) -> Comparison:
    """Judge a family of contrasts on one metric.

    Parameters
    ----------
    family : the comparisons declared beforehand; their p are adjusted together (Holm 1979). One whose arms have too
        few runs in common is left out with a note, and the others are judged
    withheld : other reasons to give no verdict, such as a leak, or a choice that was made on these same cases
    """
    check_comparison(metric, margin, level)
    estimates = estimate(runs, metric)
    results, left_out = _analysed(estimates, family, level=level)
    singles = [_one_seed(runs, result, metric, level=level) for result in results]
    layout, empty = components(estimates), empty_scores(runs)
    return Comparison(
        metric=metric,
        level=level,
        margin=margin,
        control=control,
        threshold=runs.threshold if METRICS[metric].needs == "labels" else None,
        n_cases=estimates.n_cases,
        n_patients=estimates.n_patients,
        n_by_class=estimates.n_by_class,
        class_names=estimates.class_names,
        patients_by_class=estimates.patients_by_class,
        arms=tuple(arm_estimate(estimates, arm, level=level) for arm in estimates.arm_names),
        comparisons=_judged(
            results,
            singles,
            estimates,
            margin=margin,
            withheld=[(*withheld, *empty.reasons(result.contrast, metric)) for result in results],
        ),
        components=layout,
        global_test=None if layout is None or layout.n_arms < 3 else global_test(layout),
        methods=_methods(estimates, len(results)),
        notes=(*left_out, *runs.notes, *empty.notes(metric), *_notes(estimates, runs, results)),
    )


def _analysed(
    estimates: Estimates, family: Sequence[Contrast], *, level: float
) -> tuple[list[ContrastResult], list[str]]:
    """Analyse a family; a comparison whose arms have too few runs in common is left out with a note.

    Raises
    ------
    InputError
        If none of the family can be analysed.
    """
    results, notes = [], []
    fault: InputError | None = None
    for contrast in family:
        try:
            results.append(with_area_spread(analyse(estimates, contrast, level=level), estimates))
        except InputError as error:
            fault = error
            notes.append(f"{contrast.name} is not compared: {error.got}")
    if fault is not None and not results:
        raise fault
    return results, notes


def with_best(
    comparison: Comparison,
    runs: RunScores,
    *,
    withheld: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> Comparison:
    """Add which arm is best: multiple comparisons with the best of all arms, whichever family was declared.

    No verdict changes. Nothing is added with fewer than three arms.

    Parameters
    ----------
    runs : those that were compared
    withheld : the reasons that the verdicts were withheld for
    labels : what the sentence calls the arms, by name
    """
    estimates, empty = estimate(runs, comparison.metric), empty_scores(runs)
    found = best_of(estimates, level=comparison.level, withheld=withheld, empty=empty)
    if found is None:
        return comparison
    undecided = [
        item.result.contrast.title
        for item in comparison.comparisons
        if item.verdict.label == "inconclusive"
        and item.result.contrast.kind == "difference"
        and found.best in item.result.contrast.arms
    ]
    return replace(
        comparison,
        best=replace(found, sentence=best_sentence(found, labels, undecided=undecided)),
        methods={**comparison.methods, "best arm": BEST_METHOD},
    )


def cross_checked(comparison: Comparison, runs: RunScores, *, n_draws: int = N_DRAWS) -> Comparison:
    """Add a crossed bootstrap of `n_draws` draws to every comparison; a note says where the two disagree,
    what that means and what to do.

    `runs` are those that were compared. No verdict changes.
    """
    checks, notes = [], []
    for compared in comparison.comparisons:
        try:
            found = cross_check(runs, compared.result, n_draws=n_draws)
        except InputError as error:
            # A draw may lack what the metric needs, such as a class.
            found = None
            notes.append(f"no crossed bootstrap for {compared.name}: {error.got}")
        if found is not None and not found.agrees:
            notes.append(disagreement_words(found, compared.name, n_seeds=compared.result.n_seeds))
        checks.append(found)
    return replace(
        comparison,
        comparisons=tuple(
            replace(compared, cross_check=found) for compared, found in zip(comparison.comparisons, checks, strict=True)
        ),
        methods={
            **comparison.methods,
            "cross-check": f"crossed bootstrap of seeds and cases, {n_draws} draws (Owen 2007); it decides no verdict",
        },
        notes=(*comparison.notes, *notes),
    )


def _judged(
    results: Sequence[ContrastResult],
    singles: Sequence[PairedProportions | None],
    estimates: Estimates,
    *,
    margin: float | None,
    withheld: Sequence[Sequence[str]],
) -> tuple[Compared, ...]:
    """Judge the comparisons of a family; p, and the p of equivalence, are adjusted over it (Lauzon and Caffo 2009)."""
    alone, together = (
        [
            _with_mcnemar(evidence(result, n_comparisons=n), single)
            for result, single in zip(results, singles, strict=True)
        ]
        for n in (1, len(results))
    )
    adjusted = holm([item.p for item in alone])
    equivalence = [None] * len(results) if margin is None else holm([item.p_equivalence(margin) for item in alone])
    verdicts = [
        decide(result, found, estimates, p_adjusted=p, p_equivalence_adjusted=p_equal, margin=margin, withheld=reasons)
        for result, found, p, p_equal, reasons in zip(results, together, adjusted, equivalence, withheld, strict=True)
    ]
    return tuple(
        Compared(
            result=result,
            evidence=found,
            alone=single,
            verdict=verdict,
            sentence=verdict_sentence(result, found, verdict, estimates),
            paired_proportions=pair,
        )
        for result, found, single, verdict, pair in zip(results, together, alone, verdicts, singles, strict=True)
    )


def _one_seed(runs: RunScores, result: ContrastResult, metric: str, *, level: float) -> PairedProportions | None:
    """Compare two networks of one seed by their discordant cases, where cases are independent."""
    pair = result.contrast.kind == "difference" and result.pairing == "one seed" and runs.patients is None
    pair = pair and runs.mix is None  # these count cases as they are
    if not pair or metric not in _RIGHT_OR_WRONG:
        return None
    keep = _cases_of(runs, metric)
    position = {(arm, seed): run for run, (arm, seed) in enumerate(zip(runs.arms, runs.seeds, strict=True))}
    first, second = (
        runs.y_pred[position[arm, result.seeds[0]]][keep] == runs.y_true[keep] for arm in result.contrast.arms
    )
    return paired_proportions(first, second, level=level)


def _cases_of(runs: RunScores, metric: str) -> NDArray[np.bool_]:
    wanted = {"sensitivity": 1, "specificity": 0}.get(metric)
    return np.ones(runs.n_cases, dtype=bool) if wanted is None else runs.y_true == wanted


def _with_mcnemar(found: Evidence, single: PairedProportions | None) -> Evidence:
    """Take McNemar's p and Bonett and Price's interval in place of the normal ones, with one seed."""
    if single is None:
        return found
    level = simultaneous_level(found.level, found.n_comparisons)
    low, high = bonett_price(single.only_first, single.only_second, single.n, level=level)
    return replace(found, p=single.p, low=low, high=high)


def _methods(estimates: Estimates, n_comparisons: int) -> dict[str, str]:
    return {
        "covariance": estimates.method,
        "inference": "Obuchowski-Rockette, seeds and cases random, degrees of freedom by Hillis (2007)",
        "companions": "cases random and seeds fixed; seeds random and cases fixed. The verdict uses the smallest "
        "interval that contains all three intervals, and the largest p (Berger 1982)",
        "multiplicity": f"Holm over {n_comparisons} comparison{'s' * (n_comparisons != 1)}"
        + "; intervals by Bonferroni" * (n_comparisons != 1),
        "equivalence": "two one-sided tests (Schuirmann 1987)"
        + ", with the spread of areas that differ by the margin (Farrington and Manning 1990)"
        * (estimates.metric == "auroc")
        + ", Holm" * (n_comparisons != 1),
    }


def _notes(estimates: Estimates, runs: RunScores, results: Sequence[ContrastResult]) -> tuple[str, ...]:
    notes = []
    single = isinstance(runs.threshold, float) and runs.threshold != 0.5
    if METRICS[estimates.metric].needs == "probabilities" and single:
        notes.append(f"the threshold {runs.threshold:g} plays no part in {METRICS[estimates.metric].title}")
    if estimates.n_clipped:
        notes.append(f"{estimates.n_clipped} probabilities were clipped")
    dropped = sorted({seed for result in results for seed in result.dropped_seeds})
    if dropped:
        notes.append(f"seeds left out because an arm lacks them: {', '.join(map(str, dropped))}")
    if any(result.pairing == "unpaired" for result in results):
        notes.append("arms do not share their seeds: analysed as unpaired (Hillis 2014)")
    return tuple(notes)
