"""`print_comparison`: what people see of a comparison, in a terminal and elsewhere."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scantrial import compare_arrays
from scantrial.analysis.comparison import Comparison
from scantrial.cli.compare import print_comparison


def make_comparison(*, arms=("base", "a-long-name-of-an-arm", "c"), n_seeds=3, better=0.0, **options) -> Comparison:
    rng = np.random.default_rng(3)
    y_true, case = np.arange(200) % 2, rng.normal(size=200)
    scores = [
        (1.5 + better * place) * (2 * y_true - 1) + case + 0.2 * rng.normal(size=200)
        for place in range(len(arms))
        for _ in range(n_seeds)
    ]
    names = [arm for arm in arms for _ in range(n_seeds)]
    seeds = list(range(n_seeds)) * len(arms)
    return compare_arrays(y_true, np.array(scores), arms=names, seeds=seeds, threshold=0.0, **options)


def printed(consoles, comparison: Comparison, **options) -> str:
    out = consoles(**options)
    print_comparison(comparison)
    return out.file.getvalue()


def test_a_terminal_gets_lines_of_its_width(consoles):
    """At 80 columns nothing is wider, words are whole, and nothing is cut."""
    comparison = make_comparison(margin=0.02)
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed(consoles, comparison, terminal=True, width=80))
    assert max(map(len, text.splitlines())) <= 80
    for compared in comparison.comparisons:
        assert compared.sentence in " ".join(text.split())


def test_elsewhere_every_row_is_one_line_and_no_sentence_loses_a_word(consoles):
    """Rows can be searched; sentences are broken between words, as people read them."""
    comparison = make_comparison(margin=0.02)
    lines = printed(consoles, comparison, terminal=False).splitlines()
    whole = " ".join(" ".join(lines).split())
    assert all(f"- {compared.sentence}" in whole for compared in comparison.comparisons)
    assert sum(line.lstrip().startswith("a-long-name-of-an-arm  ") for line in lines) == 1


@pytest.mark.parametrize(
    ("options", "cell"),
    [
        ({"better": 0.8}, "better, provisional"),
        ({"better": 0.8, "n_seeds": 5}, "better "),
        ({"better": 0.8, "margin": 0.5, "n_seeds": 5}, "better (within the margin)"),
        ({"better": 0.0, "margin": 0.2}, "equivalent, provisional"),
        ({"better": 0.0, "n_seeds": 2}, "not enough to judge"),
    ],
)
def test_the_verdict_stands_in_the_table(consoles, options, cell):
    """With what qualifies it."""
    text = printed(consoles, make_comparison(arms=("a", "b"), **options), terminal=False)
    row = next(line for line in text.splitlines() if line.lstrip().startswith("b - a"))
    assert cell in f"{row} "


def test_scores_of_the_other_class_are_told_before_the_verdict(consoles):
    """And before the table of differences."""
    text = " ".join(printed(consoles, make_comparison(arms=("a", "b"), better=-3.0), terminal=False).split())
    assert text.index("! AUROC of b is 0.0") < text.index("Differences") < text.index("b is worse than a")


def test_three_arms_have_one_test_over_all(consoles):
    """The global test is told beside the pairs; the number of comparisons with the methods."""
    text = printed(consoles, make_comparison(), terminal=False)
    assert "- Test that all arms are equal: p = " in text
    assert "multiplicity: Holm over 3 comparisons; intervals by Bonferroni" in text


def test_one_arm_has_no_table_of_comparisons(consoles):
    """Its estimate is all there is."""
    text = printed(consoles, make_comparison(arms=("a",)), terminal=False)
    assert "Accuracy, %" in text
    assert "Differences" not in text
