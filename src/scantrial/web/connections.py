"""Connections of the server: who asks for nothing is sent away, and so makes room for who does."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""Seconds in which a request has to come, from its first byte to the end of its head."""
IDLE_S = 30
"""Seconds that a connection stays open after an answer without a byte of the next request."""
MOST_OPEN = 512
"""Largest number of open connections, where the system allows that many files."""


def most_open() -> int:
    """Return the largest number of open connections: half of the files that this process may have open.

    Where the system allows few by default, as macOS does, the process first asks for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * MOST_OPEN:
        soft = 2 * MOST_OPEN if hard == resource.RLIM_INFINITY else min(2 * MOST_OPEN, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MOST_OPEN, soft // 2)


class BoundedConnection(H11Protocol):
    """One connection. It waits for a request, or a request is being answered.

    A connection that waits is closed if no whole request comes in time; single bytes do not prolong it. If there are
    too many connections, the one that has waited longest is closed, first among those that were never let in. Neither
    the newest connection is closed, nor one whose request is being answered; only where all others are being answered,
    the newest is.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._most = most_open()
        self._timer: asyncio.TimerHandle | None = None
        self._was_let_in = False
        self._since = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Take in a new connection, and close another one if there are too many."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._wait()
        if len(self.connections) > self._most:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take in bytes; the first ones after an answer begin the time of the next request."""
        super().data_received(data)
        if not self.is_waiting:
            self._stop_waiting()
        elif self._timer is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Go on after an answer."""
        self._was_let_in |= self.cycle.scope["state"].get("is_let_in", False)
        self._since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def close_now(self) -> None:
        """Close the connection, whatever was still to be sent."""
        self.connections.discard(self)
        self.transport.abort()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_S, self.close_now)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        others = [one for one in self.connections if isinstance(one, BoundedConnection) and one is not self]
        waiting = [one for one in others if one.is_waiting]
        min(waiting, key=lambda one: (one._was_let_in, one._since), default=self).close_now()
