"""The answer, on the first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scantrial.analysis.intervals import ArmEstimate
from scantrial.analysis.metrics import METRICS, Metric
from scantrial.analysis.verdict_words import metric_number
from scantrial.core import format as fmt
from scantrial.core.format import SPLIT_WORDS
from scantrial.core.positive import positive_class
from scantrial.figures.figure import Figure
from scantrial.findings.view import ArmView, ReportView
from scantrial.prose import study as study_prose
from scantrial.prose.brief import answer_lines, next_commands
from scantrial.prose.verdicts import MAX_IN_SHORT
from scantrial.report.document import Block, Code, Paragraph, Section, Table, text
from scantrial.report.sections.parts import (
    blocks,
    figure,
    left,
    paragraph,
    paragraphs,
    right,
    summary_cell,
    table,
    whole,
)
from scantrial.report.sections.warnings import weak


def short(view: ReportView, forest: Figure | None = None) -> Section:
    """Answer the question in a line or two, draw the differences, show the primary metric, say what weakens it."""
    answer = paragraphs("answer", _answer(view), "lead")
    results = _results(view) if view.n_finished else paragraph("nothing-yet", _NOTHING)
    return Section(
        id="short",
        title="In short",
        part="summary",
        blocks=blocks(answer, *_in_order(view, (figure("forest", forest), results), weak(view)), _next(view)),
    )


FEW_ARMS = 2
"""With more arms, what weakens the answer stands before the figure and the table, as it would be out of sight below."""


def _in_order(view: ReportView, shown: Sequence[Sequence[Block]], weakness: Sequence[Block]) -> list[Sequence[Block]]:
    return [*shown, weakness] if len(view.arms) <= FEW_ARMS else [weakness, *shown]


def _answer(view: ReportView) -> list[str]:
    """Return the verdict in short; of three arms or more the best one, and a count: the figure has every verdict."""
    primary = view.judgement.primary
    return answer_lines(view, most=MAX_IN_SHORT if primary is None or primary.best is None else 0)


_NOTHING = "No run is finished yet, so there are no results to show."


def _results(view: ReportView) -> tuple[Block, ...]:
    odd = paragraphs("primary-note", study_prose.primary_that_does_not_apply(view))
    return (_primary_table(view), *odd)


def _next(view: ReportView) -> tuple[Paragraph, ...]:
    """Say by which command the study would say more; the page of `scantrial serve` shows, and says nothing new."""
    _, *found = next_commands(view, ["DIR/study.yaml"], "DIR")
    return tuple(
        Paragraph(id="next", content=text("Next: ", Code(command), f": {why}. DIR is the study folder."), role="small")
        for command, why in found
    )


def _primary_table(view: ReportView) -> Table:
    metric = METRICS[view.primary_metric]
    unit = ", %" if metric.unit == "proportion" else ""
    first = [split for split in view.splits if split == view.primary_split]
    rest = [split for split in view.splits if split != view.primary_split]
    titles = {split: f"{SPLIT_WORDS[split].capitalize()}{unit}" for split in view.splits}
    spans = {arm.name: view.estimate_of(arm.name, metric.name) for arm in view.arms}
    spread = fmt.spread_words(*([len(found.by_seed) for found in spans.values() if found is not None] or [1]))
    spread = "other training sets and other cases" if view.folds else spread
    # On a phone the number of runs and the other splits give way to the primary result with its interval.
    aside = [replace(column, spare=True) for column in right("Runs", *(titles[split] for split in rest))]
    judged = right(*(titles[split] for split in first), *(["95 % CI"] * len(first)))
    return table(
        "primary",
        f"{metric.title} of each arm: {study_prose.what_numbers_are(view, view.splits)}"
        f"{f'; the 95 % CI counts {spread}' if first else ''}.{study_prose.about_positive(view, metric.name)}",
        [*left("Arm"), aside[0], *judged, *aside[1:]],
        [
            [
                arm.label,
                whole(_n_runs(view, arm)),
                *(summary_cell(metric, arm.summaries[split].get(metric.name), strong=True) for split in first),
                *(_span_cell(metric, spans[arm.name]) for _ in first),
                *(summary_cell(metric, arm.summaries[split].get(metric.name)) for split in rest),
            ]
            for arm in view.arms
        ],
    )


def _span_cell(metric: Metric, found: ArmEstimate | None) -> str:
    if found is None:
        return fmt.NONE
    return fmt.interval(metric_number(metric, found.low), metric_number(metric, found.high))


def _n_runs(view: ReportView, arm: ArmView) -> int:
    """Return how many runs of an arm have the primary metric, or any where it does not apply."""
    row = arm.summaries[view.primary_split]
    return row.get(METRICS[view.primary_metric].name, row[view.metrics[0]]).n if row else 0


def facts(view: ReportView) -> tuple[tuple[str, str], ...]:
    """Return the numbers for the head of the report."""
    positive = positive_class(view.data.class_names)
    return (
        ("Arms", str(len(view.arms))),
        *_what_is_repeated(view),
        ("Runs", f"{view.n_finished} of {view.n_planned}"),
        ("Cases" if view.folds else "Test cases", fmt.count(view.data.n_of("test"))),
        ("Primary metric", METRICS[view.primary_metric].title),
        *([] if positive is None else [("Positive class", positive)]),
    )


def _what_is_repeated(view: ReportView) -> tuple[tuple[str, str], ...]:
    if not view.folds:
        return (("Seeds", str(len(view.seeds))),)
    n_repeats = len({repeat for repeat, _ in view.folds})
    seeds = (("Seeds per fold", str(len(view.seeds))),) if len(view.seeds) > 1 else ()
    return (("Folds", str(len(view.folds) // n_repeats)), ("Repeats", str(n_repeats)), *seeds)
