"""Filters and orders of cases, against what is counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.web.cases import SORTS, SplitScores, choose
from scantrial.web.queries import CasesQuery

CLASSES = ("normal", "pneumonia")
ARMS = {"a": "A", "b": "B"}

P_ONE = np.array([[0.9, 0.2, 0.6, 0.35, 0.95], [0.8, 0.4, 0.3, 0.1, 0.05]])
"""Probability of class 1 by arm and case."""
SCORES = SplitScores(
    cases=np.array([10, 11, 12, 13, 14]),
    y_true=np.array([1, 1, 0, 0, 1]),
    arms=("a", "b"),
    y_prob=np.stack([1 - P_ONE, P_ONE], axis=2),
)
FINDINGS = {11: ("AU001", "AU030"), 14: ("AU001",)}


def numbers(**asked) -> list[int]:
    wanted = CasesQuery(**{"split": "val", "sort": "case", **asked}).to_filter(arms=ARMS, class_names=CLASSES)
    return choose(SCORES, wanted, class_names=CLASSES, findings=FINDINGS).numbers()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [10, 11, 12, 13, 14]),
        ({"truth": "normal"}, [12, 13]),
        ({"arm": "a", "decision": "pneumonia"}, [10, 12, 14]),
        ({"arm": "a", "outcome": "right"}, [10, 13, 14]),
        ({"arm": "b", "outcome": "wrong"}, [11, 14]),
        ({"arm": "all", "outcome": "wrong"}, [11, 14]),  # means: 0.85, 0.3, 0.45, 0.225, 0.5; a tie is called normal
        ({"finding": "AU030"}, [11]),
        ({"finding": "any"}, [11, 14]),
        ({"finding": "any", "truth": "normal"}, []),
        ({"arm": "a", "sort": "confidence"}, [14, 10, 11, 13, 12]),
        ({"arm": "a", "sort": "unsure"}, [12, 13, 11, 10, 14]),
        ({"arm": "a", "sort": "mistaken"}, [11, 12, 13, 10, 14]),
        ({"sort": "disagreement"}, [14, 12, 13, 11, 10]),  # differences: 0.1, 0.2, 0.3, 0.25, 0.9
    ],
)
def test_filters_and_orders(asked, found):
    """Each part of a filter leaves the cases that it says, in the order that it says."""
    assert numbers(**asked) == found


def test_every_order_can_be_asked_for():
    """The words on the page and the checked query name the same orders."""
    for sort in SORTS:
        assert sorted(numbers(sort=sort)) == [10, 11, 12, 13, 14]


def test_a_card_says_what_its_case_is():
    """Decision, confidence, right or wrong, and how far arms are apart."""
    wanted = CasesQuery(split="val", arm="a", sort="case").to_filter(arms=ARMS, class_names=CLASSES)
    chosen = choose(SCORES, wanted, class_names=CLASSES, findings=FINDINGS)
    card = chosen.cards(chosen.positions[1:2])[0]
    assert (card.case, card.truth, card.decision, card.is_right) == (11, "pneumonia", "normal", False)
    assert card.confidence == pytest.approx(0.8)
    assert card.disagreement == pytest.approx(0.2)
    assert card.findings == ("AU001", "AU030")


def test_without_a_run_nothing_is_decided():
    """Cases are shown, and no case is right or wrong."""
    none = SplitScores(cases=SCORES.cases, y_true=SCORES.y_true, arms=(), y_prob=np.empty((0, 5, 2)))
    for asked, n in (({}, 5), ({"outcome": "wrong"}, 0), ({"sort": "disagreement"}, 5)):
        wanted = CasesQuery(**{"split": "val", "sort": "case", **asked}).to_filter(arms={}, class_names=CLASSES)
        chosen = choose(none, wanted, class_names=CLASSES, findings={})
        cards = chosen.cards(chosen.positions)
        assert len(cards) == n
        assert all(card.decision is None and card.is_right is None and card.disagreement is None for card in cards)
