"""Contents of a study's page that are not curves: the table of arms and runs, what was compared, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scantrial.web.told import told, told_of_fold


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricOfArm:
    """One metric of an arm on the primary split, over its runs."""

    mean: float | None = told("mean over the runs, in the metric's unit; null where no run has a value")
    low: float | None = told("lower end of the 95 % CI; null if there is none")
    high: float | None = told("upper end of that interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One arm in the table of arms; its settings stand with its curves."""

    name: str = told("arm, as in the study folder")
    label: str = told("its label for people")
    n_finished: int = told("number of its finished runs")
    n_planned: int = told("number of its planned runs")
    seconds: float | None = told("median time of a finished run; null without one")
    engines: tuple[str, ...] = told("training engines of its finished runs")
    epochs_kept: tuple[int, ...] = told("the epoch whose weights were kept, of each run that has one, by seed")
    val_accuracy: float | None = told("mean validation accuracy of the kept epochs, from the history")
    metrics: Mapping[str, MetricOfArm] = told("by name, on the primary split; empty unless results are ready")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in the table of runs."""

    arm: str = told("arm, as in the study folder")
    label: str = told("the arm's label for people")
    seed: int = told("its seed")
    repeat: int | None = told_of_fold("its repeat, in a cross-validation only")
    fold: int | None = told_of_fold("its fold, in a cross-validation only")
    state: str = told("finished, diverged, running, stopped, failed or waiting")
    n_epochs: int = told("epochs that were trained so far")
    epoch_kept: int | None = told("the epoch whose weights were kept; null before one is chosen")
    seconds: float | None = told("time that the run took; null unless finished")
    engine: str | None = told("training engine; null unless finished")
    val_accuracy: float | None = told("validation accuracy of the kept epoch, from the history")
    metrics: Mapping[str, float | None] = told("by name, on the primary split; empty unless results are ready")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTable:
    """Every arm and every planned run with what is known of them; `arms.csv` and `runs.csv` hold the same."""

    settings: tuple[str, ...] = told("dotted keys of the settings that differ between arms")
    metrics: Mapping[str, str] = told("titles of the metrics with their unit, by name, the primary one first")
    arms: tuple[ArmRow, ...] = told("the best on the primary metric first once results are ready, else as in the plan")
    runs: tuple[RunRow, ...] = told("by arm, as in the plan, and by seed")
    seconds_a_seed: float | None = told("time that one more seed of every arm would take, one run after the other")
    seconds_trained: float = told("time that all finished runs took together")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonLine:
    """One declared comparison on the primary metric."""

    title: str = told("what is compared; a positive effect favours the first")
    effect: float = told("the difference in the metric's unit; its sign is reversed if smaller is better")
    low: float = told("lower end of the 95 % CI that holds for all comparisons together; null with two seeds")
    high: float = told("upper end of that interval")
    p_adjusted: float = told("p corrected for all declared comparisons")
    verdict: str = told("better, worse, equivalent, inconclusive or not enough to judge, with its qualifications")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCounts:
    """Test cases of one arm by true class and decision, summed over its runs."""

    label: str = told("the arm's label for people")
    n_runs: int = told("number of runs that are summed")
    counts: tuple[tuple[int, ...], ...] = told("rows are true classes, columns decisions, in the order of class_names")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMark:
    """A test case that is worth a look."""

    case: int = told("case number, as in cases.parquet")
    truth: str = told("true class")
    has_picture: bool = told("whether the study folder has a small picture of it")
    share: float = told("mean probability of the true class over all runs, or how far arms are apart in it")


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A command to copy."""

    command: str = told("the command, for a shell in the folder in which the server was started")
    why: str = told("what it is for")
