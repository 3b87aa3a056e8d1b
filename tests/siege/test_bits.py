"""A flipped bit in a stored file is told, or changes nothing that is read."""

from __future__ import annotations

import pytest
from tests.siege.bits import siege_of_bits
from tests.siege.inputs import stored_readers


@pytest.mark.parametrize("name", stored_readers())
def test_no_flipped_bit_is_read_as_another_value(name, whole):
    """Twenty-five flips in each kind of file."""
    row = siege_of_bits(name, whole / "study", n=25, seed=1)
    assert row.faults == []
    assert row.told
