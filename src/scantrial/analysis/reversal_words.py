"""Reversals in words: which arm validation would have picked, how the epochs' choice counts, and what shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scantrial.analysis.gaps import TwoSample
from scantrial.analysis.reversal import Reversal
from scantrial.analysis.verdict_words import amount, at_least, difference_interval, interval_title, title_in_text
from scantrial.analysis.verdicts import Evidence
from scantrial.core.format import counted, p_equals
from scantrial.core.plain import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitShift(Plain):
    """What is known of how the test scans differ from the validation scans.

    Parameters
    ----------
    look : whether a classifier tells them apart, by the audit; None where that was not checked
    n_leaking : validation cases that share a patient or an image with training
    """

    look: TwoSample | None
    n_leaking: int


def reversal_sentences(found: Sequence[Reversal], shift: SplitShift) -> tuple[str, ...]:
    """Return a sentence for each reversal, then what they have in common; empty where there is none."""
    if not found:
        return ()
    return (*map(_reversed, found), *_of_epochs(found), _of_shift(found, shift))


def _reversed(one: Reversal) -> str:
    return (
        f"Validation and test disagree: {one.better} is better than {one.worse} on test, by "
        f"{_numbers(one.metric, one.test, one.test_p)}, and worse on validation, by "
        f"{_numbers(one.metric, one.val, one.val_p)}. Choosing on validation would have picked {one.worse}."
    )


def _numbers(metric: str, found: Evidence, p: float) -> str:
    """Return the size of a difference, whichever side is ahead, with its interval and its adjusted p."""
    low, high = (found.low, found.high) if found.effect > 0 else (-found.high, -found.low)
    size = amount(metric, abs(found.effect), spread=(high - low) / 2)
    adjusted = "adjusted " if found.n_comparisons > 1 else ""
    span = f"{interval_title(found)} {difference_interval(metric, low, high)}"
    return f"{size} of {title_in_text(metric)} ({span}; {adjusted}{p_equals(p)})"


def _of_epochs(found: Sequence[Reversal]) -> tuple[str, ...]:
    """Say how the choice of the epoch on validation counts."""
    if not any(one.epochs_chosen for one in found):
        return ()
    most = max(one.luck for one in found)
    counts = (
        f"it adds at most {at_least(found[0].metric, most)} to a lead there, and the leads are real beyond it"
        if most > 0
        else "it adds nothing to the leads there"
    )
    return (
        "The epochs were chosen on validation, so numbers there are too good. If both arms gain an equal share of what "
        f"this choice can add, {counts}.",
    )


def _of_shift(found: Sequence[Reversal], shift: SplitShift) -> str:
    """Name what differs between the two splits, as far as it is known."""
    said = []
    mix, may_be_mix = [one for one in found if one.is_mix], [one for one in found if one.may_be_mix]
    if mix:
        which = "the" if len(mix) == len(found) else "a part of the"
        said.append(
            f"At the class mix of validation, test would give the order of validation, so the class mix explains "
            f"{which} disagreement"
        )
    elif may_be_mix:
        said.append(
            "At the class mix of validation, test would give about the order of validation, but no real difference: "
            "the class mix may explain the disagreement"
        )
    if shift.look is not None and shift.look.is_found:
        told = f"a classifier tells them apart with an AUROC of {shift.look.auroc:.2f} ({p_equals(shift.look.p)})"
        said.append(f"The test scans differ from the validation scans: {told}, see AU010 of the audit")
    if shift.n_leaking:
        share = "shares" if shift.n_leaking == 1 else "share"
        said.append(
            f"{counted(shift.n_leaking, 'validation case')} {share} a patient or an image with training, which "
            "favours arms that memorise"
        )
    if not said:
        looked = (
            "the scans were not compared (AU010 of the audit)"
            if shift.look is None
            else f"a classifier does not tell the scans apart (AUROC {shift.look.auroc:.2f}, AU010 of the audit)"
        )
        said.append(f"What differs between validation and test is not known: {looked}")
    return ". ".join(said) + "."
