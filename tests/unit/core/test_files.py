"""Files appear whole or not at all, whatever the disk does in between."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scantrial.core.errors import StoreError
from scantrial.core.files import (
    append_line,
    aside,
    clear_os_errors,
    is_aside,
    matching,
    sha256_of,
    sync_folder,
    write_atomic,
    written_aside,
)


def fail_with(number: int):
    """Return a function that fails as the system would."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


class TestWriteAtomic:
    """`write_atomic`."""

    def test_writes_text_as_utf8_and_bytes_as_they_are(self, tmp_path: Path):
        """What is read back is what was written; missing folders are made where that is asked for."""
        with pytest.raises(StoreError):
            write_atomic(tmp_path / "new" / "a.txt", "Größe ✓")
        assert not (tmp_path / "new").exists()
        write_atomic(tmp_path / "new" / "a.txt", "Größe ✓", parents=True)
        write_atomic(tmp_path / "b.bin", b"\x00\xff")
        assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "Größe ✓"
        assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"

    def test_leaves_nothing_beside_the_file(self, tmp_path: Path):
        """No temporary file is left behind, neither on the first write nor on the second."""
        for content in ("one", "two"):
            write_atomic(tmp_path / "a.txt", content)
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
        assert (tmp_path / "a.txt").read_text() == "two"

    @pytest.mark.parametrize("call", ["replace", "fsync"])
    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
    def test_a_failure_keeps_the_old_file(self, tmp_path: Path, monkeypatch, call: str, number: int):
        """A disk that fails before the rename leaves the old file whole and no leftovers."""
        path = tmp_path / "a.txt"
        write_atomic(path, "old")
        monkeypatch.setattr(os, call, fail_with(number))
        with pytest.raises(StoreError, match=os.strerror(number)) as caught:
            write_atomic(path, "new")
        assert str(path) in caught.value.got
        assert path.read_text() == "old"
        assert [child.name for child in tmp_path.iterdir()] == ["a.txt"]

    def test_a_kill_before_the_rename_keeps_the_old_file(self, tmp_path: Path):
        """A process that dies in the middle has changed nothing that a reader sees."""
        path = tmp_path / "a.txt"
        write_atomic(path, "old")
        code = (
            "import os, sys; from pathlib import Path; from scantrial.core.files import write_atomic\n"
            "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
            "write_atomic(Path(sys.argv[1]), 'new' * 1000)"
        )
        assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
        assert path.read_text() == "old"
        leftovers = [child for child in tmp_path.iterdir() if child != path]
        assert [child.name[0] + child.suffix for child in leftovers] == [("..tmp")]

    def test_a_file_name_that_is_no_utf8_is_spelt_out(self, tmp_path: Path):
        """A text with a lone surrogate, as Python gives for such a file name, is written and not refused."""
        write_atomic(tmp_path / "a.json", '"bild-\udce9.png"')
        assert (tmp_path / "a.json").read_text() == '"bild-\\udce9.png"'

    def test_a_folder_in_the_place_of_the_file_is_refused(self, tmp_path: Path):
        """What cannot be replaced is named as the file that was asked for."""
        (tmp_path / "a.txt").mkdir()
        with pytest.raises(StoreError) as caught:
            write_atomic(tmp_path / "a.txt", "x")
        assert caught.value.got.startswith(f"{tmp_path / 'a.txt'}: ")
        assert [child.name for child in tmp_path.iterdir()] == ["a.txt"]

    def test_a_file_in_the_place_of_the_folder_is_refused(self, tmp_path: Path):
        """A parent that is a file is named."""
        (tmp_path / "a").write_text("")
        with pytest.raises(StoreError, match="a"):
            write_atomic(tmp_path / "a" / "b.txt", "x")


class TestWrittenAside:
    """`written_aside`."""

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
    def test_any_exception_removes_the_half_written_file(self, tmp_path: Path, kind: type[BaseException]):
        """An interrupt counts as well; the file itself stays as it was."""
        path = tmp_path / "a.bin"
        path.write_bytes(b"old")

        def write_half() -> None:
            with written_aside(path) as temporary:
                temporary.write_bytes(b"half")
                raise kind

        with pytest.raises(kind):
            write_half()
        assert path.read_bytes() == b"old"
        assert [child.name for child in tmp_path.iterdir()] == ["a.bin"]

    def test_a_reader_sees_the_old_content_until_the_end(self, tmp_path: Path):
        """Inside the block the file is not yet the new one."""
        path = tmp_path / "a.bin"
        path.write_bytes(b"old")
        with written_aside(path) as temporary:
            temporary.write_bytes(b"new")
            assert path.read_bytes() == b"old"
        assert path.read_bytes() == b"new"

    @pytest.mark.parametrize(
        ("name", "ours"),
        [
            (".a.bin.0123abcd.tmp", True),
            (Path("deep") / ".seed-0.ffffffff.tmp", True),
            (".mydata.tmp", False),
            (".a.bin.0123abcd.tmp.gz", False),
            (".a.bin.0123ABCD.tmp", False),
            (".a.bin.123abcd.tmp", False),
            ("a.tmp", False),
            (None, False),
        ],
    )
    def test_names_aside_are_told_from_others(self, name: object, ours: bool):
        """Eight hexadecimal digits before the ending: somebody's own ``.tmp`` is not taken for one."""
        assert is_aside(name) is ours

    def test_names_aside_are_known_again(self, tmp_path: Path):
        """What `aside` makes, `is_aside` knows."""
        assert is_aside(aside(tmp_path / "a.bin"))

    def test_names_aside_are_fresh_neighbours(self, tmp_path: Path):
        """Two writers of one file do not meet; the rename stays on one file system."""
        first, second = aside(tmp_path / "a.bin"), aside(tmp_path / "a.bin")
        assert first != second
        assert first.parent == second.parent == tmp_path


class TestAppendLine:
    """`append_line`."""

    def test_adds_lines_in_order(self, tmp_path: Path):
        """Each call is one line, with or without its newline."""
        for line in ("a", "b\n", "c"):
            append_line(tmp_path / "log", line)
        assert (tmp_path / "log").read_text() == "a\nb\nc\n"

    def test_ends_a_torn_line_first(self, tmp_path: Path):
        """What a crash left without a newline spoils no later line."""
        (tmp_path / "log").write_text('{"whole": 1}\n{"tor')
        append_line(tmp_path / "log", '{"next": 2}')
        assert (tmp_path / "log").read_text().splitlines() == ['{"whole": 1}', '{"tor', '{"next": 2}']

    def test_lines_of_several_writers_never_mix(self, tmp_path: Path):
        """Four writers at once: every line is whole and none is lost."""
        lines = [f"{number}-" + "x" * 200 for number in range(200)]

        def write(mine: list[str]) -> None:
            for line in mine:
                append_line(tmp_path / "log", line, sync=False)

        threads = [threading.Thread(target=write, args=(lines[first::4],)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        written = (tmp_path / "log").read_text().splitlines()
        assert sorted(line for line in written if line) == sorted(lines)

    @pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
    def test_a_disk_without_locks_is_appended_to(self, tmp_path: Path, monkeypatch, number: int):
        """A reading can be logged there; other errors of the lock are errors."""
        failing = number

        def refuse(*_: object) -> None:
            raise OSError(failing, os.strerror(failing))

        monkeypatch.setattr(fcntl, "flock", refuse)
        append_line(tmp_path / "log", "one")
        assert (tmp_path / "log").read_text() == "one\n"
        failing = errno.EIO
        with pytest.raises(StoreError):
            append_line(tmp_path / "log", "two")

    @pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EFBIG])
    def test_a_disk_that_takes_only_a_part_is_an_error_with_its_reason(self, tmp_path: Path, monkeypatch, reason: int):
        """A short write is not taken for a written line; the rest of it is tried, and tells what is wrong."""
        real_write, n_calls = os.write, 0

        def write(handle: int, data: bytes) -> int:
            nonlocal n_calls
            n_calls += 1
            if n_calls > 1:
                raise OSError(reason, os.strerror(reason))
            return real_write(handle, data[:5])

        monkeypatch.setattr(os, "write", write)
        with pytest.raises(StoreError, match=os.strerror(reason)):
            append_line(tmp_path / "log", "a line of some length")

    def test_a_write_that_is_cut_short_goes_on(self, tmp_path: Path, monkeypatch):
        """As a signal may do it; only a disk that takes nothing at all is full."""
        real_write, most = os.write, 5
        monkeypatch.setattr(os, "write", lambda handle, data: real_write(handle, data[:most]))
        append_line(tmp_path / "log", "a line of some length")
        assert (tmp_path / "log").read_text() == "a line of some length\n"
        most = 0
        with pytest.raises(StoreError, match="No space left") as caught:
            append_line(tmp_path / "log", "another line")
        assert "free some space" in str(caught.value)

    def test_a_full_disk_is_an_error(self, tmp_path: Path, monkeypatch):
        """The message names the file and the way out."""
        monkeypatch.setattr(os, "write", fail_with(errno.ENOSPC))
        with pytest.raises(StoreError, match="log: No space left on device"):
            append_line(tmp_path / "log", "a")

    @pytest.mark.parametrize("sync", [True, False])
    def test_sync_puts_the_line_on_the_disk(self, tmp_path: Path, monkeypatch, sync: bool):
        """With `sync` the file is flushed before the call returns; without it is not."""
        synced = []
        monkeypatch.setattr(os, "fsync", synced.append)
        append_line(tmp_path / "log", "a", sync=sync)
        assert len(synced) == sync


class TestClearOsErrors:
    """`clear_os_errors`."""

    @pytest.mark.parametrize(
        ("number", "advice"),
        [
            (errno.ENOSPC, "free some space"),
            (errno.EDQUOT, "free some of your quota"),
            (errno.EROFS, "--out DIR"),
            (errno.EACCES, "fix its permissions"),
            (errno.EPERM, "fix its permissions"),
        ],
    )
    def test_says_what_to_do(self, number: int, advice: str):
        """The usual failures come with a way out."""
        with pytest.raises(StoreError) as caught, clear_os_errors("somewhere"):
            raise OSError(number, os.strerror(number))
        assert caught.value.got == f"somewhere: {os.strerror(number)}"
        assert advice in str(caught.value.do)

    def test_names_the_file_that_failed(self):
        """Where the system names a file, the message names that one and not the folder around it."""
        with pytest.raises(StoreError, match=r"^folder/file: No such file") as caught, clear_os_errors("folder"):
            raise FileNotFoundError(errno.ENOENT, "-", "folder/file")
        assert caught.value.do is None

    def test_never_names_a_temporary_file(self, tmp_path: Path):
        """A file that exists for an instant only means nothing to the user."""
        path = tmp_path / "run.json"
        with pytest.raises(StoreError) as caught, clear_os_errors(path):
            raise PermissionError(errno.EACCES, "-", str(aside(path)))
        assert caught.value.got == f"{path}: Permission denied"

    def test_an_error_without_a_number_keeps_its_words(self):
        """Libraries raise `OSError` with a text only."""
        with pytest.raises(StoreError, match="x: cannot seek"), clear_os_errors("x"):
            raise OSError("cannot seek")

    def test_other_errors_pass(self):
        """Only errors of the system are turned."""
        with pytest.raises(ZeroDivisionError), clear_os_errors("x"):
            raise ZeroDivisionError


class TestSyncFolder:
    """`sync_folder`."""

    def test_a_file_system_that_cannot_is_no_failure(self, tmp_path: Path, monkeypatch):
        """Some network file systems refuse to flush a folder; the files are there all the same."""
        monkeypatch.setattr(os, "fsync", fail_with(errno.EINVAL))
        sync_folder(tmp_path)

    def test_a_disk_that_fails_is(self, tmp_path: Path, monkeypatch):
        """An input/output error is passed on."""
        monkeypatch.setattr(os, "fsync", fail_with(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            sync_folder(tmp_path)


def test_sha256_of_a_file(tmp_path: Path):
    """The digest of the bytes."""
    (tmp_path / "a").write_bytes(b"scan" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"scan" * 100_000).hexdigest()


@pytest.fixture
def alarm():
    """End a test that waits for ever."""

    def ring(*_: object) -> None:
        raise AssertionError("it waits for ever")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_what_is_no_regular_file_is_not_hashed(tmp_path: Path):
    """A pipe waits for ever, and a file of the system has no end; both are refused."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        sha256_of(tmp_path / "pipe")
    with pytest.raises(OSError, match="more than its size"):
        sha256_of(Path("/proc/self/status"))
    with pytest.raises(OSError):  # noqa: PT011 - it reads in steps of 8 bytes only
        sha256_of(Path("/proc/self/pagemap"))


def test_what_vanishes_while_it_is_looked_for_is_looked_for_again(tmp_path, monkeypatch):
    """A folder that goes between the listing of its parent and its own: the second look has the rest."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.json").write_text("")
    scandir, gone = os.scandir, tmp_path / "b"

    def vanishing(place):
        if Path(place) == gone and gone.exists():
            (gone / "x.json").unlink()
            gone.rmdir()
        return scandir(place)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert matching(tmp_path, "*/x*.json") == [tmp_path / "a" / "x.json"]
    assert not gone.exists()
    assert matching(tmp_path / "nowhere", "*") == []
