"""The figures of a report, drawn up from its view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scantrial.analysis.metrics import METRICS
from scantrial.core import format as fmt
from scantrial.core.format import SPLIT_WORDS
from scantrial.figures.audit import histogram_figure
from scantrial.figures.confusion import confusion_matrices
from scantrial.figures.curves import Domain, learning_curves
from scantrial.figures.decision import MAX_ARMS, decision_curves
from scantrial.figures.dots import metric_dots
from scantrial.figures.figure import Figure
from scantrial.figures.forest import forest_plot
from scantrial.figures.power import power_curves
from scantrial.figures.ranking import ranking_figure
from scantrial.figures.reliability import reliability_diagram
from scantrial.figures.variance import variance_bars
from scantrial.findings.run_views import numbered_views
from scantrial.findings.view import ArmView, ReportView, primary_values


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigures:
    """The figures of a report; curves are by arm name, and an arm without an epoch has none."""

    forest: Figure | None
    dots: Figure | None
    curves: Mapping[str, Figure]
    confusion: Figure | None
    reliability: Figure | None
    decision: Figure | None
    power: Figure | None
    variance: Figure | None = None
    ranking: tuple[Figure, ...] = ()
    histograms: Figure | None = None


def build_figures(view: ReportView) -> ReportFigures:
    """Draw up the figures of a report; arms share an axis where that leaves each of them legible."""
    domains = shared_domains(view)
    drawn = [arm for arm in view.arms if any(run.history for run in arm.runs)]
    values = {label: by_seed for label, by_seed in primary_values(view).items() if by_seed}
    primary, compared = view.judgement.primary, view.judgement.compared
    return ReportFigures(
        forest=None if compared is None else forest_plot(compared, title="Every comparison with its interval"),
        dots=metric_dots(
            values,
            metric=METRICS[view.primary_metric],
            split=SPLIT_WORDS[view.primary_split],
            by_fold=bool(view.folds),
        )
        if values
        else None,
        curves={arm.name: _curves(arm, domains) for arm in drawn},
        confusion=_confusion(view),
        reliability=_reliability(view),
        decision=_decision(view),
        power=None if view.judgement.outlook is None else power_curves(view.judgement.outlook),
        variance=None if primary is None else variance_bars(primary, title="Sources of uncertainty"),
        ranking=tuple(ranking_figure(one, view.labels, title=_of_class(view, one.class_name)) for one in view.curves),
        histograms=None if view.audit is None else histogram_figure(view.audit),
    )


def _of_class(view: ReportView, class_name: str) -> str:
    title = "ROC and precision-recall on test"
    return title if len(view.data.class_names) == 2 else f"{title}: {class_name}"


def shared_domains(view: ReportView) -> dict[str, Domain | None]:
    """Return one axis for all arms' accuracy, and one for their loss; None lets each arm have its own.

    Arms share no axis of losses where these are different quantities, or one is more than four times another.
    """
    records = [[record for run in arm.runs for record in run.history] for arm in view.arms]
    accuracies = [v for arm in records for r in arm for v in (r.train_accuracy, r.val_accuracy)]
    losses = [fmt.finite(v for r in arm for v in (r.train_loss, r.val_loss)) for arm in records]
    highest = [max(values) for values in losses if values]
    one_axis = view.losses_alike and bool(highest) and max(highest) <= 4 * min(highest)
    lowest = min(fmt.finite(accuracies), default=0.0)
    return {
        "accuracy_domain": (max(0.0, int(20 * lowest) / 20), 1.0),
        "loss_domain": (0.0, 1.02 * max(highest)) if one_axis else None,
    }


def _curves(arm: ArmView, domains: Mapping[str, Domain | None]) -> Figure:
    return learning_curves(
        {number: run.history for number, run in numbered_views(arm.runs).items() if run.history},
        title=f"Learning curves of {arm.label}",
        chosen={number: run.facts.chosen_epoch for number, run in numbered_views(arm.runs).items()},
        of="seed" if all(run.place is None for run in arm.runs) else "fold",
        **domains,
    )


def _confusion(view: ReportView) -> Figure | None:
    matrices = {arm.label: arm.confusion for arm in view.arms if arm.confusion is not None}
    if not matrices:
        return None
    runs = {arm.n_confusion_runs for arm in view.arms if arm.confusion is not None}
    summed = f"an arm's {fmt.counted(runs.pop(), 'run')}" if len(runs) == 1 else "an arm's finished runs"
    if view.folds:
        return confusion_matrices(
            matrices,
            view.data.class_names,
            title="Confusion matrices out of fold",
            caption="Cases by true class (rows) and decision (columns), each by the networks that were not trained on "
            f"it, summed over {summed}: a case counts once in every repeat{' and seed' * (len(view.seeds) > 1)}. "
            "Decisions are counted, scores of different folds are not pooled.",
        )
    return confusion_matrices(
        matrices,
        view.data.class_names,
        title="Confusion matrices on test",
        caption=f"Test cases by true class (rows) and decision (columns), summed over {summed}: each case counts once "
        "per run. The larger a cell's share of its true class, the stronger its colour.",
    )


def _reliability(view: ReportView) -> Figure | None:
    arms = {
        view.labels[arm.arm]: arm.calibration.runs
        for arm in view.evaluation.arms
        if arm.calibration is not None and arm.calibration.runs
    }
    return reliability_diagram(arms, title="Reliability on test") if arms else None


def _decision(view: ReportView) -> Figure | None:
    arms = {view.labels[arm.arm]: arm.decision for arm in view.evaluation.arms if arm.decision is not None}
    drawn = {label: curve for label, curve in arms.items() if curve.reason is None}
    few = dict(list(drawn.items())[:MAX_ARMS])
    return decision_curves(few, title="Decision curves on test") if few else None
