"""Damaged folders through every command and page."""

from __future__ import annotations

import pytest
from PIL import Image
from tests.siege.folders import siege_of_folders
from tests.siege.numbers import IN_COMMIT

N = IN_COMMIT["folders"]
TURNS = {
    "status": range(0, N, 4), "show": range(1, N, 4), "verify": range(2, N, 4), "status --json": range(3, N, 8),
    "about": range(7, N, 8), "audit": range(6, N, 16), "predict": range(10, N, 16), "pages": range(14, N, 16),
    "compare": range(5, N, 40), "compare --json": range(9, N, 40), "plan": range(13, N, 80), "report": range(17, N, 80),
    "serve": range(21, N, 80), "report md": range(25, N, 160), "run": range(29, N, 80),
}  # fmt: skip
"""With which folders each is done, since all by all would take minutes; each folder has one turn at least."""
AT_ONCE = 40


@pytest.mark.parametrize("first", range(0, N, AT_ONCE))
def test_no_damaged_folder_ends_in_a_traceback(whole, tmp_path, first):
    """Every command and page has its turn, and so have training and a server."""
    home, numbers = tmp_path / "home", range(first, min(first + AT_ONCE, N))
    home.mkdir()
    Image.new("L", (32, 32)).save(home / "scan.png")
    rows = siege_of_folders(whole / "study", home, numbers=numbers, seed=1, turns=TURNS)
    assert [fault for row in rows for fault in row.faults] == []
    assert {row.kind: row.n for row in rows} == {
        name: n for name, turns in TURNS.items() if (n := len(set(turns) & set(numbers)))
    }
