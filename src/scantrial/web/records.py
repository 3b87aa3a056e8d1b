"""What a page holds, as records: HTML, JSON and their documentation are all made from these.

Nothing is rounded here. Each field carries its help text; `docs/page-json.md` is generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def told(text: str) -> Any:
    """Return a dataclass field with its help text."""
    return field(metadata={"help": text})


# ---------------------------------------------------------------------- one study among others


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCard:
    """One study in the list of all."""

    name: str = told("name of its folder, as in addresses")
    question: str = told("what the study asks; empty where its folder cannot be read")
    n_arms: int = told("arms of its plan")
    n_seeds: int = told("seeds of each arm")
    n_planned: int = told("runs of its plan")
    n_finished: int = told("runs that are there")
    n_failed: int = told("runs that failed when they were last tried")
    is_training: bool = told("whether a process trains it now")
    seconds_left: float | None = told("until that process ends, by its own reckoning; null where it is not known")
    fault: str | None = told("why the folder cannot be read, or null")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """`/`: the studies of a folder."""

    folder: str = told("name of the folder that is served")
    studies: tuple[StudyCard, ...] = told("the studies in it, by name")


# ---------------------------------------------------------------------- progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRun:
    """A run that is being trained."""

    arm: str = told("arm, as in the study folder")
    seed: int = told("its seed")
    epoch: int = told("epochs done, as far as was last noted")
    n_epochs: int = told("epochs of all rounds")
    val_accuracy: float | None = told("validation accuracy of the last epoch, a proportion; null before the first")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that failed when it was last tried."""

    arm: str = told("arm, as in the study folder")
    seed: int = told("its seed")
    message: str = told("why it failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a study is."""

    n_planned: int = told("runs of the plan")
    n_finished: int = told("runs that are there, diverged ones among them")
    n_diverged: int = told("of these, runs whose loss was not finite")
    n_waiting: int = told("runs that have not begun, or were stopped")
    is_training: bool = told("whether a process holds the folder and trains")
    seconds_left: float | None = told("until that process ends, by its own reckoning; null where it is not known")
    running: tuple[RunningRun, ...] = told("runs that are being trained")
    failed: tuple[FailedRun, ...] = told("runs that failed when they were last tried")

    @property
    def is_complete(self) -> bool:
        """Whether nothing is running and nothing is left to begin."""
        return not self.is_training and self.n_waiting == 0


# ---------------------------------------------------------------------- curves


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedCurve:
    """The epochs of one run so far. What was not recorded or is not finite is null."""

    seed: int = told("its seed")
    state: str = told("finished, diverged, running, stopped or failed")
    chosen_epoch: int | None = told("the epoch whose weights were kept; null while none is chosen")
    epochs: tuple[int, ...] = told("numbers of the epochs, counting from 1 through all rounds")
    train_accuracy: tuple[float | None, ...] = told("a proportion, over each epoch while the weights moved")
    val_accuracy: tuple[float | None, ...] = told("a proportion, at the end of each epoch")
    train_loss: tuple[float | None, ...] = told("over each epoch while the weights moved")
    val_loss: tuple[float | None, ...] = told("at the end of each epoch")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveWarningLine:
    """What the learning curves show that something should be done about."""

    code: str = told("of the check, as in docs/learning-curves.md")
    title: str = told("the check in a few words")
    seeds: tuple[int, ...] = told("seeds of the runs in which it is found")
    sentence: str = told("what was found, with its numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLearningCurves:
    """An arm with the learning curves of its runs."""

    name: str = told("arm, as in the study folder")
    label: str = told("what to call it")
    settings: Mapping[str, Any] = told("the settings that are not the same in all arms, by dotted key")
    n_finished: int = told("runs of this arm that are there")
    runs: tuple[SeedCurve, ...] = told("by seed; runs that have no epoch yet are left out")
    warnings: tuple[CurveWarningLine, ...] = told("of the diagnosis of its curves")


# ---------------------------------------------------------------------- the study


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisLine:
    """A hypothesis of the study file, answered."""

    claim: str = told("as the study file has it")
    answer: str = told("supported, contradicted or undecided")
    sentence: str = told("the answer with its numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The primary metric of an arm on one split, over its seeds."""

    split: str = told("train, val or test")
    n_runs: int = told("runs behind it")
    mean: float = told("over the runs, in the metric's unit")
    sd: float = told("over the runs; null with one")
    minimum: float = told("smallest of the runs")
    maximum: float = told("largest of the runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """The primary metric of one arm."""

    name: str = told("arm, as in the study folder")
    label: str = told("what to call it")
    splits: tuple[SplitResult, ...] = told("by split, those that have predictions")
    low: float | None = told("lower end of the 95 % interval over seeds and test cases; null where there is none")
    high: float | None = told("upper end of it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the finished runs come to."""

    metric: str = told("name of the primary metric")
    metric_title: str = told("the metric in words")
    is_proportion: bool = told("whether it is a proportion, to be shown in per cent")
    verdicts: tuple[str, ...] = told("the answer in short, as sentences")
    hypotheses: tuple[HypothesisLine, ...] = told("in the order of the study file")
    arms: tuple[ArmResult, ...] = told("the primary metric of every arm")
    notes: tuple[str, ...] = told("what a reader has to know")
    curves_said: Mapping[str, tuple[str, ...]] = told("what the learning curves and gaps show, by arm label")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """A finding of the audit of the scans."""

    code: str = told("of the check, as in docs/audit.md")
    severity: str = told("blocker, warning or note")
    title: str = told("what is wrong, in a few words")
    text: str = told("what was found, with its numbers")
    n_cases: int = told("cases concerned")
    split: str | None = told("the split with most of these cases; null where there are none")
    acknowledged: str | None = told("the reason that the study file gives for accepting it, or null")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """`/s/NAME`: one study."""

    name: str = told("name of its folder, as in addresses")
    question: str = told("what the study asks")
    primary: str = told("primary metric and the split it is measured on, in words")
    class_names: tuple[str, ...] = told("in the order of class indices")
    counts: Mapping[str, Mapping[str, int]] = told("cases by split, then by class")
    progress: Progress = told("how far it is")
    arms: tuple[ArmLearningCurves, ...] = told("every arm with its curves and what is wrong with them")
    results_state: str = told(
        "ready; computing (ask again); closed (the study is not complete and test rows stay closed); failed; none (no "
        "run is finished)"
    )
    results_note: str = told("what the state means, as a sentence; empty where results are ready")
    results: Results | None = told("what the finished runs come to; null unless ready")
    audit: tuple[AuditLine, ...] = told("findings of the audit, the worst first")
    has_report: bool = told("whether report/report.html was written into the folder")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """`/s/NAME/report`: the report as it would be written now."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    state: str = told("ready, computing, closed, failed or none, as results_state of the study's page")
    note: str = told("what the state means, as a sentence; empty where the report is ready")
    document: Mapping[str, Any] | None = told(
        "the report as `scantrial report --format json` has it: title, facts, sections; null unless ready"
    )


# ---------------------------------------------------------------------- cases


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """What is shown of the cases, and in which order; every part of it stands in the address."""

    split: str = told("train, val or test")
    truth: str | None = told("only cases of this true class; null for all")
    arm: str = told("the arm whose decisions are filtered and shown; all: the mean over all arms")
    decision: str | None = told("only cases that were decided for this class; null for all")
    outcome: str | None = told("right or wrong; null for both")
    finding: str | None = told("only cases that this finding of the audit names, or any for any finding; null for all")
    sort: str = told("case, confidence, unsure, mistaken or disagreement")
    results: str | None = told("now: test rows were asked for before the study is complete; null otherwise")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCard:
    """One case among others."""

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
    arms: Mapping[str, str] = told("labels of the arms that have finished runs, by name")
    class_names: tuple[str, ...] = told("in the order of class indices")
    findings: Mapping[str, str] = told("titles of the audit's findings that name cases, by code")
    n_cases: int = told("cases of the split")
    n_matching: int = told("cases that the filter leaves")
    page: int = told("which part of them this is, counting from 1")
    n_pages: int = told("how many parts there are")
    cases: tuple[CaseCard, ...] = told("the cases of this part, in order")
    has_pictures: bool = told("whether the study folder keeps small pictures")
    is_closed: bool = told("whether decisions are left out as the study is not complete; results=now opens them")
    note: str = told("what a reader has to know of decisions on this split")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedOnCaseLine:
    """One run on the case."""

    seed: int = told("its seed")
    y_prob: tuple[float, ...] = told("probability of each class")
    decision: str = told("the class it decided for")
    is_right: bool = told("whether that is the true one")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOnCaseLine:
    """One arm on the case."""

    name: str = told("arm, as in the study folder")
    label: str = told("what to call it")
    p_truth: float | None = told("mean over its runs of the probability of the true class; null without a run")
    p_truth_sd: float | None = told("standard deviation of it over the runs; null with fewer than two")
    decision: str | None = told("class with the largest mean probability; null without a run")
    is_right: bool | None = told("whether that is the true class")
    n_right: int = told("runs that decided rightly")
    seeds: tuple[SeedOnCaseLine, ...] = told("each run by itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saliency:
    """Where a network looks on the case, as two pictures."""

    arm: str = told("arm, as in the study folder")
    seed: int = told("seed of the run whose network it is")
    state: str = told("ready, or missing")
    note: str = told("what the pictures show and do not show; or why there are none")
    target: str | None = told("the class whose probability is explained: the one that was decided for; null if missing")
    p_target: float | None = told("the network's probability of it on the whole scan")
    p_least: float | None = told("the smallest probability of it with a patch covered")
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
    arms: tuple[ArmOnCaseLine, ...] = told("every arm; none where decisions are left out")
    has_picture: bool = told("whether the study folder keeps a small picture of it")
    saliency: Saliency | None = told("where a network looks; null where it was not asked for")
    saliency_choices: tuple[str, ...] = told("runs that can be asked about, as ARM/SEED")
    position: int | None = told("its place among the cases of the filter, counting from 1; null if it is not in it")
    n_matching: int = told("cases that the filter leaves")
    previous: int | None = told("case before it in the filter's order")
    following: int | None = told("case after it")
    filter: CaseFilter = told("the filter that the case was reached by")
    is_closed: bool = told("whether decisions are left out as the study is not complete; results=now opens them")
    note: str = told("what a reader has to know of decisions on this split")


# ---------------------------------------------------------------------- comparison and threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEstimateLine:
    """One arm's metric with its interval."""

    name: str = told("arm, as in the study folder")
    label: str = told("what to call it")
    mean: float = told("over its seeds, in the metric's unit")
    low: float = told("lower end of the 95 % interval over seeds and cases")
    high: float = told("upper end of it")
    by_seed: Mapping[int, float] = told("the value of each run, by seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLine:
    """Two arms compared."""

    effect: float = told("first minus second, in the metric's unit, turned so that positive is better")
    low: float = told("lower end of the 95 % interval that the verdict is drawn from")
    high: float = told("upper end of it")
    p: float = told("of this comparison alone")
    p_adjusted: float = told("corrected for all pairs of arms, since any of them could have been chosen")
    verdict: str = told("better, worse, equivalent, inconclusive or not enough to judge")
    sentence: str = told("the verdict with its numbers")
    n_seeds: int = told("seeds that both arms share")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """`/s/NAME/compare`: any two arms on any metric, on the study's primary split."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    arms: Mapping[str, str] = told("labels of the arms that have finished runs, by name")
    metrics: Mapping[str, str] = told("titles of the metrics, by name")
    metric: str = told("the metric they are compared on")
    is_proportion: bool = told("whether it is a proportion, to be shown in per cent and points")
    higher_is_better: bool = told("whether a larger value of it is better")
    split: str = told("the split they are compared on")
    first: str | None = told("first arm; null where there are fewer than two")
    second: str | None = told("second arm")
    n_cases: int = told("cases of the split; patients, where these are known, are what the interval counts")
    pair: PairLine | None = told("the comparison; null where there is none")
    estimates: tuple[ArmEstimateLine, ...] = told("both arms")
    is_closed: bool = told("whether test rows stay closed as the study is not complete; results=now opens them")
    note: str = told("what a reader has to know, or why there is no comparison")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A proportion with its interval; null where it cannot be had."""

    value: float | None = told("mean over the runs")
    low: float | None = told("lower end of the 95 % interval over seeds and cases")
    high: float | None = told("upper end of it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """What an arm does at a threshold."""

    split: str = told("val or test")
    rule: str = told("how the threshold was chosen, in words")
    thresholds: Mapping[int, float] = told("probability above which a case is called positive, by seed")
    sensitivity: Share = told("of the cases of the positive class, the share called positive")
    specificity: Share = told("of the others, the share not called positive")
    ppv: Share = told("of the cases called positive, the share of the positive class, at the prevalence")
    npv: Share = told("of the others, the share not of it, at the prevalence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdPage:
    """`/s/NAME/threshold`: what a threshold does, tried on validation; test at locked thresholds only."""

    name: str = told("name of the study's folder, as in addresses")
    question: str = told("what the study asks")
    arms: Mapping[str, str] = told(
        "labels of the arms that can be asked about, by name; none with more than two classes"
    )
    arm: str | None = told("the arm; null where there is none")
    positive: str | None = told("the positive class; null where there are more than two classes")
    threshold: float = told("the probability above which a case is called positive, tried on validation")
    prevalence: float = told("share of the positive class that PPV and NPV are stated for")
    validation: Operating | None = told("the arm at this threshold on validation cases")
    locked: tuple[Operating, ...] = told("the arm on test cases at thresholds that rules chose on validation")
    is_closed: bool = told("whether test rows stay closed as the study is not complete; results=now opens them")
    note: str = told("what a reader has to know, or why there is nothing to show")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """Any address that cannot be answered."""

    status: int = told("HTTP status")
    got: str = told("what was found")
    expected: str | None = told("what would have been right, or null")
    do: str | None = told("the next step, or null")


PAGES = (IndexPage, StudyPage, ReportPage, CasesPage, CasePage, ComparePage, ThresholdPage, ErrorPage)
"""Every page, in the order of the documentation."""

Page = IndexPage | StudyPage | ReportPage | CasesPage | CasePage | ComparePage | ThresholdPage | ErrorPage
