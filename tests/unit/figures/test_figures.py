"""Figures: what they draw, the table behind them, and that text in them stays text."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from scantrial.analysis.metrics import METRICS
from scantrial.core.errors import InputError, ShapeError
from scantrial.core.records import EpochRecord
from scantrial.figures.confusion import confusion_matrices
from scantrial.figures.curves import learning_curves, round_borders
from scantrial.figures.dots import metric_dots

EVIL = "<script>alert('x')</script> & \"q\" datum.value"


def history(n_rounds: int = 1, epochs: int = 4, *, offset: float = 0.0) -> tuple[EpochRecord, ...]:
    return tuple(
        EpochRecord(
            round=(t - 1) // epochs + 1,
            epoch=t,
            lr=1e-3,
            train_loss=1.0 / t + offset,
            train_accuracy=1 - 0.5 / t,
            val_loss=1.2 / t + offset,
            val_accuracy=0.9 - 0.5 / t,
        )
        for t in range(1, n_rounds * epochs + 1)
    )


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def paths(svg: str, colour: str) -> int:
    return sum(
        node.get("stroke") == colour and len(node.get("d", "")) > 20
        for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
    )


def names_in(spec: object) -> list[str]:
    """All keys of a nested spec that could make a renderer fetch something."""
    if isinstance(spec, dict):
        return [key for key in spec if key in ("url", "href")] + [n for value in spec.values() for n in names_in(value)]
    return [n for value in spec for n in names_in(value)] if isinstance(spec, list) else []


def test_no_epoch_is_refused():
    """There is nothing to draw without an epoch."""
    with pytest.raises(InputError, match="no epoch"):
        learning_curves({0: ()}, title="x")


def test_the_table_holds_every_seed_and_epoch():
    """The rows behind the curves are one for each seed and epoch, with the chosen epoch marked once a seed."""
    figure = learning_curves({3: history(), 5: history(offset=0.1)}, title="x", chosen={3: 2, 5: 4})
    rows = figure.table.to_pylist()
    assert [(row["seed"], row["epoch"]) for row in rows] == [(seed, t) for seed in (3, 5) for t in range(1, 5)]
    assert [(row["seed"], row["epoch"]) for row in rows if row["chosen"]] == [(3, 2), (5, 4)]
    assert rows[0]["train_loss"] == 1.0
    assert rows[5]["val_loss"] == pytest.approx(0.7)


def test_accuracy_is_left_and_loss_right_with_every_seed_and_the_mean():
    """Each panel has one line a seed and one mean, for training (blue) and for validation (vermillion)."""
    figure = learning_curves({seed: history(offset=seed / 10) for seed in range(3)}, title="x")
    accuracy, loss = figure.panel_svgs()
    assert "Accuracy" in texts(accuracy)
    assert "Loss" in texts(loss)
    for svg in (accuracy, loss):
        assert {"training", "validation", "epoch"} <= set(texts(svg))
        # Three seeds, the mean, and the line in the legend.
        assert paths(svg, "#0072b2") + paths(svg, "#d55e00") >= 8
    whole = texts(figure.to_svg())
    assert whole.index("Accuracy") < whole.index("Loss")


def test_every_chosen_epoch_has_a_ring():
    """As many rings as seeds with a chosen epoch; a run without one has none."""
    with_rings = learning_curves({0: history(), 1: history()}, title="x", chosen={0: 2, 1: None}).panel_svgs()[0]
    without = learning_curves({0: history(), 1: history()}, title="x").panel_svgs()[0]
    ring = 'stroke-width="1.3"'
    assert with_rings.count(ring) == without.count(ring) + 1


def test_round_borders_lie_between_rounds():
    """Three rounds of four epochs have borders after 4 and 8, named in the chart; one round has none."""
    runs = {0: history(3), 1: history(2)}
    assert round_borders(runs) == {2: 4, 3: 8}
    assert {"round 2", "round 3"} <= set(texts(learning_curves(runs, title="x").panel_svgs()[1]))
    assert round_borders({0: history()}) == {}


def test_numbers_that_are_not_finite_leave_a_gap():
    """NaN and infinity are null in the table and in the spec, which stays strict JSON."""
    first = history()[0]
    broken = EpochRecord(
        round=1, epoch=2, lr=1e-3, train_loss=math.nan, train_accuracy=0.5, val_loss=math.inf, val_accuracy=0.5
    )
    figure = learning_curves({0: (first, broken), 1: history()}, title="x")
    assert figure.table["train_loss"].to_pylist()[1] is None
    assert figure.table["val_loss"].to_pylist()[1] is None
    json.dumps(figure.spec, allow_nan=False)
    assert "Runs differ in length" in figure.caption
    assert figure.to_svg().startswith("<svg")


def test_a_single_epoch_can_be_drawn():
    """One epoch of one seed gives a chart, with a point where there is no line."""
    figure = learning_curves({0: history(epochs=1)}, title="x")
    assert figure.table.num_rows == 1
    assert "one seed" in figure.caption
    assert figure.to_svg().count("<path") > 4


def test_a_shared_axis_is_kept():
    """Given domains reach the axis in both panels."""
    figure = learning_curves({0: history()}, title="x", accuracy_domain=(0.2, 1.0), loss_domain=(0.0, 5.0))
    assert {"20%", "100%"} <= set(texts(figure.panel_svgs()[0]))
    assert {"0", "5"} <= set(texts(figure.panel_svgs()[1]))


def test_the_alternative_text_tells_first_and_last_values():
    """Someone who cannot see the chart is told where each line starts and ends."""
    text = learning_curves({0: history()}, title="Curves of BCE").alt
    assert text.startswith("Curves of BCE: two line charts over epochs 1 to 4")
    assert "mean training accuracy goes from 50.0 % to 87.5 %" in text
    assert "mean validation loss goes from 1.2 to 0.3" in text


def test_many_rows_are_no_limit():
    """More rows than Altair's limit of 5,000 are drawn."""
    figure = learning_curves({seed: history(epochs=300) for seed in range(20)}, title="x")
    assert figure.table.num_rows == 6000
    assert figure.panel_svgs()[0].startswith("<svg")


def all_figures() -> Sequence:
    matrix = np.array([[5, 1], [2, 4]])
    return (
        learning_curves({0: history(2)}, title=EVIL),
        metric_dots({EVIL: {0: 0.7, 1: 0.8}, "b": {0: 0.75}}, metric=METRICS["accuracy"], split="test"),
        confusion_matrices({EVIL: matrix}, ["a" + EVIL, "b"], title="t", caption="c"),
    )


@pytest.mark.parametrize("index", range(3))
def test_figures_are_whole_and_safe(index):
    """A figure holds its data, fetches nothing, shows hostile names as text, and is the same each time."""
    figure = all_figures()[index]
    svg = figure.to_svg()
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "<script" not in svg
    assert "onload" not in svg
    assert any("<script>" in text for text in texts(svg))
    assert names_in(figure.spec) == []
    assert svg == all_figures()[index].to_svg()
    assert figure.to_png(scale=1).startswith(b"\x89PNG")
    bundle = figure._repr_mimebundle_()
    assert bundle["image/svg+xml"] == svg
    json.dumps(figure.to_dict(), allow_nan=False)


def test_dots_show_every_run_and_leave_out_what_is_not_finite():
    """The table has one row a run with a value; arms keep their order."""
    figure = metric_dots({"z": {0: 0.7, 1: math.nan}, "a": {0: 0.75}}, metric=METRICS["accuracy"], split="test")
    assert figure.table.to_pylist() == [
        {"arm": "z", "seed": 0, "value": 0.7},
        {"arm": "a", "seed": 0, "value": 0.75},
    ]
    words = texts(figure.to_svg())
    assert words.index("z") < words.index("a")
    assert "z: 70 to 70 %" in figure.alt


@pytest.mark.parametrize(("low", "high"), [(0.8583, 0.8917), (0.5, 0.99), (0.7, 0.7001), (0.72, 0.755), (0, 1)])
def test_the_labels_below_the_dots_do_not_touch(low, high):
    """Whatever the range, there are at least two labels, and none reaches into the next."""
    figure = metric_dots({"a": {0: low, 1: high}}, metric=METRICS["accuracy"], split="test")
    root = ET.fromstring(figure.to_svg())
    labels = [node for node in root.iter() if node.tag.endswith("}text") and (node.text or "").endswith("%")]
    assert {node.get("text-anchor") for node in labels} == {"middle"}
    # A character of Arial's digits is 0.556 em wide, a per-cent sign 0.889 em.
    halves = [11 * (0.556 * len(node.text) + 0.333) / 2 for node in labels]
    centres = [float(re.match(r"translate\(([-\d.]+),", node.get("transform"))[1]) for node in labels]
    spans = sorted((at - half, at + half) for at, half in zip(centres, halves, strict=True))
    assert len(spans) >= 2
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_confusion_cells_hold_counts_and_shares():
    """Every cell stands in the table with its count and its share of the true class; an empty class has no share."""
    figure = confusion_matrices({"x": np.array([[3, 1], [0, 0]])}, ["n", "p"], title="t", caption="c")
    rows = figure.table.to_pylist()
    assert [(row["truth"], row["decision"], row["cases"]) for row in rows] == [
        ("n", "n", 3),
        ("n", "p", 1),
        ("p", "n", 0),
        ("p", "p", 0),
    ]
    assert [row["share"] for row in rows] == [0.75, 0.25, None, None]
    with pytest.raises(ShapeError, match=r"shape \(2, 3\)"):
        confusion_matrices({"x": np.zeros((2, 3), dtype=np.int64)}, ["n", "p"], title="t", caption="c")
