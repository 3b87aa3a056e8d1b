"""Connections: whoever has the token is answered, whatever others do to the server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from tests.conftest import HANGS_S
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import Reader, served, wait_until

from scantrial.core.errors import InputError
from scantrial.web import connections
from scantrial.web.serve import configure, listen

HEAD = b"GET /s/done HTTP/1.1\r\nHost: "


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as found:
        yield found


@contextmanager
def connected(reader: Reader) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", reader.door.port), timeout=HANGS_S) as one:
        yield one


def head_of(reader: Reader) -> bytes:
    ours = f"127.0.0.1:{reader.door.port}\r\nCookie: {reader.door.cookie}={reader.door.pass_word}\r\n\r\n"
    return HEAD + ours.encode()


def answer_of(one: socket.socket) -> bytes:
    """Read one answer whole, by its length."""
    head, _, body = _until(one, b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += one.recv(1 << 16)
    return head


def _until(one: socket.socket, mark: bytes) -> tuple[bytes, bytes, bytes]:
    said = b""
    while mark not in said:
        said += one.recv(1 << 16) or pytest.fail(f"it ended after {said!r}")
    return said.partition(mark)


def is_closed(one: socket.socket) -> bool:
    """Wait for the end; a connection that is cut off has ended too."""
    try:
        return one.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, b"POST / HTTP/1.1\r\nContent-Le"])
def test_a_request_that_does_not_come_whole_is_not_waited_for(reader, monkeypatch, sent):
    """Nor is one whose bytes come one by one: the time counts from the start."""
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    with connected(reader) as silent, connected(reader) as slow:
        silent.sendall(sent)
        began = time.monotonic()
        slow.settimeout(0.05)
        for byte in HEAD * 1000:
            try:
                slow.sendall(bytes([byte]))
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert 0.4 < time.monotonic() - began < HANGS_S
        assert is_closed(silent)
    assert reader.ask("/s/done").status == 200


def test_the_second_request_has_its_time_too(reader, monkeypatch):
    """After an answer a connection stays, and a head that then comes byte by byte is not waited for either."""
    with connected(reader) as one:
        one.sendall(head_of(reader))
        assert answer_of(one).startswith(b"HTTP/1.1 200")
        one.sendall(head_of(reader))
        assert answer_of(one).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(connections, "HEAD_S", 0.3)
        one.sendall(b"GET ")
        assert is_closed(one)


def test_a_body_that_never_ends_holds_no_connection(reader, monkeypatch):
    """The answer does not wait for it; afterwards the connection is one that waits."""
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with connected(reader) as one:
        one.sendall(head_of(reader)[:-2] + b"Content-Length: 1000000\r\n\r\n")
        assert answer_of(one).startswith(b"HTTP/1.1 200")
        one.sendall(b"x")
        assert is_closed(one)


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"OPTIONS * HTTP/1.1"])
@pytest.mark.parametrize("more", [b"", b"Content-Length: 9\r\nExpect: 100-continue\r\n"])
def test_who_is_not_let_in_keeps_no_connection(reader, request_line, more):
    """The refusal ends it, whatever was asked, and does not wait for a body."""
    with connected(reader) as one:
        one.sendall(request_line + f"\r\nHost: 127.0.0.1:{reader.door.port}\r\n".encode() + more + b"\r\n")
        assert answer_of(one).startswith(b"HTTP/1.1 403")
        assert is_closed(one)


def test_refusals_take_no_place(tmp_path, monkeypatch):
    """Of those who are refused again and again, by any method, none is kept before a new reader."""
    monkeypatch.setattr(connections, "MOST_OPEN", 6)
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader, ExitStack() as opened:
        for _ in range(3):
            for _ in range(6):
                other = opened.enter_context(connected(reader))
                other.sendall(f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{reader.door.port}\r\n\r\n".encode())
                assert answer_of(other).startswith(b"HTTP/1.1 403")
            assert reader.ask("/s/done").status == 200


def test_a_new_connection_is_not_the_one_that_makes_room(tmp_path, monkeypatch):
    """Where all others were let in, the one that has waited longest goes."""
    monkeypatch.setattr(connections, "MOST_OPEN", 3)
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader, ExitStack() as opened:
        kept = [opened.enter_context(connected(reader)) for _ in range(3)]
        for one in kept:
            one.sendall(head_of(reader))
            answer_of(one)
        new = opened.enter_context(connected(reader))
        assert is_closed(kept[0])
        new.sendall(head_of(reader))
        assert answer_of(new).startswith(b"HTTP/1.1 200")


def test_the_oldest_that_waits_makes_room(tmp_path, monkeypatch):
    """Those that were let in go last, and a feed that is being read is never closed."""
    monkeypatch.setattr(connections, "MOST_OPEN", 6)
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader, ExitStack() as opened:
        feed, kept = (opened.enter_context(connected(reader)) for _ in range(2))
        feed.sendall(head_of(reader).replace(b"/s/done ", b"/s/done/events "))
        _until(feed, b"event: state")
        kept.sendall(head_of(reader))
        answer_of(kept)
        waiting = [opened.enter_context(connected(reader)) for _ in range(6)]
        assert is_closed(waiting[0])
        assert is_closed(waiting[1])
        kept.sendall(head_of(reader))
        assert answer_of(kept).startswith(b"HTTP/1.1 200")
        wait_until(lambda: reader.ask("/s/done").status == 200)
        assert is_closed(waiting[2])
        feed.setblocking(False)
        with suppress(BlockingIOError):  # there is nothing more to read, and no end
            while True:
                assert feed.recv(1 << 16) != b""


def test_no_second_protocol_is_offered():
    """A request to change to WebSockets would have uvicorn advise to install a library, in the terminal of the server."""
    assert configure(None).ws == "none"


def test_a_port_in_use_is_refused_in_words():
    """No number of the operating system."""
    with listen("127.0.0.1", None) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port} cannot be used: another program uses it"):
            listen("127.0.0.1", port)
