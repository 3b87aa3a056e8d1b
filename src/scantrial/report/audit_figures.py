"""What the audit shows: intensity histograms, mean pictures, and the scans that look most like another split."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.audit.records import Audit
from scantrial.report.decision_figure import COLOURS
from scantrial.report.document import Gallery, Picture
from scantrial.report.figure import ROWS, Figure, build_figure
from scantrial.report.formats import counted

_SPLITS = {"train": "training", "val": "validation", "test": "test", "": "all"}
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
        caption="The share of a scan's pixels in each band of grey values, as stored in the files, in the mean over "
        "the scans of a split and class. Lines of one class that lie apart are scans that were taken or prepared in "
        "another way; those of two classes may lie apart for the disease or for the camera.",
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


def mean_pictures(audit: Audit) -> Gallery | None:
    """Show the mean scan of each split and class; None where none was kept."""
    found: Sequence[Mapping[str, Any]] = audit.pictures.get("means", ())
    if not found:
        return None
    return Gallery(
        id="audit-means",
        caption="The mean of all scans of a split and class. What differs between splits was taken or prepared in "
        "another way; sharp letters or edges in a mean stand in many scans.",
        pictures=tuple(
            Picture(
                png=base64.b64decode(one["png"]),
                alt=f"Mean of {counted(one['n'], 'scan')}: {_SPLITS[one['split']]}, {one['class']}",
                caption=f"{_SPLITS[one['split']]}, {one['class']} ({one['n']:,})",
            )
            for one in found
        ),
    )


def shift_galleries(audit: Audit, thumbnails: Mapping[int, bytes], *, n: int = 6) -> tuple[Gallery, ...]:
    """Show for each pair of splits the scans of either that look most like the second, the first `n` of each.

    `thumbnails` gives PNG bytes by case number; a scan without one is named only.
    """
    return tuple(
        gallery
        for number, pair in enumerate(audit.pictures.get("most_alike", ()), start=1)
        for gallery in _of_pair(pair, number, thumbnails, n=n)
    )


def _of_pair(pair: Mapping[str, Any], number: int, thumbnails: Mapping[int, bytes], *, n: int) -> list[Gallery]:
    first, second = (_SPLITS[split] for split in pair["splits"])
    told = f"a small model tells {first} from {second} with AUC {pair['auc']:.2f}"
    captions = {
        "second": f"The {second} scans that look most like {second} ({told}).",
        "like_second": f"The {first} scans that look most like {second}.",
    }
    return [
        Gallery(
            id=f"audit-shift-{number}-{name.replace('_', '-')}",
            caption=caption,
            pictures=tuple(
                Picture(
                    png=thumbnails.get(item["case"]),
                    alt=f"Case {item['case']}, {item['path']}",
                    caption=f"case {item['case']}",
                )
                for item in pair[name][:n]
            ),
        )
        for name, caption in captions.items()
        if pair[name]
    ]
