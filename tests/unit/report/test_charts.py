"""Figures as a page shows them: drawn as they stand, and specifications that answer the pointer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scantrial.analysis.metrics import METRICS
from scantrial.core.records import EpochRecord
from scantrial.figures.confusion import confusion_matrices
from scantrial.figures.curves import learning_curves
from scantrial.figures.dots import metric_dots
from scantrial.report.charts import Charts, compile_panel, draw, fit_svg, is_zoomable, live_spec, toggles


def history(n, shift=0.0):
    return tuple(
        EpochRecord(
            round=1, epoch=i, lr=0.1, train_loss=1 / i, train_accuracy=0.5, val_loss=1.1 / i + shift, val_accuracy=0.4
        )
        for i in range(1, n + 1)
    )


@pytest.fixture(scope="module")
def curves():
    return learning_curves({0: history(4), 1: history(4, 0.1)}, title="Learning curves", chosen={0: 3})


@pytest.fixture(scope="module")
def matrices():
    return confusion_matrices({"x": np.array([[3, 1], [0, 2]])}, ["n", "p"], title="t", caption="c")


def marks(spec):
    for mark in spec["marks"]:
        yield mark
        yield from marks({"marks": mark.get("marks", [])})


def test_a_panel_is_drawn_as_its_figure_draws_it(curves):
    """Compiled without its rows and drawn with them, a panel is the same SVG as the figure's own."""
    for panel, svg in zip(curves.panels, curves.panel_svgs(), strict=True):
        assert draw(compile_panel(panel), panel["datasets"]["rows"]) == svg


def test_panels_that_differ_in_rows_alone_share_a_specification(curves):
    """Two arms' curves on the same axes are two drawings of the same specifications."""
    charts = Charts()
    domains = {"accuracy_domain": (0.0, 1.0), "loss_domain": (0.0, 2.0)}
    both = [learning_curves({0: history(4, shift)}, title="t", **domains) for shift in (0.0, 0.5)]
    first, second = (charts.panels(figure) for figure in both)
    assert [panel.spec for panel in first] == [panel.spec for panel in second] == [0, 1]
    assert first[1].svg != second[1].svg
    assert len(json.loads(charts.json())) == 2


def test_a_live_specification_has_no_rows_and_the_pages_colours(curves):
    """Rows come from the page's table; palette colours become the page's, which follow light and dark."""
    spec = live_spec(compile_panel(curves.panels[0]), columns=curves.table.column_names)
    assert [source.get("values") for source in spec["data"] if source["name"] == "rows"] == [None]
    words = json.dumps(spec)
    assert "var(--blue)" in words
    assert "#0072b2" not in words
    assert "background" not in spec


def test_lines_have_points_that_tell_their_values(curves):
    """Each line gets dots, unseen until pointed at, that name seed, split, epoch and value."""
    spec = live_spec(compile_panel(curves.panels[0]), columns=curves.table.column_names)
    dots = [mark for mark in marks(spec) if "hover" in mark.get("encode", {})]
    lines = [mark for mark in marks(spec) if mark["type"] == "line"]
    assert len(dots) == len(lines) == 2
    told = dots[0]["encode"]["update"]["tooltip"]["signal"]
    assert all(f'"{name}": datum["{name}"]' in told for name in ("split", "seed", "epoch", "value"))
    assert dots[0]["encode"]["update"]["opacity"] == {"value": 0}


def test_axes_of_lines_can_be_zoomed_and_cells_cannot(curves, matrices):
    """Lines over numbers have signals for the part that is shown; a confusion matrix has none."""
    spec = live_spec(compile_panel(curves.panels[0]), columns=curves.table.column_names)
    assert {scale["name"]: scale.get("domainRaw") for scale in spec["scales"]}["x"] == {"signal": "zoom_x"}
    cells = live_spec(compile_panel(matrices.panels[0]), columns=matrices.table.column_names)
    assert not any("domainRaw" in scale for scale in cells["scales"])
    assert "tooltip" in next(mark for mark in marks(cells) if mark["type"] == "rect")["encode"]["update"]
    assert (is_zoomable(curves), is_zoomable(matrices)) == (True, False)


def test_seeds_and_arms_can_be_taken_out_where_that_leaves_something(curves, matrices):
    """Values of a column with more than one; not arms that have a panel each, nor a single seed."""
    assert [(one.column, one.values) for one in toggles(curves)] == [("seed", ("0", "1"))]
    dots = metric_dots({"a": {0: 0.1}, "b": {0: 0.2}}, metric=METRICS["accuracy"], split="test")
    assert [one.column for one in toggles(dots)] == ["arm"]
    assert toggles(matrices) == ()


def test_figures_take_the_pages_colours_and_names_of_their_own():
    """A drawn figure has no paper of its own, follows light and dark, and its ids are no one else's."""
    svg = (
        '<svg><rect width="9" height="9" fill="white"/><clipPath id="clip0"/>'
        '<g clip-path="url(#clip0)" stroke="#e3e6e9" fill="#1d2126" role="graphics-symbol"/>'
        '<path stroke="#0072b2" aria-roledescription="line mark"/></svg>'
    )
    assert fit_svg(svg, prefix="f1-") == (
        '<svg aria-hidden="true"><clipPath id="f1-clip0"/><g clip-path="url(#f1-clip0)" stroke="var(--grid)" fill="currentColor"/>'
        '<path stroke="var(--blue)"/></svg>'
    )


def test_what_stands_in_a_script_cannot_close_it():
    """A name that holds ``</script>`` is escaped in the specifications."""
    evil = "</script><script>alert(1)</script>"
    figure = metric_dots({evil: {0: 0.1}, "b": {0: 0.2}}, metric=METRICS["accuracy"], split=evil)
    charts = Charts()
    charts.panels(figure)
    assert "<" not in charts.json()
    assert evil in json.dumps(json.loads(charts.json()))


def test_the_bundle_is_the_one_its_lock_file_gives():
    """The versions that the bundle names are those of scripts/vega_bundle/package-lock.json."""
    root = Path(__file__).parents[3]
    lock = json.loads((root / "scripts" / "vega_bundle" / "package-lock.json").read_text())["packages"]
    bundle = (root / "src" / "scantrial" / "report" / "templates" / "vega.js").read_text(encoding="utf-8")
    for name in ("vega-view", "vega-parser", "vega-interpreter", "d3-scale"):
        assert f"{name} {lock[f'node_modules/{name}']['version']}" in bundle
