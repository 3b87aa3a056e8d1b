"""The figure of what a design can show: its table, its words, and what is marked."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from scantrial.analysis.assumptions import assume
from scantrial.analysis.planned_design import PlannedDesign
from scantrial.analysis.power_table import plan_power
from scantrial.figures.power import power_curves, power_table

TEN = PlannedDesign(n_arms=2, n_comparisons=1, n_seeds=10, n_by_class=(200, 200), metric="accuracy", margin=0.02)


def test_the_table_is_what_is_drawn():
    """One row a point of both curves; the planned design is marked once in each."""
    found = plan_power(TEN, assume(TEN))
    table = power_table(found).to_pydict()
    assert table["count"] == [*found.over_seeds.counts, *found.over_cases.counts]
    assert table["smallest_difference"][:5] == list(found.over_seeds.smallest_difference)
    assert table["power"][5:] == list(found.over_cases.power)
    points = zip(table["over"], table["count"], table["planned"], strict=True)
    marked = [(over, count) for over, count, planned in points if planned]
    assert marked == [("seeds", 10), ("cases", 400)]


def test_the_figure_says_what_it_shows():
    """Caption and alternative text carry the numbers; both panels can be drawn."""
    figure = power_curves(plan_power(TEN, assume(TEN)))
    assert figure.alt == (
        "Two line charts of the smallest difference that is found: over 3 to 50 seeds from 5.7 points to 1.7 points; "
        "over 200 to 4,000 test cases from 2.9 points to 1.5 points."
    )
    assert "left with 400 test cases, right with 10 seeds. A ring marks the design as planned." in figure.caption
    assert "The dashed line is 2.0 points." in figure.caption
    assert len(figure.panel_svgs()) == 2
    words = [node.text for node in ET.fromstring(figure.to_svg()).iter("{http://www.w3.org/2000/svg}text")]
    assert "Smallest difference, points, over seeds" in words
    assert "4,000" in words


def test_without_a_difference_there_is_no_line():
    """A study without a margin has no dashed line and no power; with one seed no design is marked."""
    one = PlannedDesign(n_arms=2, n_comparisons=1, n_seeds=1, n_by_class=(200, 200), metric="auroc")
    figure = power_curves(plan_power(one, assume(one)))
    assert "dashed" not in figure.caption
    assert figure.table["power"].null_count == len(figure.table)
    assert not any(figure.table["planned"].to_pylist())
    assert "Smallest difference over seeds" in figure.to_svg()
