"""Weights over arms."""

from __future__ import annotations

import pytest

from scantrial.analysis.contrasts import against_control, all_pairs, difference, factorial_effects, linear_trend
from scantrial.core.errors import InputError

CUBE = {f"{a}{b}{c}": {"loss": a, "depth": b, "batch": c} for a in ("bce", "ce") for b in (1, 3) for c in (16, 64)}


def test_families():
    """Against a control: every other arm minus it; all pairs: later minus earlier, t (t - 1) / 2 of them."""
    assert [c.name for c in against_control(["a", "b", "c"], "b")] == ["a - b", "c - b"]
    assert [c.name for c in all_pairs(["a", "b", "c"])] == ["b - a", "c - a", "c - b"]
    assert difference("b", "a").weights == {"b": 1.0, "a": -1.0}


def test_what_is_no_difference():
    """An arm against itself, and a control that is not an arm."""
    with pytest.raises(InputError, match="arm a against itself\nexpected: two different arms"):
        difference("a", "a")
    with pytest.raises(InputError, match="control 'x' is not an arm\nexpected: one of a, b"):
        against_control(["a", "b"], "x")


def test_three_factors():
    """Effects weigh 1 / (t / 2), interactions of two 1 / (t / 4), and all sum to 0."""
    effects = {effect.name: effect for effect in factorial_effects(CUBE)}
    assert list(effects) == [
        "loss: ce - bce",
        "depth: 3 - 1",
        "batch: 64 - 16",
        "loss x depth",
        "loss x batch",
        "depth x batch",
    ]
    assert set(effects["loss: ce - bce"].weights.values()) == {0.25, -0.25}
    assert effects["loss: ce - bce"].weights["ce116"] == 0.25
    assert set(effects["loss x depth"].weights.values()) == {0.5, -0.5}
    assert effects["loss x depth"].weights["bce116"] == effects["loss x depth"].weights["ce364"] == 0.5
    assert all(sum(effect.weights.values()) == pytest.approx(0) for effect in effects.values())


def test_a_factor_of_three_levels_is_set_against_its_first():
    """Each later level against the first, over the arms at those two levels; no interaction is made of it."""
    grid = {f"{a}{b}": {"lr": a, "loss": b} for a in (0.1, 0.2, 0.3) for b in ("bce", "ce")}
    effects = factorial_effects(grid)
    assert [effect.name for effect in effects] == ["lr: 0.2 - 0.1", "lr: 0.3 - 0.1", "loss: ce - bce"]
    assert effects[1].weights == {"0.1bce": -0.5, "0.1ce": -0.5, "0.3bce": 0.5, "0.3ce": 0.5}


@pytest.mark.parametrize(
    "settings",
    [
        {name: CUBE[name] for name in list(CUBE)[:7]},
        {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 1}, "c": {"x": 2, "y": 1}, "d": {"x": 2, "y": 2}},
        {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 2, "y": 1}, "d": {"x": 2}},
    ],
    ids=["one fewer", "one twice, one missing", "an arm without a level"],
)
def test_a_design_with_a_hole_is_refused(settings):
    """Where a combination is missing, effects would be mixed up; also where another one stands twice."""
    with pytest.raises(InputError, match="expected: a complete factorial design\ndo this: compare the arms in pairs"):
        factorial_effects(settings)


def test_a_trend_is_per_tenfold_increase_or_per_unit():
    """Slope weights of least squares; an arm in the middle, whose weight is 0, is left out."""
    trend = linear_trend({"a": 1e-4, "b": 1e-3, "c": 1e-2}, factor="lr", log=True)
    assert trend.weights == pytest.approx({"a": -0.5, "c": 0.5})
    assert (trend.name, trend.second) == ("lr, trend per tenfold increase", "tenfold increase")
    trend = linear_trend({"a": 1, "b": 2, "c": 4}, factor="depth", log=False)
    assert trend.weights == pytest.approx({"a": -4 / 14, "b": -1 / 14, "c": 5 / 14})
    assert trend.name == "depth, trend per unit"


def test_a_trend_needs_three_levels_and_a_logarithm():
    """Two levels make no trend, and 0 has no logarithm."""
    with pytest.raises(InputError, match="2 levels of lr\nexpected: three or more for a trend"):
        linear_trend({"a": 0.1, "b": 0.2, "c": 0.2}, factor="lr", log=False)
    with pytest.raises(InputError, match="level 0 of lr\nexpected: positive levels for a trend on a log scale"):
        linear_trend({"a": 0.0, "b": 0.1, "c": 0.2}, factor="lr", log=True)
