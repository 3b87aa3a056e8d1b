"""The histograms of an audit: how often each gray value occurs, by class, one line a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.report.figure import ROWS, Figure, build_figure
from scantrial.report.palette import BLUE, MUTED, VERMILLION

ALL = "all scans"
"""Names the line of scans that stand in no split."""

_COLOURS = (BLUE, MUTED, VERMILLION)


def gray_histograms(histograms: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the mean histogram of each split and class.

    Parameters
    ----------
    histograms : as `scantrial.audit.pictures` makes them: ``split``, ``class``, ``n_bins``, ``share``
    """
    rows = [
        {
            "class": one["class"],
            "split": one["split"] or ALL,
            "gray": (place + 0.5) / one["n_bins"],
            "share": share,
        }
        for one in histograms
        for place, share in enumerate(one["share"])
    ]
    kinds = [("class", pa.string()), ("split", pa.string()), ("gray", pa.float64()), ("share", pa.float64())]
    classes = list(dict.fromkeys(row["class"] for row in rows))
    splits = list(dict.fromkeys(row["split"] for row in rows))
    return build_figure(
        [_panel(name, splits) for name in classes],
        table=pa.Table.from_pylist(rows, schema=pa.schema(kinds)),
        title="Gray values of each split and class",
        caption="The share of pixels in each 64th of the range, from black to the brightest value, averaged over the "
        "scans of a split and class. Lines that lie apart within one class tell of scans that were taken or converted "
        "in different ways.",
        alt_text=f"Gray values of {', '.join(classes)}: one line for each of {', '.join(splits)}.",
    )


def _panel(name: str, splits: Sequence[str]) -> Any:
    scale = alt.Scale(domain=list(splits), range=list(_COLOURS[: len(splits)]))
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=260)
    return (
        alt.Chart(ROWS)
        .transform_filter(alt.FieldEqualPredicate(field="class", equal=name))
        .mark_line(strokeWidth=1.6)
        .encode(
            x=alt.X("gray:Q", title="gray value, share of the range", axis=alt.Axis(grid=False, tickCount=5)),
            y=alt.Y("share:Q", title="share of pixels", axis=alt.Axis(format="~%", tickCount=5)),
            color=alt.Color("split:N", scale=scale, legend=legend),
        )
        .properties(width=260, height=180, title=name)
    )
