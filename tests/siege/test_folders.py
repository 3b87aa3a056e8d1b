"""Damaged folders through every command and page."""

from __future__ import annotations

from PIL import Image
from tests.siege.folders import siege_of_folders


def test_no_damaged_folder_ends_in_a_traceback(whole, tmp_path):
    """One folder, by every command and page, trained in and served; `tests/property` has others."""
    home = tmp_path / "home"
    home.mkdir()
    Image.new("L", (32, 32)).save(home / "scan.png")
    rows = siege_of_folders(whole / "study", home, numbers=range(1), seed=1)
    assert [fault for row in rows for fault in row.faults] == []
    assert {"run", "serve", "report", "verify"} <= {row.kind for row in rows}
