"""Damaged folders through every command and page."""

from __future__ import annotations

from PIL import Image
from tests.siege.folders import siege_of_folders
from tests.siege.numbers import IN_COMMIT

TURNS = {
    "status": 2, "status --json": 5, "show": 3, "verify": 2, "about": 5, "compare": 20, "compare --json": 10,
    "audit": 10, "plan": 20, "report": 20, "report md": 20, "predict": 10, "pages": 10, "serve": 20, "run": 20,
}  # fmt: skip
"""Every how many folders each is done, since all by all would take minutes."""


def test_no_damaged_folder_ends_in_a_traceback(whole, tmp_path):
    """Every command and page has its turn, and so have training and a server."""
    home = tmp_path / "home"
    home.mkdir()
    Image.new("L", (32, 32)).save(home / "scan.png")
    rows = siege_of_folders(whole / "study", home, numbers=range(IN_COMMIT["folders"]), seed=1, every=TURNS)
    assert [fault for row in rows for fault in row.faults] == []
    assert {row.kind for row in rows} == set(TURNS)
