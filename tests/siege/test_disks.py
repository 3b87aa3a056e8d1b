"""A folder without permission is read, and refuses to be trained in, in words."""

from __future__ import annotations

from tests.siege.disks import forbidden, siege_of_closed_folders
from tests.siege.numbers import IN_COMMIT


def test_a_folder_without_permission_is_told_in_words(whole, tmp_path):
    """A full disk is tried in `tests/e2e/test_commands.py`, and a read-only one by `make siege`."""
    with forbidden(whole, tmp_path / "forbidden") as home:
        row = siege_of_closed_folders("no permission", home, reading=(("status", "study"),))
    assert row.faults == []
    assert row.n == IN_COMMIT["disks"]
