"""Learning curves as small SVG drawings, fast enough to be redrawn at every epoch.

The report's figures are drawn with more care; these curves have to keep up with a training. Colours come from the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scantrial.core.format import SPLIT_WORDS, counted

WIDTH, HEIGHT = 330, 200
OVERLAY_WIDTH, OVERLAY_HEIGHT = 560, 300
"""Size of the chart that shows all arms."""
MAX_OVERLAID = 24
"""Largest number of arms in one chart; more cannot be told apart."""
N_COLOURS = 8
"""Colours of arms; arms after these have dashes."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 6, 8, 24
_MOST_POINTS, _MOST_OVERLAID_POINTS = 200, 100

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
class Overlaid:
    """One arm in a chart of all arms: its mean over the seeds, and the band from the smallest to the largest seed.

    Parameters
    ----------
    kind : its classes in the style sheet: colour and dashes by its place in the plan
    band : empty where no epoch has two seeds
    """

    name: str
    kind: str
    path: str
    band: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayPanel:
    """One quantity of all arms over their epochs."""

    name: str
    title: str
    arms: tuple[Overlaid, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    n_epochs: int
    low: float
    high: float
    width: int = WIDTH
    height: int = HEIGHT

    def x(self, epoch: float) -> float:
        share = (epoch - 1) / (self.n_epochs - 1) if self.n_epochs > 1 else 0.5
        return _LEFT + share * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)


def panels(arms: Sequence[_Arm]) -> dict[str, tuple[CurvePanel, CurvePanel]]:
    """Draw accuracy and loss of every arm, by its name; all arms share their axes of epochs and accuracy."""
    runs = [run for arm in arms for run in arm.runs]
    n_epochs = max((run.epochs[-1] for run in runs if run.epochs), default=1)
    lowest = min((min(_numbers([run], "accuracy"), default=0.0) for run in runs), default=0.0)
    accuracy = _Frame(n_epochs=n_epochs, low=max(0.0, math.floor(20 * lowest - 1e-9) / 20), high=1.0)
    return {arm.name: _arm(arm, accuracy) for arm in arms if arm.runs}


def overlays(arms: Sequence[_Arm]) -> tuple[OverlayPanel, ...]:
    """Draw accuracy and loss of the first `MAX_OVERLAID` arms in one chart each, on validation and on training."""
    shown = [arm for arm in arms[:MAX_OVERLAID] if arm.runs]
    kinds = {arm.name: arm_kind(place) for place, arm in enumerate(arms[:MAX_OVERLAID])}
    return tuple(_overlay(shown, kinds, *what) for what in _OVERLAID) if shown else ()


def arm_kind(place: int) -> str:
    """Return the classes of an arm in the style sheet: colour and dashes, by its place in the plan."""
    return f"c{place % N_COLOURS} d{min(place // N_COLOURS, 2)}"


_OVERLAID = (("val", "accuracy"), ("val", "loss"), ("train", "accuracy"), ("train", "loss"))


def _overlay(arms: Sequence[_Arm], kinds: Mapping[str, str], split: str, quantity: str) -> OverlayPanel:
    name, runs = f"{split}_{quantity}", [run for arm in arms for run in arm.runs]
    values = sorted(value for run in runs for value in _column(run, name) if value is not None)
    last = max((run.epochs[-1] for run in runs if run.epochs), default=1)
    bounds = _bounds(values, is_share=quantity == "accuracy")
    frame = _Frame(n_epochs=last, low=bounds[0], high=bounds[1], width=OVERLAY_WIDTH, height=OVERLAY_HEIGHT)
    title = f"{SPLIT_WORDS[split].capitalize()} {quantity}"
    return OverlayPanel(
        name=name,
        title=title,
        arms=tuple(_overlaid(arm, name, kinds[arm.name], frame) for arm in arms),
        x_ticks=tuple(Tick(at=frame.x(n), text=str(n)) for n in _epoch_ticks(last)),
        y_ticks=tuple(Tick(at=frame.y(value), text=_said(value, quantity)) for value in _ticks(*bounds)),
        alt=f"{title} of {counted(len(arms), 'arm')} over epochs: {'; '.join(_ends(arm, name) for arm in arms)}.",
    )


def _bounds(values: Sequence[float], *, is_share: bool) -> tuple[float, float]:
    """Return the ends of an axis; a loss far above the others is cut off."""
    if not values:
        return 0.0, 1.0
    if is_share:
        return max(0.0, math.floor(20 * values[int(0.02 * len(values))] - 1e-9) / 20), 1.0
    return 0.0, _round_up(values[min(len(values) - 1, int(0.98 * len(values)))])


def _overlaid(arm: _Arm, name: str, kind: str, frame: _Frame) -> Overlaid:
    columns = [(run, _column(run, name)) for run in arm.runs]
    path = _path(*_mean(columns), frame, most=_MOST_OVERLAID_POINTS)
    return Overlaid(name=arm.name, kind=kind, path=path, band=_band(columns, frame))


def _band(columns: Sequence[tuple[_Run, Values]], frame: _Frame) -> str:
    """Return the outline of the band over the epochs that two runs have at least."""
    several = {epoch: found for epoch, found in _by_epoch(columns).items() if len(found) > 1}
    if len(several) < 2:
        return ""
    epochs = sorted(several)
    kept = sorted({*epochs[:: max(1, math.ceil(len(epochs) / _MOST_OVERLAID_POINTS))], epochs[-1]})
    above = [(epoch, max(several[epoch])) for epoch in kept]
    below = [(epoch, min(several[epoch])) for epoch in reversed(kept)]
    points = (f"{frame.x(epoch):.1f} {frame.y(value):.1f}" for epoch, value in (*above, *below))
    return f"M{'L'.join(points)}Z"


def _ends(arm: _Arm, name: str) -> str:
    _, values = _mean([(run, _column(run, name)) for run in arm.runs])
    if not values:
        return f"{arm.label} has none"
    first, last = (_said(value or 0.0, name.partition("_")[2]) for value in (values[0], values[-1]))
    return f"{arm.label} from {first} to {last}"


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
    at = _by_epoch(columns)
    epochs = sorted(at)
    return epochs, [sum(at[epoch]) / len(at[epoch]) for epoch in epochs]


def _by_epoch(columns: Sequence[tuple[_Run, Values]]) -> dict[int, list[float]]:
    at: dict[int, list[float]] = {}
    for run, values in columns:
        for epoch, value in zip(run.epochs, values, strict=True):
            if value is not None:
                at.setdefault(epoch, []).append(value)
    return at


def _path(epochs: Sequence[int], values: Values, frame: _Frame, *, most: int = _MOST_POINTS) -> str:
    """Return a path with a gap where a value is missing; a single point is drawn as a short dash."""
    step = max(1, math.ceil(len(epochs) / most))
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
    step = max(1, round(nice_step(n / 5)))
    return [1, *range(step, n + 1, step)] if step > 1 else list(range(1, n + 1))


def _ticks(low: float, high: float) -> list[float]:
    step = nice_step((high - low) / 4)
    first = math.ceil(low / step - 1e-9)
    return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def nice_step(rough: float) -> float:
    """Return the next step of 1, 2, 2.5 or 5 times a power of ten."""
    size = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return size * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * 0.999)


def _round_up(value: float) -> float:
    step = nice_step(value / 4) if value > 0 else 0.25
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
