"""Runs that give every case one class, and arms below always saying the commonest class, are found and named."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pytest

from scantrial.analysis.runs import RunScores
from scantrial.api import compare_predictions, results
from scantrial.cli import results as terminal
from scantrial.findings.decisions import look_at_decisions
from scantrial.findings.judging import judge
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import build_view
from scantrial.prose.warnings import weaknesses
from scantrial.report.formats import build_report, write_report
from scantrial.web.results import results_of

NAMES = ("nevus", "melanoma")
Y_TRUE = np.repeat([0, 1], [95, 5])


def runs_of(decided, y_true=Y_TRUE, n_classes=2):
    """Runs of some arms, as many seeds as there are decisions for each."""
    arms = [arm for arm, parts in decided.items() for _ in parts]
    seeds = [seed for parts in decided.values() for seed in range(len(parts))]
    y_prob = np.stack([np.eye(n_classes)[part] for parts in decided.values() for part in parts])
    return RunScores.from_probabilities(y_true, y_prob, arms=arms, seeds=seeds)


def always(index, y_true=Y_TRUE):
    return np.full(len(y_true), index)


def mistaken(n, y_true=Y_TRUE):
    """Right but for the first n cases."""
    return np.where(np.arange(len(y_true)) < n, 1 - y_true, y_true)


def said(decided, **options):
    return look_at_decisions(runs_of(decided, **options), split="test", class_names=NAMES).said


def test_an_arm_that_always_says_one_class_is_named_with_its_class():
    """All seeds, and some of them; the runs that decide are not named."""
    assert said({"bce": [always(0)] * 3, "ce": [always(0), mistaken(2), mistaken(3)]}) == [
        "bce: 3 of 3 runs give every test case the class nevus.",
        "ce: 1 of 3 runs gives every test case the class nevus.",
    ]


def test_runs_that_say_different_classes_are_told_apart():
    """Each class with its count and its seeds."""
    found = look_at_decisions(runs_of({"ce": [always(0), always(1), always(1)]}), split="val", class_names=NAMES)
    assert found.said[0] == "ce: 1 of 3 runs gives every validation case the class nevus and 2 the class melanoma."
    assert found.collapsed[0].seeds == {"nevus": (0,), "melanoma": (1, 2)}
    assert found.to_dict()["collapsed"][0]["sentence"] == found.said[0]


def test_cases_of_one_class_collapse_nothing():
    """Where every judged case is a nevus, saying so of every case is right."""
    y_true = np.zeros(20, dtype=int)
    assert said({"ce": [always(0, y_true)]}, y_true=y_true) == []
    assert look_at_decisions(None, split="test", class_names=NAMES).said == []


@pytest.mark.parametrize(("n_wrong", "is_told"), [((5, 5), False), ((5, 6), True), ((4, 6), False), ((20, 24), True)])
def test_an_arm_below_the_commonest_class_is_told_so(n_wrong, is_told):
    """Always saying nevus is wrong in 5 of 100: an arm is told only where its mean is worse than that."""
    found = look_at_decisions(runs_of({"ce": [mistaken(n) for n in n_wrong]}), split="test", class_names=NAMES)
    assert bool(found.below_commonest) == is_told
    if n_wrong == (20, 24):
        assert found.said == [
            "ce: an accuracy of 78.0 % (mean of 2 runs) is below always saying nevus, which is right in 95.0 % of the "
            "test cases."
        ]


def test_equal_accuracies_are_never_called_below():
    """A third in each of three classes, over many sizes: counted in cases, no rounding makes equal ones unequal."""
    for n in range(1, 60):
        y_true = np.arange(3 * n) % 3
        runs = runs_of({"a": [always(seed % 3, y_true) for seed in range(7)]}, y_true=y_true, n_classes=3)
        assert look_at_decisions(runs, split="test", class_names=("a", "b", "c")).below_commonest == ()


ALL = [(arm, seed) for arm in ("base", "loss-ce") for seed in (0, 1, 2)]


def test_collapsed_arms_stand_first_in_terminal_report_page_and_json(make_study, capsys):
    """The sentence of each arm, with the class by name, before the verdicts of every output."""
    folder = make_study(collapsed=ALL, class_names=NAMES)
    view = results(folder.path)
    expected = [f"{label}: 3 of 3 runs give every test case the class nevus." for label in ("base", "loss-ce")]
    assert view.judgement.decisions.said == expected
    assert weaknesses(view)[:2] == expected
    assert [item["sentence"] for item in view.judgement.to_dict()["decisions"]["collapsed"]] == expected
    terminal.print_verdicts(view)
    assert capsys.readouterr().out.startswith(f"positive class: melanoma\n- {expected[0]}\n- {expected[1]}\n- ")
    text = unescape(re.sub(r"<[^>]+>", " ", build_report(folder)))
    assert text.index(expected[0]) < text.index("In short", text.index(expected[0]))
    markdown = write_report(folder.path, view=view, format="md").read_text()
    assert all(sentence in markdown for sentence in expected)
    assert list(results_of(build_view(read_study_folder(folder, by="test", purpose="a test"))).decisions) == expected
    shown = view.judgement._repr_html_()
    assert shown.index(expected[0]) < shown.index(view.judgement.primary.comparisons[0].sentence[:20])


def test_a_study_of_one_arm_is_told_too(make_study, capsys):
    """There is nothing to compare, but the collapse is said."""
    view = results(make_study(arms={"base": {}}, collapsed=[("base", 1)], class_names=NAMES).path)
    terminal.print_verdicts(view)
    expected = "positive class: melanoma\n- base: 1 of 3 runs gives every test case the class nevus.\n"
    assert capsys.readouterr().out == expected


def test_arms_that_decide_are_told_nothing(make_study):
    """No sentence, and empty lists in the JSON."""
    found = judge(read_study_folder(make_study(), by="test", purpose="a test")).decisions
    assert json.loads(json.dumps(found.to_dict())) == {"collapsed": [], "below_commonest": []}


def test_files_of_predictions_are_looked_at_too(tmp_path):
    """Where the metric is of decisions; a metric that ranks has none."""
    rows = [
        f"{arm},{seed},{case},{int(case < 10)},{0.1 + 0.002 * case if arm == 'a' else 0.9 * (case < 12)}"
        for arm in "ab"
        for seed in range(2)
        for case in range(60)
    ]
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(["arm,seed,case,label,score", *rows]))
    found = compare_predictions(path, metric="accuracy", bootstrap=False)
    assert found.decisions.said == ["a: 2 of 2 runs give every test case the class 0."]
    assert found.to_dict()["decisions"]["collapsed"][0]["seeds"] == {"0": [0, 1]}
    assert compare_predictions(path, metric="auroc", bootstrap=False).decisions.said == []
