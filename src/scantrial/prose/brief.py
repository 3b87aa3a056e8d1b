"""The answer in a few lines, for people in a hurry; every line has its full form in the report."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Sequence

from scantrial.analysis.comparison import Compared
from scantrial.analysis.cross_validation import FEW_FOLDS, FoldCompared
from scantrial.analysis.diagnosis.checks import CHECKS, LABELS
from scantrial.analysis.few_cases import small_classes
from scantrial.analysis.gaps import Gap
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.plan_words import size_words
from scantrial.analysis.power_table import Gain, gain_of_more
from scantrial.analysis.verdict_words import metric_difference, short_verdict
from scantrial.analysis.verdicts import FEW_SEEDS
from scantrial.core.errors import first_of_a_kind
from scantrial.core.format import counted, joined
from scantrial.core.positive import health_warning
from scantrial.core.records import RunFacts
from scantrial.findings.diagnosis import ArmDiagnosis
from scantrial.findings.view import ReportView
from scantrial.prose.study import trouble
from scantrial.prose.verdicts import MAX_IN_SHORT, reversals, tally, verdict_warnings
from scantrial.prose.warnings import provisional, weaknesses

MORE_SEEDS = 2
"""Seeds that are added next where there are too few."""

MORE_CASES = 100
"""Test scans of which it is said what they would buy."""


MORE_REPEATS = 4
"""Repeats of a cross-validation that has too few folds."""

MAX_LABELS = 3
"""Labels of an arm's curves that are named, the worst first."""
MAX_WEAK = 3
"""Points that weaken the answer and are said in full."""

_ORDER = {check.code: place for place, check in enumerate(LABELS)}


def answer_lines(view: ReportView, *, most: int = MAX_IN_SHORT) -> list[str]:
    """Return the verdicts, a line or two each; of more than `most` comparisons the best arm and their count."""
    primary, compared = view.judgement.primary, view.judgement.compared
    if compared is None:
        return [f"No verdict: {view.judgement.reason}."] if len(view.arms) > 1 else []
    items = compared.comparisons
    if len(items) <= most:
        said = [_short(item) for item in items]
    else:
        # Where the table cannot show who is ahead of whom, those are said.
        decided = [] if verdict_of_each(view) else [item for item in items if item.verdict.label in ("better", "worse")]
        said = [
            *([] if primary is None or primary.best is None else [primary.best.sentence]),
            *(_short(item) for item in decided[:MAX_IN_SHORT]),
            tally(compared),
        ]
    claims = [f"{item.claim}: {item.answer}." for item in view.judgement.hypotheses if item.claim]
    return [*said, *claims[:MAX_IN_SHORT], *reversals(view.judgement)]


def _short(item: Compared | FoldCompared) -> str:
    if isinstance(item, FoldCompared):
        each, few = "in every fold", f"{len(item.result.by_fold)} folds"
    else:
        each, few = "at every seed", f"{item.result.n_seeds} seeds"
    return short_verdict(item.result, item.evidence, item.verdict, each=each, few=few)


def verdict_of_each(view: ReportView) -> dict[str, str]:
    """Return by arm's label its verdict against the one arm that all others are compared with; else nothing."""
    found = view.judgement.compared
    pairs = [] if found is None else [(item.result.contrast, item.verdict.label) for item in found.comparisons]
    controls = {contrast.second for contrast, _ in pairs if contrast.kind == "difference"}
    if len(controls) != 1 or any(contrast.kind != "difference" for contrast, _ in pairs):
        return {}
    return {contrast.first: label for contrast, label in pairs}


def curve_lines(view: ReportView) -> list[str]:
    """Return a line on the learning curves of each arm, the worst first; arms of which the same is said share one."""
    labels: dict[str, list[str]] = {}
    for arm in sorted(view.diagnosis.arms, key=_place):
        labels.setdefault(_curves_of(arm), []).append(arm.label)
    every = f"all {len(view.arms)} arms"
    shared = {said: every if len(found) == len(view.arms) > 1 else joined(found) for said, found in labels.items()}
    return [f"{who}: {said}" for said, who in shared.items() if said]


def _place(arm: ArmDiagnosis) -> int:
    codes = arm.rounds[-1].counts if arm.rounds else {}
    return min((_ORDER.get(code or "", len(_ORDER)) for code in codes), default=len(_ORDER))


def _curves_of(arm: ArmDiagnosis) -> str:
    """Say what label the runs' last round has, and which gaps are beyond chance."""
    if not arm.rounds:
        return ""
    last = arm.rounds[-1]
    labelled = {code: n for code, n in last.counts.items() if code}
    worst = sorted(labelled, key=_ORDER.__getitem__)[:MAX_LABELS]
    titles = {code: CHECKS[code].title.lower() for code in worst}
    if not titles:
        label = "no clear pattern"
    elif last.counts == {worst[0]: last.n_runs}:
        label = titles[worst[0]]
    else:
        label = f"{', '.join(f'{titles[code]} {labelled[code]}' for code in worst)} of {last.n_runs} runs"
    gaps = [*_gap("train to val", arm.train_gap), *_gap("val to test", arm.test_gap)]
    return f"{label}; {', '.join(gaps)} points" if gaps else label


def _gap(name: str, gap: Gap | None) -> list[str]:
    if gap is None or not gap.is_beyond_chance or not gap.has_interval:
        return []
    return [f"{name} {metric_difference(METRICS['accuracy'], -gap.value)}"]


def first_warnings(view: ReportView) -> list[str]:
    """Return what a reader has to know before the answer: missing runs, scores and decisions that mean little."""
    return first_of_a_kind([*trouble(view), *warnings_of_scores(view)])


def warnings_of_scores(view: ReportView) -> list[str]:
    """Return why scores, decisions or the folder itself may mean little."""
    warning = health_warning(view.data.class_names)
    of_classes = [] if warning is None else [warning]
    return [*verdict_warnings(view.judgement), *of_classes, *view.judgement.decisions.said]


def other_weaknesses(view: ReportView) -> list[str]:
    """Return what weakens the answer beside the warnings of scores."""
    known = warnings_of_scores(view)
    return [one for one in weaknesses(view) if one not in known]


def weak_points(view: ReportView) -> list[str]:
    """Return what else weakens the answer and the verdicts do not say themselves: the weightiest, and how many more."""
    known = provisional(view)
    said = [one for one in other_weaknesses(view) if one not in known]
    n_more = len(said) - MAX_WEAK
    return said if n_more < 1 else [*said[:MAX_WEAK], f"{counted(n_more, 'more point')} in the report."]


def next_commands(view: ReportView, study: Sequence[str], folder: str) -> list[tuple[str, str]]:
    """Return commands to copy, each with what it is for.

    Parameters
    ----------
    study : the words after ``scantrial run`` that trained these runs, without seeds and folder
    """
    page = shlex.join(["scantrial", "serve", folder]), "every run and every scan, in a browser"
    primary = view.judgement.primary
    if view.n_finished < view.n_planned:
        seeds = ["--seeds", str(len(view.seeds))] if sorted(view.seeds) == list(range(len(view.seeds))) else []
        command = ["scantrial", "run", *study, *seeds, "--out", folder]
        return [page, (shlex.join(command), "the runs that are missing")]
    if view.judgement.compared is None:
        return [page]
    if view.audit is not None and view.audit.open_blockers:
        return [page, (shlex.join(["scantrial", "audit", folder]), "what has to be mended before there is a verdict")]
    if primary is None:
        return [page, *_more_of_folds(view, study, folder)]
    if small_classes(primary.metric, primary):
        plan = shlex.join(["scantrial", "plan", *study])
        return [page, (plan, "what these test scans can show; more seeds do not help")]
    if len(view.seeds) < FEW_SEEDS and (more := more_seeds(view, study, folder)):
        return [page, *more]
    if any(item.verdict.label == "inconclusive" for item in primary.comparisons):
        found = gain_of_more(primary, more_seeds=MORE_SEEDS, more_cases=MORE_CASES)
        return [page, (shlex.join(["scantrial", "compare", folder]), f"what would decide it{_gained(found)}")]
    return [page]


def _gained(found: Gain | None) -> str:
    """Say what more seeds, and more test scans, would buy."""
    if found is None:
        return ""
    now, seeds, cases = (size_words(found.metric, size) for size in (found.now, found.with_seeds, found.with_cases))
    return (
        f"; found with a chance of 80 %: {now}; with {found.more_seeds} more seeds {seeds}; with {found.more_cases} "
        f"more test scans {cases}"
    )


def more_seeds(view: ReportView, study: Sequence[str], folder: str) -> list[tuple[str, str]]:
    """Return the command that adds seeds, and what they cost; nothing where the seeds are not 0 to n - 1."""
    n = len(view.seeds)
    if sorted(view.seeds) != list(range(n)):
        return []
    command = ["scantrial", "run", *study, "--seeds", str(n + MORE_SEEDS), "--out", folder]
    return [(shlex.join(command), f"{MORE_SEEDS} more seeds{_cost(view)}")]


def _more_of_folds(view: ReportView, study: Sequence[str], folder: str) -> list[tuple[str, str]]:
    """Return what comes next after a cross-validation: repeats of few folds, a plan where the answer is unclear."""
    found = view.judgement.by_fold
    if len(view.folds) < FEW_FOLDS:
        seeds = ["--seeds", str(len(view.seeds))] if sorted(view.seeds) == list(range(len(view.seeds))) else []
        words = ["scantrial", "run", *study, *seeds, "--set", f"data.split.repeats={MORE_REPEATS}", "--out", folder]
        return [(shlex.join(words), f"{MORE_REPEATS} repeats instead of one")]
    if found is not None and any(item.verdict.label == "inconclusive" for item in found.comparisons):
        return [
            (shlex.join(["scantrial", "compare", folder]), "every fold; more scans would tell more than more repeats")
        ]
    return []


def _cost(view: ReportView) -> str:
    """Say how long the seeds would train, one run after the other."""
    seconds = [seconds_a_run(view, arm.name) for arm in view.arms]
    known = [found for found in seconds if found is not None]
    if len(known) < len(seconds):
        return ""
    total = MORE_SEEDS * sum(known) * max(1, len(view.folds))
    return f", about {counted(max(1, round(total / 60)), 'minute')} of training" if total >= 60 else ", under a minute"


def seconds_a_run(view: ReportView, arm: str) -> float | None:
    """Return the median time of an arm's runs; None where none is finished."""
    return median_seconds([run.facts for run in next(one.runs for one in view.arms if one.name == arm)])


def median_seconds(runs: Sequence[RunFacts]) -> float | None:
    """Return the median time of runs; None where no run has one."""
    times = [found for run in runs if (found := seconds_of(run)) is not None]
    return statistics.median(times) if times else None


def seconds_of(run: RunFacts) -> float | None:
    """Return how long a run took; None where it is not known, or where its file says what no clock can."""
    found = run.times.get("total_s")
    return float(found) if isinstance(found, int | float) and 0 <= found < math.inf else None
