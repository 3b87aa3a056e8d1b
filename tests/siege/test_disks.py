"""A full disk and a folder without permission are told in words; a read-only disk is tried by `make siege`."""

from __future__ import annotations

from tests.siege.disks import forbidden, siege_of_closed_folders, siege_of_full_disks
from tests.siege.numbers import FULL_DISKS_IN_COMMIT, IN_COMMIT


def test_a_full_disk_is_told_in_words_and_room_mends_it(whole, commands, tmp_path):
    """At sizes that any file of the study may have; in the end it has the bytes of one that had room."""
    row = siege_of_full_disks(commands, whole, tmp_path / "full", n=FULL_DISKS_IN_COMMIT, seed=1)
    assert row.faults == []
    assert row.told >= FULL_DISKS_IN_COMMIT // 2


def test_a_folder_without_permission_is_told_in_words(whole, tmp_path):
    """Reading goes on as before, and training says what to do."""
    with forbidden(whole, tmp_path / "forbidden") as home:
        row = siege_of_closed_folders("no permission", home, reading=(("status", "study"),))
    assert row.faults == []
    assert row.n == IN_COMMIT["disks"] - FULL_DISKS_IN_COMMIT
