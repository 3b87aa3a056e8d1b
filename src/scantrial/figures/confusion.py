"""Confusion matrices: true classes against decisions, one panel an arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scantrial.core.errors import ShapeError
from scantrial.figures.figure import ROWS, Figure, build_figure
from scantrial.figures.palette import BLUE, GRID, INK


def confusion_matrices(
    matrices: Mapping[str, NDArray[np.int64]], class_names: Sequence[str], *, title: str, caption: str
) -> Figure:
    """Draw one panel an arm: true classes in rows, decisions in columns, counts in the cells.

    The larger a cell's share of its true class, the stronger its colour.

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
    cells = "; ".join(f"{r['arm']}: {r['cases']} of {r['truth']} classified as {r['decision']}" for r in rows)
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
