"""Numbers and times as a reader sees them."""

from __future__ import annotations

import pytest

from scantrial.core.format import NONE, cell, decimal, glued, interval, moment, percent, proportion, signed


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("2026-11-24T23:59:30+00:00", "2026-11-24 23:59 UTC"),
        ("2026-11-25T01:59:30+02:00", "2026-11-24 23:59 UTC"),
        ("2026-11-24T23:59:30", "2026-11-24T23:59:30"),
        ("", ""),
        ("yesterday", "yesterday"),
        ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_a_time_is_told_in_utc_to_the_minute(stored, shown):
    """A text that is no time, or has no zone, is shown as it is."""
    assert moment(stored) == shown


def test_a_share_is_a_number_a_plain_space_and_a_sign():
    """With as many digits as asked for, or as few as it needs; nothing where there is no number."""
    assert [percent(0.95), percent(0.999), percent(0.9995), percent(0.1)] == ["95 %", "99.9 %", "99.95 %", "10 %"]
    assert [percent(0.5, 1), percent(0.12345, 1), percent(-0.012, 1)] == ["50.0 %", "12.3 %", "−1.2 %"]
    assert [percent(None, 1), percent(float("nan"))] == [NONE, NONE]


def test_a_minus_is_the_sign_that_people_read():
    """In numbers, shares and tables; a difference has its sign, and one that rounds to zero has none."""
    assert [decimal(-1.5, 1), proportion(-0.015), cell(-1.5), cell(-1e-07)] == ["−1.5", "−1.5", "−1.5", "−1e−07"]
    assert [decimal(-0.0001), proportion(-0.0001), decimal(0.0001)] == ["0.000", "0.0", "0.000"]
    assert [signed(1.25), signed(-1.25, 2), signed(-0.01), signed(None)] == ["+1.2", "−1.25", "0.0", NONE]


def test_an_interval_has_its_level_where_it_is_given():
    """In one form everywhere."""
    assert interval("−0.4", "3.8") == "−0.4 to 3.8"
    assert interval("0.4", "3.8", 0.95) == "95 % CI 0.4 to 3.8"


def test_a_line_does_not_end_between_a_number_and_its_sign():
    """No other space is touched, and what is glued is not glued again."""
    said = "12.3 % of 5 runs (95 % CI 0.4 to 3.8), Accuracy, % and 90 % sure"
    once = "12.3\u00a0% of 5 runs (95\u00a0%\u00a0CI 0.4 to 3.8), Accuracy, % and 90\u00a0% sure"
    assert glued(said) == once
    assert glued(once) == once
