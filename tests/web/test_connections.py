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

from scantrial.web import connections

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


def test_who_is_not_let_in_keeps_no_connection(reader):
    """The refusal ends it."""
    with connected(reader) as one:
        one.sendall(HEAD + f"127.0.0.1:{reader.door.port}\r\n\r\n".encode())
        assert answer_of(one).startswith(b"HTTP/1.1 403")
        assert is_closed(one)


def test_the_oldest_that_waits_makes_room(tmp_path, monkeypatch):
    """Those that had an answer go last, and a feed that is being read is never closed."""
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
