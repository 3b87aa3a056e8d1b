"""Gaps between accuracies in words, and the steps that look for the cause of a gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scantrial.analysis.diagnosis.curve_words import as_percent, points
from scantrial.analysis.diagnosis.thresholds import GAP, GAP_HIGH, HIGH_ACCURACY
from scantrial.analysis.gaps import Gap, GapStep
from scantrial.core.format import joined, p_equals, percent


def train_gap_words(gap: Gap) -> str:
    """Say how far training accuracy lies above validation accuracy at the kept epoch."""
    if not gap.is_beyond_chance:
        return (
            f"At the kept epoch training accuracy is {as_percent(gap.first)}, validation accuracy "
            f"{as_percent(gap.second)}: no gap beyond chance ({points(gap.value)} points, {_interval(gap)})."
        )
    said = (
        f"At the kept epoch training accuracy is {points(gap.value)} points ({_interval(gap)}) above validation "
        f"({as_percent(gap.first)} against {as_percent(gap.second)})"
    )
    if gap.is_large:
        return f"{said}: the network memorises part of the training cases."
    least = GAP_HIGH.value if gap.first > HIGH_ACCURACY.value else GAP.value
    return f"{said}: this is beyond chance, but below the {100 * least:g} points that count as large."


def step_words(gap: Gap, step: GapStep) -> str:
    """Say what one step found."""
    return _WORDS[step.name](gap, step)


def shift_words(gap: Gap, steps: Sequence[GapStep]) -> list[str]:
    """Say, step by step, what may explain the gap from validation to test."""
    return [step_words(gap, step) for step in steps]


def _interval(gap: Gap) -> str:
    if not gap.has_interval:
        return "without an interval, as neither runs nor cases of a class vary"
    return f"{percent(gap.level)} CI {points(gap.low)} to {points(gap.high)}"


def _chance(gap: Gap, _step: GapStep) -> str:
    both = f"Validation {as_percent(gap.first)}, test {as_percent(gap.second)}"
    cases = f"{gap.n_first:,} and {gap.n_second:,} cases"
    runs = "" if gap.n_seeds == 1 else f", {gap.n_seeds} runs"
    if gap.high < 0:
        return (
            f"{both}: validation is not above test ({points(gap.value)} points, {_interval(gap)}; {cases}{runs}), so "
            "there is no gap to explain."
        )
    if gap.low <= 0:
        return f"{both}: a gap of {points(gap.value)} points ({_interval(gap)}; {cases}{runs}), which may be chance."
    return f"{both}: a gap of {points(gap.value)} points ({_interval(gap)}; {cases}{runs}), too large for chance."


def _explains(step: GapStep) -> str:
    part = step.explained
    if step.state == "explains a part" and part is not None:
        return f"explains {points(part)} points"
    return (
        "explains nothing" if part is None or round(100 * part, 1) == 0 else f"explains nothing ({points(part)} points)"
    )


def _selection(_gap: Gap, step: GapStep) -> str:
    if step.state == "not yet checked":
        return "Selection: not yet checked; no validation accuracy of the last epoch was measured in the same way."
    if not step.numbers["kept_by_val"]:
        return "Selection: validation did not choose the epoch, so selection explains nothing."
    last, n_epochs, luck = (step.numbers[name] for name in ("val_accuracy_last", "n_epochs", "luck"))
    return (
        f"Selection: the epoch was chosen on validation. Validation accuracy at the last epoch is "
        f"{as_percent(last)}, and choosing the "
        f"best of {n_epochs} epochs adds at most {points(luck)} points by chance, so selection {_explains(step)}."
    )


def _class_mix(_gap: Gap, step: GapStep) -> str:
    if step.state == "not yet checked":
        return "Class mix: not yet checked; a class has no test case."
    return (
        f"Class mix: with the class mix of validation, test accuracy would be "
        f"{as_percent(step.numbers['reweighted'])}, so the mix {_explains(step)}."
    )


def _leakage(_gap: Gap, step: GapStep) -> str:
    if step.state == "not yet checked":
        return "Leakage from training into validation: not yet checked."
    n, without = step.numbers["n_cases"], step.numbers["accuracy_without"]
    if not n and step.numbers.get("is_past_unknown"):
        return (
            "Leakage from training into validation: none was found within this study; whether the network had seen "
            "validation scans before it (in the weights that it starts from) is not known."
        )
    if not n:
        return "Leakage from training into validation: none was found, so it explains nothing."
    shared = f"Leakage: {n:,} validation cases share a patient or an image with training"
    if without is None:
        of = f" of {joined([f'“{name}”' for name in step.numbers['lost']])}" if step.numbers["lost"] else ""
        return f"{shared}; no other cases{of} are left, so how much leakage explains is not known."
    return (
        f"{shared}; without them, at the same class mix, validation accuracy is {as_percent(without)}, so leakage "
        f"{_explains(step)}."
    )


def _two_sample(_gap: Gap, step: GapStep) -> str:
    if step.state == "not yet checked":
        return "Covariate shift: not yet checked."
    numbers: dict[str, Any] = dict(step.numbers)
    sure = f"an AUROC of {numbers['auroc']:.2f} ({p_equals(numbers['p'])})"
    told = f"a classifier tells validation and test scans apart with {sure}"
    if step.state == "open":
        return f"Covariate shift: {told}: the scans differ. How many points of accuracy this costs is not known."
    return f"Covariate shift: {told}: no shift was found."


def _label_quality(_gap: Gap, step: GapStep) -> str:
    if step.state == "not yet checked":
        return "Label quality: not yet checked."
    n = step.numbers["n_suspect"]
    if not n:
        return "Label quality: no test label is doubtful, so labels explain nothing."
    return (
        f"Label quality: {n:,} test labels are doubtful; if all of them were wrong, they would explain at most "
        f"{points(step.numbers['at_most'])} points."
    )


def _unexplained(_gap: Gap, step: GapStep) -> str:
    numbers = step.numbers
    if step.state == "settled":
        return "Nothing is left to explain."
    left = f"{points(numbers['left'])} points are left"
    if not numbers["may_be_shift"]:
        first = [name for name in numbers["waiting"] if name in ("selection", "class mix", "leakage")]
        return f"{left}. They cannot be called shift until these are checked: {', '.join(first)}."
    if numbers["shift_found"]:
        if numbers.get("is_past_unknown"):
            return (
                f"{left}, and the scans of the two sets differ: shift is a possible reason, and so are validation "
                "scans that the network had seen before this study."
            )
        return f"{left}, and the scans of the two sets differ: shift is the likely reason."
    waiting = f" Not yet checked: {', '.join(numbers['waiting'])}." if numbers["waiting"] else ""
    return f"{left} unexplained.{waiting}"


_WORDS: dict[str, Callable[[Gap, GapStep], str]] = {
    "chance": _chance,
    "selection": _selection,
    "class mix": _class_mix,
    "leakage": _leakage,
    "covariate shift": _two_sample,
    "label quality": _label_quality,
    "unexplained": _unexplained,
}
