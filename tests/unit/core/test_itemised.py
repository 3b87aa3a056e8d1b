"""Listings of faults: ten lines of a kind, then a count."""

from __future__ import annotations

from scantrial.core.errors import (
    MOST_LISTED,
    DataError,
    Fault,
    StudyFileError,
    UnreadableScansError,
    first_of_a_kind,
    itemised,
)


def test_ten_of_a_kind_are_listed_and_the_others_counted():
    """Twelve lines that differ in numbers, paths and quoted names are of one kind: ten, and how many more."""
    items = [f"line {n}: no such file: scans/a {n}.png" for n in range(12)]
    assert first_of_a_kind(items) == [*items[:10], "and 2 more"]
    quoted = [f"line {n}: split '{word}', expected train" for n, word in enumerate("abcdefghijkl")]
    assert first_of_a_kind(quoted) == [*quoted[:10], "and 2 more"]


def test_a_rare_kind_stands_among_a_common_one():
    """What is wrong once is listed although another fault comes 1,000 times before it."""
    common = [f"line {n}: no such file: {n}.png" for n in range(1000)]
    assert first_of_a_kind([*common, "line 1000: no label"]) == [*common[:10], "line 1000: no label", "and 990 more"]


def test_names_are_of_one_kind():
    """Names in plain words would each be a kind of its own; they are told to be alike."""
    names = [f"{first}{second} scan" for first in "abc" for second in "uvwxyz"]
    assert itemised(names, alike=True).split("\n") == [*(f"  {name}" for name in names[:10]), "  and 8 more"]


def test_kinds_without_end_are_cut():
    """However many kinds there are, a message has at most fifty lines and a count."""
    words = [f"{first}{second}{third}" for first in "abc" for second in "defg" for third in "hijklm"]
    lines = first_of_a_kind(words)
    assert len(lines) == MOST_LISTED + 1
    assert lines[-1] == f"and {len(words) - MOST_LISTED} more"


def test_every_error_that_lists_stops_at_ten():
    """Unreadable scans and faults of a study file: the record has all, the message ten of a kind."""
    unreadable = UnreadableScansError([(f"s{n}.png", "an empty file") for n in range(1571)])
    assert len(unreadable.problems) == 1571
    assert str(unreadable).count("an empty file") == 10
    assert "\n  and 1,561 more\n" in str(unreadable)
    faults = [Fault(path=f"data.k{n}", message="unknown key", line=n) for n in range(40)]
    assert str(StudyFileError("study.yaml", faults)).count("unknown key") == 10
    assert isinstance(unreadable, DataError)
