"""What a reader has to know before the answer: what weakens a study."""

from __future__ import annotations

from collections.abc import Mapping

from scantrial.analysis.cross_validation import FEW_FOLDS
from scantrial.analysis.verdicts import FEW_SEEDS, MIN_SEEDS
from scantrial.audit.records import ScanFinding
from scantrial.core.format import counted, joined
from scantrial.core.positive import health_warning
from scantrial.core.records import Split
from scantrial.findings.view import ReportView
from scantrial.prose.study import audited
from scantrial.prose.verdicts import is_provisional, verdict_warnings

ENOUGH_OF_CLASS = 100
"""Fewer cases of a class are few: Collins, Ogundimu, Altman (2016), Sample size considerations for the external
validation of a multivariable prognostic model, Stat Med 35:214."""

_LEAKS = ("AU001", "AU003", "AU005", "AU008")
_SHORTCUTS = ("AU020", "AU021", "AU022", "AU023", "AU024")


def weaknesses(view: ReportView) -> list[str]:
    """Say what weakens the answer.

    Scores or classes that may be the wrong way round, decisions, no audit or an open blocker, open warnings of the
    audit, few seeds, a small test set, no margin, provisional verdicts.

    Of the decisions: runs that give every case one class, and arms below always saying the commonest one.
    Runs that are missing, failed or diverged are reported by `scantrial.prose.study.trouble`.
    """
    of_results = [*_positive(view), *view.judgement.decisions.said]
    of_scans = [*_audit(view), *_audit_warnings(view)]
    return [*of_results, *of_scans, *_few_seeds(view), *_few_cases(view), *_no_margin(view), *provisional(view)]


def _positive(view: ReportView) -> list[str]:
    """Warn of scores for the other class, and of a positive class whose name stands for health."""
    warning = health_warning(view.data.class_names)
    return [*verdict_warnings(view.judgement), *([] if warning is None else [warning])]


def _few_seeds(view: ReportView) -> list[str]:
    n = len(view.seeds)
    if view.folds:  # their number stands in the verdicts
        return []
    if n == 1:
        return ["There is only one seed: seed-to-seed variation is not known."]
    if n < MIN_SEEDS:
        return [f"There are only {n} seeds: seed-to-seed variation is hardly known, and a verdict needs {MIN_SEEDS}."]
    return []


def _few_cases(view: ReportView) -> list[str]:
    split = view.judgement.split
    counts = view.data.counts.get(split, {})
    name = min(counts, key=counts.__getitem__, default="")
    if not counts or counts[name] >= ENOUGH_OF_CLASS:
        return []
    if view.folds:
        return [
            f"There are few cases: {counted(counts[name], 'case')} of “{name}” in all folds together, and intervals "
            f"are wide with fewer than {ENOUGH_OF_CLASS} of a class."
        ]
    return [
        f"The {split} set is small: it has {counted(counts[name], 'case')} of “{name}”, and intervals are wide with "
        f"fewer than {ENOUGH_OF_CLASS} of a class."
    ]


def _audit_warnings(view: ReportView) -> list[str]:
    """Say once of each kind what the audit warns of: copies, shortcuts, unknown patients."""
    warned = [one for one in view.audit.findings if one.severity == "warning"] if view.audit is not None else []
    codes = {one.code for one in warned if one.acknowledged is None and _bears_on(one, view.judgement.split)}
    leaks, shortcuts = (joined([code for code in kind if code in codes]) for kind in (_LEAKS, _SHORTCUTS))
    said = [
        f"Scans or patients that are judged are in another split as well, or known to the weights that training began "
        f"with ({leaks}): results may be better than on new scans.",
        f"A shortcut may give the label away ({shortcuts}): the networks may have learnt it instead of what the scans "
        "show.",
        "Scans that are judged occur more than once (AU004): intervals may be too narrow.",
        "Patients are not known (AU002): scans of one patient may be in two splits, and intervals may be too narrow.",
    ]
    there = (leaks, shortcuts, "AU004" in codes, "AU002" in codes)
    return [words for words, is_there in zip(said, there, strict=True) if is_there]


def _bears_on(finding: ScanFinding, split: Split) -> bool:
    """Whether a warning is about results on a split: copies in it, sharpness that differs between classes."""
    inside = finding.numbers.get("by_split")
    if finding.code in _LEAKS:
        return bool(finding.numbers.get("n_test_cases")) == (split == "test")
    if finding.code == "AU004":
        return isinstance(inside, Mapping) and split in inside
    return finding.code != "AU024" or "splits" not in finding.numbers


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
    primary = view.judgement.compared
    if primary is None:
        return []
    few = f"{FEW_FOLDS} folds, and more repeats" if view.folds else f"{FEW_SEEDS} seeds, and more seeds"
    n = sum(is_provisional(item) for item in primary.comparisons)
    if not n:
        return []
    are, they, them = ("is", "it rests", "it") if n == 1 else ("are", "they rest", "them")
    return [
        f"{n} of {counted(len(primary.comparisons), 'verdict')} {are} provisional: {they} on fewer than {few} "
        f"may change {them}."
    ]
