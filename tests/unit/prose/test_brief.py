"""The answer in a few lines: how many, and that each is what the report says at length."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from tests.unit.prose.test_limits import audit_of, finding

from scantrial.analysis.plan_words import size_words
from scantrial.analysis.power_table import gain_of_more, plan_again
from scantrial.api import results
from scantrial.cli.results import print_brief
from scantrial.prose import brief

CASES = {"train": 12, "val": 40, "test": 60}
TEN_ARMS = {"base": {}, **{f"lr-{i}": {"optimizer": {"name": "adam", "lr": i / 1000}} for i in range(2, 11)}}


@pytest.fixture(scope="module")
def two(make_study):
    return results(make_study(n_cases=CASES).path)


@pytest.fixture(scope="module")
def ten(make_study):
    return results(make_study(arms=TEN_ARMS, n_cases=CASES).path)


def test_two_arms_take_25_lines_and_ten_take_40(two, ten, capsys):
    """With the lines that `run` adds: the report's path and two commands."""
    for view, most in ((two, 25), (ten, 40)):
        print_brief(view)
        text = capsys.readouterr().out
        assert len(text.splitlines()) + 1 + len(brief.next_commands(view, ["x.yaml"], "x")) <= most
        assert all(arm.label in text for arm in view.arms)


def test_a_verdict_is_said_with_its_numbers(two):
    """The words and numbers of the long sentence, without what the interval counts as random."""
    said, claim = brief.answer_lines(two)
    assert claim == "CE is more accurate than BCE: undecided."
    (item,) = two.judgement.primary.comparisons
    assert item.verdict.label == "inconclusive"
    numbers = item.sentence.partition(": ")[2].partition(", accounting")[0]
    assert said == f"Unclear whether loss-ce is better or worse than base: {numbers}."


def test_of_many_comparisons_the_table_has_the_verdicts(ten, capsys):
    """The best arm and the count of verdicts are said; each arm's verdict against the base stands in its row."""
    assert any(line.startswith(("Of all 9 comparisons: ", "All 9 comparisons: ")) for line in brief.answer_lines(ten))
    verdicts = brief.verdict_of_each(ten)
    assert list(verdicts) == list(TEN_ARMS)[1:]
    print_brief(ten)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("lr-")]
    assert [line.split()[0] for line in rows[:9]] == list(verdicts)
    assert all(line.rstrip().endswith(label) for line, label in zip(rows, verdicts.values(), strict=False))


def test_arms_that_are_told_the_same_share_a_line(ten):
    """All made-up curves fall alike."""
    alike = replace(ten.diagnosis, arms=[replace(ten.diagnosis.arms[0], label=arm.label) for arm in ten.arms])
    (line,) = brief.curve_lines(replace(ten, diagnosis=alike))
    assert line.startswith("all 10 arms: ")


def test_the_worst_curves_come_first(make_study):
    """A diverged run stands before the arm whose curves are fine."""
    view = results(make_study(n_cases=CASES, diverged=[("loss-ce", 1)]).path)
    lines = brief.curve_lines(view)
    assert lines[0].startswith("loss-ce: diverged 1")
    assert lines[1].startswith("base: ")


def test_commands_can_be_copied(two, ten):
    """Two more seeds where there are few, in the words that trained these, quoted for a shell."""
    words = ["my study.yaml", "--set", "recipe.epochs=2"]
    (page, _), (more, why) = brief.next_commands(two, words, "my runs")
    assert shlex.split(page) == ["scantrial", "serve", "my runs"]
    assert shlex.split(more) == ["scantrial", "run", *words, "--seeds", "5", "--out", "my runs"]
    assert why.startswith("2 more seeds")
    (_, (again, why)) = brief.next_commands(replace(two, seeds=tuple(range(5))), words, "r")
    assert (shlex.split(again)[-4:], why) == (["--seeds", "5", "--out", "r"], "the runs that are missing")
    assert brief.next_commands(replace(two, seeds=(3, 4, 9)), words, "r")[1][0] == "scantrial compare r"


def test_more_seeds_are_not_advised_where_cases_are_too_few(make_study):
    """Five test scans of a class: what the test scans can show is what to look at next."""
    view = results(make_study(n_cases={"train": 12, "val": 40, "test": 10}, seeds=(0, 1), primary="auroc").path)
    (_, (command, why)) = brief.next_commands(view, ["x.yaml"], "r")
    assert command == "scantrial plan x.yaml"
    assert why.endswith("more seeds do not help")


def test_a_blocker_is_mended_before_seeds_are_added(two):
    """No number of seeds brings a verdict while the audit keeps it back."""
    view = replace(two, audit=audit_of(finding(severity="blocker")))
    assert brief.next_commands(view, ["x.yaml"], "r")[1][0] == "scantrial audit r"


def test_what_stands_before_the_answer_takes_no_place_of_what_weakens_it(make_study):
    """Arms that give one class, and runs that are missing, come first; then the points that nothing else says."""
    collapsed = [(arm, 0) for arm in TEN_ARMS]
    view = results(make_study(n_cases=CASES, collapsed=collapsed, arms=TEN_ARMS, missing=[("base", 2)]).path)
    first, weak = brief.first_warnings(view), brief.weak_points(view)
    assert first[0].startswith("The study is not finished: 1 run of 30 is still missing")
    assert sum("the class normal" in line for line in first) == 10
    assert any("not audited" in line for line in weak)
    assert any("The test set is small" in line for line in weak)
    assert not any("provisional" in line or line in first for line in weak)


def test_points_that_weaken_are_few(two):
    """Three in full, the others counted."""
    data = replace(two.data, counts={"test": {"normal": 3, "pneumonia": 30}})
    judgement = replace(two.judgement, margin=None)
    view = replace(two, data=data, judgement=judgement, seeds=(0,))
    said = brief.weak_points(view)
    assert len(said) == 4
    assert said[-1] == "1 more point in the report."


def test_of_families_that_no_row_can_show_those_that_are_decided_are_said(ten):
    """Main effects and pairs among themselves: who is ahead of whom, before they are counted."""
    primary = ten.judgement.primary
    one = primary.comparisons[0]
    contrast = replace(one.result.contrast, kind="main effect")
    won = replace(one, result=replace(one.result, contrast=contrast), verdict=replace(one.verdict, label="better"))
    view = replace(
        ten, judgement=replace(ten.judgement, primary=replace(primary, comparisons=(won, *primary.comparisons[1:])))
    )
    assert brief.verdict_of_each(view) == {}
    said = brief.answer_lines(view)
    assert any(line.startswith("lr-2 is better than base by ") for line in said)


def test_what_more_seeds_and_scans_would_buy_is_said(make_study):
    """An unclear answer of five seeds comes with the smallest difference now and after either, as the plan has them."""
    view = results(make_study(n_cases=CASES, seeds=range(5)).path)
    primary = view.judgement.primary
    assert primary.comparisons[0].verdict.label == "inconclusive"
    gain = gain_of_more(primary, more_seeds=2, more_cases=100)
    planned = plan_again(primary)
    assert gain.now == planned.outlook.smallest_difference
    assert gain.with_seeds < gain.now
    assert gain.with_cases < gain.now
    (_, (command, why)) = brief.next_commands(view, ["x.yaml"], "r")
    assert command == "scantrial compare r"
    for size in (gain.now, gain.with_seeds, gain.with_cases):
        assert size_words(primary.metric, size) in why
