"""The results: every metric on every split, run by run, and the confusion matrices."""

from __future__ import annotations

from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import metric_heading
from scantrial.core import format as fmt
from scantrial.core.format import SPLIT_WORDS
from scantrial.core.records import Split
from scantrial.figures.figure import Figure
from scantrial.findings.run_views import RunView
from scantrial.findings.view import ReportView
from scantrial.prose import study as study_prose
from scantrial.report.document import Block, Cell, Details, Section, Table
from scantrial.report.sections.parts import (
    blocks,
    figure,
    left,
    paragraph,
    paragraphs,
    right,
    summary_cell,
    table,
    value_cell,
    whole,
)


def results_section(view: ReportView, dots: Figure | None) -> Section:
    """Show every metric, over the seeds and run by run; training cases are folded away."""
    if not view.splits:
        nothing = paragraph("results-none", "No finished run has predictions.")
        return Section(id="results", title="Results", blocks=nothing)
    measured: list[Split] = [split for split in ("test", "val") if split in view.splits]
    parts = [
        Section(
            id=f"results-{split}",
            title=f"On {SPLIT_WORDS[split]} cases",
            blocks=_of_split(view, split),
        )
        for split in measured
    ]
    learnt = (
        [Details(id="results-train", summary="On the training cases", blocks=_of_split(view, "train"))]
        if "train" in view.splits
        else []
    )
    how = paragraph("results-how", study_prose.how_to_read(view))
    return Section(id="results", title="Results", blocks=blocks(how, figure("dots", dots), parts, learnt))


def _of_split(view: ReportView, split: Split) -> tuple[Block, ...]:
    said = [*study_prose.undefined_values(view, split), *study_prose.clipped_values(view, split)]
    word = SPLIT_WORDS[split]
    every = Details(id=f"runs-{split}", summary=f"Every run on {word}", blocks=(_runs(view, split),))
    return blocks([_summaries(view, split)], paragraphs(f"results-{split}-note", said), [every])


def _headings(view: ReportView) -> list[str]:
    return [metric_heading(METRICS[name]) for name in view.metrics]


def _summaries(view: ReportView, split: Split) -> Table:
    n, word = fmt.count(view.data.n_of(split)), SPLIT_WORDS[split]
    rows: list[list[Cell | str]] = []
    for arm in view.arms:
        row = arm.summaries[split]
        cells = [summary_cell(METRICS[name], row.get(name)) for name in view.metrics]
        rows.append([arm.label, whole(row[view.metrics[0]].n if row else 0), *cells])
    return table(
        f"results-{split}-table",
        f"Results on the {'' if view.folds else f'{n} '}{word} cases{' of each fold' * bool(view.folds)}: "
        f"{study_prose.what_numbers_are(view, [split])}.",
        [*left("Arm"), *right("Runs", *_headings(view))],
        rows,
        wide=True,
    )


def _runs(view: ReportView, split: Split) -> Table:
    return table(
        f"runs-{split}-table",
        f"Every run on the {SPLIT_WORDS[split]} cases",
        [
            *left("Arm"),
            *right(*(("Repeat", "Fold") if view.folds else ()), "Seed", "Chosen epoch", "Epochs", *_headings(view)),
        ],
        [[arm.label, *_run_cells(view, run, split)] for arm in view.arms for run in arm.runs],
        wide=True,
    )


def _run_cells(view: ReportView, run: RunView, split: Split) -> list[Cell | str]:
    epochs = f"{run.facts.n_epochs}{', diverged' if run.facts.status == 'diverged' else ''}"
    if run.facts.stopped_early:
        epochs += f" of {run.facts.planned_epochs}, stopped early"
    values = [
        value_cell(METRICS[name], run.metrics[split][name].value if split in run.metrics else None, fine=True)
        for name in view.metrics
    ]
    return [
        *(Cell(text=str(number), value=number) for number in (*(run.place or ()), run.seed)),
        whole(run.facts.chosen_epoch),
        Cell(text=epochs, value=run.facts.n_epochs),
        *values,
    ]


def confusion(matrices: Figure | None) -> Section:
    """Show the confusion matrices."""
    found = figure("confusion-figure", matrices) or paragraph("confusion-none", "There are no test predictions.")
    return Section(id="confusion", title="Confusion matrices", short="Confusion", blocks=found)
