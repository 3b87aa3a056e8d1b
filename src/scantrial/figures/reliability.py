"""The CORP reliability diagram: one panel an arm, every seed a line, the consistency band of the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from scantrial.analysis.calibration import Calibration
from scantrial.core.plain import as_plain
from scantrial.figures.figure import ROWS, Figure, build_figure, inline
from scantrial.figures.palette import BLUE, GRID, MUTED

_SIDE = 210
_MAX_POINTS = 120
"""Points of a line that are drawn; the fit is a staircase, and its steps are kept."""


def reliability_diagram(arms: Mapping[str, Mapping[int, Calibration]], *, title: str) -> Figure:
    """Draw the observed share of class 1 over its predicted probability; `arms` is by label, then seed.

    The line is the isotonic fit of the outcome (Dimitriadis, Gneiting and Jordan 2021); grey is where it would be,
    at each probability, if the arm's first seed were perfectly calibrated.
    """
    rows = [row for arm, runs in arms.items() for seed, found in runs.items() for row in _rows(arm, seed, found)]
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(_KINDS.items())))
    return build_figure(
        [_panel(arm, min(runs)) for arm, runs in arms.items()],
        table=table,
        title=title,
        caption="Each line is one seed: the observed share of positive cases (isotonic fit) over the predicted "
        "probability. On the diagonal the two agree; below it the predicted probability is too high. Grey: if the "
        "first seed's probabilities were calibrated, its line would lie in this band 9 times in 10 at each point.",
        alt_text=_alt(arms, title),
    )


_KINDS = {
    "arm": pa.string(),
    "seed": pa.int64(),
    "p": pa.float64(),
    "observed": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
}


def _rows(arm: str, seed: int, found: Calibration) -> list[dict[str, Any]]:
    curve = found.curve
    kept = _kept(curve.observed)
    columns = (curve.p[kept], curve.observed[kept], curve.low[kept], curve.high[kept])
    return [
        {"arm": arm, "seed": seed, "p": p, "observed": observed, "low": as_plain(low), "high": as_plain(high)}
        for p, observed, low, high in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _kept(observed: Any) -> Any:
    """Return the ends of every step, and enough points between them for the band."""
    n = len(observed)
    if n <= _MAX_POINTS:
        return np.arange(n)
    steps = np.flatnonzero(np.diff(observed)) if n > 1 else np.zeros(0, dtype=np.int64)
    even = np.linspace(0, n - 1, _MAX_POINTS // 2).round().astype(np.int64)
    return np.unique(np.concatenate([steps, steps + 1, even]))


def _panel(arm: str, first_seed: int) -> Any:
    scale = alt.Scale(domain=[0, 1], nice=False)
    axis: dict[str, Any] = {"format": "~%", "tickCount": 5, "domain": False, "ticks": False}
    x = alt.X("p:Q", title="predicted probability", scale=scale, axis=alt.Axis(grid=False, **axis))
    y = alt.Y("observed:Q", title="observed share of positives", scale=scale, axis=alt.Axis(**axis))
    base = alt.Chart(ROWS).transform_filter(alt.FieldEqualPredicate(field="arm", equal=arm))
    first = base.transform_filter(alt.FieldEqualPredicate(field="seed", equal=first_seed))
    ends = inline([{"p": 0.0, "observed": 0.0}, {"p": 1.0, "observed": 1.0}])
    layers = [
        first.mark_area(color=GRID, opacity=0.9).encode(x=x, y=alt.Y("low:Q", scale=scale, title=""), y2="high:Q"),
        alt.Chart(ends).mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1).encode(x=x, y=y),
        base.mark_line(color=BLUE, strokeWidth=1.4, opacity=0.75).encode(x=x, y=y, detail="seed:N"),
    ]
    return alt.layer(*layers).properties(width=_SIDE, height=_SIDE, title=arm)


def _alt(arms: Mapping[str, Mapping[int, Calibration]], title: str) -> str:
    parts = []
    for arm, runs in arms.items():
        errors = [found.error.value for found in runs.values() if found.error.is_defined]
        parts.append(f"{arm}: calibration error {np.mean(errors):.3f}" if errors else f"{arm}: no calibration error")
    return f"{title}. {'; '.join(parts)}."
