"""Results as plain data for ``--json``, and as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import metric_number
from scantrial.cli.keys import failure_of, pair_of, run_of
from scantrial.cli.output import duration, out, print_table, say, say_positive_class
from scantrial.core.errors import first_of_a_kind
from scantrial.core.format import NONE, SPLIT_WORDS
from scantrial.core.positive import positive_class, positive_facts
from scantrial.core.records import Split
from scantrial.findings.run_views import RunView
from scantrial.findings.view import ArmView, ReportView
from scantrial.prose import brief
from scantrial.prose.folds import over
from scantrial.prose.verdicts import MAX_IN_SHORT, in_short, verdict_warnings
from scantrial.store.folder import RunKey
from scantrial.study.trial import Outcome


def outcome_dict(outcome: Outcome, view: ReportView, report_path: Path) -> dict[str, Any]:
    """Return the full result of a call of ``run``; `view` holds the numbers of its folder."""
    return {
        "folder": str(outcome.folder),
        "report": str(report_path),
        "trained": [pair_of(key) for key in outcome.trained],
        "diverged": [pair_of(key) for key in outcome.diverged],
        "failed": [failure_of(failure.key, failure.message) for failure in outcome.failed],
        "reused": [{**run_of(key), "from": source} for key, source in outcome.reused.items()],
        "notes": list(outcome.notes),
        "workers": None if outcome.workers is None else outcome.workers.to_dict(),
        **_results_dict(view),
    }


def print_outcome(
    outcome: Outcome, view: ReportView, report_path: Path, *, study: Sequence[str], verbose: bool
) -> None:
    """Print the results of a folder in short, or in full, and the runs that were copied or failed.

    Parameters
    ----------
    study : the words after ``scantrial run`` that trained these runs, without seeds and folder
    """
    if verbose:
        print_results(view)
        print_verdicts(view)
        print_diagnosis(view)
    else:
        print_brief(view)
    for line in first_of_a_kind(f"copied: {key} from {source}" for key, source in outcome.reused.items()):
        out.print(line)
    if verbose:  # the short form says it before the answer
        for line in first_of_a_kind(f"diverged: {key} (its loss was not finite)" for key in outcome.diverged):
            out.print(line)
        for line in first_of_a_kind(f"failed: {failure.key}: {failure.message}" for failure in outcome.failed):
            out.print(line)
    out.print(f"report: {report_path}")
    for number, (command, why) in enumerate(brief.next_commands(view, study, str(outcome.folder))):
        out.print(f"{'' if number else 'next:':7} {command}  # {why}")


def print_brief(view: ReportView) -> None:
    """Print the arms, the answer, a line on each arm's curves, and what weakens the answer."""
    print_table(_brief_table(view))
    _print_block("beware", brief.first_warnings(view))
    _print_block("answer", brief.answer_lines(view))
    _print_block("curves", brief.curve_lines(view))
    _print_block("beware", brief.weak_points(view))


def _print_block(name: str, lines: Sequence[str]) -> None:
    """Print lines under a name that stands before the first."""
    for number, line in enumerate(lines):
        say(line, bullet=f"{name}: " if number == 0 else " " * (len(name) + 2), under=" " * (len(name) + 2))


def _brief_table(view: ReportView) -> Table:
    """Return the arms with their primary metric and its interval, other measures, and the time of a run."""
    metric, others = METRICS[view.primary_metric], _others(view)
    table = Table(title=view.question, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    positive = positive_class(view.data.class_names)
    table.caption = (
        f"means over {over(view)}{'' if positive is None else f'; positive class: {positive}'}{_trained(view)}"
    )
    table.add_column("arm")
    verdicts = brief.verdict_of_each(view) if len(view.arms) > MAX_IN_SHORT else {}
    titles = [
        "runs" if view.folds else "seeds",
        f"{_heading(view.primary_split, metric.name)} (95 % CI)",
        *(_heading(*other) for other in others),
    ]
    for title in (*titles, "time\na run"):
        table.add_column(title, justify="right")
    if verdicts:
        table.add_column("verdict")
    for arm in view.arms:
        mean, span, _ = _primary_cells(view, arm)
        summary = arm.summaries[view.primary_split].get(metric.name)
        n = 0 if summary is None else summary.n
        n_planned = view.n_planned // len(view.arms)
        seeds = str(n) if n == n_planned else f"{n} of {n_planned}"
        cells = [seeds, mean if span == NONE else f"{mean} ({span})"]
        cells += [*(_mean(arm, *other) for other in others), _time(view, arm)]
        table.add_row(arm.label, *cells, *([verdicts.get(arm.label, "")] if verdicts else []))
    return table


def _trained(view: ReportView) -> str:
    """Say how long all runs took, one after the other."""
    seconds = sum(brief.seconds_of(run.facts) or 0.0 for arm in view.arms for run in arm.runs)
    return f"; {duration(seconds)} for all runs, one by one" if seconds >= 1 else ""


def _time(view: ReportView, arm: ArmView) -> str:
    seconds = brief.seconds_a_run(view, arm.name)
    return NONE if seconds is None else duration(seconds)


def print_results(view: ReportView) -> None:
    """Print each arm's primary metric with its interval and its range over seeds, then means of other measures."""
    metric, split = METRICS[view.primary_metric], view.primary_split
    table = Table(title=view.question, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.caption = f"means over {over(view)}; {metric.title} on {SPLIT_WORDS[split]} decides the study"
    table.add_column("arm")
    others = _others(view)
    titles = ["runs" if view.folds else "seeds", _heading(split, metric.name), "95 % CI", f"over {over(view)}"]
    for title in (*titles, *(_heading(*other) for other in others)):
        table.add_column(title, justify="right")
    for arm in view.arms:
        table.add_row(
            arm.label, str(len(arm.runs)), *_primary_cells(view, arm), *(_mean(arm, *other) for other in others)
        )
    print_table(table)


def _others(view: ReportView) -> list[tuple[Split, str]]:
    """Return what is shown beside the primary metric: it on validation, and accuracy, or AUROC beside accuracy."""
    second = "auroc" if view.primary_metric == "accuracy" else "accuracy"
    shown: tuple[tuple[Split, str], ...] = (("val", view.primary_metric), (view.primary_split, second))
    return [(split, name) for split, name in shown if split in view.splits]


def _heading(split: Split, name: str) -> str:
    """Return a column's title on two lines, so that the column is narrow."""
    metric = METRICS[name]
    in_percent = metric.unit == "proportion"
    return f"{split}\n{f'{metric.title.lower()} %' if in_percent else metric.title}"


def _primary_cells(view: ReportView, arm: ArmView) -> tuple[str, str, str]:
    """Return an arm's mean of the primary metric, its interval, and its smallest and largest run."""
    name, summary = view.primary_metric, arm.summaries[view.primary_split].get(view.primary_metric)
    found = view.estimate_of(arm.name, name)
    if summary is None or summary.n == 0:
        return NONE, NONE, NONE
    span = NONE if found is None else f"{_shown(name, found.low)} to {_shown(name, found.high)}"
    return (
        _shown(name, summary.mean),
        span,
        f"{_shown(name, summary.minimum)} to {_shown(name, summary.maximum)}",
    )


def _mean(arm: ArmView, split: Split, name: str) -> str:
    summary = arm.summaries[split].get(name)
    return NONE if summary is None or summary.n == 0 else _shown(name, summary.mean)


def _shown(name: str, value: float) -> str:
    return metric_number(METRICS[name], value)


def print_verdicts(view: ReportView) -> None:
    """Print which class is positive, what the decisions give away, and the answer; a study of one arm has none."""
    say_positive_class(view.data.class_names)
    for warning in verdict_warnings(view.judgement):
        say(warning, bullet="! ")
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


def _results_dict(view: ReportView) -> dict[str, Any]:
    return {
        "study": view.question,
        "primary": {"metric": view.primary_metric, "split": view.primary_split},
        "n_cases": {split: view.data.n_of(split) for split in view.data.counts},
        "class_names": list(view.data.class_names),
        **positive_facts(view.data.class_names),
        "runs": [_run_dict(arm, run) for arm in view.arms for run in arm.runs],
        "arms": [_arm_dict(arm) for arm in view.arms],
        "diagnosis": view.diagnosis.to_dict(),
        "judgement": view.judgement.to_dict(),
        "evaluation": view.evaluation.to_dict(),
    }


def _run_dict(arm: ArmView, run: RunView) -> dict[str, Any]:
    facts = run.facts
    return {
        **RunKey(arm.name, run.seed, *(run.place or ())).to_dict(),
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
