"""``verify``: what is printed, and the exit code."""

from __future__ import annotations

import json

import pytest

from scantrial.cli import output, verify
from scantrial.cli.main import main


def printed(folder, consoles, monkeypatch) -> tuple[str, int]:
    """Return what the command prints, and its exit code."""
    out = consoles(terminal=False)
    monkeypatch.setattr(verify, "out", out)
    monkeypatch.setattr(output, "out", out)
    try:
        verify.verify(folder.path, as_json=False)
    except SystemExit as ended:
        return out.file.getvalue(), int(ended.code or 0)
    return out.file.getvalue(), 0


@pytest.fixture
def folder(make_study, monkeypatch):
    """Return a study folder; its made-up study file is not compared with its plan."""
    monkeypatch.setattr("scantrial.api.verification.plan_mismatches", lambda _: ())
    return make_study(seeds=range(7))


def test_a_whole_folder(folder, consoles, monkeypatch):
    """What was compared, the head of each log, and that all is well."""
    words, code = printed(folder, consoles, monkeypatch)
    head = folder.hashes.log().head
    assert code == 0
    assert words.splitlines()[0] == f"47 files compared with their hashes in {folder.path}"
    assert f"protocol.jsonl: 17 lines, last line {head}" in words
    assert words.endswith("whole\n")


def test_at_most_ten_of_a_kind(folder, consoles, monkeypatch):
    """A folder with many damaged runs gives a short answer with the count."""
    for path in folder.path.glob("runs/*/*/history.parquet"):
        path.write_bytes(b"")
    (folder.path / "runs/base/seed-0/predictions.parquet").unlink()
    words, code = printed(folder, consoles, monkeypatch)
    assert code == 1
    assert words.count("history.parquet has changed since it was written") == 10
    assert "! and 4 more (changed)" in words
    assert "! runs/base/seed-0/predictions.parquet is missing" in words
    assert words.endswith("not whole: 15 mismatches\n")


def test_at_most_ten_files_that_are_not_checked(folder, consoles, monkeypatch):
    """Of which no hash is kept, such as reports and notes."""
    for number in range(12):
        (folder.path / f"note-{number:02d}.md").write_text("")
    words, code = printed(folder, consoles, monkeypatch)
    assert code == 0
    assert "not checked: 12 files of which scantrial keeps no hash\n  note-00.md\n" in words
    assert "  note-09.md\n  and 2 more\nwhole\n" in words


def test_as_json(folder, monkeypatch, capsys):
    """Everything, and the same exit code; through the command line itself."""
    (folder.path / "study.yaml").write_text("study: Another?\n")
    (folder.path / "notes.md").write_text("")
    monkeypatch.setattr("sys.argv", ["scantrial", "verify", str(folder.path), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    found = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1
    assert found["whole"] is False
    assert [item["where"] for item in found["mismatches"]] == ["study.yaml"]
    assert found["not_checked"] == ["notes.md"]
    assert found["heads"]["protocol.jsonl"] == folder.hashes.log().head
