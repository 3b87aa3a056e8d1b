"""Curves as SVG."""

from __future__ import annotations

import re

from scantrial.figures.live_curves import (
    HEIGHT,
    MAX_OVERLAID,
    OVERLAY_HEIGHT,
    OVERLAY_WIDTH,
    WIDTH,
    overlays,
    panels,
)
from scantrial.web.records import ArmLearningCurves, SeedCurve


def run(seed: int, *, n: int, state: str = "finished", gap: int | None = None) -> SeedCurve:
    values = tuple(None if epoch == gap else 1 - 0.5 / epoch for epoch in range(1, n + 1))
    losses = tuple(None if epoch == gap else 3.0 / epoch for epoch in range(1, n + 1))
    return SeedCurve(
        seed=seed,
        state=state,
        chosen_epoch=None if state == "running" else n,
        epochs=tuple(range(1, n + 1)),
        train_accuracy=values,
        val_accuracy=values,
        train_loss=losses,
        val_loss=losses,
    )


def arm(*runs: SeedCurve, label: str = "A") -> ArmLearningCurves:
    return ArmLearningCurves(name=label.lower(), label=label, settings={}, n_finished=0, runs=runs, warnings=())


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def test_every_point_lies_in_the_drawing():
    """Whatever the numbers; a loss far above the others is cut at the edge, not drawn over the page."""
    wild = run(1, n=40)
    wild = SeedCurve(
        **{**{name: getattr(wild, name) for name in SeedCurve.__slots__}, "val_loss": (1e9, *wild.val_loss[1:])}
    )
    for panel in panels([arm(run(0, n=40), wild)])["a"]:
        for line in panel.lines:
            assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points(line.path))


def test_a_missing_number_is_a_gap():
    """The path lifts its pen there."""
    accuracy, _ = panels([arm(run(0, n=6, gap=3))])["a"]
    mean = next(line for line in accuracy.lines if line.kind == "train mean")
    assert len(points(mean.path)) == 5
    thin = panels([arm(run(0, n=6, gap=3), run(1, n=6, gap=3))])["a"][0].lines[0]
    assert thin.path.count("M") == 2


def test_a_running_seed_is_drawn_stronger_and_has_no_ring():
    """So that one sees what grows."""
    accuracy, _ = panels([arm(run(0, n=6), run(1, n=3, state="running"))])["a"]
    assert [line.kind for line in accuracy.lines] == [
        "train thin",
        "train live",
        "train mean",
        "val thin",
        "val live",
        "val mean",
    ]
    assert len(accuracy.rings) == 1


def test_one_epoch_can_be_seen_and_none_is_no_drawing():
    """A single point is a short dash."""
    accuracy, loss = panels([arm(run(0, n=1)), arm(label="B")])["a"]
    assert all(line.path.endswith("h2") for line in (*accuracy.lines, *loss.lines))
    assert list(panels([arm(label="B")])) == []


def test_long_curves_stay_small():
    """A thousand epochs are drawn with some two hundred points, the last one among them."""
    accuracy, _ = panels([arm(run(0, n=1000))])["a"]
    found = points(accuracy.lines[0].path)
    assert len(found) <= 202
    assert found[-1][0] == WIDTH - 6


def test_arms_share_their_axes():
    """Equal accuracies stand at equal heights in all arms."""
    both = panels([arm(run(0, n=10)), arm(run(0, n=5), label="B")])
    assert both["a"][0].y_ticks == both["b"][0].y_ticks
    assert both["a"][0].x_ticks == both["b"][0].x_ticks


def test_the_words_say_where_the_means_go():
    """For those who do not see the drawing."""
    accuracy, loss = panels([arm(run(0, n=10))])["a"]
    assert accuracy.alt.startswith("Accuracy of A over epochs, 1 run: mean training accuracy goes from 50 % to 95 %")
    assert "mean validation loss goes from 3 to 0.3" in loss.alt


def test_all_arms_share_one_chart_with_a_band_from_the_smallest_to_the_largest_seed():
    """A line for each arm and quantity; a band where two seeds have an epoch, and none of one seed."""
    better = run(1, n=10)
    better = SeedCurve(**{**{name: getattr(better, name) for name in SeedCurve.__slots__}, "val_accuracy": (1.0,) * 10})
    charts = overlays([arm(run(0, n=10), better), arm(run(0, n=4), label="B"), arm(label="C")])
    assert [chart.name for chart in charts] == ["val_accuracy", "val_loss", "train_accuracy", "train_loss"]
    two, one = charts[0].arms
    assert (two.name, one.name, one.band) == ("a", "b", "")
    assert two.kind != one.kind
    outline = points(two.band)
    assert len(outline) == 20
    assert {y for _, y in outline[:10]} == {8.0}  # the better seed is at the top, from the first epoch to the last
    assert all(0 <= x <= OVERLAY_WIDTH and 0 <= y <= OVERLAY_HEIGHT for x, y in outline)
    assert "A from 75 % to 97.5 %" in charts[0].alt
    assert overlays([arm(label="C")]) == ()


def test_no_more_arms_are_overlaid_than_can_be_told_apart():
    """Their kinds differ, by colour or by dashes."""
    charts = overlays([arm(run(0, n=3), label=f"A{i}") for i in range(40)])
    kinds = [one.kind for one in charts[0].arms]
    assert len(kinds) == len(set(kinds)) == MAX_OVERLAID
