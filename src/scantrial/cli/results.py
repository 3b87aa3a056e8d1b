"""Results as plain data for ``--json``, and as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from scantrial.analysis.metrics import METRICS
from scantrial.api import Status
from scantrial.cli.output import out, print_table, say
from scantrial.core.format import NONE, decimal, proportion
from scantrial.core.records import Split
from scantrial.findings.view import ArmView, ReportView, RunView
from scantrial.prose.verdicts import in_short
from scantrial.store.folder import RunKey
from scantrial.study.trial import Outcome

_COLUMNS: tuple[tuple[Split, str], ...] = (("val", "accuracy"), ("test", "accuracy"), ("test", "auroc"))


def outcome_dict(outcome: Outcome, view: ReportView, report_path: Path) -> dict[str, Any]:
    """Return the full result of a call of ``run``; `view` holds the numbers of its folder."""
    return {
        "folder": str(outcome.folder),
        "report": str(report_path),
        "trained": [_pair(key) for key in outcome.trained],
        "diverged": [_pair(key) for key in outcome.diverged],
        "failed": [_failure(failure.key, failure.message) for failure in outcome.failed],
        "reused": [{**_run_of(key), "from": source} for key, source in outcome.reused.items()],
        "notes": list(outcome.notes),
        "workers": None if outcome.workers is None else outcome.workers.to_dict(),
        **_results_dict(view),
    }


def status_dict(status: Status) -> dict[str, Any]:
    """Return a study folder's state."""
    return {
        "folder": str(status.folder),
        "study": status.question,
        "finished": [_pair(key) for key in status.finished],
        "diverged": [_pair(key) for key in status.diverged],
        "failed": [_failure(key, message) for key, message in status.failed],
        "running": list(status.running),
        "waiting": [_pair(key) for key in status.waiting],
        "reused": [{**_run_of(key), "from": dict(source)} for key, source in status.reused],
        "seconds_left": status.seconds_left,
        "holder": status.holder,
    }


def print_results(view: ReportView) -> None:
    """Print each arm's metrics on validation and test: mean over its seeds, and the range."""
    table = Table(title=view.question, title_justify="left", box=SIMPLE_HEAD)
    table.caption = "mean over seeds (smallest to largest)"
    table.add_column("arm")
    table.add_column("seeds", justify="right")
    columns = [(split, name) for split, name in _COLUMNS if split in view.splits]
    for split, name in columns:
        unit = " %" if METRICS[name].unit == "proportion" else ""
        table.add_column(
            f"{split} {METRICS[name].title.lower() if unit else METRICS[name].title}{unit}",
            justify="right",
            no_wrap=True,
        )
    for arm in view.arms:
        table.add_row(arm.label, str(len(arm.runs)), *(_cell(arm, split, name) for split, name in columns))
    print_table(table)


def print_verdicts(view: ReportView) -> None:
    """Print what the decisions give away, then the answer to the study's question; a study of one arm has none."""
    for sentence in view.judgement.decisions.said:
        say(sentence, bullet="- ")
    if len(view.arms) > 1:
        for sentence in in_short(view.judgement):
            say(sentence, bullet="- ")


def print_diagnosis(view: ReportView) -> None:
    """Print what the learning curves show, arm by arm, and what explains the gap from validation to test."""
    for arm in view.diagnosis.arms:
        if arm.said:
            out.print(f"\n{arm.label}", style="bold")
        for sentence in (*arm.said, *arm.gap_said, *arm.shift_said):
            say(sentence, bullet="- ")
    for factor, said in view.diagnosis.factors:
        out.print(f"\nAlong {factor}", style="bold")
        say(" ".join(said))
    for sentence in view.diagnosis.caveats:
        say(f"Note: {sentence}")


def _cell(arm: ArmView, split: Split, name: str) -> str:
    summary = arm.summaries.get(split, {}).get(name)
    if summary is None or summary.n == 0:
        return NONE
    in_percent = METRICS[name].unit == "proportion"
    mean, low, high = (
        proportion(value) if in_percent else decimal(value, 2)
        for value in (summary.mean, summary.minimum, summary.maximum)
    )
    return f"{mean} ({low} to {high})"


def _results_dict(view: ReportView) -> dict[str, Any]:
    return {
        "study": view.question,
        "primary": {"metric": view.primary_metric, "split": view.primary_split},
        "n_cases": {split: view.data.n_of(split) for split in view.data.counts},
        "class_names": list(view.data.class_names),
        "runs": [_run_dict(arm, run) for arm in view.arms for run in arm.runs],
        "arms": [_arm_dict(arm) for arm in view.arms],
        "diagnosis": view.diagnosis.to_dict(),
        "judgement": view.judgement.to_dict(),
        "evaluation": view.evaluation.to_dict(),
    }


def _run_dict(arm: ArmView, run: RunView) -> dict[str, Any]:
    facts = run.facts
    return {
        "arm": arm.name,
        "seed": run.seed,
        "status": facts.status,
        "n_epochs": facts.n_epochs,
        "chosen_epoch": facts.chosen_epoch,
        "selection": facts.selection,
        "diverged_epoch": facts.diverged_epoch,
        "engine": facts.engine,
        "engine_reason": facts.engine_reason,
        "times": dict(facts.times),
        **{split: _split_dict(run, split) for split in run.metrics},
    }


def _split_dict(run: RunView, split: Any) -> dict[str, Any]:
    values = run.metrics[split]
    return {
        "metrics": {name: value.value for name, value in values.items()},
        "undefined": {name: value.reason for name, value in values.items() if value.reason},
        "confusion": run.confusion[split].tolist(),
    }


def _arm_dict(arm: ArmView) -> dict[str, Any]:
    return {
        "name": arm.name,
        "label": arm.label,
        "differing": dict(arm.differing),
        "n_parameters": arm.n_parameters,
        "missing_seeds": list(arm.missing_seeds),
        **{split: _summaries_dict(arm.summaries[split]) for split in arm.summaries if arm.summaries[split]},
    }


def _summaries_dict(summaries: Mapping[str, Any]) -> dict[str, Any]:
    fields = ("n", "mean", "sd", "minimum", "maximum")
    return {name: {field: getattr(summary, field) for field in fields} for name, summary in summaries.items()}


def _pair(key: RunKey) -> list[Any]:
    return [key.arm, key.seed]


def _failure(key: RunKey, message: str) -> dict[str, Any]:
    return {**_run_of(key), "message": message}


def _run_of(key: RunKey) -> dict[str, Any]:
    return {"arm": key.arm, "seed": key.seed}
