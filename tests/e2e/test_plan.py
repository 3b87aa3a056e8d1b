"""``scantrial plan`` as its user types it: on the demo, on real radiographs, with a pilot."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.e2e.conftest import SMALL_STUDY


def test_plan_of_the_demo(cli):
    """The design, the assumptions, the answer, two tables and the warnings, in 80 columns and without colour."""
    result = cli("plan", "demo")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in result.stdout
    assert lines[1] == "2 arms x 3 seeds = 6 runs, 1 comparison; Accuracy on 120 test cases (normal 60,"
    text = " ".join(result.stdout.split())
    assert "With 3 seeds and 120 test cases, a true difference of 7.5 points would be found" in text
    assert "3 7.5 points 52 % as planned" in text
    assert "! 3 seeds: every verdict will be provisional; 5 or more are recommended." in text
    assert "Training time: not measured; --time measures it with two epochs" in text


@pytest.mark.usefixtures("chest_xray")
def test_plan_of_real_radiographs(cli):
    """400 radiographs of 274 patients and 10 seeds show 3.1 points; one point is below what any number of seeds shows."""
    result = cli("plan", "report-a-loss", "--difference", "0.01", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["test_cases"]["by_class"] == {"NORMAL": 200, "PNEUMONIA": 200}
    assert told["outlook"]["smallest_difference"] == pytest.approx(0.0309, abs=5e-5)
    assert told["outlook"]["floor_over_seeds"] > 0.01
    assert told["outlook"]["seeds_needed"] is None
    assert any(sentence.startswith("No number of seeds can show 1.0 points") for sentence in told["sentences"])
    assert told["pairs"] == [["base", "loss-ce"]]
    assert told["time"]["total_s"] is None


def test_plan_with_a_pilot_and_its_times(cli, trained, tmp_path):
    """A trained study is the pilot of a larger one: its spreads and its seconds, and assumptions are refused beside it."""
    (tmp_path / "small.yaml").write_text(SMALL_STUDY)
    shutil.copytree(trained, tmp_path / "small")
    third = cli("run", "small.yaml", "--seeds", "3")
    assert third.returncode == 0, third.stderr
    result = cli("plan", "small.yaml", "--pilot", "small", "--seeds", "8", "--n-cases", "500")
    assert result.returncode == 0, result.stderr
    text = " ".join(result.stdout.split())
    assert "Measured in the pilot small: 2 arms x 3 seeds on 24 test cases." in text
    assert (
        "A small pilot measures seed-to-seed variation imprecisely: at the upper 80 % limit of this variation" in text
    )
    assert "Training time: about" in text
    assert "base: 6 epochs," in text
    assert "no number of seeds" in text or "more seeds can always show a smaller difference" in text
    both = cli("plan", "small.yaml", "--pilot", "small", "--value", "0.8")
    assert both.returncode == 2
    assert "a pilot measures what is assumed without one" not in both.stdout
    assert "--pilot small and --value: a pilot measures what is assumed without one" in both.stderr


def test_plan_measures_the_time(cli, tmp_path):
    """``--time`` trains two epochs of each recipe, writes nothing, and says on what it was measured."""
    (tmp_path / "small.yaml").write_text(SMALL_STUDY)
    result = cli("plan", "small.yaml", "--time", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)["time"]
    assert told["total_s"] == pytest.approx(2 * sum(arm["run_s"] for arm in told["arms"]))
    assert [arm["n_epochs"] for arm in told["arms"]] == [6, 6]
    assert "measured on this machine" in told["source"]
    assert [path.name for path in tmp_path.glob("*")] == ["small.yaml"]


def test_what_cannot_be_planned_ends_in_words(cli):
    """A metric without plain assumptions and a difference in per cent are bad usage, not a traceback."""
    for words, message in (
        (("--set", "primary.metric=brier"), "no assumption in plain numbers gives the spread of Brier score"),
        (("--difference", "2"), "two percentage points are 0.02"),
        (("--set", "factors={}", "--set", "hypotheses=[]"), "1 arm, 0 comparisons: nothing to compare"),
    ):
        result = cli("plan", "demo", *words)
        assert result.returncode == 2
        assert message in result.stderr
        assert "Traceback" not in result.stderr
