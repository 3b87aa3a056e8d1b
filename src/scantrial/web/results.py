"""The results of a study for its page, from the same numbers and sentences as its report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from scantrial.analysis.metrics import METRICS
from scantrial.core.records import SPLITS
from scantrial.findings.diagnosis import StudyDiagnosis
from scantrial.findings.judging import Judgement
from scantrial.findings.mistakes import DisputedCase, WorstCase
from scantrial.findings.view import ArmView, ReportView
from scantrial.prose import brief
from scantrial.prose.verdicts import in_short, notes_on, verdict_label, verdict_warnings
from scantrial.store.folder import RunKey
from scantrial.web.records import ArmResult, HypothesisLine, Results, SplitResult
from scantrial.web.table_records import CaseMark, ComparisonLine, DecisionCounts, MetricOfArm


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryMetrics:
    """The metrics of a study's primary split, for its table of arms and runs.

    Parameters
    ----------
    titles : of the metrics, by name, the primary one first
    """

    titles: Mapping[str, str]
    arms: Mapping[str, Mapping[str, MetricOfArm]]
    runs: Mapping[RunKey, Mapping[str, float | None]]


def measured(view: ReportView) -> PrimaryMetrics:
    """Return every listed metric of every arm and run on the primary split."""
    split = view.primary_split
    return PrimaryMetrics(
        titles={name: METRICS[name].title for name in view.metrics},
        arms={arm.name: {name: _of_arm(view, arm, name) for name in view.metrics} for arm in view.arms},
        runs={
            RunKey(arm.name, run.seed, *(run.place or ())): {
                name: _finite(value.value) for name, value in run.metrics[split].items()
            }
            for arm in view.arms
            for run in arm.runs
            if split in run.metrics
        },
    )


def _of_arm(view: ReportView, arm: ArmView, metric: str) -> MetricOfArm:
    found, span = arm.summaries[view.primary_split].get(metric), view.estimate_of(arm.name, metric)
    return MetricOfArm(
        mean=None if found is None else _finite(found.mean),
        low=None if span is None else _finite(span.low),
        high=None if span is None else _finite(span.high),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def results_of(view: ReportView, *, pictured: Set[int] = frozenset()) -> Results:
    """Put the results of the finished runs together.

    Parameters
    ----------
    pictured : numbers of the cases that the study folder has pictures of
    """
    metric, judgement = METRICS[view.primary_metric], view.judgement
    answers = brief.answer_lines(view)
    verdicts = [said for said in _in_full(judgement) if said not in answers] if len(view.arms) > 1 else []
    return Results(
        metric=metric.name,
        metric_title=metric.title,
        is_proportion=metric.unit == "proportion",
        decisions=tuple(judgement.decisions.said),
        answers=tuple(answers),
        weak=tuple(brief.weak_points(view)),
        verdicts=tuple(verdicts),
        comparisons=_comparisons(judgement),
        margin=judgement.margin,
        confusion=tuple(
            DecisionCounts(
                label=arm.label, n_runs=arm.n_confusion_runs, counts=tuple(map(tuple, arm.confusion.tolist()))
            )
            for arm in view.arms
            if arm.confusion is not None
        ),
        mistaken=tuple(_mark(one, one.mean_p_true, pictured) for one in view.worst),
        disputed=tuple(_mark(one, one.spread, pictured) for one in view.disputed),
        hypotheses=_hypotheses(judgement, verdicts),
        arms=tuple(_arm_result(view, arm) for arm in view.arms),
        warnings=tuple(verdict_warnings(judgement)),
        notes=tuple(notes_on(judgement.compared)) if judgement.compared is not None else (),
        curves_said=_said(view.diagnosis),
    )


def _in_full(judgement: Judgement) -> list[str]:
    """Return the report's short form, then the comparisons that it leaves out."""
    comparisons = () if judgement.compared is None else judgement.compared.comparisons
    return list(dict.fromkeys([*in_short(judgement), *(item.sentence for item in comparisons)]))


def _mark(one: WorstCase | DisputedCase, share: float, pictured: Set[int]) -> CaseMark:
    return CaseMark(case=one.case, truth=one.true_class, has_picture=one.case in pictured, share=share)


def _comparisons(judgement: Judgement) -> tuple[ComparisonLine, ...]:
    return tuple(
        ComparisonLine(
            title=item.result.contrast.title,
            effect=item.evidence.effect,
            low=item.evidence.low,
            high=item.evidence.high,
            p_adjusted=item.verdict.p_adjusted,
            verdict=verdict_label(item),
        )
        for item in (() if judgement.compared is None else judgement.compared.comparisons)
    )


def _hypotheses(judgement: Judgement, verdicts: Sequence[str]) -> tuple[HypothesisLine, ...]:
    known = () if judgement.compared is None else judgement.compared.comparisons
    said = {item.name for item in known if item.sentence in verdicts}
    return tuple(
        HypothesisLine(claim=item.claim, answer=item.answer, sentence="" if item.comparison in said else item.sentence)
        for item in judgement.hypotheses
    )


def _said(diagnosis: StudyDiagnosis) -> dict[str, tuple[str, ...]]:
    return {arm.label: (*arm.said, *arm.gap_said) for arm in diagnosis.arms if arm.said}


def _arm_result(view: ReportView, arm: ArmView) -> ArmResult:
    name = METRICS[view.primary_metric].name
    interval = view.estimate_of(arm.name, name)
    return ArmResult(
        name=arm.name,
        label=arm.label,
        splits=tuple(
            SplitResult(
                split=split,
                n_runs=found.n,
                mean=found.mean,
                sd=found.sd,
                minimum=found.minimum,
                maximum=found.maximum,
            )
            for split in SPLITS
            if (found := arm.summaries[split].get(name)) is not None
        ),
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
    )
