"""The feed of changes goes on whatever a look meets."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from scantrial.web import live
from scantrial.web.live import Feed


def test_a_look_that_fails_is_not_the_last(monkeypatch):
    """The folder cannot be read for a moment: the reader is told of the change that comes after it."""
    monkeypatch.setattr(live, "BEAT_S", 0.01)
    looks: list[object] = [1, OSError("stale handle"), OSError("stale handle"), 2]

    async def look() -> dict[str, object]:
        found = looks.pop(0) if len(looks) > 1 else looks[0]
        if isinstance(found, Exception):
            raise found
        return {"state": found}

    async def main() -> list[str]:
        told = []
        async with aclosing(Feed(look, lambda: False).lines()) as lines:
            async for line in lines:
                if line.startswith("event"):
                    told.append(line)
                if len(told) == 2:
                    break
        return told

    assert asyncio.run(asyncio.wait_for(main(), 20)) == [
        'event: state\ndata: {"state": 1}\n\n',
        'event: state\ndata: {"state": 2}\n\n',
    ]
