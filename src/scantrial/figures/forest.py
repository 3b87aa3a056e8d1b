"""The forest plot: every comparison with its interval, the margin as a band."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pyarrow as pa

from scantrial.analysis.comparison import Compared, Comparison
from scantrial.analysis.cross_validation import FoldCompared, FoldComparison
from scantrial.analysis.metrics import METRICS, Metric
from scantrial.analysis.verdict_words import NO_INTERVAL, title_in_text
from scantrial.core.format import minus, percent, spread_words
from scantrial.figures.figure import ROWS, Figure, build_figure, inline
from scantrial.figures.palette import BLUE, GRID, INK, MUTED


def forest_plot(comparison: Comparison | FoldComparison, *, title: str) -> Figure:
    """Draw each comparison's effect and intervals; right of 0 the first-named arm is better.

    The thick line is the interval of one comparison alone, the thin one holds for all comparisons together and belongs
    to the verdict. With two seeds there is neither. The band, where a margin was declared, is where two arms count as
    equivalent.
    """
    metric = METRICS[comparison.metric]
    scale = 100.0 if metric.unit == "proportion" else 1.0
    rows = [_row(item, scale) for item in comparison.comparisons]
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(_KINDS.items())))
    names = [row["comparison"] for row in rows]
    x = alt.X("effect:Q", title=_axis_title(metric), scale=alt.Scale(zero=True, nice=True), axis=_axis())
    y = alt.Y("comparison:N", title=None, sort=names, axis=None)
    base = alt.Chart(ROWS)
    above: dict[str, Any] = {"fontSize": 11, "dy": -_ABOVE, "baseline": "middle"}
    verdict_room = max((_LETTER * len(row["verdict"]) for row in rows), default=0)
    layers = [
        *_band(comparison.margin, scale),
        # A piece of the line at 0 for each comparison, clear of its name.
        base.mark_tick(color=INK, thickness=1, size=20, yOffset=4).encode(x=alt.datum(0), y=y),
        base.mark_rule(strokeWidth=1, color=MUTED).encode(
            x=alt.X("together_low:Q", title=_axis_title(metric), axis=_axis()), x2="together_high:Q", y=y
        ),
        base.mark_rule(strokeWidth=3.2, color=BLUE).encode(x=alt.X("low:Q", title=""), x2="high:Q", y=y),
        base.mark_point(size=70, filled=True, color=BLUE, opacity=1).encode(x=x, y=y),
        base.mark_text(align="left", color=INK, limit=_WIDTH - verdict_room - _LETTER, **above).encode(
            x=alt.value(0), y=y, text="comparison:N"
        ),
        base.mark_text(align="right", color=INK, fontWeight="bold", **above).encode(
            x=alt.value(_WIDTH), y=y, text="verdict:N"
        ),
    ]
    return build_figure(
        [alt.layer(*layers).properties(width=_WIDTH, height=alt.Step(_STEP))],
        table=table,
        title=title,
        caption=_caption(comparison),
        alt_text=_alt(rows, title),
    )


_WIDTH, _STEP, _ABOVE = 340, 34, 11
"""In pixels: the plot's width, which a phone shows at full size; from one comparison to the next; and from a line up to
the names and verdicts above it."""

_LETTER = 6.5
"""The mean width of a letter in pixels."""

_KINDS = {
    "comparison": pa.string(),
    "effect": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "together_low": pa.float64(),
    "together_high": pa.float64(),
    "p_adjusted": pa.float64(),
    "verdict": pa.string(),
}


def _row(item: Compared | FoldCompared, scale: float) -> dict[str, Any]:
    return {
        "comparison": item.result.contrast.title,
        "effect": scale * item.evidence.effect,
        "low": scale * item.alone.low,
        "high": scale * item.alone.high,
        "together_low": scale * item.evidence.low,
        "together_high": scale * item.evidence.high,
        "p_adjusted": item.verdict.p_adjusted,
        "verdict": item.verdict.label,
    }


def _axis() -> alt.Axis:
    return alt.Axis(domain=False, ticks=False, tickCount=5, format="f")


def _axis_title(metric: Metric) -> str:
    unit = ", points" if metric.unit == "proportion" else ""
    turned = "" if metric.higher_is_better else " (sign reversed)"
    return f"difference in {title_in_text(metric.name)}{turned}{unit}"


def _band(margin: float | None, scale: float) -> list[Any]:
    if margin is None:
        return []
    band = alt.Chart(inline([{"from": -scale * margin, "to": scale * margin}]))
    return [band.mark_rect(color=GRID, opacity=0.75).encode(x=alt.X("from:Q", title=""), x2="to:Q")]


def _caption(comparison: Comparison | FoldComparison) -> str:
    level = f"{percent(comparison.level)} CI"
    n = len(comparison.comparisons)
    if isinstance(comparison, FoldComparison):
        spread, nothing = "other training sets and other cases", "No interval: the differences do not vary."
    else:
        spread = spread_words(*(item.result.n_seeds for item in comparison.comparisons))
        nothing = "Two seeds give no usable interval."
    is_drawn = any(not math.isnan(item.alone.low) for item in comparison.comparisons)
    parts = ["Right of 0 the arm named first is better."]
    parts.append(f"Thick: {level}, counting {spread}." if is_drawn else nothing)
    if n > 1 and is_drawn:
        parts.append(f"Thin: the simultaneous {level} of all {n}.")
    parts.append(
        "No margin was declared, so arms cannot be called equivalent."
        if comparison.margin is None
        else "Grey: the margin, inside which arms count as equivalent."
    )
    return " ".join(parts)


def _span(row: dict[str, Any]) -> str:
    return NO_INTERVAL if math.isnan(row["low"]) else minus("{low:.3g} to {high:.3g}".format(**row))


def _alt(rows: list[dict[str, Any]], title: str) -> str:
    spans = [
        f"{row['comparison']}: {minus('{effect:.3g}'.format(**row))} ({_span(row)}), {row['verdict']}" for row in rows
    ]
    return f"{title}. {'; '.join(spans)}."
