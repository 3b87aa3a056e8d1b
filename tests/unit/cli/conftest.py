"""Study folders with made-up scores, and consoles that write into a text."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from scantrial.cli import audit, compare, output, plan, results, run, status  # noqa: F401 - they take the consoles

# when they are loaded, which must not be while a fixture has put others in their place.


@pytest.fixture
def consoles(monkeypatch) -> Callable[..., Console]:
    """Put consoles of a width, in a terminal or not, in the place of the commands' own; return standard output's."""

    def put(*, terminal: bool, width: int = 80) -> Console:
        monkeypatch.setattr(output, "err", output.make_console(file=io.StringIO(), width=width, terminal=terminal))
        monkeypatch.setattr(output, "out", output.make_console(file=io.StringIO(), width=width, terminal=terminal))
        return output.out

    return put
