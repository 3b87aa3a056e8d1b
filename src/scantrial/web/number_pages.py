"""Two arms on any metric, and a threshold tried on validation."""

from __future__ import annotations

import math

from scantrial.analysis.comparison import Compared, Comparison
from scantrial.analysis.cross_validation import FoldCompared, FoldComparison
from scantrial.analysis.fold_estimates import FoldArm
from scantrial.analysis.metrics import METRICS, metrics_for
from scantrial.analysis.predictive import PredictiveValue
from scantrial.analysis.verdict_words import interval_title, order_of_grades
from scantrial.core.errors import InputError
from scantrial.core.format import SPLIT_WORDS
from scantrial.core.positive import positive_class
from scantrial.findings.evaluation import OperatingView
from scantrial.findings.pairs import compare_pairs
from scantrial.findings.reading import StudyData
from scantrial.findings.threshold import try_threshold
from scantrial.web.queries import CompareQuery, ThresholdQuery
from scantrial.web.records import ArmEstimateLine, ComparePage, Operating, PairLine, Share, ThresholdPage
from scantrial.web.studies import OpenStudy

NOTE_COMPARE = (
    "You choose arms and metric here after the training, so p is corrected for all pairs of arms. The verdicts that "
    "the study file declared are on the study's own page."
)
NOTE_CLOSED = (
    "Not all runs are finished. The test rows stay closed until they are: if you look at results while a study trains "
    "and stop it when they please you, you will find differences that do not exist."
)
"""The reason why results wait for the last run."""
NOTE_UNFINISHED = "Not all runs are finished: these results may still change."
NO_FOLDS = (
    "This study is a cross-validation: its runs have different validation cases, so one threshold cannot be tried on "
    "all of them. The report has the thresholds that each run chose, and what they give in its own fold."
)
NOTE_THRESHOLD = (
    "Try and choose a threshold on validation cases only. Test cases are shown at thresholds that a rule fixed before "
    "the test rows were opened: of the two controls, only the prevalence changes their numbers."
)


def compare_page(study: OpenStudy, asked: CompareQuery, data: StudyData | None) -> ComparePage:
    """Compare two arms on one metric; without data the comparison stays closed.

    Raises
    ------
    InputError
        If there is no such metric or no such arm.
    """
    labels, arms = study.labels(), study.arms_with_runs()
    primary = study.plan().primary
    titles = {name: METRICS[name].title for name in metrics_for(len(study.class_names()))}
    metric = asked.metric or METRICS[primary.metric].name
    _known("metric", metric, titles)
    first, second = _two_arms(arms, asked)
    found, note = _compared(data, metric)
    order = [f"{said}." for said in order_of_grades(metric, study.class_names())]
    pair = None if found is None else next((item for item in found.comparisons if _is_of(item, first, second)), None)
    return ComparePage(
        name=study.name,
        question=study.plan().study,
        arms=arms,
        metrics=titles,
        metric=metric,
        is_proportion=METRICS[metric].unit == "proportion",
        higher_is_better=METRICS[metric].higher_is_better,
        split=SPLIT_WORDS[primary.split],
        first=first,
        second=second,
        n_cases=0 if found is None else found.n_cases,
        positive_class=positive_class(study.class_names()),
        warnings=() if found is None else found.warnings,
        pair=None if pair is None else _pair_line(pair, swapped=pair.result.contrast.arms[0] != first),
        estimates=() if found is None else tuple(_estimate(found, arm, labels) for arm in (first, second) if arm),
        is_closed=data is None,
        n_folds=len(study.plan().folds) or None,
        note=" ".join([note, *order, *([] if _is_whole(study) or data is None else [NOTE_UNFINISHED])]),
    )


def _compared(data: StudyData | None, metric: str) -> tuple[Comparison | FoldComparison | None, str]:
    if data is None:
        return None, NOTE_CLOSED
    try:
        return compare_pairs(data, metric=metric), NOTE_COMPARE
    except InputError as error:
        return None, f"No comparison is possible: {error.got}."


def _is_whole(study: OpenStudy) -> bool:
    return len(study.finished()) == study.plan().n_runs


def _two_arms(arms: dict[str, str], asked: CompareQuery) -> tuple[str | None, str | None]:
    for arm in (asked.first, asked.second):
        if arm is not None:
            _known("arm with finished runs", arm, arms)
    if len(arms) < 2:
        return next(iter(arms), None), None
    second = asked.second or next(arm for arm in arms if arm != asked.first)
    first = asked.first or next(arm for arm in arms if arm != second)
    if first == second:
        raise InputError(f"{first} compared with itself", expected="two different arms")
    return first, second


def _known(what: str, name: str, known: dict[str, str]) -> None:
    if name not in known:
        raise InputError(f"no {what} is called {name!r}", expected=f"one of {', '.join(known)}")


def _is_of(item: Compared | FoldCompared, first: str | None, second: str | None) -> bool:
    return set(item.result.contrast.arms) == {first, second}


def _pair_line(item: Compared | FoldCompared, *, swapped: bool) -> PairLine:
    """Return a comparison seen from the first arm; the sentence names both arms and stays as it is."""
    found, sign = item.evidence, -1 if swapped else 1
    low, high = sorted((sign * found.low, sign * found.high))
    turned = {"better": "worse", "worse": "better"}
    label = item.verdict.label
    return PairLine(
        effect=sign * found.effect,
        low=low,
        high=high,
        interval=interval_title(found),
        p=found.p,
        p_adjusted=item.verdict.p_adjusted,
        verdict=turned.get(label, label) if swapped else label,
        sentence=item.sentence,
        n_seeds=len(item.result.by_fold) if isinstance(item, FoldCompared) else item.result.n_seeds,
    )


def _estimate(found: Comparison | FoldComparison, arm: str, labels: dict[str, str]) -> ArmEstimateLine:
    line = found.arm(arm)
    values = dict(enumerate(line.by_fold)) if isinstance(line, FoldArm) else dict(line.by_seed)
    return ArmEstimateLine(name=arm, label=labels[arm], mean=line.mean, low=line.low, high=line.high, by_seed=values)


# ---------------------------------------------------------------------- thresholds


def threshold_page(study: OpenStudy, asked: ThresholdQuery, data: StudyData, *, is_closed: bool) -> ThresholdPage:
    """Show an arm at a threshold on validation, and on test at the locked ones unless test rows stay closed.

    Raises
    ------
    InputError
        If there is no such arm.
    """
    class_names = study.class_names()
    folds = study.plan().folds
    arms = study.arms_with_runs() if len(class_names) == 2 and not folds else {}
    arm = asked.arm or next(iter(arms), None)
    if asked.arm is not None:
        _known("arm with finished runs", asked.arm, arms)
    is_closed = is_closed and arm is not None
    note = NOTE_THRESHOLD
    validation: Operating | None = None
    locked: tuple[Operating, ...] = ()
    if folds:
        note = NO_FOLDS
    elif len(class_names) != 2:
        note = f"There are {len(class_names)} classes: a threshold needs exactly two."
    elif arm is None:
        note = "No run is finished yet."
    else:
        tried = try_threshold(data, arm=arm, threshold=asked.threshold, prevalence=asked.prevalence)
        validation = None if tried.validation is None else _operating("val", tried.validation)
        locked = tuple(_operating("test", view) for view in tried.locked)
    return ThresholdPage(
        name=study.name,
        question=study.plan().study,
        arms=arms,
        arm=arm,
        positive=None if folds else positive_class(class_names),
        threshold=asked.threshold,
        prevalence=asked.prevalence,
        validation=validation,
        locked=locked,
        is_closed=is_closed,
        note=f"{note} {NOTE_CLOSED}" if is_closed else note,
    )


def _operating(split: str, view: OperatingView) -> Operating:
    values = view.predictive[0] if view.predictive else None
    return Operating(
        split=split,
        rule=view.rule,
        thresholds=dict(view.thresholds),
        sensitivity=Share(value=view.sensitivity.mean, low=view.sensitivity.low, high=view.sensitivity.high),
        specificity=Share(value=view.specificity.mean, low=view.specificity.low, high=view.specificity.high),
        ppv=_share(None if values is None else values.ppv),
        npv=_share(None if values is None else values.npv),
    )


def _share(found: PredictiveValue | None) -> Share:
    if found is None or not math.isfinite(found.value):
        return Share(value=None, low=None, high=None)
    return Share(value=found.value, low=found.low, high=found.high)
