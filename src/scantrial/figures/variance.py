"""Where the uncertainty of each comparison comes from: training again, other cases, or both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.analysis.comparison import Compared, Comparison
from scantrial.analysis.metrics import METRICS
from scantrial.analysis.mrmc import ContrastResult
from scantrial.core.format import counted, minus
from scantrial.figures.figure import ROWS, Figure, build_figure
from scantrial.figures.palette import BLUE, INK, VERMILLION

SEEDS, CASES, BOTH = "seeds", "cases", "seeds × cases"
_COLOURS = {SEEDS: VERMILLION, CASES: BLUE, BOTH: "#cc79a7"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceParts:
    """The parts of the variance of one effect, as estimated: not cut off at 0, so a part may be negative.

    Parameters
    ----------
    seeds : of training again, with infinitely many cases; falls with the number of seeds
    cases : of other cases, whatever the number of seeds
    both : of how other cases affect each training separately; falls with seeds and with cases
    """

    seeds: float
    cases: float
    both: float

    @property
    def total(self) -> float:
        """Their sum: the variance of the effect over seeds and cases, before anything is cut off at 0."""
        return self.seeds + self.cases + self.both


def variance_parts(result: ContrastResult) -> VarianceParts | None:
    """Split the variance of a paired contrast; None without two seeds in common.

    With ``s2`` the variance over seeds, ``g`` the mean variance over cases at one seed and ``q`` the mean covariance
    over cases of two seeds: seeds ``(s2 - (g - q)) / r``, cases ``q``, both ``(g - q) / r``. For two arms these are
    ``2 var_TR / r``, ``2 (Cov2 - Cov3)`` and ``2 (var_e - Cov1 - (Cov2 - Cov3)) / r`` of Obuchowski and Rockette's
    model (Hillis 2007).
    """
    if result.pairing != "paired":
        return None
    r, q = result.n_seeds, result.q_untruncated
    one_seed = r * result.cases_only.se**2 - (r - 1) * q
    return VarianceParts(seeds=(result.s2 - (one_seed - q)) / r, cases=q, both=(one_seed - q) / r)


def variance_bars(comparison: Comparison, *, title: str) -> Figure | None:
    """Draw the parts of each comparison's variance; None where no comparison has two seeds in common."""
    split = [(item, parts) for item in comparison.comparisons if (parts := variance_parts(item.result)) is not None]
    shown = [(item, parts) for item, parts in split if any((parts.seeds, parts.cases, parts.both))]
    if not shown:
        return None
    in_points = METRICS[comparison.metric].unit == "proportion"
    rows = [row for item, parts in shown for row in _rows(item, parts, scale=1e4 if in_points else 1.0)]
    titles = [item.result.contrast.title for item, _ in shown]
    kinds = [("comparison", pa.string()), ("part", pa.string()), ("variance", pa.float64())]
    return build_figure(
        [
            _chart(
                titles,
                "variance of the difference" + ", points²" * in_points,
            )
        ],
        table=pa.Table.from_pylist(rows, schema=pa.schema(kinds)),
        title=title,
        caption=_caption(comparison, shown),
        alt_text=_alt(shown, title),
    )


def _rows(item: Compared, parts: VarianceParts, *, scale: float) -> list[dict[str, Any]]:
    values = {SEEDS: parts.seeds, BOTH: parts.both, CASES: parts.cases}
    return [
        {"comparison": item.result.contrast.title, "part": name, "variance": scale * value}
        for name, value in values.items()
    ]


def _chart(names: list[str], title: str) -> Any:
    room = min(260, 7 * max(map(len, names)) + 8)
    legend = alt.Legend(title=None, orient="top", symbolType="square")
    return (
        alt.Chart(ROWS)
        .mark_bar(height=18, stroke="white", strokeWidth=0.6)
        .encode(
            x=alt.X(
                "variance:Q",
                stack="zero",
                title=title,
                axis=alt.Axis(format="~g", domain=False, ticks=False, tickCount=6),
            ),
            y=alt.Y(
                "comparison:N",
                sort=names,
                title=None,
                axis=alt.Axis(domain=False, ticks=False, labelLimit=260, minExtent=room, labelColor=INK),
            ),
            color=alt.Color(
                "part:N", scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())), legend=legend
            ),
            order=alt.Order("part:N", sort="descending"),
        )
        .properties(width=400, height=alt.Step(34))
    )


def _caption(comparison: Comparison, shown: Sequence[tuple[Compared, VarianceParts]]) -> str:
    seeds = sorted({item.result.n_seeds for item, _ in shown})
    number = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    parts = [
        f"The variance of each difference in {METRICS[comparison.metric].title} with {number} seeds and "
        f"{counted(comparison.n_cases, 'test case')}, by source. Seeds: training again; more seeds reduce it. Cases: "
        "another test set; only more cases reduce it. Seeds × cases: how another test set affects each training "
        "separately; more seeds or more cases reduce it."
    ]
    if any(min(found.seeds, found.cases, found.both) < 0 for _, found in shown):
        parts.append(
            "The parts are estimates and may be negative: a negative part is too small to be distinguished from zero."
        )
    if any(found.cases < 0 for _, found in shown):
        parts.append(
            "Where the part named Cases is negative, intervals and verdicts use 0 for it; they are never narrower "
            "than the interval for these trained networks."
        )
    return " ".join(parts)


def _alt(shown: Sequence[tuple[Compared, VarianceParts]], title: str) -> str:
    spans = [
        f"{item.result.contrast.title}: "
        + minus(f"seeds {parts.seeds:.3g}, cases {parts.cases:.3g}, both together {parts.both:.3g}")
        for item, parts in shown
    ]
    return f"{title}. {'; '.join(spans)}."
