"""What limits a study: its design, its audit and what was not tested; each sentence only where it is true."""

from __future__ import annotations

from scantrial.analysis.few_cases import MIN_OF_CLASS
from scantrial.analysis.plan_words import size_words as amount
from scantrial.audit.records import ScanFinding
from scantrial.core.format import count, counted, joined, percent
from scantrial.findings.view import ReportView
from scantrial.prose.methods import later_runs


def limits_of_design(view: ReportView) -> list[str]:
    """Say what the design cannot show: small differences, interactions, other settings, equivalence, other metrics."""
    if len(view.arms) < 2:
        return ["There is only one arm, so there is no comparison."]
    varied = list(view.arms[0].differing)
    said = [*_smallest(view)]
    if view.judgement.margin is None:
        said.append("No margin is declared: arms cannot be called equivalent, however similar they are.")
    if view.design == "one-at-a-time" and len({key.split(".")[0] for key in varied}) > 1:
        said.append(
            "Settings were varied one at a time: interactions were not measured, and each effect holds at the base "
            "recipe."
        )
    if varied:
        said.append(
            f"Only {joined(varied)} {'was' if len(varied) == 1 else 'were'} varied. The other settings were not tuned "
            "for any arm; with other settings the order of the arms may change."
        )
    return said


def _smallest(view: ReportView) -> list[str]:
    outlook = view.judgement.outlook
    smallest = None if outlook is None else outlook.outlook.smallest_difference
    if outlook is None or smallest is None:
        return []
    size = amount(outlook.design.metric, smallest)
    return [f"This design would miss a true difference smaller than {size} more than 1 time in 5."]


def limits_of_results(view: ReportView) -> list[str]:
    """Say what is missing from the results: runs, what was changed with results in view, other versions in between."""
    said = []
    n_missing = view.n_planned - view.n_finished
    if n_missing:
        are, finish = ("is", "this run finishes") if n_missing == 1 else ("are", "these runs finish")
        said.append(
            f"{counted(n_missing, 'run')} of {count(view.n_planned)} {are} missing: results may change once {finish}."
        )
    if view.judgement.primary_declared.at and not view.judgement.primary_declared.before_runs:
        said.append(
            "Metric, split or margin were added to the study file after results existed, and may have been chosen "
            "because of them."
        )
    if view.judgement.mismatches:
        said.append(
            "The study folder is not as it was written: what was changed, by whom and why is not known, and numbers "
            "that depend on it may be wrong."
        )
    if later_runs(view.environment):
        said.append(
            "Not all runs were trained with the same versions on the same machine: this may explain part of their "
            "differences."
        )
    return said


def limits_of_audit(view: ReportView) -> list[str]:
    """Say which findings of the audit remain, acknowledged or not, and what it did not check."""
    if view.audit is None:
        return ["The scans were not audited: they may contain leaks, duplicates and shortcuts."]
    serious = [finding for finding in view.audit.findings if finding.severity != "note"]
    said = [_finding(finding) for finding in serious]
    unchecked = [result for result in view.audit.results if result.outcome == "not applicable"]
    if unchecked:
        codes = joined([result.code for result in unchecked])
        said.append(
            f"{counted(len(unchecked), 'check')} of the audit did not apply ({codes}): the "
            f"problems that {'it looks' if len(unchecked) == 1 else 'they look'} for may exist."
        )
    return said


def _finding(finding: ScanFinding) -> str:
    if finding.acknowledged is None:
        how = "not acknowledged" if finding.severity == "blocker" else "not resolved"
    else:
        how = "acknowledged in the study file, not removed"
    return f"The audit found a {finding.severity} ({finding.code}): {finding.text.rstrip('.')}; {how}."


def limits_of_evidence(view: ReportView) -> list[str]:
    """Say what was not examined: scans from other sites, groups, how labels were made, what networks look at."""
    said = [*_classes(view)]
    if "external_test" not in view.about:
        said.append(
            "No external test set is reported: performance on scans from other sites, devices or years is not known."
        )
    if not {"demographics", "fairness"} & view.about.keys():
        said.append(
            "Age, sex and other characteristics of the patients are not reported: it is not known whether the networks "
            "perform worse in some group."
        )
    labels = "Labels are taken as true; errors in them affect every number"
    said.append(
        f"{labels}."
        if "reference_standard" in view.about
        else f"{labels}. The author did not say how labels were established."
    )
    if "explanation" not in view.about:
        said.append(
            "What the networks look at was not examined: a shortcut that the audit does not check for may be missed."
        )
    return said


def _classes(view: ReportView) -> list[str]:
    counts = view.data.counts.get("test", {})
    said = [
        f"The test split has {counted(n, 'case')} of “{name}”: results that depend on this class alone are not judged."
        for name, n in counts.items()
        if n < MIN_OF_CLASS
    ]
    if len(counts) == 2:
        name = view.data.class_names[1]
        share = counts[name] / sum(counts.values())
        said.append(
            f"“{name}” is the class of {percent(share, 1)} of the test cases. At another prevalence, accuracy, "
            "precision and predictive values will differ."
        )
    return said
