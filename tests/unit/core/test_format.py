"""Numbers and times as a reader sees them."""

from __future__ import annotations

import pytest

from scantrial.core.format import moment


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("2026-11-24T23:59:30+00:00", "2026-11-24 23:59 UTC"),
        ("2026-11-25T01:59:30+02:00", "2026-11-24 23:59 UTC"),
        ("2026-11-24T23:59:30", "2026-11-24T23:59:30"),
        ("", ""),
        ("yesterday", "yesterday"),
    ],
)
def test_a_time_is_told_in_utc_to_the_minute(stored, shown):
    """A text that is no time, or has no zone, is shown as it is."""
    assert moment(stored) == shown
