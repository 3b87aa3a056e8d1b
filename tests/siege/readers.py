"""Readers with the token, and connections that never ask for anything."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from tests.conftest import HANGS_S
from tests.web.serving import Reader

PATHS = ("/", "/s/{0}", "/s/{0}/cases", "/s/{0}/cases/1", "/s/{0}/cases/13/thumb.png", "/s/{0}.json")
BEGINNINGS = (b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")


@contextmanager
def half_open(port: int, n: int) -> Iterator[list[socket.socket]]:
    """Open connections, each with the beginning of a request or with nothing, and leave them so."""
    with ExitStack() as opened:
        found = []
        for beginning, _ in zip(itertools.cycle(BEGINNINGS), range(n), strict=False):
            one = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=HANGS_S))
            one.sendall(beginning)
            found.append(one)
        yield found


def siege_of_readers(reader: Reader, study: str, *, n_readers: int, n_rounds: int) -> list[str]:
    """Let readers with the cookie go through pages at the same time; return what went wrong, a line for each."""

    def read(number: int) -> list[str]:
        faults = []
        for i in range(n_rounds * len(PATHS)):
            path = PATHS[(number + i) % len(PATHS)].format(study)
            try:
                answer = reader.ask(path)
            except OSError as error:
                faults.append(f"{path}: {error!r}")
            else:
                if answer.status != 200 or not answer.body:
                    faults.append(f"{path}: {answer.status}")
        return faults

    with ThreadPoolExecutor(n_readers) as pool:
        return [fault for faults in pool.map(read, range(n_readers)) for fault in faults]
