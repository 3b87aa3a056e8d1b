"""Any two arms on any metric: exploratory, corrected for all pairs that could have been chosen."""

from __future__ import annotations

from dataclasses import replace

from scantrial.analysis.comparison import Comparison, compare_runs
from scantrial.analysis.contrasts import all_pairs
from scantrial.analysis.cross_validation import FoldComparison, compare_folds
from scantrial.analysis.direction import OF_A_STUDY, below_chance, below_chance_by_fold, direction_warnings
from scantrial.core.errors import InputError
from scantrial.findings.families import in_words
from scantrial.findings.fold_scores import folds_of
from scantrial.findings.judging import run_scores, withheld_by_audit
from scantrial.findings.reading import StudyData


def compare_pairs(study: StudyData, *, metric: str) -> Comparison | FoldComparison:
    """Compare all pairs of arms on the study's primary split; each later arm minus each earlier one.

    The declared margin holds for the declared metric and for no other.

    Raises
    ------
    InputError
        If there are no two arms with predictions, or these cannot give the metric.
    """
    if study.folds is not None:
        return _pairs_by_fold(study, metric=metric)
    runs = run_scores(study, study.plan.primary.split)
    if runs is None or len(runs.arm_names) < 2:
        raise InputError("fewer than two arms have finished runs", expected="two arms to compare")
    found = compare_runs(
        runs,
        [in_words(pair, study.plan.labels) for pair in all_pairs(runs.arm_names)],
        metric=metric,
        margin=study.plan.primary.margin_of(metric),
        withheld=withheld_by_audit(study),
    )
    warnings = direction_warnings(below_chance(runs), OF_A_STUDY, labels=study.plan.labels)
    return replace(found, warnings=warnings)


def _pairs_by_fold(study: StudyData, *, metric: str) -> FoldComparison:
    found = folds_of(study)
    if found.folds is None or len(found.folds.arm_names) < 2:
        raise InputError("fewer than two arms have finished runs in the same fold", expected="two arms to compare")
    compared = compare_folds(
        found.folds,
        [in_words(pair, study.plan.labels) for pair in all_pairs(found.folds.arm_names)],
        metric=metric,
        margin=study.plan.primary.margin_of(metric),
        withheld=(*withheld_by_audit(study), *found.withheld),
    )
    below = below_chance_by_fold(found.folds)
    return replace(compared, warnings=direction_warnings(below, OF_A_STUDY, labels=study.plan.labels))
