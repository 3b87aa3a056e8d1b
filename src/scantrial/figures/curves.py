"""Learning curves: accuracy and loss over epochs, every seed and their mean. The same for notebook, page and paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from scantrial.core.errors import InputError
from scantrial.core.format import percent
from scantrial.core.plain import as_plain
from scantrial.core.records import EpochRecord
from scantrial.figures.figure import ROWS, Figure, build_figure, inline
from scantrial.figures.palette import BLUE, INK, MUTED, VERMILLION

History = Sequence[EpochRecord]
Domain = tuple[float, float]

_CURVE_COLUMNS = ("train_accuracy", "val_accuracy", "train_loss", "val_loss")
_PANEL_WIDTH, _PANEL_HEIGHT = 326, 200
_SPLITS = ("training", "validation")
_SPLIT_OF_COLUMN = "slice(datum.column, 0, 5) == 'train' ? 'training' : 'validation'"


def learning_curves(
    runs: Mapping[int, History],
    *,
    title: str,
    chosen: Mapping[int, int | None] | None = None,
    accuracy_domain: Domain | None = None,
    loss_domain: Domain | None = None,
    of: str = "seed",
) -> Figure:
    """Draw accuracy (left) and loss (right) over epochs, training and validation, every seed and their mean.

    `runs` gives each seed's epochs, `chosen` each seed's chosen epoch. Domains fix an axis, so that several arms
    can be compared side by side; without them each axis fits its data. Numbers that are not finite leave a gap.
    `of` is what a run is called, a seed or a fold.

    Raises
    ------
    InputError
        If no run has an epoch.
    """
    if not any(runs.values()):
        raise InputError("learning curves of no epoch", expected="at least one run with at least one epoch")
    table = curve_table(runs, chosen=chosen or {})
    borders = round_borders(runs)
    shape: dict[str, Any] = {"n_epochs": max(map(len, runs.values())), "borders": borders}
    charts = [
        _curve_panel("accuracy", title="Accuracy", domain=accuracy_domain, **shape),
        _curve_panel("loss", title="Loss", domain=loss_domain, **shape),
    ]
    return build_figure(
        charts,
        table=table,
        title=title,
        caption=_curve_caption(runs, borders, chosen=chosen or {}, of=of),
        alt_text=_curve_alt(table, title),
    )


def curve_table(runs: Mapping[int, History], *, chosen: Mapping[int, int | None]) -> pa.Table:
    """Return one row a seed and epoch: what `learning_curves` draws. What is not finite is null."""
    rows = [
        {
            "seed": seed,
            "round": record.round,
            "epoch": record.epoch,
            **{name: as_plain(getattr(record, name)) for name in _CURVE_COLUMNS},
            "chosen": chosen.get(seed) == record.epoch,
        }
        for seed, history in runs.items()
        for record in history
    ]
    kinds = [("seed", pa.int64()), ("round", pa.int64()), ("epoch", pa.int64())]
    numbers = [(name, pa.float64()) for name in _CURVE_COLUMNS]
    return pa.Table.from_pylist(rows, schema=pa.schema([*kinds, *numbers, ("chosen", pa.bool_())]))


def round_borders(runs: Mapping[int, History]) -> dict[int, int]:
    """Return for each round but the first the last epoch before it."""
    longest = max(runs.values(), key=len, default=())
    return {after.round: before.epoch for before, after in pairwise(longest) if after.round != before.round}


def _curve_panel(quantity: str, *, title: str, n_epochs: int, borders: Mapping[int, int], domain: Domain | None) -> Any:
    columns: list[Any] = [f"train_{quantity}", f"val_{quantity}"]
    base = alt.Chart(ROWS).transform_fold(columns, as_=["column", "value"])
    base = base.transform_calculate(split=_SPLIT_OF_COLUMN)
    x = alt.X("epoch:Q", title="epoch", scale=_epoch_scale(n_epochs), axis=alt.Axis(tickMinStep=1, grid=False))
    y: dict[str, Any] = {"title": None, "scale": _value_scale(domain), "axis": _value_axis(quantity)}
    legend = _legend(offset=16 if borders else 2)
    dash = alt.StrokeDash("split:N", scale=alt.Scale(domain=list(_SPLITS), range=[[1, 0], [5, 2]]), legend=legend)
    thin = base.mark_line(strokeWidth=0.8, opacity=0.45, point=n_epochs <= 2).encode(
        x=x, y=alt.Y("value:Q", **y), color=_split_colour(legend), detail="seed:N"
    )
    mean = base.mark_line(strokeWidth=2.4, point=n_epochs <= 2).encode(
        x=x, y=alt.Y("mean(value):Q", **y), color=_split_colour(legend), strokeDash=dash
    )
    layers = [*_border_layers(borders), thin, mean, _ring_layer(f"val_{quantity}", x)]
    return alt.layer(*layers).properties(width=_PANEL_WIDTH, height=_PANEL_HEIGHT, title=title)


def _legend(*, offset: int) -> alt.Legend:
    line: dict[str, Any] = {"symbolType": "stroke", "symbolSize": 260, "symbolOpacity": 1, "symbolStrokeWidth": 2.4}
    return alt.Legend(title=None, orient="top", offset=offset, **line)


def _split_colour(legend: alt.Legend) -> alt.Color:
    return alt.Color("split:N", scale=alt.Scale(domain=list(_SPLITS), range=[BLUE, VERMILLION]), legend=legend)


def _ring_layer(column: str, x: alt.X) -> Any:
    rings = alt.Chart(ROWS).transform_filter(f"datum.chosen && isValid(datum.{column})")
    look: dict[str, Any] = {"size": 40, "filled": False, "stroke": INK, "strokeWidth": 1.3, "opacity": 1}
    return rings.mark_point(**look).encode(x=x, y=f"{column}:Q")


def _border_layers(borders: Mapping[int, int]) -> list[Any]:
    if not borders:
        return []
    base = alt.Chart(inline([{"x": epoch + 0.5, "text": f"round {number}"} for number, epoch in borders.items()]))
    words = base.mark_text(align="left", baseline="bottom", dx=-3, fontSize=10, color=MUTED)
    return [
        base.mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x="x:Q"),
        words.encode(x="x:Q", y=alt.value(-3), text="text:N"),
    ]


def _epoch_scale(n_epochs: int) -> alt.Scale:
    return alt.Scale(domain=[1, n_epochs] if n_epochs > 1 else [0, 2], nice=False, zero=False)


def _value_scale(domain: Domain | None) -> alt.Scale:
    return alt.Scale(zero=False) if domain is None else alt.Scale(domain=list(domain), nice=False, zero=False)


def _value_axis(quantity: str) -> alt.Axis:
    # One extent for both, so that panels are equally wide and their plots line up.
    extent: dict[str, Any] = {"minExtent": 32, "maxExtent": 32}
    number = "~%" if quantity == "accuracy" else "~g"
    return alt.Axis(tickCount=5, domain=False, ticks=False, format=number, **extent)


def _curve_caption(
    runs: Mapping[int, History], borders: Mapping[int, int], *, chosen: Mapping[int, int | None], of: str
) -> str:
    lengths = {len(history) for history in runs.values()}
    seeds = f"one {of}" if len(runs) == 1 else f"{len(runs)} {of}s: thin lines, and their mean in bold"
    parts = [
        f"Training (solid) and validation (dashed), {seeds}.",
        "Training values are means over an epoch while weights change; validation values are from the epoch's end.",
    ]
    if any(epoch is not None for epoch in chosen.values()):
        parts.append("A ring marks the epoch whose weights were kept.")
    if borders:
        parts.append("Dotted lines separate rounds: the weights are kept, the optimiser and schedule restart.")
    if len(lengths) > 1:
        parts.append("Runs differ in length; the mean at an epoch is over the runs that reached it.")
    return " ".join(parts)


def _curve_alt(table: pa.Table, title: str) -> str:
    epochs = table["epoch"].to_numpy()
    first, last = int(epochs.min()), int(epochs.max())

    def at(column: str, epoch: int) -> str:
        values = [v for v, e in zip(table[column].to_pylist(), epochs, strict=True) if e == epoch and v is not None]
        if not values:
            return "no number"
        mean = float(np.mean(values))
        return percent(mean, 1) if column.endswith("accuracy") else f"{mean:.3g}"

    names = {"train": "training", "val": "validation"}
    moves = [
        f"mean {names[column.split('_')[0]]} {column.split('_')[1]} goes from {at(column, first)} to {at(column, last)}"
        for column in _CURVE_COLUMNS
    ]
    return f"{title}: two line charts over epochs {first} to {last}; {'; '.join(moves)}."
