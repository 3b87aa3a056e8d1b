"""Whether the probabilities are calibrated, and the results at a threshold."""

from __future__ import annotations

from collections.abc import Sequence

from scantrial.analysis.intervals import ArmEstimate
from scantrial.analysis.metrics import METRICS, Metric
from scantrial.analysis.verdict_words import metric_heading, metric_number
from scantrial.core import format as fmt
from scantrial.figures.figure import Figure
from scantrial.findings.evaluation import OperatingView
from scantrial.findings.view import ReportView
from scantrial.prose.evaluation import calibration_words, operating_words, temperature_words, winner_words
from scantrial.prose.folds import left_out_of_folds
from scantrial.report.document import Block, Cell, Section, Table
from scantrial.report.sections.parts import blocks, bullets, figure, left, paragraph, paragraphs, right, table


def belief(view: ReportView, reliability: Figure | None, decision: Figure | None) -> Section | None:
    """Show each arm's intervals, calibration, thresholds and net benefit; none without test predictions."""
    if not view.evaluation.arms:
        return None
    intervals = Section(id="intervals", title="Intervals of each arm", blocks=(_intervals(view),))
    luck = winner_words(view.evaluation, view.labels, metric=view.primary_metric)
    return Section(
        id="belief",
        title="Calibration and thresholds",
        blocks=blocks(
            [intervals],
            paragraph("of-one-test-set", left_out_of_folds(view), "note"),
            _calibration(view, reliability),
            _thresholds(view),
            _use(decision),
            paragraphs("winner", luck),
        ),
    )


def _intervals(view: ReportView) -> Table:
    n = fmt.count(view.data.n_of("test"))
    n_seeds = [len(one.by_seed) for arm in view.evaluation.arms for one in arm.estimates.values()]
    mean = "mean over its seeds" if max(n_seeds, default=1) > 1 else "its one run"
    where, spread = f"on the {n} test cases", fmt.spread_words(*(n_seeds or [1]))
    if view.folds:
        where, mean, spread = "in the folds", "mean over them", "other training sets and other cases"
    return table(
        "intervals-table",
        f"Each arm {where}: {mean}; below it the 95 % CI, counting {spread}.",
        [*left("Arm"), *right(*(metric_heading(METRICS[name]) for name in view.metrics))],
        [
            [view.labels[arm.arm], *(_estimate_cell(METRICS[name], arm.estimates.get(name)) for name in view.metrics)]
            for arm in view.evaluation.arms
        ],
        wide=True,
    )


def _estimate_cell(metric: Metric, found: ArmEstimate | None) -> Cell:
    if found is None:
        return Cell(text=fmt.NONE)
    below = fmt.interval(metric_number(metric, found.low), metric_number(metric, found.high))
    return Cell(text=metric_number(metric, found.mean), below=(below,), value=found.mean)


def _calibration(view: ReportView, reliability: Figure | None) -> tuple[Section, ...]:
    if reliability is None:
        return ()
    cooled = temperature_words(view.evaluation, view.labels)
    how = (
        "A temperature, fitted on the validation cases of each run, makes probabilities less or more extreme and does "
        "not change predicted classes:"
    )
    return (
        Section(
            id="calibration",
            title="Are the probabilities calibrated?",
            blocks=blocks(
                bullets("calibration-said", calibration_words(view.evaluation, view.labels)),
                figure("reliability", reliability),
                paragraph("temperature", how) if cooled else (),
                bullets("temperature-said", cooled),
            ),
        ),
    )


def _thresholds(view: ReportView) -> tuple[Section, ...]:
    said = operating_words(view.evaluation)
    if not said:
        return ()
    inside: tuple[Block, ...] = (*paragraph("thresholds-said", said), _threshold_table(view))
    return (Section(id="thresholds", title="At a threshold", blocks=inside),)


def _threshold_table(view: ReportView) -> Table:
    prevalences, positive = view.evaluation.prevalences, view.data.class_names[1]
    titles = [f"PPV, NPV at {fmt.percent(p)}" for p in prevalences]
    return table(
        "thresholds-table",
        f"Sensitivity, specificity and predictive values on test, in per cent; positive is “{positive}”",
        [*left("Arm", "Threshold"), *right("Sensitivity", "Specificity", *titles)],
        [
            [
                view.labels[arm.arm],
                at.rule,
                _share_cell(at.sensitivity),
                _share_cell(at.specificity),
                *_predictive_cells(at, prevalences),
            ]
            for arm in view.evaluation.arms
            for at in arm.operating
        ],
        wide=True,
    )


def _share_cell(found: ArmEstimate) -> Cell:
    below = fmt.interval(fmt.proportion(found.low), fmt.proportion(found.high))
    return Cell(text=fmt.proportion(found.mean), below=(below,), value=found.mean)


def _predictive_cells(at: OperatingView, prevalences: Sequence[float]) -> list[Cell]:
    by_prevalence = {values.prevalence: values for values in at.predictive}
    cells = []
    for prevalence in prevalences:
        values = by_prevalence.get(prevalence)
        if values is None:
            cells.append(Cell(text=fmt.NONE))
            continue
        ends = [fmt.interval(fmt.proportion(one.low), fmt.proportion(one.high)) for one in (values.ppv, values.npv)]
        shown = f"{fmt.proportion(values.ppv.value)}, {fmt.proportion(values.npv.value)}"
        cells.append(Cell(text=shown, below=(f"{ends[0]},", ends[1])))
    return cells


def _use(decision: Figure | None) -> tuple[Section, ...]:
    found = figure("decision", decision)
    return (Section(id="use", title="Net benefit", blocks=found),) if found else ()
