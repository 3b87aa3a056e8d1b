"""Kills at random moments; `tests/e2e/test_kill_and_resume.py` has those in training."""

from __future__ import annotations

import random

from tests.conftest import kept_environment
from tests.siege.kills import Siege, phases
from tests.siege.numbers import IN_COMMIT


def test_a_report_that_is_killed_is_written_whole_by_the_same_command(whole, commands, tmp_path):
    """And the runs are what they were."""
    environment = {**kept_environment(), "HOME": str(tmp_path)}
    siege = Siege(commands=commands, environment=environment, home=tmp_path / "home", rng=random.Random(1))
    row = siege.kill_often("report", phases(whole)["report"], n=IN_COMMIT["kills"])
    assert row.faults == []
    assert row.n == IN_COMMIT["kills"]
