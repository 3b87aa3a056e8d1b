"""What an address may ask for."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from scantrial.core.errors import InputError
from scantrial.web.queries import CaseQuery, CasesQuery, StudyQuery, ThresholdQuery, read_query, to_query

CLASSES, ARMS = ("normal", "pneumonia"), {"base": "Base", "loss-ce": "CE"}


@pytest.mark.parametrize(
    ("kind", "given", "named"),
    [
        (CasesQuery, {"split": "all"}, "split"),
        (CasesQuery, {"page": "0"}, "page"),
        (CasesQuery, {"page": "1e99"}, "page"),
        (CasesQuery, {"sort": "name; DROP TABLE"}, "sort"),
        (CasesQuery, {"spilt": "val"}, "spilt"),
        (StudyQuery, {"results": "yes"}, "results"),
        (ThresholdQuery, {"threshold": "0"}, "threshold"),
        (ThresholdQuery, {"threshold": "nan"}, "threshold"),
        (ThresholdQuery, {"prevalence": "1"}, "prevalence"),
    ],
)
def test_what_is_not_there_is_refused_by_name(kind, given, named):
    """Every key and every value of a query is checked."""
    with pytest.raises(InputError, match=named):
        read_query(kind, given)


def test_an_empty_value_is_none():
    """As a form sends a choice of nothing."""
    assert read_query(CasesQuery, {"truth": "", "page": ""}) == CasesQuery()


@pytest.mark.parametrize(("key", "value"), [("truth", "x"), ("decision", "x"), ("arm", "x")])
def test_unknown_classes_and_arms_are_refused(key, value):
    """With the known ones."""
    with pytest.raises(InputError) as caught:
        CasesQuery(**{key: value}).settled(is_closed=False).to_filter(arms=ARMS, class_names=CLASSES)
    assert "'x'" in caught.value.got
    assert caught.value.expected is not None


def test_a_filter_comes_back_from_its_address():
    """Whatever stands in it; defaults are left out."""
    asked = CaseQuery(split="test", truth="pneumonia", arm="loss-ce", outcome="wrong", finding="AU001", sort="unsure")
    wanted = asked.to_filter(arms=ARMS, class_names=CLASSES)
    assert read_query(CaseQuery, dict(parse_qsl(to_query(wanted)))) == asked
    settled = CaseQuery().settled(is_closed=False)
    assert to_query(settled.to_filter(arms=ARMS, class_names=CLASSES)) == "split=test&sort=mistaken"
    assert to_query(wanted, page=3).endswith("page=3")
