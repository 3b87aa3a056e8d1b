"""The learning curves, what they show, and their aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from scantrial.analysis.metrics import METRICS
from scantrial.analysis.summary import SeedSummary
from scantrial.core import format as fmt
from scantrial.figures.figure import Figure
from scantrial.findings.run_views import StretchView
from scantrial.findings.view import ReportView
from scantrial.prose import study as study_prose
from scantrial.report.document import Block, Cell, Section, Table
from scantrial.report.sections.parts import (
    blocks,
    bullets,
    difference_cell,
    figure,
    left,
    number,
    p_cell,
    paragraph,
    paragraphs,
    right,
    slugs,
    span,
    table,
    whole,
    without_caption,
)

_NOTHING = "No run is finished yet."
_QUANTITIES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")


def curves(view: ReportView, figures: Mapping[str, Figure]) -> Section:
    """Show every arm's curves; a caption equal to that of the arm before is not repeated."""
    names = slugs(arm.name for arm in view.arms)
    found, said = [], ""
    for arm in view.arms:
        if arm.name in figures:
            drawn = figures[arm.name]
            shown = without_caption(drawn) if drawn.caption == said else drawn
            name = f"curves-{names[arm.name]}"
            found.append(Section(id=name, title=arm.label, blocks=figure(f"{name}-figure", shown)))
            said = drawn.caption
    return Section(id="curves", title="Learning curves", blocks=tuple(found) or paragraph("curves-none", _NOTHING))


def diagnosis(view: ReportView) -> Section:
    """Say what the curves and the gaps between the splits show."""
    names = slugs(arm.name for arm in view.diagnosis.arms)
    arms = [
        Section(
            id=f"diagnosis-{names[arm.name]}",
            title=arm.label,
            blocks=blocks(
                bullets(f"diagnosis-{names[arm.name]}-said", [*arm.said, *arm.gap_said]),
                _steps(f"diagnosis-{names[arm.name]}", arm.shift_said),
            ),
        )
        for arm in view.diagnosis.arms
        if arm.said
    ]
    factors = [
        Section(id=f"along-{slug}", title=f"Along {factor}", blocks=paragraph(f"along-{slug}-text", said))
        for (factor, said), slug in zip(
            view.diagnosis.factors, slugs(name for name, _ in view.diagnosis.factors).values(), strict=True
        )
    ]
    nothing = () if arms else paragraph("diagnosis-none", _NOTHING)
    return Section(
        id="diagnosis",
        title="What the curves show",
        short="What they show",
        blocks=blocks(arms, nothing, factors, paragraphs("diagnosis-caveat", view.diagnosis.caveats)),
    )


def _steps(name: str, said: tuple[str, ...]) -> tuple[Block, ...]:
    if not said:
        return ()
    heading = paragraph(f"{name}-shift", "From validation to test, step by step:")
    return blocks(heading, bullets(f"{name}-steps", said, ordered=True))


# ---------------------------------------------------------------------- aggregates


def aggregates(view: ReportView) -> Section:
    """Show the curves' means over epochs and their ends, as course reports ask for them."""
    found = _aggregates(view) if view.n_finished else paragraph("aggregates-none", _NOTHING)
    return Section(id="aggregates", title="Aggregates of the learning curves", short="Aggregates", blocks=found)


def _aggregates(view: ReportView) -> tuple[Block, ...]:
    mean = f"Mean over epochs without the first {view.skipped_epochs}"
    return blocks(
        paragraph("aggregates-what", study_prose.what_aggregates_are(view)),
        [_stretches(view, "mean", mean)] if view.has_epoch_means else [],
        [_stretches(view, "at-end", "At the end of each round")],
        _differences(view),
    )


def _stretches(view: ReportView, part: str, heading: str) -> Table:
    titles = ("Training loss", "Training accuracy", "Validation loss", "Validation accuracy")
    return table(
        f"aggregates-{part}",
        f"{heading}. Accuracies in per cent.",
        [*left("Arm", "Round"), *right("Runs", *titles)],
        [
            [
                arm.label,
                "all" if stretch.round is None else str(stretch.round),
                whole(stretch.n_runs),
                *(_curve_cell(_of(stretch, part)[quantity], quantity) for quantity in _QUANTITIES),
            ]
            for arm in view.arms
            for stretch in arm.stretches
            if part == "mean" or stretch.round is not None
        ],
    )


def _of(stretch: StretchView, part: str) -> Mapping[str, SeedSummary]:
    return stretch.mean if part == "mean" else stretch.at_end


def _curve_cell(summary: SeedSummary, quantity: str) -> Cell:
    """Show the mean and the deviation of a curve's quantity: accuracies in per cent, losses as they are."""
    percent = quantity.endswith("accuracy")
    show = partial(fmt.proportion, digits=2) if percent else partial(fmt.decimal, digits=4)
    shown = number(show(summary.mean), summary.mean)
    return Cell(text=shown.text, value=shown.value, aside=f"± {show(summary.sd)}" if summary.n > 1 else "")


def _differences(view: ReportView) -> tuple[Table, ...]:
    found, metric = view.aggregate_differences(), METRICS["accuracy"]
    if not found or not view.has_epoch_means:
        return ()
    return (
        table(
            "aggregates-differences",
            "Differences of the mean validation accuracy over epochs, in points, paired over seeds (t). They hold "
            "for these images only. They average many half-trained networks: no single network has this accuracy. No "
            "verdict follows from them.",
            [*left("Comparison"), *right("Seeds", "Difference", "95 % CI", "p")],
            [
                [
                    f"{item.arm} − {item.other}",
                    whole(item.found.n_seeds),
                    difference_cell(metric, item.found.difference),
                    span(metric, item.found.low, item.found.high),
                    p_cell(item.found.p),
                ]
                for item in found
            ],
        ),
    )
