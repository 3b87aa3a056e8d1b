"""What a design can show, as a figure: the smallest difference over seeds and over cases."""

from __future__ import annotations

from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.analysis.metrics import METRICS
from scantrial.analysis.outlook import seeds_of_curve
from scantrial.analysis.plan_words import size_words
from scantrial.analysis.power import POWER, PowerCurve
from scantrial.analysis.power_table import PowerPlan
from scantrial.core.format import counted, percent
from scantrial.core.plain import as_plain
from scantrial.figures.figure import ROWS, Figure, build_figure, inline
from scantrial.figures.palette import BLUE, INK, MUTED

_WIDTH, _HEIGHT = 326, 200
_TITLES = {"seeds": "seeds", "cases": "test cases"}


def power_curves(plan: PowerPlan) -> Figure:
    """Draw the smallest difference that a design shows, over its seeds (left) and over its test cases (right).

    A dashed line marks the difference that was asked about, a ring the design as planned. The table also has
    the power for that difference.
    """
    design = plan.design
    unit = METRICS[design.metric].unit
    charts = [_panel(plan, curve, proportion=unit == "proportion") for curve in (plan.over_seeds, plan.over_cases)]
    asked = plan.outlook.difference
    line = "" if asked is None else f" The dashed line is {size_words(design.metric, asked)}."
    return build_figure(
        charts,
        table=power_table(plan),
        title="What this design can show",
        caption=f"The smallest true difference that would be found with a probability of {percent(POWER)}: left "
        f"with {counted(design.n_cases, 'test case')}, right with {counted(seeds_of_curve(design), 'seed')}. A ring "
        f"marks the design as planned.{line} {plan.basis.source[0].upper()}{plan.basis.source[1:]}.",
        alt_text=_alt(plan),
    )


def power_table(plan: PowerPlan) -> pa.Table:
    """Return one row for each point: over, count, smallest_difference, difference, power, planned."""
    design = plan.design
    planned = {"seeds": design.n_seeds, "cases": design.n_cases if design.n_seeds >= 2 else None}
    rows = [
        {
            "over": curve.over,
            "count": count,
            "smallest_difference": as_plain(smallest),
            "difference": curve.difference,
            "power": curve.power[position] if curve.power else None,
            "planned": count == planned[curve.over],
        }
        for curve in (plan.over_seeds, plan.over_cases)
        for position, (count, smallest) in enumerate(zip(curve.counts, curve.smallest_difference, strict=True))
    ]
    number = pa.float64()
    kinds = [("over", pa.string()), ("count", pa.int64()), ("smallest_difference", number), ("difference", number)]
    return pa.Table.from_pylist(rows, schema=pa.schema([*kinds, ("power", number), ("planned", pa.bool_())]))


def _panel(plan: PowerPlan, curve: PowerCurve, *, proportion: bool) -> Any:
    axis: dict[str, Any] = {"domain": False, "ticks": False}
    label = f"format({'100 * ' * proportion}datum.value, '~g')"
    title = f"Smallest difference{', points,' * proportion} over {_TITLES[curve.over]}"
    x = alt.X(
        "count:Q",
        title=_TITLES[curve.over],
        scale=alt.Scale(type="log", nice=False, padding=10),
        axis=alt.Axis(values=list(curve.counts), format=",", grid=False, **axis),
    )
    y = alt.Y(
        "smallest_difference:Q",
        title=None,
        scale=alt.Scale(domainMin=0),
        axis=alt.Axis(labelExpr=label, tickCount=5, minExtent=32, maxExtent=32, **axis),
    )
    of_curve = alt.FieldEqualPredicate(field="over", equal=curve.over)
    base = alt.Chart(ROWS).transform_filter(of_curve)
    line = base.mark_line(strokeWidth=2.4, color=BLUE, point={"color": BLUE}).encode(x=x, y=y)
    ring = base.transform_filter("datum.planned").mark_point(
        size=120, filled=False, stroke=INK, strokeWidth=1.3, opacity=1
    )
    layers = [*_asked_line(plan), line, ring.encode(x=x, y=y)]
    return alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT, title=title)


def _asked_line(plan: PowerPlan) -> list[Any]:
    if plan.outlook.difference is None:
        return []
    rule = alt.Chart(inline([{"asked": plan.outlook.difference}])).mark_rule(color=MUTED, strokeDash=[5, 3])
    return [rule.encode(y="asked:Q")]


def _alt(plan: PowerPlan) -> str:
    parts = []
    for curve in (plan.over_seeds, plan.over_cases):
        first, last = (size_words(plan.design.metric, curve.smallest_difference[end]) for end in (0, -1))
        ends = f"{curve.counts[0]:,} to {curve.counts[-1]:,}"
        parts.append(f"over {ends} {_TITLES[curve.over]} from {first} to {last}")
    return f"Two line charts of the smallest difference that is found: {'; '.join(parts)}."
