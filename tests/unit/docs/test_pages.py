"""Every page that is made from the code is what its function makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pages


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    """`python scripts/pages.py NAME` would write what is there."""
    file, text = pages.PAGES[name]
    assert text() == file.read_text(encoding="utf-8")


def test_a_page_says_how_it_is_written() -> None:
    """What a page of docs/ names is a page of the table, its own, and every page of the table names its command."""
    files = sorted(pages.DOCS.rglob("*.md"))
    said = {file: re.findall(r"scripts/pages\.py ([\w-]+)", file.read_text(encoding="utf-8")) for file in files}
    assert {file: names for file, names in said.items() if names} == {
        file: [name] for name, (file, _) in pages.PAGES.items()
    }


def test_named_pages_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Those that are named and no other, without a name all of them; a file that was there is replaced."""
    table = {name: (tmp_path / f"{name}.md", lambda name=name: f"{name}, anew\n") for name in ("one", "two")}
    monkeypatch.setattr(pages, "PAGES", table)
    table["two"][0].write_text("old")
    pages.main(["two"])
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"two.md": "two, anew\n"}
    pages.main([])
    assert table["one"][0].read_text() == "one, anew\n"
    assert capsys.readouterr().out.split() == [str(table[name][0]) for name in ("two", "one", "two")]


def test_an_unknown_page_is_refused(capsys: pytest.CaptureFixture) -> None:
    """With the names that there are, before any page is written."""
    with pytest.raises(SystemExit) as stopped:
        pages.main(["metrics", "metric"])
    assert stopped.value.code == 2
    assert "no page is called metric; expected some of audit, checks, " in capsys.readouterr().err
