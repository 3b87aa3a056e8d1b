"""What the checks found, in words. Each sentence is made of the numbers that its rule compared.

A sentence is about one or more runs in which the same thing was found: numbers that differ between them are given as
the median with the smallest and the largest in brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import Any

from scantrial.analysis.diagnosis.checks import CHECKS
from scantrial.analysis.diagnosis.diagnose import Diagnosis, RoundDiagnosis
from scantrial.analysis.diagnosis.thresholds import (
    LEAST_CHANGE,
    LOSS_LIMIT,
    OVERSHOOT,
    SPIKE_EPOCHS,
    TAIL_LEAST,
    TRAIN_RISE,
)
from scantrial.core.format import joined, minus, percent, proportion

Numbers = Mapping[str, Any]


def as_percent(value: float) -> str:
    """Show a proportion in per cent."""
    return percent(value, 1)


def points(value: float) -> str:
    """Show a difference of proportions in points."""
    return proportion(value)


def _loss(value: float) -> str:
    return f"{value:.3f}"


def _whole(value: float) -> str:
    return f"{value:g}"


def _change(value: float) -> str:
    return minus(f"{value:+.1f} %")


def _size(value: float) -> str:
    return f"{abs(value):.1f} %"


def spread(found: Sequence[Numbers], name: str, show: Callable[[float], str]) -> str:
    """Show one number of some findings: its median, with smallest and largest where they differ as shown."""
    values = [float(numbers[name]) for numbers in found]
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{show(float(median(values)))} ({low} to {high})"


# ---------------------------------------------------------------------- labels


def _diverged(found: Sequence[Numbers]) -> str:
    when = f"Training diverged at epoch {spread(found, 'epoch', _whole)}"
    if all(numbers["kind"] == "no finite loss" for numbers in found):
        return f"{when}: the loss was no longer finite, or above {LOSS_LIMIT.value:g}. Lower the learning rate."
    worse = [numbers for numbers in found if numbers["kind"] == "worse than guessing"]
    return (
        f"{when}: training loss ends at {spread(worse, 'train_loss', _loss)}, "
        f"{spread(worse, 'ratio', _times)} times its smallest value and above the "
        f"loss of guessing ({spread(worse, 'guessing_loss', _loss)}). Lower the learning rate."
    )


def _times(value: float) -> str:
    return f"{value:.1f}"


def _stuck(found: Sequence[Numbers]) -> str:
    return (
        f"The network never did better than guessing the commonest class: validation accuracy ends at "
        f"{spread(found, 'val_accuracy', as_percent)}, guessing gives "
        f"{spread(found, 'chance_accuracy', as_percent)} (up to {spread(found, 'chance_bound', as_percent)} by "
        f"chance); training loss never fell below {spread(found, 'train_loss', _loss)}, the loss of guessing is "
        f"{spread(found, 'guessing_loss', _loss)}."
    )


def _overfit(found: Sequence[Numbers]) -> str:
    said = (
        f"From epoch {spread(found, 'onset', _whole)} on, training loss kept falling (from "
        f"{spread(found, 'train_loss_best', _loss)} to {spread(found, 'train_loss_end', _loss)}) while validation loss "
        f"rose by {spread(found, 'rise', _size)}: the network was memorising. Best epoch: "
        f"{spread(found, 'best_epoch', _whole)}."
    )
    alone = [numbers for numbers in found if numbers["kind"] == "loss only"]
    along = [numbers for numbers in found if numbers["kind"] != "loss only"]
    return " ".join([said, *_with_accuracy(alone, along)])


def _with_accuracy(alone: Sequence[Numbers], along: Sequence[Numbers]) -> list[str]:
    n = len(alone) + len(along)

    def of(part: Sequence[Numbers]) -> str:
        return "" if len(part) == n else f" in {len(part)} of these {n} runs"

    said = []
    if alone:
        said.append(
            f"Validation accuracy did not clearly fall{of(alone)} (from {spread(alone, 'accuracy_best', as_percent)} "
            f"to {spread(alone, 'accuracy_end', as_percent)}): the network became over-confident."
        )
    if along:
        said.append(
            f"Validation accuracy fell as well{of(along)}, from {spread(along, 'accuracy_best', as_percent)} to "
            f"{spread(along, 'accuracy_end', as_percent)}."
        )
    return said


def _fits_both(found: Sequence[Numbers]) -> str:
    return (
        f"The network fits both its training and the validation cases: training loss ends at "
        f"{spread(found, 'train_loss', _small)}, validation loss at {spread(found, 'val_loss', _small)}, each below "
        f"{percent(LEAST_CHANGE.value)} of the loss of guessing ({spread(found, 'guessing_loss', _loss)}); validation "
        f"accuracy ends at {spread(found, 'val_accuracy', as_percent)}. Losses of this size are not judged further."
    )


def _small(value: float) -> str:
    return f"{value:.1g}"


def _improving(found: Sequence[Numbers]) -> str:
    return (
        f"Validation loss was still falling at the end, by {spread(found, 'val_change', _size)} over the last "
        f"{spread(found, 'n_tail', _whole)} epochs; train longer before judging this arm."
    )


def _oscillating(found: Sequence[Numbers]) -> str:
    return (
        f"Validation accuracy jumps by {spread(found, 'median_swing', points)} points between epochs "
        f"({spread(found, 'n_swings', _whole)} swings of at least {spread(found, 'least_swing', points)} points in "
        f"{spread(found, 'n_epochs', _whole)} epochs); the accuracy of a single epoch depends on chance."
    )


def _underfit(found: Sequence[Numbers]) -> str:
    what = joined(sorted({str(name) for numbers in found for name in numbers["only_in_training"]}))
    how = f". It is measured with {what} switched on, so that the cases themselves may be fitted better" if what else ""
    return (
        f"Even on its training cases the network is far from fitting: training loss ends at "
        f"{spread(found, 'train_loss', _loss)}, the loss of guessing is {spread(found, 'guessing_loss', _loss)}{how}."
    )


def _rising(found: Sequence[Numbers]) -> str:
    return (
        f"Validation loss rises at the end, by {spread(found, 'val_change', _size)} over the last "
        f"{spread(found, 'n_tail', _whole)} epochs; that is not enough to call it overfitting."
    )


def _converged(found: Sequence[Numbers]) -> str:
    return (
        f"Over the last {spread(found, 'n_tail', _whole)} epochs neither loss shows a trend (training "
        f"{spread(found, 'train_change', _change)}, validation {spread(found, 'val_change', _change)}): more epochs "
        "with this setup will hardly help."
    )


def _plateau(found: Sequence[Numbers]) -> str:
    return (
        f"Over the last {spread(found, 'n_tail', _whole)} epochs validation loss shows no trend "
        f"({spread(found, 'val_change', _change)}), while training loss still moves "
        f"({spread(found, 'train_change', _change)})."
    )


# ---------------------------------------------------------------------- in addition to the labels


def _spike(found: Sequence[Numbers]) -> str:
    epochs = sorted({epoch for numbers in found for epoch in numbers["epochs"]})
    highest = max(height for numbers in found for height in numbers["heights"])
    where = "an isolated spike" if len(epochs) == 1 else "isolated spikes"
    return (
        f"Validation loss has {where} at epoch {', '.join(map(str, epochs))} (up to {_loss(highest)} above its "
        f"neighbours) and returns within {SPIKE_EPOCHS.value:g} epochs."
    )


def _not_alike(found: Sequence[Numbers]) -> str:
    what = joined(sorted({str(name) for numbers in found for name in numbers["only_in_training"]}))
    return (
        f"Training loss ends above validation loss ({spread(found, 'train_loss', _loss)} and "
        f"{spread(found, 'val_loss', _loss)}), but the two are not measured alike: training loss is a mean over the "
        f"epoch with {what} switched on, validation loss is measured without. That is no underfitting; with "
        "train_eval: true both are measured alike."
    )


def _floor(found: Sequence[Numbers]) -> str:
    return (
        f"Training loss flattens at {spread(found, 'train_loss', _loss)}. Even perfect outputs have this loss "
        f"({spread(found, 'floor', _loss)}) if softmax or sigmoid is applied twice: by the network and by the loss. "
        "Look for an activation after the last layer."
    )


def _rate(found: Sequence[Numbers]) -> str:
    signs = []
    over = [numbers for numbers in found if numbers["overshot"]]
    leaps = [numbers for numbers in found if numbers["leaps"]]
    if over:
        signs.append(
            f"the mean training loss of the first epoch is {spread(over, 'first_loss', _loss)}, more than "
            f"{OVERSHOOT.value:g} times the loss of guessing ({spread(over, 'guessing_loss', _loss)})"
        )
    if leaps:
        signs.append(
            f"training loss rises sharply (by more than {percent(TRAIN_RISE.value)} of the loss of guessing) in "
            f"{spread(leaps, 'n_rises', _whole)} of {spread(leaps, 'n_epochs', _whole)} epochs"
        )
    if any(numbers["diverged"] for numbers in found):
        signs.append("training diverged")
    rate = "" if any(numbers["lr"] is None for numbers in found) else f" of {spread(found, 'lr', _whole)}"
    return f"The learning rate{rate} looks too high: {'; '.join(signs)}. Try a smaller one."


def _dead(found: Sequence[Numbers]) -> str:
    return (
        f"{spread(found, 'last', as_percent)} of the hidden units give the same output for every validation case at "
        f"the end ({spread(found, 'first', as_percent)} after the first epoch): they are dead."
    )


def _still(found: Sequence[Numbers]) -> str:
    names = sorted({str(numbers["schedule"]) for numbers in found})
    why = ""
    if "cosine-stepped-per-epoch" in names:
        why = (
            " The cosine is set up for one step per batch but makes one step per epoch, so the rate stays near its "
            "initial value."
        )
    return (
        f"The schedule ({', '.join(names)}) changes the learning rate by {spread(found, 'range', _fine)} over "
        f"{spread(found, 'n_epochs', _whole)} epochs: the rate is practically constant.{why}"
    )


def _p(value: float) -> str:
    return f"{value:.2g}"


def _fine(value: float) -> str:
    return f"{100 * value:.2g} %"


def _kept(found: Sequence[Numbers]) -> str:
    parts = [f"{numbers['chosen_epoch']} (range {numbers['range'][0]} to {numbers['range'][1]})" for numbers in found]
    return (
        "The kept epoch lies outside the range of epochs in which validation loss is within one standard error of "
        f"its smallest value: {', '.join(parts)}."
    )


SENTENCES: dict[str, Callable[[Sequence[Numbers]], str]] = {
    "LC001": _diverged,
    "LC002": _stuck,
    "LC003": _overfit,
    "LC018": _fits_both,
    "LC004": _improving,
    "LC005": _oscillating,
    "LC006": _underfit,
    "LC007": _rising,
    "LC008": _converged,
    "LC009": _plateau,
    "LC010": _spike,
    "LC019": _not_alike,
    "LC011": _floor,
    "LC012": _rate,
    "LC013": _dead,
    "LC014": _still,
    "LC015": _kept,
}
"""The sentence of each check that looks at a curve, from the numbers of the runs in which it was found."""


def curve_sentence(code: str, found: Sequence[Numbers]) -> str:
    """Say what a check found, from the numbers of one or more runs."""
    return SENTENCES[code](found)


# ---------------------------------------------------------------------- paragraphs


def round_paragraph(diagnosis: RoundDiagnosis) -> list[str]:
    """Say what one round of an arm's runs shows: labels with their counts, other findings, the best epoch."""
    said = [_primary(diagnosis, code) for code in diagnosis.counts]
    beside = dict.fromkeys(finding.code for run in diagnosis.runs.values() for finding in run.beside)
    for code in (code for code in CHECKS if code in beside):
        found = diagnosis.found(code)
        counted = "" if len(found) == diagnosis.n_runs else f"In {len(found)} of {diagnosis.n_runs} runs: "
        said.append(counted + curve_sentence(code, [finding.numbers for finding in found.values()]))
    return [*said, *_best_epoch(list(diagnosis.runs.values()))]


def _primary(diagnosis: RoundDiagnosis, code: str | None) -> str:
    runs = list(diagnosis.with_primary(code).values())
    title = CHECKS[code].title if code else "No clear pattern"
    counted = "" if diagnosis.n_runs == 1 else f" ({len(runs)} of {diagnosis.n_runs} runs)"
    if code is None:
        return f"{title}{counted}: {_no_pattern(runs)}"
    return f"{title}{counted}. {curve_sentence(code, [run.findings[code].numbers for run in runs])}"


def _no_pattern(runs: Sequence[Diagnosis]) -> str:
    short = [run.last_epoch - run.first_epoch + 1 for run in runs]
    if min(short) < TAIL_LEAST.value:
        return f"{min(short)} epochs are too few to judge a curve; at least {TAIL_LEAST.value:g} are needed."
    trends = [run.findings["LC007"].numbers for run in runs]
    return (
        f"none of the rules applies. Validation loss changes by {spread(trends, 'val_change', _change)} over the last "
        f"{spread(trends, 'n_tail', _whole)} epochs (p = {spread(trends, 'val_p', _p)})."
    )


def _best_epoch(runs: Sequence[Diagnosis]) -> list[str]:
    best = [{"raw": run.best.raw, "smoothed": run.best.smoothed} for run in runs if run.best.smoothed is not None]
    if not best:
        return []
    said = (
        f"Validation loss is smallest at epoch {spread(best, 'raw', _whole)}, smoothed validation loss at "
        f"epoch {spread(best, 'smoothed', _whole)}"
    )
    near = [run.best.one_error for run in runs if run.best.one_error is not None]
    if not near:
        return [f"{said}."]
    ends = [{"first": first, "last": last} for first, last in near]
    first, last = spread(ends, "first", _whole), spread(ends, "last", _whole)
    return [
        f"{said}; from epoch {first} to {last} the smoothed loss is within one standard error of its smallest value."
    ]


def arm_paragraph(rounds: Sequence[RoundDiagnosis]) -> list[str]:
    """Say what an arm's curves show, round by round."""
    several = len(rounds) > 1
    return [
        f"Round {part.round}: {said}" if several and first else said
        for part in rounds
        for first, said in ((i == 0, said) for i, said in enumerate(round_paragraph(part)))
    ]


def caveats(rounds: Sequence[RoundDiagnosis]) -> list[str]:
    """Say what limits these diagnoses; only what is true of them."""
    runs = [run for part in rounds for run in part.runs.values()]
    said = []
    if any(not run.train_measured for run in runs):
        said.append(
            "Training numbers are means over an epoch while the weights changed, with any dropout and augmentation "
            "switched on: they lag behind the validation numbers. With train_eval: true they are measured again at the "
            "end of each epoch."
        )
    if any(run.primary == "LC003" for run in runs):
        said.append("After a rise, validation loss may fall again with many more epochs (Nakkiran 2020).")
    if any(part.round > 1 for part in rounds):
        said.append("Each round is judged by itself, because it starts with a new optimiser and schedule.")
    reasons = {
        finding.reason
        for run in runs
        for finding in run.findings.values()
        if finding.code == "LC002" and finding.reason is not None and "loss" in finding.reason
    }
    said += [f"The rules that compare with guessing are switched off: {reason}." for reason in sorted(reasons)]
    return said


# ---------------------------------------------------------------------- a factor


def factor_paragraph(factor: str, levels: Sequence[tuple[Any, RoundDiagnosis]]) -> list[str]:
    """Say how the curves change with a factor: one round of each of its levels, in their order.

    Levels that are numbers are sorted, and the text says if a quantity only rises or only falls with them.
    The paragraph describes the runs; it does not test whether levels differ beyond chance.
    """
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value, _ in levels)
    ordered = sorted(levels, key=lambda level: level[0]) if numeric else list(levels)
    shown = [f"{value:g}" if numeric else str(value) for value, _ in ordered]
    opening = f"As {factor} grows ({', '.join(shown)})" if numeric else f"With {factor} at {', '.join(shown)}"
    labels = ", ".join(_commonest(part) for _, part in ordered)
    said = [f"{opening}, the commonest label is: {labels}."]
    for title, values, show in _quantities([part for _, part in ordered]):
        said.append(f"{title}{_direction(values) if numeric else ''}: {', '.join(show(value) for value in values)}.")
    return said


def _commonest(part: RoundDiagnosis) -> str:
    code, n = next(iter(part.counts.items()))
    return f"{(CHECKS[code].title if code else 'No clear pattern').lower()} ({n} of {part.n_runs})"


def _quantities(parts: Sequence[RoundDiagnosis]) -> list[tuple[str, list[float], Callable[[float], str]]]:
    """Return the quantities that every level has: title, the median over the runs of each level, how to show it."""
    wanted: tuple[tuple[str, Callable[[Diagnosis], float | None], Callable[[float], str]], ...] = (
        ("The best epoch (smoothed validation loss)", lambda run: run.best.smoothed, _whole),
        ("Training accuracy over the last epochs", lambda run: run.tail["train_accuracy"], as_percent),
        ("Validation accuracy over the last epochs", lambda run: run.tail["val_accuracy"], as_percent),
        (
            "Training minus validation accuracy there, in points",
            lambda run: run.tail["train_accuracy"] - run.tail["val_accuracy"],
            points,
        ),
    )
    found = []
    for title, value, show in wanted:
        by_level = [[value(run) for run in part.runs.values()] for part in parts]
        numbers = [[float(v) for v in level if v is not None and isfinite(v)] for level in by_level]
        if all(numbers):
            found.append((title, [median(level) for level in numbers], show))
    return found


def _direction(values: Sequence[float]) -> str:
    steps = [later - earlier for earlier, later in pairwise(values)]
    if all(step > 0 for step in steps):
        return " rises with every level"
    if all(step < 0 for step in steps):
        return " falls with every level"
    return " does not change in one direction"
