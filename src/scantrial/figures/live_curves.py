"""Learning curves as small SVG drawings, fast enough to be redrawn at every epoch.

The report's figures are drawn with more care; these curves have to keep up with a training. Colours come from the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scantrial.core.format import SPLIT_WORDS, counted

WIDTH, HEIGHT = 330, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 6, 8, 24
_MOST_POINTS = 200

Values = Sequence[float | None]


class _Run(Protocol):
    # Its columns are found by their names: train_accuracy, val_loss.
    @property
    def state(self) -> str: ...
    @property
    def chosen_epoch(self) -> int | None: ...
    @property
    def epochs(self) -> Sequence[int]: ...


class _Arm(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def runs(self) -> Sequence[_Run]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of an axis: its place and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a panel: an SVG path, and its classes in the style sheet."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePanel:
    """Accuracy or loss of one arm over its epochs."""

    title: str
    lines: tuple[Line, ...]
    rings: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    n_epochs: int
    low: float
    high: float

    def x(self, epoch: float) -> float:
        share = (epoch - 1) / (self.n_epochs - 1) if self.n_epochs > 1 else 0.5
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def panels(arms: Sequence[_Arm]) -> dict[str, tuple[CurvePanel, CurvePanel]]:
    """Draw accuracy and loss of every arm, by its name; all arms share their axes of epochs and accuracy."""
    runs = [run for arm in arms for run in arm.runs]
    n_epochs = max((run.epochs[-1] for run in runs if run.epochs), default=1)
    lowest = min((min(_numbers([run], "accuracy"), default=0.0) for run in runs), default=0.0)
    accuracy = _Frame(n_epochs=n_epochs, low=max(0.0, math.floor(20 * lowest - 1e-9) / 20), high=1.0)
    return {arm.name: _arm(arm, accuracy) for arm in arms if arm.runs}


def _numbers(runs: Sequence[_Run], quantity: str) -> list[float]:
    columns = [_column(run, f"{split}_{quantity}") for run in runs for split in ("train", "val")]
    return [value for values in columns for value in values if value is not None]


def _arm(arm: _Arm, accuracy: _Frame) -> tuple[CurvePanel, CurvePanel]:
    losses = sorted(_numbers(arm.runs, "loss"))
    # The first epochs of a few runs must not flatten all the rest.
    high = losses[min(len(losses) - 1, int(0.98 * len(losses)))] if losses else 1.0
    loss = _Frame(n_epochs=accuracy.n_epochs, low=0.0, high=_round_up(high))
    return _panel(arm, "accuracy", accuracy), _panel(arm, "loss", loss)


def _panel(arm: _Arm, quantity: str, frame: _Frame) -> CurvePanel:
    lines = []
    for split in ("train", "val"):
        columns = [(run, _column(run, f"{split}_{quantity}")) for run in arm.runs]
        lines += [
            Line(path=_path(run.epochs, values, frame), kind=f"{split} {'live' if run.state == 'running' else 'thin'}")
            for run, values in columns
            if len(columns) > 1 or run.state == "running"
        ]
        lines.append(Line(path=_path(*_mean(columns), frame), kind=f"{split} mean"))
    return CurvePanel(
        title=quantity.capitalize(),
        lines=tuple(line for line in lines if line.path),
        rings=tuple(_rings(arm.runs, f"val_{quantity}", frame)),
        x_ticks=tuple(Tick(at=frame.x(n), text=str(n)) for n in _epoch_ticks(frame.n_epochs)),
        y_ticks=tuple(Tick(at=frame.y(value), text=_said(value, quantity)) for value in _ticks(frame.low, frame.high)),
        alt=_alt(arm, quantity),
    )


def _column(run: _Run, name: str) -> Values:
    values: Values = getattr(run, name)
    return values


def _mean(columns: Sequence[tuple[_Run, Values]]) -> tuple[Sequence[int], Values]:
    at: dict[int, list[float]] = {}
    for run, values in columns:
        for epoch, value in zip(run.epochs, values, strict=True):
            if value is not None:
                at.setdefault(epoch, []).append(value)
    epochs = sorted(at)
    return epochs, [sum(at[epoch]) / len(at[epoch]) for epoch in epochs]


def _path(epochs: Sequence[int], values: Values, frame: _Frame) -> str:
    """Return a path with a gap where a value is missing; a single point is drawn as a short dash."""
    step = max(1, math.ceil(len(epochs) / _MOST_POINTS))
    parts, pen = [], "M"
    for i, (epoch, value) in enumerate(zip(epochs, values, strict=True)):
        if value is None:
            pen = "M"
        elif i % step == 0 or i == len(epochs) - 1:
            parts.append(f"{pen}{frame.x(epoch):.1f} {frame.y(value):.1f}")
            pen = "L"
    return f"{parts[0]}h2" if len(parts) == 1 else "".join(parts)


def _rings(runs: Sequence[_Run], name: str, frame: _Frame) -> Iterable[tuple[float, float]]:
    for run in runs:
        chosen = run.chosen_epoch
        if chosen is not None and chosen in run.epochs:
            value = _column(run, name)[run.epochs.index(chosen)]
            if value is not None:
                yield round(frame.x(chosen), 1), round(frame.y(value), 1)


def _epoch_ticks(n: int) -> list[int]:
    if n <= 1:
        return [1]
    step = max(1, round(_nice(n / 5)))
    return [1, *range(step, n + 1, step)] if step > 1 else list(range(1, n + 1))


def _ticks(low: float, high: float) -> list[float]:
    step = _nice((high - low) / 4)
    first = math.ceil(low / step - 1e-9)
    return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _nice(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return size * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * 0.999)


def _round_up(value: float) -> float:
    step = _nice(value / 4) if value > 0 else 0.25
    return step * math.ceil(value / step - 1e-9) or 1.0


def _said(value: float, quantity: str) -> str:
    return f"{100 * value:.4g} %" if quantity == "accuracy" else f"{value:.4g}"


def _alt(arm: _Arm, quantity: str) -> str:
    ends = []
    for split in ("train", "val"):
        _, values = _mean([(run, _column(run, f"{split}_{quantity}")) for run in arm.runs])
        if values:
            first, last = (_said(value or 0.0, quantity) for value in (values[0], values[-1]))
            ends.append(f"mean {SPLIT_WORDS[split]} {quantity} goes from {first} to {last}")
    runs = counted(len(arm.runs), "run")
    return f"{quantity.capitalize()} of {arm.label} over epochs, {runs}: {'; '.join(ends)}."
