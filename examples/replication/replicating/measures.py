"""One number of one run, by name. A number that a run cannot give is NaN.

Fixed names stand in `MEASURES`. Learning curves are also read by names of three parts,
``mean.QUANTITY.round-K``, ``end.QUANTITY.round-K`` and ``change.QUANTITY.round-K``: the mean over a round without its
first three epochs, its last epoch, and how far that lies above the last epoch of the round before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from replicating.runs import RunView
from scantrial.analysis.curves import QUANTITIES, SKIPPED_EPOCHS, CurvePoint
from scantrial.analysis.metrics import measure
from scantrial.core.errors import InputError
from scantrial.core.format import percent
from scantrial.core.records import Split, SplitPredictions
from scantrial.core.registry import Registry

FINAL_EPOCHS = 5
"""A single epoch's number is partly luck: "the end" of a curve is the mean of its last five epochs."""

SURE = 0.9
"""A decision counts as sure from this probability on."""

NAN = float("nan")
Unit = Literal["%", "points", "loss", "epoch", "count"]
DECIMALS: dict[Unit, int] = {"%": 2, "points": 2, "loss": 4, "epoch": 0, "count": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is read from a run; `compute` gives it in `unit`, accuracies in per cent."""

    name: str
    title: str
    unit: Unit
    compute: Callable[[RunView], float]


def accuracy(run: RunView, *, split: Split) -> float:
    """Return the accuracy of the chosen epoch's weights on a split, in per cent."""
    part = run.predictions(split)
    return NAN if part is None else 100 * measure("accuracy", part.y_true, part.y_prob).value


def _val_minus_test(run: RunView) -> float:
    return accuracy(run, split="val") - accuracy(run, split="test")


def _mean_confidence(run: RunView) -> float:
    part = run.predictions("test")
    return NAN if part is None else 100 * float(part.y_prob.max(axis=1).mean())


def _wrong(part: SplitPredictions) -> NDArray[np.bool_]:
    return np.asarray(part.y_pred != part.y_true)


def _n_wrong(run: RunView) -> float:
    part = run.predictions("test")
    return NAN if part is None else float(_wrong(part).sum())


def _n_sure_and_wrong(run: RunView) -> float:
    part = run.predictions("test")
    return NAN if part is None else float((_wrong(part) & (part.y_prob.max(axis=1) >= SURE)).sum())


def _n_outputs(run: RunView) -> float:
    part = run.predictions("val")
    return NAN if part is None else float(len(part.output_names))


def _curve(run: RunView, quantity: str) -> NDArray[np.float64]:
    return np.array([getattr(record, quantity) for record in run.history], dtype=np.float64)


def _steps(run: RunView, quantity: str) -> NDArray[np.float64]:
    return np.asarray(np.diff(_curve(run, quantity)[SKIPPED_EPOCHS:]), dtype=np.float64)


def _swing(run: RunView, *, quantity: str, scale: float) -> float:
    steps = _steps(run, quantity)
    return scale * float(np.abs(steps).mean()) if len(steps) else NAN


def _largest_rise(run: RunView) -> float:
    steps = _steps(run, "val_loss")
    return float(steps.max()) if len(steps) else NAN


def _lowest_val_loss(run: RunView) -> float:
    return float(_curve(run, "val_loss").min())


def _lowest_val_loss_epoch(run: RunView) -> float:
    curve = _curve(run, "val_loss")
    return float(run.history[int(curve.argmin())].epoch) if np.isfinite(curve).all() else NAN


def _last_val_loss(run: RunView) -> float:
    return run.aggregates(skip=0).whole.at_end.val_loss


def _window_means(run: RunView) -> NDArray[np.float64]:
    """Return the mean validation loss of every stretch of `FINAL_EPOCHS` epochs; none where a loss is not finite."""
    curve = _curve(run, "val_loss")
    if len(curve) < FINAL_EPOCHS or not np.isfinite(curve).all():
        return np.array([])
    windows = np.lib.stride_tricks.sliding_window_view(curve, FINAL_EPOCHS)
    return np.asarray(windows.mean(axis=1), dtype=np.float64)


def _lowest_window(run: RunView) -> float:
    means = _window_means(run)
    return float(run.history[int(means.argmin()) + FINAL_EPOCHS // 2].epoch) if len(means) else NAN


def _val_loss_rise(run: RunView) -> float:
    means = _window_means(run)
    return 100 * float(means[-1] / means.min() - 1) if len(means) else NAN


def _final_gap(run: RunView) -> float:
    gap = _curve(run, "train_accuracy") - _curve(run, "val_accuracy")
    return 100 * float(gap[-FINAL_EPOCHS:].mean())


def _highest_accuracy(run: RunView) -> float:
    return 100 * float(max(_curve(run, "train_accuracy").max(), _curve(run, "val_accuracy").max()))


def _train_accuracy_gain(run: RunView) -> float:
    aggregates = run.aggregates(skip=SKIPPED_EPOCHS)
    return 100 * (aggregates.rounds[-1].at_end.train_accuracy - aggregates.rounds[0].mean.train_accuracy)


def curve_point(run: RunView, *, kind: str, number: int, skip: int) -> CurvePoint | None:
    """Return a round's ``mean`` without its first `skip` epochs, or its ``end``; None where there is no such round."""
    found = [stretch for stretch in run.aggregates(skip=skip).rounds if stretch.round == number]
    if not found:
        return None
    return found[0].mean if kind == "mean" else found[0].at_end


def point_value(point: CurvePoint | None, quantity: str) -> float:
    """Return one quantity of a curve point, accuracies in per cent; NaN where there is no point."""
    return NAN if point is None else scale_of(quantity) * float(getattr(point, quantity))


def scale_of(quantity: str) -> float:
    """Return 100 for an accuracy (a proportion, shown in per cent), 1 for a loss."""
    return 100.0 if quantity.endswith("accuracy") else 1.0


def _curve_value(run: RunView, *, kind: str, quantity: str, number: int) -> float:
    if kind == "change":
        now, before = (curve_point(run, kind="end", number=k, skip=SKIPPED_EPOCHS) for k in (number, number - 1))
        return point_value(now, quantity) - point_value(before, quantity)
    return point_value(curve_point(run, kind=kind, number=number, skip=SKIPPED_EPOCHS), quantity)


QUANTITY_WORDS = {
    "train_loss": "train loss",
    "train_accuracy": "train accuracy",
    "val_loss": "val loss",
    "val_accuracy": "val accuracy",
}


def _entry(name: str, title: str, unit: Unit, compute: Callable[[RunView], float]) -> tuple[str, Measure]:
    return name, Measure(name=name, title=title, unit=unit, compute=compute)


MEASURES: Registry[Measure] = Registry(
    "measure",
    dict(
        (
            _entry("test_accuracy", "test accuracy", "%", partial(accuracy, split="test")),
            _entry("val_accuracy", "val accuracy, chosen epoch", "%", partial(accuracy, split="val")),
            _entry("train_accuracy", "train accuracy, chosen epoch", "%", partial(accuracy, split="train")),
            _entry("val_minus_test", "val minus test accuracy", "points", _val_minus_test),
            _entry("mean_confidence", "mean probability of the decided class, test", "%", _mean_confidence),
            _entry("wrong_decisions", "wrong decisions, test", "count", _n_wrong),
            _entry("sure_and_wrong", f"wrong at {percent(SURE)} or surer, test", "count", _n_sure_and_wrong),
            _entry("val_loss_swing", "swing of the val loss", "loss", partial(_swing, quantity="val_loss", scale=1)),
            _entry(
                "val_accuracy_swing",
                "swing of the val accuracy",
                "points",
                partial(_swing, quantity="val_accuracy", scale=100),
            ),
            _entry("largest_val_loss_rise", "largest rise of the val loss in one epoch", "loss", _largest_rise),
            _entry("lowest_val_loss", "lowest val loss", "loss", _lowest_val_loss),
            _entry("lowest_val_loss_epoch", "epoch of the lowest val loss", "epoch", _lowest_val_loss_epoch),
            _entry("lowest_val_loss_window", "middle of the lowest five epochs", "epoch", _lowest_window),
            _entry("last_val_loss", "val loss at the last epoch", "loss", _last_val_loss),
            _entry("val_loss_rise", "rise of the val loss to the end", "%", _val_loss_rise),
            _entry("final_gap", "train minus val accuracy at the end", "points", _final_gap),
            _entry("n_outputs", "outputs of the network", "count", _n_outputs),
            _entry("highest_accuracy", "highest accuracy in any epoch", "%", _highest_accuracy),
            _entry(
                "train_accuracy_gain", "gain of train accuracy after the first round", "points", _train_accuracy_gain
            ),
        )
    ),
)
"""Measures with a fixed name."""

EXPLANATIONS: tuple[str, ...] = (
    "*chosen epoch*: the epoch with the lowest validation loss, whose weights are kept and evaluated.",
    f"*swing*: mean size of the step from one epoch to the next, without the first {SKIPPED_EPOCHS} epochs.",
    f"*at the end*: mean of the last {FINAL_EPOCHS} epochs.",
    f"*rise of the val loss to the end*: mean of the last {FINAL_EPOCHS} epochs over the lowest mean of "
    f"{FINAL_EPOCHS} epochs in a row; *middle of the lowest five epochs* is where that stretch lies.",
    f"*mean of round K*: over the round's epochs without its first {SKIPPED_EPOCHS}. Such a mean averages many "
    "half-trained networks; no single network has it.",
    "*gain of train accuracy after the first round*: last epoch of all minus the mean of round 1.",
    "*train* accuracy and loss of an epoch are means over its batches while the weights moved, with dropout where "
    "there is any; a network with dropout can therefore stand below its validation accuracy. Those of the *chosen "
    "epoch* are of its final weights, without dropout.",
)
"""What the titles mean, for the document."""

_CURVE_NAME = re.compile(rf"(mean|end|change)\.({'|'.join(QUANTITIES)})\.round-(\d+)")


def find_measure(name: str) -> Measure:
    """Return a measure by its name.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    parts = _CURVE_NAME.fullmatch(name)
    if parts is None:
        return MEASURES[name]
    kind, quantity, number = parts[1], parts[2], int(parts[3])
    if kind == "change" and number < 2:
        raise InputError(f"measure {name}: there is no round before the first")
    words = {"mean": "mean of", "end": "end of", "change": "change over"}[kind]
    unit: Unit = "loss" if quantity.endswith("loss") else "points" if kind == "change" else "%"
    return Measure(
        name=name,
        title=f"{QUANTITY_WORDS[quantity]}, {words} round {number}",
        unit=unit,
        compute=partial(_curve_value, kind=kind, quantity=quantity, number=number),
    )


def values_of(measured: Measure, runs: Sequence[RunView]) -> dict[int, float]:
    """Return the number of each run by its seed."""
    return {run.key.seed: measured.compute(run) for run in runs}
