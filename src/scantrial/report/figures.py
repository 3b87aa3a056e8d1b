"""The figures: learning curves, one dot a run, confusion matrices. The same for notebook, page and paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scantrial.analysis.metrics import Metric
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.records import EpochRecord
from scantrial.report.figure import ROWS, Figure, build_figure, inline
from scantrial.report.palette import BLUE, GRID, INK, MUTED, VERMILLION

History = Sequence[EpochRecord]
Domain = tuple[float, float]

_CURVE_COLUMNS = ("train_accuracy", "val_accuracy", "train_loss", "val_loss")
_PANEL_WIDTH, _PANEL_HEIGHT = 326, 200
_SPLITS = ("training", "validation")
_SPLIT_OF_COLUMN = "slice(datum.column, 0, 5) == 'train' ? 'training' : 'validation'"


# ---------------------------------------------------------------------- learning curves


def learning_curves(
    runs: Mapping[int, History],
    *,
    title: str,
    chosen: Mapping[int, int | None] | None = None,
    accuracy_domain: Domain | None = None,
    loss_domain: Domain | None = None,
) -> Figure:
    """Draw accuracy (left) and loss (right) over epochs, training and validation, every seed and their mean.

    `runs` gives each seed's epochs, `chosen` each seed's chosen epoch. Domains fix an axis, so that several arms
    can be read side by side; without them each axis fits its data. Numbers that are not finite leave a gap.

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
        caption=_curve_caption(runs, borders, chosen=chosen or {}),
        alt_text=_curve_alt(table, title),
    )


def curve_table(runs: Mapping[int, History], *, chosen: Mapping[int, int | None]) -> pa.Table:
    """Return one row a seed and epoch: what `learning_curves` draws. What is not finite is null."""
    rows = [
        {
            "seed": seed,
            "round": record.round,
            "epoch": record.epoch,
            **{name: _finite(getattr(record, name)) for name in _CURVE_COLUMNS},
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


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


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


def _curve_caption(runs: Mapping[int, History], borders: Mapping[int, int], *, chosen: Mapping[int, int | None]) -> str:
    lengths = {len(history) for history in runs.values()}
    seeds = "one seed" if len(runs) == 1 else f"{len(runs)} seeds: each a thin line, their mean a bold one"
    parts = [
        f"Training (solid) and validation (dashed), {seeds}.",
        "Training values are means over an epoch while the weights move; validation values are of the epoch's end.",
    ]
    if any(epoch is not None for epoch in chosen.values()):
        parts.append("A ring marks the epoch whose weights were kept.")
    if borders:
        parts.append("Dotted lines are round borders: the weights go on, the optimiser and schedule start afresh.")
    if len(lengths) > 1:
        parts.append("Not all runs are equally long; the mean is over those that reached an epoch.")
    return " ".join(parts)


def _curve_alt(table: pa.Table, title: str) -> str:
    epochs = table["epoch"].to_numpy()
    first, last = int(epochs.min()), int(epochs.max())

    def at(column: str, epoch: int) -> str:
        values = [v for v, e in zip(table[column].to_pylist(), epochs, strict=True) if e == epoch and v is not None]
        if not values:
            return "no number"
        mean = float(np.mean(values))
        return f"{100 * mean:.1f} %" if column.endswith("accuracy") else f"{mean:.3g}"

    names = {"train": "training", "val": "validation"}
    moves = [
        f"mean {names[column.split('_')[0]]} {column.split('_')[1]} goes from {at(column, first)} to {at(column, last)}"
        for column in _CURVE_COLUMNS
    ]
    return f"{title}: two line charts over epochs {first} to {last}; {'; '.join(moves)}."


# ---------------------------------------------------------------------- one dot a run


def metric_dots(values: Mapping[str, Mapping[int, float]], *, metric: Metric, split: str) -> Figure:
    """Draw one metric with a dot for every run and a line at each arm's mean; `values` is by arm, then seed.

    The chart shows values; it says nothing on whether arms differ. Values that are not finite are left out.
    """
    rows = [
        {"arm": arm, "seed": seed, "value": float(value)}
        for arm, by_seed in values.items()
        for seed, value in by_seed.items()
        if math.isfinite(value)
    ]
    table = pa.Table.from_pylist(
        rows, schema=pa.schema([("arm", pa.string()), ("seed", pa.int64()), ("value", pa.float64())])
    )
    proportion = metric.unit == "proportion"
    # Labels stay under their ticks, and one that would touch its neighbour is left out.
    apart: dict[str, Any] = {"labelFlush": False, "labelOverlap": "greedy", "labelSeparation": 8}
    axis = alt.Axis(format="~%" if proportion else "~g", domain=False, ticks=False, tickCount=5, **apart)
    x = alt.X("value:Q", title=f"{metric.title.lower()} on {split}", scale=alt.Scale(zero=False, padding=12), axis=axis)
    y = alt.Y("arm:N", title=None, sort=list(values), axis=alt.Axis(domain=False, ticks=False, labelLimit=160))
    base = alt.Chart(ROWS)
    dots = base.mark_circle(size=60, opacity=1, fillOpacity=0.45, stroke=BLUE, strokeWidth=1.2, color=BLUE).encode(
        x=x, y=y
    )
    mean = base.mark_tick(thickness=2.5, size=20, color=INK).encode(x=alt.X("mean(value):Q"), y=y)
    title = f"{metric.title} on {split}, one dot a run"
    return build_figure(
        [(dots + mean).properties(width=340, height=alt.Step(30))],
        table=table,
        title=title,
        caption="Each dot is one run (one seed); the line is the mean over an arm's seeds. "
        "The axis does not start at zero. The scatter of dots is over seeds only: data and splits are the same.",
        alt_text=_dots_alt(values, metric, title),
    )


def _dots_alt(values: Mapping[str, Mapping[int, float]], metric: Metric, title: str) -> str:
    factor, unit = (100.0, " %") if metric.unit == "proportion" else (1.0, "")
    spans = []
    for arm, by_seed in values.items():
        finite = [factor * value for value in by_seed.values() if math.isfinite(value)]
        span = f"{min(finite):.4g} to {max(finite):.4g}{unit}" if finite else "no value"
        spans.append(f"{arm}: {span}")
    return f"{title}. {'; '.join(spans)}."


# ---------------------------------------------------------------------- confusion matrices


def confusion_matrices(
    matrices: Mapping[str, NDArray[np.int64]], class_names: Sequence[str], *, title: str, caption: str
) -> Figure:
    """Draw one panel an arm: true classes in rows, decisions in columns, counts in the cells.

    A cell is the stronger in colour, the larger its share of its true class.

    Raises
    ------
    ShapeError
        If a matrix is not square with one row a class.
    """
    rows = [row for arm, matrix in matrices.items() for row in _confusion_rows(arm, matrix, class_names)]
    kinds = {
        "arm": pa.string(),
        "truth": pa.string(),
        "decision": pa.string(),
        "cases": pa.int64(),
        "share": pa.float64(),
    }
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))
    charts = [_confusion_panel(arm, class_names) for arm in matrices]
    cells = "; ".join(f"{r['arm']}: {r['cases']} of {r['truth']} decided {r['decision']}" for r in rows)
    return build_figure(charts, table=table, title=title, caption=caption, alt_text=f"{title}. {cells}.")


def _confusion_rows(arm: str, matrix: NDArray[np.int64], class_names: Sequence[str]) -> list[dict[str, Any]]:
    k = len(class_names)
    if matrix.shape != (k, k):
        raise ShapeError(f"a confusion matrix of shape {matrix.shape}", expected=f"({k}, {k})")
    totals = matrix.sum(axis=1)
    return [
        {
            "arm": arm,
            "truth": class_names[i],
            "decision": class_names[j],
            "cases": int(matrix[i, j]),
            "share": float(matrix[i, j] / totals[i]) if totals[i] else None,
        }
        for i in range(k)
        for j in range(k)
    ]


def _confusion_panel(arm: str, class_names: Sequence[str]) -> Any:
    order = list(class_names)
    labels: dict[str, Any] = {"domain": False, "ticks": False, "labelLimit": 100}
    x = alt.X("decision:N", sort=order, title="decision", axis=alt.Axis(orient="top", labelAngle=0, **labels))
    y = alt.Y("truth:N", sort=order, title="truth", axis=alt.Axis(**labels))
    of_arm = alt.FieldEqualPredicate(field="arm", equal=arm)
    base = alt.Chart(ROWS).transform_filter(of_arm).encode(x=x, y=y)
    shade = alt.FillOpacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.03, 1]), legend=None)
    cells = base.mark_rect(fill=BLUE, stroke=GRID, strokeWidth=1).encode(fillOpacity=shade)
    counts = base.mark_text(fontSize=13).encode(
        text="cases:Q", color=alt.when("datum.share > 0.5").then(alt.value("#fefefe")).otherwise(alt.value(INK))
    )
    side = max(56, 84 - 6 * len(order))
    return (cells + counts).properties(width=alt.Step(side), height=alt.Step(min(side, 48)), title=arm)
