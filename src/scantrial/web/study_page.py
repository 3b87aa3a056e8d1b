"""The page of one study: progress and curves at once, results once they are computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from scantrial import api
from scantrial.analysis.metrics import METRICS
from scantrial.core.errors import ScantrialError
from scantrial.core.format import SPLIT_WORDS
from scantrial.core.plain import as_plain
from scantrial.core.positive import health_warning, positive_class
from scantrial.core.records import SPLITS, EpochRecord
from scantrial.findings.view import build_view
from scantrial.findings.watching import WatchedRun, network_in_training, watch_curves
from scantrial.recipe.plan import Plan, PlannedArm
from scantrial.store.folder import RunKey
from scantrial.web.records import (
    ArmLearningCurves,
    AuditLine,
    CurveWarningLine,
    FailedRun,
    Progress,
    Results,
    RunningRun,
    SeedCurve,
    StudyPage,
)
from scantrial.web.results import PrimaryMetrics, measured, results_of
from scantrial.web.run_table import run_table
from scantrial.web.steps import next_steps, steps_before, words_for
from scantrial.web.studies import OpenStudy
from scantrial.web.table_records import NextStep

ResultsState = Literal["ready", "computing", "closed", "failed", "none"]


def fault_in_words(error: Exception) -> str:
    """Say what is wrong with a folder; an error that is not one of ours names its type."""
    return error.got if isinstance(error, ScantrialError) else f"it cannot be read ({type(error).__name__}: {error})"


# ---------------------------------------------------------------------- one study


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPart:
    """How far the results are: a state and its note; where they are ready, the results and what follows from them."""

    state: ResultsState
    note: str = ""
    results: Results | None = None
    measured: PrimaryMetrics | None = None
    steps: tuple[NextStep, ...] = ()


def read_results(study: OpenStudy) -> ResultsPart:
    """Compute the results of the finished runs, seconds for a large study; this reads test rows."""
    try:
        view = build_view(study.data())
        steps = next_steps(view, words_for(study.shown))
        results = results_of(view, pictured=_pictured(study))
        return ResultsPart(state="ready", results=results, measured=measured(view), steps=steps)
    except Exception as error:  # a damaged folder raises nearly anything; the page says so
        return ResultsPart(state="failed", note=f"The results cannot be computed: {fault_in_words(error)}")


def _pictured(study: OpenStudy) -> frozenset[int]:
    table = study.folder.cases(["case", "thumbnail"])
    has_picture = table["thumbnail"].is_valid().to_pylist()
    return frozenset(case for case, found in zip(table["case"].to_pylist(), has_picture, strict=True) if found)


def study_page(study: OpenStudy, part: ResultsPart) -> StudyPage:
    """Build the page of a study; it reads no test row, only the results read them."""
    plan, data = study.plan(), study.folder.data()
    metric = METRICS[plan.primary.metric]
    progress, curves = progress_of(study.status()), arm_curves(study)
    facts = {key: run.facts for key, run in study.finished().items()}
    return StudyPage(
        name=study.name,
        question=plan.study,
        primary=f"{metric.title} on {SPLIT_WORDS[plan.primary.split]} cases",
        class_names=study.class_names(),
        positive_class=positive_class(study.class_names()),
        positive_class_warning=health_warning(study.class_names()),
        counts=_counts(plan, data["counts"]),
        progress=progress,
        table=run_table(plan, facts, curves=curves, progress=progress, measured=part.measured),
        steps=(part.steps if progress.is_complete else ()) or steps_before(progress, words_for(study.shown)),
        arms=curves,
        results_state=part.state,
        results_note=part.note,
        results=None if part.results is None else _said_once(part.results, curves),
        audit=audit_lines(study),
        has_report=(study.folder.path / "report" / "report.html").is_file(),
    )


def _said_once(results: Results, curves: Sequence[ArmLearningCurves]) -> Results:
    """Leave out what the warnings from the learning curves say already."""
    warned = {arm.label: tuple(item.sentence for item in arm.warnings) for arm in curves}
    rest = {
        label: tuple(one for one in said if not one.endswith(warned.get(label) or "\0"))
        for label, said in results.curves_said.items()
    }
    return replace(results, curves_said=rest)


def _counts(plan: Plan, counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Return the cases by split and class; a cross-validation tests all of them."""
    if not plan.folds:
        return {split: dict(counts.get(split, {})) for split in SPLITS}
    total: Counter[str] = Counter()
    for of_split in counts.values():
        total.update(of_split)
    return {"train": {}, "val": {}, "test": dict(total)}


def progress_of(found: api.Status) -> Progress:
    """Return how far a study is."""
    return Progress(
        n_planned=len(found.finished) + len(found.failed) + len(found.running) + len(found.waiting),
        n_finished=len(found.finished),
        n_diverged=len(found.diverged),
        n_waiting=len(found.waiting),
        is_training=found.holder is not None,
        seconds_left=found.seconds_left,
        running=tuple(
            RunningRun(
                arm=str(item["arm"]),
                seed=int(item["seed"]),
                repeat=item.get("repeat"),
                fold=item.get("fold"),
                epoch=int(item["epoch"]),
                n_epochs=int(item["n_epochs"]),
                val_accuracy=item.get("val_accuracy"),
            )
            for item in found.running
        ),
        failed=tuple(FailedRun(**key.to_dict(), message=message) for key, message in found.failed),
    )


def audit_lines(study: OpenStudy) -> tuple[AuditLine, ...]:
    """Return the findings of the audit, the worst first."""
    audit = study.audit()
    splits = study.split_of_cases() if audit is not None and audit.findings else {}
    return tuple(
        AuditLine(
            code=item.code,
            severity=item.severity,
            title=item.title,
            text=item.text,
            n_cases=len(item.case_numbers),
            split=_commonest_split(item.case_numbers, splits),
            acknowledged=item.acknowledged,
        )
        for item in (audit.findings if audit is not None else ())
    )


def _commonest_split(cases: Sequence[int], splits: Mapping[int, str]) -> str | None:
    known = Counter(splits[case] for case in cases if case in splits)
    return known.most_common(1)[0][0] if known else None


# ---------------------------------------------------------------------- curves


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    state: str
    chosen_epoch: int | None
    history: tuple[EpochRecord, ...]
    stamp: int
    stopped_early: bool = False


def arm_curves(study: OpenStudy) -> tuple[ArmLearningCurves, ...]:
    """Return every arm with the curves of its runs, including running and stopped ones."""
    plan, counts = study.plan(), study.folder.data()["counts"]
    settings, labels, runs = plan.differing(), plan.labels, _all_runs(study)
    planned = study.folder.planned_keys()
    found = []
    for arm in plan.arms:
        mine = {key: runs[key] for key in planned if key.arm == arm.name and key in runs}
        # An arm without new epochs keeps its last diagnosis.
        version = tuple((key, run.state, len(run.history), run.stamp) for key, run in mine.items())
        make = partial(_arm_curves, arm, labels[arm.name], settings[arm.name], mine, counts)
        found.append(study.remembered(f"curves of {arm.name}", version, make))
    return tuple(found)


def _arm_curves(
    arm: PlannedArm,
    label: str,
    settings: Mapping[str, Any],
    runs: Mapping[RunKey, _Run],
    counts: Mapping[str, Any],
) -> ArmLearningCurves:
    watched = {
        key.seed if key.place is None else number: WatchedRun(
            history=run.history, chosen_epoch=run.chosen_epoch, stopped_early=run.stopped_early
        )
        for number, (key, run) in enumerate(runs.items())
    }
    warnings = watch_curves(watched, recipe=arm.recipe, counts=counts)
    return ArmLearningCurves(
        name=arm.name,
        label=label,
        settings=settings,
        n_finished=sum(run.state in ("finished", "diverged") for run in runs.values()),
        runs=tuple(_seed_curve(key, run) for key, run in runs.items() if run.history),
        warnings=tuple(
            CurveWarningLine(code=item.code, title=item.title, seeds=item.seeds, sentence=item.said)
            for item in warnings
        ),
    )


def _all_runs(study: OpenStudy) -> dict[RunKey, _Run]:
    done = {
        key: _Run(
            state=run.facts.status,
            chosen_epoch=run.facts.chosen_epoch,
            history=run.history,
            stamp=run.stamp,
            stopped_early=run.facts.stopped_early,
        )
        for key, run in study.finished().items()
    }
    status = study.status()
    running = {RunKey.from_dict(item) for item in status.running}
    failed = {key for key, _ in status.failed}
    planned = set(study.folder.planned_keys())
    n_epochs = {arm.name: arm.recipe.n_epochs for arm in study.plan().arms}
    for key in study.folder.unfinished_keys():
        if key in planned and key not in done:
            state = "running" if key in running else "failed" if key in failed else "stopped"
            history = network_in_training(study.folder.live_history(key), n_epochs=n_epochs[key.arm])
            done[key] = _Run(state=state, chosen_epoch=None, history=history, stamp=hash(history[-1:]))
    return done


def _seed_curve(key: RunKey, run: _Run) -> SeedCurve:
    def column(name: str) -> tuple[float | None, ...]:
        return tuple(as_plain(getattr(record, name)) for record in run.history)

    return SeedCurve(
        seed=key.seed,
        repeat=key.repeat,
        fold=key.fold,
        state=run.state,
        chosen_epoch=run.chosen_epoch,
        epochs=tuple(record.epoch for record in run.history),
        train_accuracy=column("train_accuracy"),
        val_accuracy=column("val_accuracy"),
        train_loss=column("train_loss"),
        val_loss=column("val_loss"),
    )
