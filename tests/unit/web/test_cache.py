"""Work is done once, errors are told and forgotten."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import HANGS_S

from scantrial.web.cache import Kept


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_many_who_ask_wait_for_one_piece_of_work(pool):
    """Fifty at the same time, one calculation; later ones find it there."""
    made, gate = [], threading.Event()

    def work() -> str:
        gate.wait(HANGS_S)
        made.append(1)
        return "done"

    async def main() -> list[str]:
        kept = Kept(pool, size=5)
        asked = [asyncio.create_task(kept.get("key", work)) for _ in range(50)]
        await asyncio.sleep(0.05)
        assert not kept.is_ready("key")
        gate.set()
        return [*await asyncio.gather(*asked), await kept.get("key", work)]

    assert asyncio.run(main()) == ["done"] * 51
    assert len(made) == 1


def test_an_error_is_told_and_not_kept(pool):
    """The next who asks tries again."""
    tries = []

    def work() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("torn")
        return "whole"

    async def main() -> str:
        kept = Kept(pool, size=5)
        with pytest.raises(ValueError, match="torn"):
            await kept.get("key", work)
        await asyncio.sleep(0)
        return await kept.get("key", work)

    assert asyncio.run(main()) == "whole"


def test_one_who_leaves_stops_nobody_else(pool):
    """A reader whose connection is gone takes no work with him."""
    gate = threading.Event()

    async def main() -> bool:
        kept = Kept(pool, size=5)
        first = asyncio.create_task(kept.get("key", gate.wait))
        second = asyncio.create_task(kept.get("key", gate.wait))
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.sleep(0)
        gate.set()
        return await second

    assert asyncio.run(main())


def test_only_the_last_results_are_kept(pool):
    """What was not asked for the longest goes first."""
    made = []

    async def main() -> None:
        kept = Kept(pool, size=2)
        for key in "abcab":
            await kept.get(key, lambda key=key: made.append(key))

    asyncio.run(main())
    assert made == list("abcab")


def test_a_result_that_says_it_failed_is_shown_for_a_while_and_then_tried_again(pool, monkeypatch):
    """What could not be computed for want of memory may be computed a minute later; nobody asks for it in a loop."""
    tries = []

    def work() -> str:
        tries.append(1)
        return "failed" if len(tries) == 1 else "whole"

    async def main() -> list[str]:
        loop, hours = asyncio.get_running_loop(), [0.0]
        monkeypatch.setattr(loop, "time", lambda: time.monotonic() + 3600 * hours[0])
        kept = Kept(pool, size=5, has_failed=lambda result: result == "failed", retry_s=3600)
        found = [await kept.get("key", work), await kept.get("key", work)]
        assert kept.is_ready("key")
        hours[0] = 2.0
        await asyncio.sleep(0.01)
        assert not kept.is_ready("key")
        return [*found, await kept.get("key", work)]

    assert asyncio.run(main()) == ["failed", "failed", "whole"]
    assert len(tries) == 2
