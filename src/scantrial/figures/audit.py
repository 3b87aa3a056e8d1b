"""What the audit kept of intensities, as a figure: one line for each split and class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.audit.records import Audit
from scantrial.core.format import SPLIT_WORDS
from scantrial.figures.decision import COLOURS
from scantrial.figures.figure import ROWS, Figure, build_figure

_SPLITS = {**SPLIT_WORDS, "": "all"}
_DASHES = ([1, 0], [5, 2], [2, 2], [8, 3, 2, 3], [1, 3], [10, 3])


def histogram_figure(audit: Audit) -> Figure | None:
    """Draw the share of pixels over grey value, one line for each split and class; None where none was kept."""
    found: Sequence[Mapping[str, Any]] = audit.pictures.get("histograms", ())
    if not found:
        return None
    rows = [row for one in found for row in _bins(one)]
    kinds = [("split", pa.string()), ("class", pa.string()), ("grey", pa.float64()), ("share", pa.float64())]
    title = "Intensities by split and class"
    return build_figure(
        [_chart(list(dict.fromkeys(row["split"] for row in rows)), list(audit.class_names))],
        table=pa.Table.from_pylist(rows, schema=pa.schema(kinds)),
        title=title,
        caption="The share of a scan's pixels in each band of grey values, as they are read from the files, averaged "
        "over the scans of a split and class. Where lines of one class differ, the scans were acquired or prepared "
        "differently; lines of two classes may differ because of the disease or because of the device.",
        alt_text=f"{title}: {_alt(found)}.",
    )


def _bins(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return 32 bins, or as many as were kept: pairs of neighbours are joined while there are more."""
    shares = [float(share) for share in one["share"]]
    while len(shares) > 32 and len(shares) % 2 == 0:
        shares = [a + b for a, b in zip(shares[::2], shares[1::2], strict=True)]
    width = (float(one["top"]) + 1) / len(shares)
    return [
        {"split": _SPLITS[one["split"]], "class": one["class"], "grey": (i + 0.5) * width, "share": share}
        for i, share in enumerate(shares)
    ]


def _chart(splits: list[str], classes: list[str]) -> Any:
    line: dict[str, Any] = {"title": None, "symbolType": "stroke", "symbolSize": 260, "labelLimit": 320}
    return (
        alt.Chart(ROWS)
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("grey:Q", title="grey value", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False, format="~s")),
            y=alt.Y("share:Q", title="share of pixels", axis=alt.Axis(format="~%", tickCount=5, domain=False)),
            color=alt.Color(
                "split:N", scale=alt.Scale(domain=splits, range=list(COLOURS[: len(splits)])), legend=alt.Legend(**line)
            ),
            strokeDash=alt.StrokeDash(
                "class:N",
                scale=alt.Scale(domain=classes, range=[_DASHES[i % len(_DASHES)] for i in range(len(classes))]),
                legend=alt.Legend(**line),
            ),
            detail="class:N",
        )
        .properties(width=430, height=210)
    )


def _alt(found: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{_SPLITS[one['split']]} {one['class']}, mean {_mean(one):.3g}" for one in found)


def _mean(one: Mapping[str, Any]) -> float:
    width = (one["top"] + 1) / len(one["share"])
    return float(sum((i + 0.5) * width * share for i, share in enumerate(one["share"])))
