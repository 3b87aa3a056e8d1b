"""Intervals of proportions and of their differences."""

from __future__ import annotations

import math

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from scantrial.analysis.proportions import newcombe, wilson
from scantrial.core.errors import InputError


@pytest.mark.parametrize(
    ("successes", "n", "message"),
    [(3, 0, "3 of 0 cases"), (-1, 5, "-1 of 5 cases"), (6, 5, "6 of 5 cases"), (float("nan"), 5, "nan of 5 cases")],
)
def test_counts_that_are_none_are_refused(successes, n, message):
    """Successes lie between 0 and n, and n above 0."""
    with pytest.raises(InputError, match=message):
        wilson(successes, n)


def test_a_level_that_is_none_is_refused():
    """A level lies between 0 and 1."""
    for level in (95, 1.5, 1, 0):
        with pytest.raises(InputError, match=f"level = {level}\nexpected: between 0 and 1, such as 0.95"):
            wilson(3, 5, level=level)


def test_newcombe_takes_two_wilson_intervals_of_one_level():
    """Bounds of another level or method do not make Newcombe's interval."""
    with pytest.raises(
        InputError, match=r"by wilson at 0.95 and by wilson at 0.9\nexpected: two Wilson intervals of one level$"
    ):
        newcombe(wilson(3, 5), wilson(3, 5, level=0.9))
    with pytest.raises(InputError, match="by newcombe"):
        newcombe(newcombe(wilson(3, 5), wilson(3, 5)), wilson(3, 5))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(81, 263, 0.2553, 0.3662), (0, 20, 0, 0.1611), (372, 400, 0.9007, 0.9511)]
)
def test_wilson_gives_the_published_bounds(successes, n, low, high):
    """Newcombe (1998a), method 3, and one example of ours."""
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((372, 400), (292, 400), 0.1495, 0.2502)],
)
def test_newcombe_gives_the_published_bounds(first, second, low, high):
    """Newcombe (1998b), method 10, and one example of ours."""
    found = newcombe(wilson(*first), wilson(*second))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (7, 7), (3, 11), (250, 400), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_both_agree_with_statsmodels(successes, n, level):
    """The bounds are those of statsmodels to rounding, and never leave 0 to 1."""
    found = wilson(successes, n, level=level)
    assert (found.low, found.high) == pytest.approx(
        proportion_confint(successes, n, alpha=1 - level, method="wilson"), abs=1e-12
    )
    assert 0 <= found.low <= found.value <= found.high <= 1
    difference = newcombe(found, wilson(9, 20, level=level))
    expected = confint_proportions_2indep(successes, n, 9, 20, method="newcomb", compare="diff", alpha=1 - level)
    assert (difference.low, difference.high) == pytest.approx(expected, abs=1e-12)


def test_an_interval_is_plain_data():
    """`to_dict` gives what JSON can hold."""
    assert wilson(1, 2).to_dict() == {
        "value": 0.5,
        "low": pytest.approx(0.0945312),
        "high": pytest.approx(0.9054688),
        "level": 0.95,
        "method": "wilson",
    }


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (1, math.inf), (3, 2), (-1, 2)])
def test_counts_that_make_no_share_are_refused(successes, n):
    """No case, endlessly many, and more right than there are."""
    with pytest.raises(InputError) as found:
        wilson(successes, n)
    assert str(found.value) == f"{successes} of {n} cases\nexpected: 0 <= successes <= n, and n above 0"


def test_bounds_at_the_ends_are_exact():
    """Where all cases are right the upper bound is 1, and where none is the lower is 0, for any number of cases."""
    for n in range(1, 300):
        assert (wilson(0, n).low, wilson(n, n).high) == (0, 1)
