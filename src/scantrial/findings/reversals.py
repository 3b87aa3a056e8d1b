"""Where a study's validation and test cases order two arms differently, and what is known of the shift between them."""

from __future__ import annotations

from dataclasses import dataclass

from scantrial.analysis.comparison import Comparison
from scantrial.analysis.reversal import Reversal, find_reversals
from scantrial.analysis.reversal_words import SplitShift, reversal_sentences
from scantrial.analysis.runs import RunScores
from scantrial.core.plain import Plain
from scantrial.findings.leaks import shared_cases
from scantrial.findings.reading import StudyData
from scantrial.findings.shift import two_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversals(Plain):
    """The comparisons that are real on test and, the other way round, on validation.

    Parameters
    ----------
    found : in the order of the family; never empty
    shift : what is known of how the two splits differ
    sentences : both in words
    """

    found: tuple[Reversal, ...]
    shift: SplitShift
    sentences: tuple[str, ...]


def reversals_of(study: StudyData, on_test: Comparison, test: RunScores, val: RunScores | None) -> Reversals | None:
    """Look for reversals among the comparisons on test; None where there are none, or no validation predictions."""
    if val is None:
        return None
    found = find_reversals(on_test, test, val, n_epochs=_n_epochs(study))
    if not found:
        return None
    shift = SplitShift(look=two_sample(study), n_leaking=len(shared_cases(study, "val", "train")))
    return Reversals(found=found, shift=shift, sentences=reversal_sentences(found, shift))


def _n_epochs(study: StudyData) -> dict[str, int]:
    """Return by arm from how many epochs validation chose: 1 where it did not."""
    chosen = [arm.name for arm in study.plan.arms if arm.recipe.select.name != "last"]
    return {arm: max((len(run.history) for run in study.runs_of(arm)), default=1) for arm in chosen}
