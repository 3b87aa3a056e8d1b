"""Results of slow work, each computed once for all who ask for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

RETRY_S = 60.0
"""Seconds after which failed work is tried again: a disk may be back, memory may be free."""


class Kept:
    """Keep the last results by key; use it from one event loop only.

    Work is done in threads, so that the loop can answer in the meantime. Two requests for the same thing share one
    piece of work. An error goes to all who wait and is not kept; a result that reports a failure is kept for a while
    only, so that the work is tried again.

    Parameters
    ----------
    pool : where the work is done
    size : results that are kept
    has_failed : whether a result reports a failure
    retry_s : seconds until such a result is forgotten
    """

    def __init__(
        self,
        pool: Executor,
        *,
        size: int,
        has_failed: Callable[[Any], bool] = lambda _result: False,
        retry_s: float = RETRY_S,
    ) -> None:
        self._pool = pool
        self._size = size
        self._has_failed = has_failed
        self._retry_s = retry_s
        self._futures: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result of a key; call `make` if there is none."""
        # A request that ends early must not stop the work for the others.
        found: T = await asyncio.shield(self.start(key, make))
        return found

    def start(self, key: Hashable, make: Callable[[], T]) -> asyncio.Future[T]:
        """Begin work on a key without waiting for it, unless it is done or under way."""
        future = self._futures.get(key)
        if future is None:
            future = asyncio.get_running_loop().run_in_executor(self._pool, make)
            future.add_done_callback(lambda done: self._look_at(key, done))
            self._futures[key] = future
            while len(self._futures) > self._size:
                self._futures.popitem(last=False)
        else:
            self._futures.move_to_end(key)
        return future

    def is_ready(self, key: Hashable) -> bool:
        """Return whether the result of a key is ready."""
        future = self._futures.get(key)
        return future is not None and future.done()

    def result_of(self, key: Hashable) -> Any:
        """Return the result of a key, or None if it is not ready."""
        future = self._futures.get(key)
        is_there = future is not None and future.done() and not future.cancelled() and future.exception() is None
        return future.result() if future is not None and is_there else None

    def is_begun(self, key: Hashable) -> bool:
        """Return whether the result of a key is ready or under way."""
        return key in self._futures

    def _look_at(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._forget(key, done)
        elif self._has_failed(done.result()):
            asyncio.get_running_loop().call_later(self._retry_s, self._forget, key, done)

    def _forget(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        if self._futures.get(key) is done:
            del self._futures[key]
