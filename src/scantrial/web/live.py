"""Tell every open page what changes in study folders; a folder is watched once, however many pages are open."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from scantrial.core.text import printable_data

BEAT_S = 1.0
"""Seconds between two looks."""
ALIVE_S = 15.0
"""Seconds of silence after which an empty message is sent, so that a lost reader is noticed."""

_LOG = logging.getLogger(__name__)


class Feed:
    """Watch one thing while there are readers, and send each change to all of them.

    Parameters
    ----------
    look : returns the state as plain data, including faults; called about once a second while there are readers. If it
        raises an error, the feed goes on with the next look
    is_over : whether the server is about to end
    """

    def __init__(self, look: Callable[[], Awaitable[dict[str, object]]], is_over: Callable[[], bool]) -> None:
        self._look = look
        self._is_over = is_over
        self._state: dict[str, object] | None = None
        self._changed = asyncio.Condition()
        self._n_readers = 0
        self._task: asyncio.Task[None] | None = None

    async def lines(self) -> AsyncIterator[str]:
        """Yield the state now and at each change, as server-sent events."""
        self._n_readers += 1
        if self._task is None or self._task.done():
            self._state = None
            self._task = asyncio.create_task(self._watch())
        told: dict[str, object] | None = None
        try:
            yield "retry: 2000\n\n"
            while not self._is_over():
                news = await self._next(told)
                if news is None:
                    yield ": still here\n\n"
                else:
                    told = news
                    yield f"event: state\ndata: {json.dumps(printable_data(news))}\n\n"
        finally:
            self._n_readers -= 1

    async def _next(self, told: dict[str, object] | None) -> dict[str, object] | None:
        """Wait for a state that differs from the last one sent; return None after a silence, or at the end."""
        for _ in range(int(ALIVE_S / BEAT_S)):
            if self._state is not None and self._state != told:
                return self._state
            if self._is_over():
                return None
            async with self._changed:
                try:
                    await asyncio.wait_for(self._changed.wait(), BEAT_S)
                except TimeoutError:
                    continue
        return None

    async def _watch(self) -> None:
        while self._n_readers and not self._is_over():
            await self._once()
            await asyncio.sleep(BEAT_S)

    async def _once(self) -> None:
        try:
            state = await self._look()
        except Exception:  # readers stay, and the next look may succeed
            _LOG.warning("a look at what is watched failed", exc_info=True)
            return
        if state != self._state:
            self._state = state
            async with self._changed:
                self._changed.notify_all()
