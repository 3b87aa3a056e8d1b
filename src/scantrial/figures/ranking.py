"""ROC and precision-recall curves: one line per arm, its seeds as a band, fixed thresholds as points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.core.format import counted, percent
from scantrial.figures.decision import COLOURS, MAX_ARMS
from scantrial.figures.figure import ROWS, Figure, build_figure, inline
from scantrial.figures.palette import MUTED
from scantrial.findings.ranking import ArmRankingCurves, ClassCurves

_SIDE = 250
_ROC, _PRECISION = "ROC", "precision-recall"
_KINDS = {
    "curve": pa.string(),
    "arm": pa.string(),
    "threshold": pa.string(),
    "x": pa.float64(),
    "mean": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
}
_SHAPES = ("circle", "diamond", "square")


def ranking_figure(curves: ClassCurves, labels: Mapping[str, str], *, title: str) -> Figure:
    """Draw one class against the rest: ROC (left) and precision-recall (right); the first arms where there are many."""
    drawn = {labels[arm]: found for arm, found in list(curves.arms.items())[:MAX_ARMS]}
    rows = [row for arm, found in drawn.items() for row in _rows(arm, found)]
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(_KINDS.items())))
    rules = list(dict.fromkeys(row["threshold"] for row in rows if row["threshold"]))
    charts = [
        _panel(_ROC, "1 − specificity", "sensitivity", list(drawn), rules, chance=((0.0, 0.0), (1.0, 1.0))),
        _panel(
            _PRECISION,
            "sensitivity (recall)",
            "precision (PPV)",
            list(drawn),
            rules,
            chance=((0.0, curves.share), (1.0, curves.share)),
        ),
    ]
    return build_figure(
        charts, table=table, title=title, caption=_caption(curves, len(drawn), rules), alt_text=_alt(title, drawn)
    )


def _rows(arm: str, found: ArmRankingCurves) -> list[dict[str, Any]]:
    lines = [
        {"curve": name, "arm": arm, "threshold": None, "x": x, "mean": mean, "low": low, "high": high}
        for name, curve in ((_ROC, found.roc), (_PRECISION, found.precision))
        for x, mean, low, high in zip(
            *(values.tolist() for values in (curve.x, curve.mean, curve.low, curve.high)), strict=True
        )
    ]
    blank = {"low": None, "high": None}
    points = [
        {"curve": name, "arm": arm, "threshold": point.rule, "x": x, "mean": y, **blank}
        for point in found.points
        for name, x, y in (
            (_ROC, point.false_alarms, point.sensitivity),
            (_PRECISION, point.sensitivity, point.precision),
        )
        if y is not None
    ]
    return lines + points


def _panel(kind: str, x_title: str, y_title: str, arms: list[str], rules: list[str], *, chance: Any) -> Any:
    scale = alt.Scale(domain=[0, 1], nice=False)
    axis: dict[str, Any] = {"format": "~%", "tickCount": 5, "domain": False, "ticks": False}
    x = alt.X("x:Q", title=x_title, scale=scale, axis=alt.Axis(grid=False, **axis))
    y = alt.Y("mean:Q", title=y_title, scale=scale, axis=alt.Axis(**axis))
    # Above and below: beside each other, wider letters than the drawing program's would run into one another.
    legend: dict[str, Any] = {"title": None, "labelLimit": 280, "direction": "vertical"}
    colour = alt.Color(
        "arm:N",
        scale=alt.Scale(domain=arms, range=list(COLOURS[: len(arms)])),
        legend=alt.Legend(symbolType="stroke", symbolSize=260, symbolOpacity=1, orient="top", **legend),
    )
    shape = alt.Shape(
        "threshold:N",
        scale=alt.Scale(domain=rules, range=list(_SHAPES[: len(rules)])),
        legend=alt.Legend(
            symbolFillColor=MUTED,
            symbolStrokeWidth=0,
            orient="bottom",
            labelExpr="replace(datum.label, ' of at least ', ' ≥ ')",
            **legend,
        ),
    )
    base = alt.Chart(ROWS).transform_filter(alt.FieldEqualPredicate(field="curve", equal=kind))
    lines = base.transform_filter("!isValid(datum.threshold)")
    ends = inline([{"x": at, "mean": value} for at, value in chance])
    layers = [
        lines.mark_area(opacity=0.16).encode(
            x=x, y=alt.Y("low:Q", scale=scale, title=y_title), y2="high:Q", color=colour
        ),
        alt.Chart(ends).mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1).encode(x=x, y=y),
        lines.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
    ]
    if rules:
        marked = base.transform_filter("isValid(datum.threshold)")
        layers.append(
            marked.mark_point(size=75, filled=True, opacity=1, stroke="white", strokeWidth=1).encode(
                x=x, y=y, color=colour, shape=shape
            )
        )
    return alt.layer(*layers).properties(width=_SIDE, height=_SIDE, title=kind)


def _caption(curves: ClassCurves, n_drawn: int, rules: list[str]) -> str:
    n_runs = max(found.roc.n_runs for found in curves.arms.values())
    parts = [f"“{curves.class_name}” against the rest on {counted(curves.n_cases, 'test case')}."]
    if n_drawn < len(curves.arms):
        parts.append(f"The first {n_drawn} of {len(curves.arms)} arms.")
    if n_runs > 1:
        parts.append(
            f"Line: the mean of up to {n_runs} seeds at each point of the horizontal axis (vertical averaging). Band: "
            "from the lowest to the highest seed at that point; it shows seed-to-seed variation and is not a "
            "confidence interval, because the cases are the same."
        )
    if rules:
        parts.append("Points: thresholds fixed without the test cases, averaged over seeds.")
    parts.append(
        f"Dashed: what chance gives; precision depends on the prevalence of the class here, {percent(curves.share, 1)}."
    )
    return " ".join(parts)


def _alt(title: str, drawn: Mapping[str, ArmRankingCurves]) -> str:
    parts = []
    for arm, found in drawn.items():
        at = min(range(len(found.roc.x)), key=lambda i: abs(found.roc.x[i] - 0.1))
        parts.append(f"{arm}: sensitivity {found.roc.mean[at]:.2f} at {percent(1 - found.roc.x[at], 1)} specificity")
    return f"{title}. {'; '.join(parts)}."
