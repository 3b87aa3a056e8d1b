"""What a reader has to know before the answer: what weakens a study."""

from __future__ import annotations

from scantrial.analysis.verdicts import FEW_SEEDS
from scantrial.core.format import counted
from scantrial.core.positive import health_warning
from scantrial.findings.view import ReportView
from scantrial.prose.study import audited
from scantrial.prose.verdicts import is_provisional, verdict_warnings


def weaknesses(view: ReportView) -> list[str]:
    """Say what weakens the answer.

    Scores or classes that may be the wrong way round, decisions, one seed, no audit or an open blocker, no margin,
    provisional verdicts.

    Of the decisions: runs that give every case one class, and arms below always saying the commonest one.
    Runs that are missing, failed or diverged are reported by `scantrial.prose.study.trouble`.
    """
    first = [*_positive(view), *view.judgement.decisions.said]
    return [*first, *_one_seed(view), *_audit(view), *_no_margin(view), *provisional(view)]


def _positive(view: ReportView) -> list[str]:
    """Warn of scores for the other class, and of a positive class whose name stands for health."""
    warning = health_warning(view.data.class_names)
    return [*verdict_warnings(view.judgement), *([] if warning is None else [warning])]


def _one_seed(view: ReportView) -> list[str]:
    if len(view.seeds) != 1:
        return []
    return ["There is only one seed: seed-to-seed variation is not known."]


def _audit(view: ReportView) -> list[str]:
    if view.audit is None:
        return audited(view)
    return audited(view)[1:] if view.audit.open_blockers else []


def _no_margin(view: ReportView) -> list[str]:
    if len(view.arms) < 2 or view.judgement.margin is not None:
        return []
    return ["The study file declares no margin, so arms cannot be called equivalent."]


def provisional(view: ReportView) -> list[str]:
    """Say how many verdicts more seeds may change."""
    primary = view.judgement.primary
    if primary is None:
        return []
    n = sum(is_provisional(item) for item in primary.comparisons)
    if not n:
        return []
    are, they, them = ("is", "it rests", "it") if n == 1 else ("are", "they rest", "them")
    return [
        f"{n} of {counted(len(primary.comparisons), 'verdict')} {are} provisional: {they} on fewer than {FEW_SEEDS} "
        f"seeds, and more seeds may change {them}."
    ]
