"""Chained logs: what a changed, lost, moved or torn line looks like to a reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from scantrial.core.errors import StoreError
from scantrial.store import chain
from scantrial.store.chain import Log, append_chained
from scantrial.store.contents import Content, OpeningLine, ProtocolLine


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of four lines."""
    path = tmp_path / "log.jsonl"
    for number in range(4):
        append_chained(path, {"number": number, "word": "naïve\n\udce9"})
    return path


def read_log(path: Path) -> Log:
    """Read a log whose lines may hold anything."""
    return chain.read_log(path, Content)


def numbers(path: Path) -> list[int]:
    return [line["number"] for line in read_log(path).lines]


def change(path: Path, edit) -> None:
    """Edit the lines of a log, each with its line feed."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(edit(lines)))


def test_lines_come_back_in_order(log: Path):
    """Without the keys of the chain; the head is the hash that ends the last line."""
    found = read_log(log)
    assert found.lines[0] == {"number": 0, "word": "naïve\n\udce9"}
    assert numbers(log) == [0, 1, 2, 3]
    assert (found.faults, found.notes) == ((), ())
    assert found.head == json.loads(log.read_bytes().splitlines()[-1])["sha256"]


def test_the_keys_are_what_the_documentation_says(log: Path):
    """`previous` is the hash of the line before it, `sha256` that of the line's own bytes before this key."""
    lines = log.read_bytes().splitlines(keepends=True)
    for before, line in zip([b"", *lines], lines, strict=False):
        content = json.loads(line)
        assert content["previous"] == sha256(before).hexdigest()
        assert content["sha256"] == sha256(line[: line.index(b', "sha256"')]).hexdigest()


def test_nothing_is_an_empty_log(tmp_path: Path):
    """A log that was not begun has no line and no fault."""
    found = read_log(tmp_path / "none")
    assert (found.lines, found.faults, found.is_chained) == ((), (), False)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda lines: [lines[0], lines[1].replace(b'"number": 1', b'"number": 7'), *lines[2:]], "line 2 has changed"),
        (lambda lines: [lines[0], *lines[2:]], "line 2 does not follow"),
        (lambda lines: lines[1:], "line 1 does not follow"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "line 2 does not follow"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2 does not follow"),
        (lambda lines: [*lines, b'{"schema_version": 1, "number": 9}\n'], "line 5 is not chained"),
        (lambda lines: [lines[0], b"[1]\n", *lines[1:]], "line 2 cannot be read"),
        (lambda lines: [*lines[:3], b"\xff\n"], "line 4 cannot be read"),
        (lambda lines: [lines[0], lines[1][:40] + b"\n", *lines[2:]], "line 3 does not follow"),
        (lambda lines: [*lines[:3], lines[3].replace(b"}", b"]")], "line 4 cannot be read"),
    ],
)
def test_what_was_done_to_it_is_told(log: Path, edit, said: str):
    """Changed, lost, moved, repeated, added, damaged and shortened lines, by their number."""
    change(log, edit)
    assert read_log(log).faults[0].startswith(said)


def test_a_line_after_the_damage_does_not_hide_it(log: Path):
    """The program goes on writing; the fault stays."""
    change(log, lambda lines: [lines[0], *lines[2:]])
    append_chained(log, {"number": 4, "word": ""})
    assert len(read_log(log).faults) == 1
    assert numbers(log) == [0, 2, 3, 4]


@pytest.mark.parametrize("n_bytes", [1, 30, 150])
def test_a_line_torn_by_a_crash_breaks_nothing(log: Path, n_bytes: int):
    """It is noted, the next line binds what is left of it, and both neighbours are read."""
    change(log, lambda lines: [*lines[:3], lines[3][:n_bytes]])
    torn = read_log(log)
    assert (numbers(log), torn.faults) == ([0, 1, 2], ())
    assert torn.notes == ("line 4 has no end: writing it was interrupted",)
    append_chained(log, {"number": 4, "word": ""})
    assert (numbers(log), read_log(log).faults, read_log(log).notes) == ([0, 1, 2, 4], (), torn.notes)


def test_the_first_chained_line_binds_those_of_an_earlier_version(tmp_path: Path):
    """They are not forged; but whoever changes one of them afterwards is told."""
    log = tmp_path / "log.jsonl"
    log.write_text('{"schema_version": 1, "number": 0}\n{"schema_version": 1, "number": 1}\n')
    assert (numbers(log), read_log(log).faults, read_log(log).is_chained) == ([0, 1], (), False)
    append_chained(log, {"number": 2})
    assert (numbers(log), read_log(log).faults) == ([0, 1, 2], ())
    log.write_text(log.read_text().replace('"number": 0', '"number": 5'))
    assert read_log(log).faults == ("line 3 does not follow the line before it: lines are missing or moved",)


def test_long_lines_are_chained_as_well(tmp_path: Path):
    """The start of the last line is found however far back it is."""
    log = tmp_path / "log.jsonl"
    for n in (10, 300_000, 10, 70_000, 10):
        append_chained(log, {"number": n, "text": "x" * n})
    assert (len(read_log(log).lines), read_log(log).faults) == (5, ())


def test_another_version_is_refused(log: Path):
    """What a later version means by its lines is not guessed."""
    log.write_text('{"schema_version": 2, "number": 0}\n')
    with pytest.raises(StoreError, match="schema version 2"):
        read_log(log)


def test_processes_that_append_at_once_make_one_chain(tmp_path: Path):
    """Four processes, fifty lines each: no line is lost and each follows the one before it."""
    log = tmp_path / "log.jsonl"
    code = (
        "import sys; from pathlib import Path; from scantrial.store.chain import append_chained\n"
        "for number in range(50): append_chained(Path(sys.argv[1]), {'number': number}, sync=False)"
    )
    command = [sys.executable, "-c", code, str(log)]
    writers = [subprocess.Popen(command, env=os.environ) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert sorted(numbers(log)) == sorted([*range(50)] * 4)
    assert (read_log(log).faults, read_log(log).notes) == ((), ())


@pytest.mark.parametrize(
    "at",
    ["zzz", "", None, 3, "2026-12-01", "2026-12-01T00:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:00"],
)
@pytest.mark.parametrize("kind", [ProtocolLine, OpeningLine])
def test_a_line_without_a_time_is_told(tmp_path: Path, at: object, kind: type):
    """Whoever hashes a line can write anything for its time: no reader meets it."""
    rest = {"by": "report", "purpose": "", "runs": [], "kind": "study", "files": {}}
    path = tmp_path / "log.jsonl"
    append_chained(path, {"at": "1970-01-01T00:00:00+00:00", **rest})
    append_chained(path, rest if at is None else {"at": at, **rest})
    append_chained(path, {"at": "2026-12-01T01:02:03+01:00", **rest})
    log = chain.read_log(path, kind)
    assert [line["at"][:4] for line in log.lines] == ["1970", "2026"]
    assert log.faults == ("line 2 cannot be read",)
