"""A real server in this process, and a reader that has its cookie."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn
from tests.conftest import HANGS_S

from scantrial.web.app import Site
from scantrial.web.guard import Door
from scantrial.web.serve import configure, listen
from scantrial.web.studies import Shelf


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Reader:
    """Somebody with the cookie; `headers` replaces or, by None, leaves out what is sent."""

    door: Door
    site: Site
    headers: dict[str, str | None] = field(default_factory=dict)

    def ask(self, path: str, *, method: str = "GET", timeout_s: float = HANGS_S, **headers: str | None) -> Answer:
        sent = {
            "Host": f"127.0.0.1:{self.door.port}",
            "Cookie": f"{self.door.cookie}={self.door.pass_word}",
            "Accept": "text/html",
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection = HTTPConnection("127.0.0.1", self.door.port, timeout=timeout_s)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(status=answer.status, headers=found, body=answer.read())
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        answer = self.ask(path, Accept="application/json")
        assert answer.headers["content-type"] == "application/json", answer.text
        return answer.json()

    def settled(self, path: str, *, key: str = "results_state") -> Any:
        """Return a page as JSON once what it shows is no longer being computed, which its field `key` says."""
        wait_until(lambda: self.json(path)[key] != "computing")
        return self.json(path)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; a minute too long on a busy machine is no failure."""
    end = time.monotonic() + HANGS_S
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.05)


@contextmanager
def served(root: Path) -> Iterator[Reader]:
    """Serve a folder as `scantrial serve` does, in a thread, on a free port."""
    with listen("127.0.0.1", 0) as listening:
        door = Door(host="127.0.0.1", port=listening.getsockname()[1])
        holder: list[uvicorn.Server] = []
        site = Site(Shelf(root), door, is_over=lambda: bool(holder) and holder[0].should_exit)
        holder.append(uvicorn.Server(configure(site.application())))
        thread = threading.Thread(target=holder[0].run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Reader(door=door, site=site)
        finally:
            holder[0].should_exit = True
            thread.join(HANGS_S)
            assert not thread.is_alive(), "the server did not end"
