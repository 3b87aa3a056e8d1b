"""Made-up study folders for the rooms that read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.studies import TWO_ARMS, StudyShape, readings, write_study

from scantrial.store.folder import StudyFolder
from scantrial.store.test_lock import Opening


@pytest.fixture(scope="session", name="readings")
def give_readings() -> Callable[[StudyFolder], list[Opening]]:
    """Return a function that gives the openings of a folder that are not a run's evaluation of itself."""
    return readings


@pytest.fixture(scope="session")
def make_study(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., StudyFolder]:
    """Return a function that writes a fresh study folder; keywords are those of `StudyShape`."""

    def make(**options: Any) -> StudyFolder:
        return write_study(tmp_path_factory.mktemp("study"), StudyShape(**{"arms": TWO_ARMS, **options}))

    return make
