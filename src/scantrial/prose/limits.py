"""What limits a study, from its design, its audit and what nobody tested; each sentence only where it is true."""

from __future__ import annotations

from scantrial.analysis.plan_words import size_words as amount
from scantrial.analysis.verdicts import MIN_OF_CLASS
from scantrial.audit.records import ScanFinding
from scantrial.core.format import count, counted, joined, proportion
from scantrial.findings.view import ReportView
from scantrial.prose.methods import later_runs


def limits_of_design(view: ReportView) -> list[str]:
    """Say what the design cannot show: small differences, interactions, other settings, equivalence, other metrics."""
    if len(view.arms) < 2:
        return ["There is one arm: it is compared with nothing."]
    varied = list(view.arms[0].differing)
    said = [*_smallest(view)]
    if view.judgement.margin is None:
        said.append("Without a margin no two arms can be called equivalent, however alike they are.")
    if view.design == "one-at-a-time" and len({key.split(".")[0] for key in varied}) > 1:
        said.append(
            "Settings were varied one at a time: whether one changes what another does was not measured, and each "
            "effect holds at the base recipe."
        )
    if varied:
        said.append(
            f"Only {joined(varied)} {'was' if len(varied) == 1 else 'were'} varied. The other settings were not tuned "
            "for any arm; with others the order of the arms may turn."
        )
    return said


def _smallest(view: ReportView) -> list[str]:
    outlook = view.judgement.outlook
    smallest = None if outlook is None else outlook.outlook.smallest_difference
    if outlook is None or smallest is None:
        return []
    size = amount(outlook.design.metric, smallest)
    return [f"True differences below {size} are missed by this design more than 1 time in 5."]


def limits_of_results(view: ReportView) -> list[str]:
    """Say what is missing from the results: runs, what was changed with results in view, other versions in between."""
    said = []
    n_missing = view.n_planned - view.n_finished
    if n_missing:
        said.append(
            f"{counted(n_missing, 'run')} of {count(view.n_planned)} {'is' if n_missing == 1 else 'are'} not there: "
            "what the others show may be another thing."
        )
    if view.judgement.primary_declared.at and not view.judgement.primary_declared.before_runs:
        said.append(
            "Metric, split or margin came into the study file after results existed, and may have been picked by them."
        )
    if later_runs(view.environment):
        said.append(
            "Runs were not all trained under the same versions and on the same machine: these may be part of what sets "
            "them apart."
        )
    return said


def limits_of_audit(view: ReportView) -> list[str]:
    """Say which findings of the audit stand, acknowledged or not, and what it did not check."""
    if view.audit is None:
        return ["The scans were not audited: leaks, duplicates and shortcuts may be there."]
    serious = [finding for finding in view.audit.findings if finding.severity != "note"]
    said = [_finding(finding) for finding in serious]
    unchecked = [result for result in view.audit.results if result.outcome == "not applicable"]
    if unchecked:
        codes = joined([result.code for result in unchecked])
        said.append(
            f"{counted(len(unchecked), 'check')} of the audit did not apply ({codes}): what "
            f"{'it looks' if len(unchecked) == 1 else 'they look'} for may be there."
        )
    return said


def _finding(finding: ScanFinding) -> str:
    if finding.acknowledged is None:
        how = "not acknowledged" if finding.severity == "blocker" else "it stands"
    else:
        how = "acknowledged in the study file, not removed"
    return f"The audit found a {finding.severity} ({finding.code}): {finding.text.rstrip('.')}; {how}."


def limits_of_evidence(view: ReportView) -> list[str]:
    """Say what was not looked at: scans from elsewhere, groups, how labels came about, what networks look at."""
    said = [*_classes(view)]
    if "external_test" not in view.about:
        said.append(
            "No external test is told of: how the networks do on scans of other sites, devices or years is not known."
        )
    if not {"demographics", "fairness"} & view.about.keys():
        said.append(
            "Age, sex and other traits of the patients are not known here: whether the networks do worse in some group "
            "cannot be told."
        )
    labels = "Labels are taken as true; what is wrong in them limits every number"
    said.append(
        f"{labels}."
        if "reference_standard" in view.about
        else f"{labels}. How they were found the author has not told."
    )
    if "explanation" not in view.about:
        said.append(
            "What the networks look at was not examined: a shortcut that the audit does not know would not be seen."
        )
    return said


def _classes(view: ReportView) -> list[str]:
    counts = view.data.counts.get("test", {})
    said = [
        f"The test split has {counted(n, 'case')} of “{name}”: what rests on that class alone is not judged."
        for name, n in counts.items()
        if n < MIN_OF_CLASS
    ]
    if len(counts) == 2:
        name = view.data.class_names[1]
        share = counts[name] / sum(counts.values())
        said.append(
            f"“{name}” is {proportion(share)}\u00a0% of the test cases. Where it is rarer or more frequent, accuracy, "
            "precision and the predictive values are others."
        )
    return said
