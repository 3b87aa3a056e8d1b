"""What each chapter of a report holds, in one line."""

from __future__ import annotations

from scantrial.audit.records import Severity
from scantrial.core.about import QUESTIONS
from scantrial.core.format import SPLIT_WORDS, count, counted, joined
from scantrial.findings.view import ReportView

RUN_AGAIN = "The commands, the study file with all defaults, its versions, and the machine"
WRITTEN_TO_COPY = "What ran, ready to copy into a paper, with its sources, and how each choice was made"


def gist_of_verdicts(view: ReportView) -> str:
    """Count the comparisons, and name what else is judged."""
    judgement = view.judgement
    if judgement.primary is None:
        return "Why there is no verdict"
    parts = [f"{counted(len(judgement.primary.comparisons), 'comparison')} with interval and p"]
    parts += [counted(len(judgement.hypotheses), "hypothesis", "hypotheses")] if judgement.hypotheses else []
    parts += ["the same on other metrics"] if judgement.secondary else []
    parts += ["what would change the answer"] if judgement.outlook or judgement.outlook_reason else []
    return joined(parts)


def gist_of_arms(view: ReportView) -> str:
    """Say how many settings, scans and files there are."""
    n = view.data.n_of("test") if view.folds else sum(view.data.n_of(split) for split in view.data.counts)
    arms = f"The settings of {counted(len(view.arms), 'arm')}"
    return f"{arms}, and {counted(n, 'scan')} from the files found to the splits"


def gist_of_curves(view: ReportView) -> str:
    """Count the curves."""
    return f"Those of {counted(view.n_finished, 'run')}, what they show, and their means over epochs"


def gist_of_results(view: ReportView) -> str:
    """Count the metrics, and name what else is evaluated."""
    if not view.splits:
        return "No run is finished"
    where = joined([SPLIT_WORDS[split] for split in view.splits])
    parts = [f"{counted(len(view.metrics), 'metric')} on {where} cases, run by run"]
    parts += ["calibration and thresholds"] if view.evaluation.arms else []
    parts += ["ROC curves"] if view.curves else []
    return joined([*parts, "confusion matrices"])


def gist_of_cases(view: ReportView) -> str:
    """Count the test cases that are shown."""
    parts = [f"the {count(len(view.worst))} that most runs get wrong"] if view.worst else []
    parts += [f"the {count(len(view.disputed))} that arms disagree on"] if view.disputed else []
    return f"Test cases as pictures: {joined(parts)}" if parts else "No case is shown"


def gist_of_audit(view: ReportView) -> str:
    """Count what the audit of the scans found."""
    if view.audit is None:
        return "The scans were not audited"
    kinds: tuple[Severity, ...] = ("blocker", "warning", "note")
    n = {kind: sum(finding.severity == kind for finding in view.audit.findings) for kind in kinds}
    return f"{joined([counted(n[kind], kind) for kind in kinds])}, each with its cases and what to do"


def gist_of_author(view: ReportView) -> str:
    """Say how many questions the author has answered; where none is, what they ask."""
    if not view.about:
        return "Purpose, patients, ethics, funding: what only the author can say"
    return f"{len(view.about)} of {len(QUESTIONS)} questions, answered in the author's own words"
