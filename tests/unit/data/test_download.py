"""Downloads against a real server on this machine that can misbehave in every way we know of."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import HANGS_S

from scantrial.core.errors import DownloadError
from scantrial.data import download
from scantrial.data.download import ResumingDownloader, file_digest, matches_hash

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT at /scans.npy; `mode` says what goes wrong, `asked` keeps every Range that was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = "good"
        self.cut = 300_000
        self.asked: list[str | None] = []
        self.go_on = threading.Event()

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is what these tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/scans.npy"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args) -> None:
        """Keep the tests' output clean."""

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/scans.npy" else 404)
        self.end_headers()

    def do_GET(self) -> None:
        mode, wanted = self.server.mode, self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.path != "/scans.npy" or mode == "failing":
            return self.send_error(503 if mode == "failing" else 404)
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and mode != "no range" else 0
        if start and start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            return self.end_headers()
        content = CONTENT if mode != "changed" else CONTENT[::-1]
        self.send_response(206 if start or mode == "uncalled part" else 200)
        if mode == "uncalled part":
            self.send_header("Content-Range", f"bytes 5-9/{len(CONTENT)}")
        elif start:
            first = 0 if mode == "other range" else start
            total = "9" * 5000 if mode == "nonsense" else len(CONTENT)
            self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{total}")
        if mode == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif mode != "no length":
            self.send_header(
                "Content-Length",
                "9" * 5000 if mode == "nonsense" else str(len(content) - start + (7 if mode == "longer" else 0)),
            )
        self.end_headers()
        self._send(content[start:], mode)
        return None

    def _send(self, content: bytes, mode: str) -> None:
        if mode == "chunked":
            self.wfile.write(b"%x\r\n" % len(content) + content[: self.server.cut])
        elif mode in ("closing", "stalling"):
            self.wfile.write(content[: self.server.cut])
            if mode == "stalling":
                self.server.go_on.wait(HANGS_S)
        else:
            self.wfile.write(content)


class Place(NamedTuple):
    server: Server
    target: Path

    @property
    def part(self) -> Path:
        return self.target.with_name("scans.npy.part")

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.target.parent.iterdir())

    def fetch(self, known_hash: str = SHA256, size: int | None = len(CONTENT), **options) -> None:
        ResumingDownloader(known_hash=known_hash, size=size, **options)(self.server.url, self.target)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A running server, and where its file shall go."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    folder = tmp_path / "data"
    folder.mkdir()
    yield Place(server, folder / "scans.npy")
    server.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_git_blob_hash_is_what_git_says(tmp_path):
    """`git hash-object` of a file with "hello\\n" is ce013625030ba8dba906f756967f9e9ca394464a."""
    file = tmp_path / "hello"
    file.write_bytes(b"hello\n")
    assert file_digest(file, "git-blob-sha1") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert matches_hash(file, "git-blob-sha1:CE013625030BA8DBA906F756967F9E9CA394464A")
    assert matches_hash(file, "md5:b1946ac92492d2347c6235b4d2611184")
    assert not matches_hash(file, "md5:" + "0" * 32)


@pytest.mark.parametrize("wrong", ["abc", "sha1:abc", "md5:"])
def test_an_unknown_kind_of_hash_is_refused(tmp_path, wrong):
    """A hash must name one of the three algorithms."""
    with pytest.raises(ValueError, match="expected algorithm:digits"):
        matches_hash(tmp_path, wrong)


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_file_is_fetched_whole_and_alone(place, size):
    """The file has its name and its content, nothing else is left, and progress ends at the end."""
    told = []
    place.fetch(size=size, progress=lambda *now: told.append(now))
    assert place.target.read_bytes() == CONTENT
    assert place.left == ["scans.npy"]
    assert place.server.asked == [None]
    assert told[0] == ("fetching scans.npy", 0, len(CONTENT))
    assert told[-1] == ("fetching scans.npy", len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_lost_connection_keeps_what_came_and_the_same_call_goes_on(place, size):
    """The first attempt says how far it came; the second asks for the rest only."""
    place.server.mode = "closing"
    with pytest.raises(DownloadError, match="the connection closed after 300,000 of 1,024,000 bytes") as caught:
        place.fetch(size=size)
    assert "run the same command again: it continues" in str(caught.value)
    assert place.left == ["scans.npy.part"]
    assert place.part.read_bytes() == CONTENT[:300_000]
    place.server.mode = "good"
    place.fetch(size=size)
    assert place.target.read_bytes() == CONTENT
    assert place.left == ["scans.npy"]
    assert place.server.asked == [None, "bytes=300000-"]


def test_a_killed_process_leaves_the_part_alone(place):
    """After SIGKILL in the middle there is NAME.part and nothing else, and the next call goes on from there."""
    place.server.mode = "stalling"
    command = (
        "import sys; from scantrial.data.download import ResumingDownloader; "
        "ResumingDownloader(known_hash=sys.argv[1])(sys.argv[2], sys.argv[3])"
    )
    process = subprocess.Popen([sys.executable, "-c", command, SHA256, place.server.url, str(place.target)])
    deadline = time.monotonic() + HANGS_S
    while not (place.part.exists() and place.part.stat().st_size > 200_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    place.server.go_on.set()
    assert place.left == ["scans.npy.part"]
    have = place.part.stat().st_size
    place.server.mode = "good"
    place.fetch()
    assert place.server.asked == [None, f"bytes={have}-"]
    assert place.target.read_bytes() == CONTENT


def test_a_connection_lost_without_a_stated_length_is_noticed(place):
    """A chunked answer that breaks off is kept for the next attempt, not taken for the whole."""
    place.server.mode = "chunked"
    with pytest.raises(DownloadError, match="the connection closed after 300,000 bytes"):
        place.fetch(size=None)
    assert place.part.stat().st_size == 300_000


def test_headers_that_are_nonsense_are_not_read(place):
    """Numbers of thousands of digits in an answer's headers count as not stated, and the bytes are judged by the hash."""
    place.part.write_bytes(CONTENT[:100])
    place.server.mode = "nonsense"
    with contextlib.suppress(DownloadError):
        place.fetch(size=None)


def test_a_file_of_unknown_size_has_a_limit(place, monkeypatch):
    """What a server sends beyond the limit is neither asked for nor kept."""
    monkeypatch.setattr(download, "MAX_UNKNOWN_BYTES", 1000)
    for mode in ("", "no length"):
        place.server.mode = mode
        with pytest.raises(DownloadError, match="more than 1,000 bytes"):
            place.fetch(size=None)
        assert not place.part.exists() or place.part.stat().st_size == 0


def test_a_wrong_hash_is_thrown_away(place):
    """Bytes with another hash never get the file's name, and are not continued."""
    place.server.mode = "changed"
    with pytest.raises(DownloadError, match="the wrong hash; they were deleted") as caught:
        place.fetch()
    assert SHA256 in str(caught.value)
    assert place.left == []


def test_a_part_that_belongs_to_another_file_is_thrown_away_at_the_end(place):
    """A stale part makes the hash wrong once; the next call starts from the beginning and succeeds."""
    place.part.write_bytes(b"x" * 500)
    with pytest.raises(DownloadError, match="the wrong hash"):
        place.fetch()
    assert place.left == []
    place.fetch()
    assert place.target.read_bytes() == CONTENT


def test_an_existing_file_stays_until_the_new_one_is_checked(place):
    """A failed download does not touch a file that has the name already."""
    place.target.write_bytes(b"old")
    place.server.mode = "changed"
    with pytest.raises(DownloadError):
        place.fetch()
    assert place.target.read_bytes() == b"old"


@pytest.mark.parametrize("mode", ["no range", "other range"])
def test_a_server_that_ignores_ranges_is_read_from_the_beginning(place, mode):
    """What has come already is dropped where the server does not send the rest of it."""
    place.part.write_bytes(CONTENT[:1000])
    place.server.mode = mode
    place.fetch()
    assert place.target.read_bytes() == CONTENT
    assert place.server.asked[0] == "bytes=1000-"


def test_a_complete_part_is_checked_and_renamed(place):
    """With a known size nothing is asked for; without, the server's "nothing beyond" (416) is believed and checked."""
    place.part.write_bytes(CONTENT)
    place.fetch()
    assert place.server.asked == []
    place.part.write_bytes(CONTENT)
    place.fetch(size=None)
    assert place.server.asked == [f"bytes={len(CONTENT)}-"]
    assert place.target.read_bytes() == CONTENT
    assert place.left == ["scans.npy"]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_part_that_is_too_long_starts_again(place, size):
    """More bytes than the file has cannot be its beginning."""
    place.part.write_bytes(CONTENT + b"more")
    place.fetch(size=size)
    assert place.target.read_bytes() == CONTENT


def test_a_file_that_is_not_there_says_404(place):
    """404 names the address and sends to the home page; nothing is left behind."""
    url = place.server.url.replace("scans", "other")
    with pytest.raises(DownloadError, match="answers 404 Not Found") as caught:
        ResumingDownloader(known_hash=SHA256)(url, place.target)
    assert "home page" in str(caught.value)
    assert url in str(caught.value)
    assert place.left == []


def test_a_failing_server_keeps_the_part(place):
    """503 asks to try later and keeps what has come."""
    place.part.write_bytes(CONTENT[:1000])
    place.server.mode = "failing"
    with pytest.raises(DownloadError, match="answers 503"):
        place.fetch()
    assert place.left == ["scans.npy.part"]


def test_no_network_is_said_in_one_line(tmp_path):
    """A refused connection names the host, and leaves nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=f"cannot reach 127.0.0.1:{port}: .*refused") as caught:
        ResumingDownloader(known_hash=SHA256)(f"http://127.0.0.1:{port}/x", tmp_path / "x")
    assert "check the network" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_counts_as_lost(place, tmp_path):
    """A server that takes the call and says nothing is given up after the time allowed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match="timed out"):
            ResumingDownloader(known_hash=SHA256, timeout_s=0.2)(url, tmp_path / "x")


def test_another_size_than_stated_is_refused_before_the_bytes(place):
    """A server that offers another length is not read at all."""
    with pytest.raises(DownloadError, match="offers 1,024,000 bytes\nexpected: 1,000 bytes"):
        place.fetch(size=1000)
    assert place.left == []


def test_no_room_on_the_disk_is_said_before_the_bytes(place, monkeypatch):
    """Free space is checked against what is still to come."""
    usage = shutil.disk_usage(place.target.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DownloadError, match="1,000 bytes are free\nexpected: at least 1,024,000 bytes"):
        place.fetch()


def test_a_folder_that_cannot_be_made_is_said(place):
    """A path below a file is a clear error, not a traceback."""
    place.target.write_bytes(b"a file")
    with pytest.raises(DownloadError, match="SCANTRIAL_CACHE"):
        ResumingDownloader(known_hash=SHA256)(place.server.url, place.target / "below" / "x")


def test_two_processes_do_not_write_one_part(place):
    """While one holds the part, another is told so."""
    caught = []

    def second(*now) -> None:
        if not caught:
            with pytest.raises(DownloadError, match="another process is fetching this file") as error:
                place.fetch()
            caught.append(error)

    place.fetch(progress=second)
    assert len(caught) == 1
    assert place.target.read_bytes() == CONTENT


def test_it_serves_as_poochs_downloader(place, tmp_path):
    """pooch.retrieve and Pooch.is_available work with it, and a named part is continued."""
    pooch = pytest.importorskip("pooch")
    part = tmp_path / "kept.part"
    part.write_bytes(CONTENT[:1000])
    downloader = ResumingDownloader(known_hash=SHA256, part=part)
    got = pooch.retrieve(
        place.server.url, known_hash=SHA256, fname="scans.npy", path=place.target.parent, downloader=downloader
    )
    assert Path(got).read_bytes() == CONTENT
    assert place.server.asked == ["bytes=1000-"]
    assert place.left == ["scans.npy"]
    assert not part.exists()
    assert downloader(place.server.url, None, None, check_only=True) is True
    assert downloader(place.server.url + "x", None, None, check_only=True) is False


def test_a_part_that_nobody_asked_for_ends_in_words(place):
    """A server that answers a request for the whole file with another part of it is asked once."""
    place.server.mode = "uncalled part"
    with pytest.raises(DownloadError, match="a part of the file that was not asked for"):
        place.fetch()
    assert len(place.server.asked) == 1
