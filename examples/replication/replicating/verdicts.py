"""The verdicts of a study, as `scantrial compare` gives them, for the document."""

from __future__ import annotations

from collections.abc import Sequence

from replicating.markdown import table
from replicating.runs import StudyView
from scantrial.analysis.comparison import Compared
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.verdict_words import metric_difference
from scantrial.core import format as fmt
from scantrial.findings.judging import Judgement


def verdict_lines(view: StudyView) -> list[str]:
    """Return the verdicts of one study as a table, with the sentences below it."""
    found = view.judgement
    command = f"`scantrial compare replication/{view.reported.name}`"
    if found.primary is None:
        return [f"Verdicts ({command}): none, for {found.reason}.", ""]
    metric = METRICS[found.metric]
    header = ["comparison", "verdict", "seeds", "difference, points", "95 % interval", "p, corrected"]
    rows = [
        [
            item.result.contrast.title,
            _label(item),
            str(item.result.n_seeds),
            metric_difference(metric, item.evidence.effect, fine=True),
            " to ".join(metric_difference(metric, v, fine=True) for v in (item.evidence.low, item.evidence.high)),
            fmt.p_value(item.verdict.p_adjusted),
        ]
        for item in found.primary.comparisons
    ]
    margin = metric_difference(metric, found.margin).lstrip("+") if found.margin else "none"
    heading = f"Verdicts on test accuracy ({command}; {found.family}; margin {margin} points):"
    return [heading, "", *table(header, rows, n_words=2), *_hypotheses(found)]


def _label(item: Compared) -> str:
    parts = [item.verdict.label]
    parts += ["by less than the margin"] if item.verdict.within_margin else []
    judged = item.verdict.label != "not enough to judge"
    return ", ".join([*parts, *(["provisional"] if item.verdict.provisional and judged else [])])


def _hypotheses(found: Judgement) -> list[str]:
    lines = [f"- Hypothesis *{item.claim}*: **{item.answer}**." for item in found.hypotheses]
    return [*lines, ""] if lines else []


def verdicts_between(found: Judgement, arms: Sequence[str]) -> list[str]:
    """Return the sentences of the comparisons between some arms, by their names in the study folder."""
    if found.primary is None:
        return []
    between = [item for item in found.primary.comparisons if set(item.result.contrast.arms) <= set(arms)]
    return [f"- Verdict on test accuracy: {item.sentence}" for item in between]
