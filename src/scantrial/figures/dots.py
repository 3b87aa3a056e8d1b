"""One dot per run: a metric of every run, with each arm's mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.analysis.metrics import Metric
from scantrial.figures.figure import ROWS, Figure, build_figure
from scantrial.figures.palette import BLUE, INK


def metric_dots(
    values: Mapping[str, Mapping[int, float]], *, metric: Metric, split: str, by_fold: bool = False
) -> Figure:
    """Draw one metric with a dot for every run and a line at each arm's mean; `values` is by arm, then seed.

    Of a cross-validation the runs are of different cases. The chart shows values; it does not say whether arms differ.
    Values that are not finite are left out.
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
    title = f"{metric.title} on {split}, one dot per run"
    return build_figure(
        [(dots + mean).properties(width=340, height=alt.Step(30))],
        table=table,
        title=title,
        caption=_OF_FOLDS if by_fold else _OF_SEEDS,
        alt_text=_dots_alt(values, metric, title),
    )


_OF_SEEDS = (
    "Each dot is one run (one seed); the line is the mean over an arm's seeds. "
    "The axis does not start at zero. Dots vary by seed only: data and splits are the same."
)
_OF_FOLDS = (
    "Each dot is one run, tested on the cases of its own fold; the line is the mean over an arm's folds. "
    "The axis does not start at zero. Dots vary by the cases that train and by those that test."
)


def _dots_alt(values: Mapping[str, Mapping[int, float]], metric: Metric, title: str) -> str:
    factor, unit = (100.0, " %") if metric.unit == "proportion" else (1.0, "")
    spans = []
    for arm, by_seed in values.items():
        finite = [factor * value for value in by_seed.values() if math.isfinite(value)]
        span = f"{min(finite):.4g} to {max(finite):.4g}{unit}" if finite else "no value"
        spans.append(f"{arm}: {span}")
    return f"{title}. {'; '.join(spans)}."
