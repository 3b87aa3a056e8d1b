"""The decision curve: net benefit of acting on each arm's networks, compared with acting on everybody and nobody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.analysis.decision_curve import DecisionCurve
from scantrial.figures.figure import ROWS, Figure, build_figure
from scantrial.figures.palette import BLUE, INK, MUTED, VERMILLION

EVERYBODY, NOBODY = "act on everybody", "act on nobody"
COLOURS = (BLUE, VERMILLION, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MAX_ARMS = len(COLOURS)


def decision_curves(arms: Mapping[str, DecisionCurve], *, title: str) -> Figure:
    """Draw net benefit (Vickers and Elkin 2006) over the threshold of probability for acting; `arms` is by label."""
    first = next(iter(arms.values()))
    lines = {
        **{label: (curve, curve.model) for label, curve in arms.items()},
        EVERYBODY: (first, first.treat_all),
        NOBODY: (first, first.treat_none),
    }
    rows = [
        {"line": label, "threshold": threshold, "net_benefit": value}
        for label, (curve, values) in lines.items()
        for threshold, value in zip(curve.threshold.tolist(), values.tolist(), strict=True)
        if math.isfinite(value)
    ]
    kinds = [("line", pa.string()), ("threshold", pa.float64()), ("net_benefit", pa.float64())]
    top = max([row["net_benefit"] for row in rows], default=1.0)
    return build_figure(
        [_panel(list(lines), top=top)],
        table=pa.Table.from_pylist(rows, schema=pa.schema(kinds)),
        title=title,
        caption="Net benefit (the share of true positives minus the weighted share of false positives) over the "
        "probability above which one would act, at the prevalence of the test set. An arm is useful where its line is "
        "above both other lines. One line per arm: its first seed.",
        alt_text=f"{title}: one line for each of {', '.join(lines)}.",
    )


def _panel(names: list[str], *, top: float) -> Any:
    colours = [*COLOURS[: len(names) - 2], MUTED, INK]
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=260, labelLimit=200)
    scale = alt.Scale(domain=[-0.1 * top, 1.05 * top], clamp=True, nice=False)
    return (
        alt.Chart(ROWS)
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("threshold:Q", title="acting above this probability", axis=alt.Axis(format="~%", grid=False)),
            y=alt.Y("net_benefit:Q", title="net benefit", scale=scale, axis=alt.Axis(tickCount=5)),
            color=alt.Color("line:N", scale=alt.Scale(domain=names, range=colours), legend=legend),
        )
        .properties(width=360, height=210)
    )
