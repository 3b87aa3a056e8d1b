"""Kills at random moments; `tests/e2e/test_kill_and_resume.py` has those in training."""

from __future__ import annotations

import random

import pytest
from tests.conftest import kept_environment
from tests.siege.kills import Siege, phases
from tests.siege.numbers import KILLS_IN_COMMIT


@pytest.mark.parametrize("name", [name for name in KILLS_IN_COMMIT if name != "training"])
def test_what_is_killed_is_done_by_the_same_command(name, whole, commands, tmp_path):
    """With the bytes of a study that nobody killed."""
    environment = {**kept_environment(), "HOME": str(tmp_path)}
    siege = Siege(commands=commands, environment=environment, home=tmp_path / "home", rng=random.Random(1))
    row = siege.kill_often(name, phases(whole)[name], n=KILLS_IN_COMMIT[name])
    assert row.faults == []
    assert row.n == KILLS_IN_COMMIT[name]
