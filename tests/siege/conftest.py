"""A finished study for the siege."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.e2e.conftest import trained

__all__ = ["trained", "whole"]


@pytest.fixture
def whole(trained: Path, tmp_path: Path) -> Path:
    """Return a folder with ``study.yaml`` and its finished study, in ``study``."""
    folder = tmp_path / "whole"
    folder.mkdir()
    shutil.copy(trained.parent / "small.yaml", folder / "study.yaml")
    shutil.copytree(trained, folder / "study")
    return folder
