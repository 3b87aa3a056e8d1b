"""Whatever a file from outside holds, it is read or refused with an error of the tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.siege.inputs import KINDS, try_mutated

N_FILES = 25


@pytest.mark.parametrize("name", KINDS)
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No flipped, cut, doubled or replaced bytes end in another exception."""
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))
    for seed in range(N_FILES):
        try:
            try_mutated(name, seed, tmp_path / str(seed))
        except BaseException as error:
            error.add_note(f"{name}, seed {seed}")
            raise
