"""The contents of pages, as records: HTML, JSON and their documentation are made from these.

Nothing is rounded here. Each field has a help text; `docs/page-json.md` is generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scantrial.web.table_records import CaseMark, ComparisonLine, DecisionCounts, NextStep, RunTable
from scantrial.web.told import told, told_of_fold

# ---------------------------------------------------------------------- one study among others


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCard:
    """One study in the list of studies."""

    name: str = told("name of its folder, as in addresses")
    question: str = told("what the study asks; empty if its folder cannot be read")
    n_arms: int = told("number of arms")
    n_seeds: int = told("number of seeds of each arm")
    n_folds: int | None = told_of_fold("folds of all repeats, in a cross-validation only")
    n_planned: int = told("number of planned runs")
    n_finished: int = told("number of finished runs")
    n_failed: int = told("runs whose last attempt failed")
    is_training: bool = told("whether a process is training it now")
    seconds_left: float | None = told("seconds until that process ends, as it estimates; null if unknown")
    answer: str = told("the answer in short; empty unless the study is complete and its results are ready")
    note: str = told("why there is no answer yet, as a sentence; empty if there is one")
    fault: str | None = told("why the folder cannot be read, or null")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """`/`: the studies of a folder."""

    folder: str = told("name of the folder that is served")
    studies: tuple[StudyCard, ...] = told("the studies in it, by name")
    command: str | None = told("a command that makes a first study; null where there is one")


# ---------------------------------------------------------------------- progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRun:
    """A run that is being trained."""

    arm: str = told("arm, as in the study folder")
    seed: int = told("its seed")
    repeat: int | None = told_of_fold("its repeat, in a cross-validation only")
    fold: int | None = told_of_fold("its fold, in a cross-validation only")
    epoch: int = told("epochs done at its last update")
    n_epochs: int = told("epochs in all rounds")
    val_accuracy: float | None = told("validation accuracy of the last epoch, a proportion; null before the first")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run whose last attempt failed."""

    arm: str = told("arm, as in the study folder")
    seed: int = told("its seed")
    repeat: int | None = told_of_fold("its repeat, in a cross-validation only")
    fold: int | None = told_of_fold("its fold, in a cross-validation only")
    message: str = told("why it failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a study."""

    n_planned: int = told("number of planned runs")
    n_finished: int = told("finished runs, including diverged ones")
    n_diverged: int = told("of these, runs whose loss was not finite")
    n_waiting: int = told("runs that have not started, or were stopped")
    is_training: bool = told("whether a process is training in the folder")
    seconds_left: float | None = told("seconds until that process ends, as it estimates; null if unknown")
    running: tuple[RunningRun, ...] = told("runs that are being trained")
    failed: tuple[FailedRun, ...] = told("runs whose last attempt failed")

    @property
    def is_complete(self) -> bool:
        """Whether no run is running or waiting."""
        return not self.is_training and self.n_waiting == 0


# ---------------------------------------------------------------------- curves


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedCurve:
    """The epochs of one run so far. Values that were not recorded or are not finite are null."""

    seed: int = told("its seed")
    repeat: int | None = told_of_fold("its repeat, in a cross-validation only")
    fold: int | None = told_of_fold("its fold, in a cross-validation only")
    state: str = told("finished, diverged, running, stopped or failed")
    chosen_epoch: int | None = told("the epoch whose weights were kept; null before one is chosen")
    epochs: tuple[int, ...] = told("epoch numbers, counted from 1 through all rounds")
    train_accuracy: tuple[float | None, ...] = told(
        "a proportion, measured during each epoch while the weights changed"
    )
    val_accuracy: tuple[float | None, ...] = told("a proportion, measured at the end of each epoch")
    train_loss: tuple[float | None, ...] = told("measured during each epoch while the weights changed")
    val_loss: tuple[float | None, ...] = told("measured at the end of each epoch")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveWarningLine:
    """A warning from the learning curves."""

    code: str = told("code of the check, as in docs/learning-curves.md")
    title: str = told("the check in a few words")
    seeds: tuple[int, ...] = told("seeds of the runs that show it")
    sentence: str = told("what was found, with its numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLearningCurves:
    """An arm with the learning curves of its runs."""

    name: str = told("arm, as in the study folder")
    label: str = told("its label for people")
    settings: Mapping[str, Any] = told("the settings that differ between arms, by dotted key")
    n_finished: int = told("number of finished runs of this arm")
    runs: tuple[SeedCurve, ...] = told("by seed; runs without a finished epoch are left out")
    warnings: tuple[CurveWarningLine, ...] = told("warnings from its learning curves")


# ---------------------------------------------------------------------- the study


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisLine:
    """A hypothesis of the study file, answered."""

    claim: str = told("as the study file states it")
    answer: str = told("supported, contradicted or undecided")
    sentence: str = told("the answer with its numbers; empty where one of the verdicts says it")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The primary metric of an arm on one split, over its seeds."""

    split: str = told("train, val or test")
    n_runs: int = told("number of runs")
    mean: float = told("mean over the runs, in the metric's unit")
    sd: float = told("standard deviation over the runs; null with one run")
    minimum: float = told("smallest value of the runs")
    maximum: float = told("largest value of the runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """The primary metric of one arm."""

    name: str = told("arm, as in the study folder")
    label: str = told("its label for people")
    splits: tuple[SplitResult, ...] = told("one for each split that has predictions")
    low: float | None = told("lower end of the 95 % CI over seeds and test cases; null if there is none")
    high: float | None = told("upper end of that interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results of the finished runs."""

    metric: str = told("name of the primary metric")
    metric_title: str = told("the metric in words")
    is_proportion: bool = told("whether it is a proportion, shown in per cent")
    decisions: tuple[str, ...] = told(
        "runs that give every case one class, and arms below always saying the commonest class, as sentences"
    )
    answers: tuple[str, ...] = told("the answer in a few lines; each verdict has its full form below")
    weak: tuple[str, ...] = told("what weakens the answer, the weightiest first")
    verdicts: tuple[str, ...] = told("the verdicts in full, without what the answer says in the same words")
    comparisons: tuple[ComparisonLine, ...] = told("the declared comparisons on the primary metric")
    margin: float | None = told("the smallest difference that matters, in the metric's unit; null if none was declared")
    confusion: tuple[DecisionCounts, ...] = told("decisions on test cases by true class, of every arm")
    mistaken: tuple[CaseMark, ...] = told("test cases with the lowest mean probability of the true class")
    disputed: tuple[CaseMark, ...] = told("test cases on which arms differ most")
    hypotheses: tuple[HypothesisLine, ...] = told("in the order of the study file")
    arms: tuple[ArmResult, ...] = told("the primary metric of every arm")
    warnings: tuple[str, ...] = told("what to know before the verdicts, such as scores of the other class")
    notes: tuple[str, ...] = told("notes for the reader")
    curves_said: Mapping[str, tuple[str, ...]] = told(
        "what the learning curves and gaps show besides the warnings, by arm label"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """A finding of the audit of the scans."""

    code: str = told("code of the check, as in docs/audit.md")
    severity: str = told("blocker, warning or note")
    title: str = told("what is wrong, in a few words")
    text: str = told("what was found, with its numbers")
    n_cases: int = told("number of cases concerned")
    split: str | None = told("the split with most of these cases; null where there are none")
    acknowledged: str | None = told("the reason in the study file for accepting it, or null")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """`/s/NAME`: one study."""

    name: str = told("name of its folder, as in addresses")
    question: str = told("what the study asks")
    primary: str = told("primary metric and the split it is measured on, in words")
    class_names: tuple[str, ...] = told("in the order of class indices")
    positive_class: str | None = told("the positive class; null with more than two classes")
    positive_class_warning: str | None = told("warning where the positive class's name stands for health, or null")
    counts: Mapping[str, Mapping[str, int]] = told("cases by split, then by class")
    progress: Progress = told("the progress of the study")
    table: RunTable = told("every arm and every run")
    steps: tuple[NextStep, ...] = told("commands for what comes next, the most useful first")
    arms: tuple[ArmLearningCurves, ...] = told("every arm with its curves and their warnings")
    results_state: str = told(
        "ready; computing (ask again); closed (the study is not complete and test rows stay closed); failed; none (no "
        "run is finished)"
    )
    results_note: str = told("what the state means, as a sentence; empty if results are ready")
    results: Results | None = told("the results of the finished runs; null unless ready")
    audit: tuple[AuditLine, ...] = told("findings of the audit, most severe first")
    has_report: bool = told("whether the folder has a report/report.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """`/s/NAME/report`: the report of the current results."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    state: str = told("ready, computing, closed, failed or none; as results_state of the study's page")
    note: str = told("what the state means, as a sentence; empty if the report is ready")
    document: Mapping[str, Any] | None = told("the document of the report: title, facts, sections; null unless ready")


# ---------------------------------------------------------------------- cases


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases are shown, and in which order; every part of it is in the address."""

    split: str = told("train, val or test")
    truth: str | None = told("only cases of this true class; null for all")
    arm: str = told("the arm whose decisions are filtered and shown; all: the mean over all arms")
    decision: str | None = told("only cases with this decision; null for all")
    outcome: str | None = told("right or wrong; null for both")
    finding: str | None = told(
        "only cases named by the audit finding with this code; any: by any finding; null for all"
    )
    sort: str = told("case, confidence, unsure, mistaken or disagreement")
    results: str | None = told("now: results were asked for before the study is complete; null otherwise")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCard:
    """One case in the list."""

    case: int = told("case number, as in cases.parquet")
    truth: str = told("true class")
    decision: str | None = told("class with the largest mean probability; null without a finished run")
    confidence: float | None = told("that mean probability")
    is_right: bool | None = told("whether the decision is the true class")
    disagreement: float | None = told(
        "largest difference between two arms' mean probabilities of the true class; null with fewer than two arms"
    )
    findings: tuple[str, ...] = told("codes of the audit's findings that name the case")


@dataclass(frozen=True, slots=True, kw_only=True)
class CasesPage:
    """`/s/NAME/cases`: the cases of a split."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    filter: CaseFilter = told("what is shown")
    arms: Mapping[str, str] = told("labels of the arms with finished runs, by name")
    class_names: tuple[str, ...] = told("in the order of class indices")
    findings: Mapping[str, str] = told("titles of the audit's findings that name cases, by code")
    n_cases: int = told("number of cases in the split")
    n_matching: int = told("number of cases that match the filter")
    page: int = told("number of this part of the list, counted from 1")
    n_pages: int = told("number of parts")
    cases: tuple[CaseCard, ...] = told("the cases of this part, in order")
    has_pictures: bool = told("whether the study folder has small pictures")
    is_closed: bool = told("whether decisions are hidden because the study is not complete; results=now shows them")
    n_folds: int | None = told_of_fold("folds of all repeats, in a cross-validation only: every case is for test")
    note: str = told("a note on decisions on this split")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedOnCaseLine:
    """One run on the case."""

    seed: int = told("its seed")
    repeat: int | None = told_of_fold("its repeat, in a cross-validation only")
    fold: int | None = told_of_fold("its fold, in a cross-validation only")
    y_prob: tuple[float, ...] = told("probability of each class")
    decision: str = told("the class that the run decides for")
    is_right: bool = told("whether that is the true class")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOnCaseLine:
    """One arm on the case."""

    name: str = told("arm, as in the study folder")
    label: str = told("its label for people")
    p_truth: float | None = told("mean probability of the true class over its runs; null without a run")
    p_truth_sd: float | None = told("standard deviation of that probability over the runs; null with fewer than two")
    decision: str | None = told("class with the largest mean probability; null without a run")
    is_right: bool | None = told("whether that is the true class")
    n_right: int = told("number of runs with the right decision")
    seeds: tuple[SeedOnCaseLine, ...] = told("each run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saliency:
    """Where a network looks on the case, as two pictures."""

    arm: str = told("arm, as in the study folder")
    seed: int = told("seed of the run whose network it is")
    state: str = told("ready, or missing")
    note: str = told("what the pictures show and do not show; or why there are none")
    target: str | None = told("the class whose probability is explained, which is the decision; null if missing")
    p_target: float | None = told("the network's probability of that class on the whole scan")
    p_least: float | None = told("the smallest probability of that class with a patch covered")
    patch_px: int | None = told("side of the covering patch in pixels of the network's input")


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """`/s/NAME/cases/NUMBER`: one case under every arm."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    case: int = told("case number, as in cases.parquet")
    split: str = told("train, val or test")
    source: str = told("where the scan is from")
    patient: str | None = told("patient, where known")
    truth: str = told("true class")
    class_names: tuple[str, ...] = told("the order of every y_prob")
    findings: Mapping[str, str] = told("titles of the audit's findings that name the case, by code")
    arms: tuple[ArmOnCaseLine, ...] = told("every arm; empty if decisions are hidden")
    has_picture: bool = told("whether the study folder has a small picture of it")
    saliency: Saliency | None = told("where a network looks; null if not asked for")
    command: str | None = told("a command that shows the same in a terminal; null while decisions are hidden")
    saliency_choices: tuple[str, ...] = told("runs to choose from, as ARM/SEED")
    saliency_first: str | None = told(
        "the run that the page looks at by itself; null where this machine has not read these scans before"
    )
    position: int | None = told(
        "its place among the cases that match the filter, counted from 1; null if it does not match"
    )
    n_matching: int = told("number of cases that match the filter")
    previous: int | None = told("the case before it in the filter's order")
    following: int | None = told("the case after it")
    filter: CaseFilter = told("the filter that led to the case")
    is_closed: bool = told("whether decisions are hidden because the study is not complete; results=now shows them")
    note: str = told("a note on decisions on this split")


# ---------------------------------------------------------------------- comparison and threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEstimateLine:
    """One arm's metric with its interval."""

    name: str = told("arm, as in the study folder")
    label: str = told("its label for people")
    mean: float = told("mean over its seeds, in the metric's unit")
    low: float = told("lower end of the 95 % CI over seeds and cases")
    high: float = told("upper end of that interval")
    by_seed: Mapping[int, float] = told("the value of each run, by seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLine:
    """Two arms compared."""

    effect: float = told(
        "first minus second in the metric's unit; the sign is reversed if smaller is better: positive favours the first"
    )
    low: float = told("lower end of the simultaneous 95 % CI, which holds for all pairs of arms together")
    high: float = told("upper end of that interval; null with two seeds, which give no usable interval")
    interval: str = told("what the interval is called")
    p: float = told("p of this comparison, uncorrected")
    p_adjusted: float = told("p corrected for all pairs of arms, because any pair could have been chosen")
    verdict: str = told("better, worse, equivalent, inconclusive or not enough to judge")
    sentence: str = told("the verdict with its numbers")
    n_seeds: int = told("number of seeds that both arms have")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """`/s/NAME/compare`: any two arms on any metric, on the study's primary split."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    arms: Mapping[str, str] = told("labels of the arms with finished runs, by name")
    metrics: Mapping[str, str] = told("titles of the metrics, by name")
    metric: str = told("the metric they are compared on")
    is_proportion: bool = told("whether it is a proportion, shown in per cent and points")
    higher_is_better: bool = told("whether larger values are better")
    split: str = told("the split they are compared on")
    first: str | None = told("first arm; null if there is none")
    second: str | None = told("second arm; null if there are fewer than two")
    n_cases: int = told("number of cases in the split; if patients are known, the CI treats each patient as one unit")
    positive_class: str | None = told("the positive class; null with more than two classes")
    warnings: tuple[str, ...] = told("what to know before the verdict, such as scores of the other class")
    pair: PairLine | None = told("the comparison; null if there is none")
    estimates: tuple[ArmEstimateLine, ...] = told("both arms")
    is_closed: bool = told("whether test rows stay closed because the study is not complete; results=now opens them")
    n_folds: int | None = told_of_fold("folds that are compared, in a cross-validation only: its seeds are these")
    note: str = told("a note for the reader, or why there is no comparison")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A proportion with its interval; null if it cannot be computed."""

    value: float | None = told("mean over the runs")
    low: float | None = told("lower end of the 95 % CI over seeds and cases")
    high: float | None = told("upper end of that interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """The performance of an arm at a threshold."""

    split: str = told("val or test")
    rule: str = told("how the threshold was chosen, in words")
    thresholds: Mapping[int, float] = told("probability above which a case is called positive, by seed")
    sensitivity: Share = told("share of the positive class that is called positive")
    specificity: Share = told("share of the negative class that is not called positive")
    ppv: Share = told("share of the cases called positive that are positive, at the prevalence")
    npv: Share = told("share of the cases not called positive that are negative, at the prevalence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdPage:
    """`/s/NAME/threshold`: what a threshold does, tried on validation; test at locked thresholds only."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    arms: Mapping[str, str] = told("labels of the arms with finished runs, by name; empty with more than two classes")
    arm: str | None = told("the arm; null if there is none")
    positive: str | None = told("the positive class; null with more than two classes")
    threshold: float = told("the probability above which a case is called positive, tried on validation")
    prevalence: float = told("prevalence of the positive class that PPV and NPV are computed for")
    validation: Operating | None = told("the arm at this threshold on validation cases, if any")
    locked: tuple[Operating, ...] = told("the arm on test cases at thresholds that rules chose on validation")
    is_closed: bool = told("whether test rows stay closed because the study is not complete; results=now opens them")
    note: str = told("a note for the reader, or why there is nothing to show")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """The answer to any request that fails."""

    status: int = told("HTTP status")
    got: str = told("what was found")
    expected: str | None = told("what would have been right, or null")
    do: str | None = told("the next step, or null")


PAGES = (IndexPage, StudyPage, ReportPage, CasesPage, CasePage, ComparePage, ThresholdPage, ErrorPage)
"""Every page, in the order of the documentation."""

Page = IndexPage | StudyPage | ReportPage | CasesPage | CasePage | ComparePage | ThresholdPage | ErrorPage
