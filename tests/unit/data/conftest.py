"""Small scans of known content, and a cache of its own for every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, so that no test sees another one's decoded scans."""
    folder = tmp_path / "the-cache"
    monkeypatch.setenv("SCANTRIAL_CACHE", str(folder))
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def gray(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shape (12, 16), uint8."""
    return rng.integers(0, 256, (12, 16), dtype=np.uint8)


@pytest.fixture
def deep(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Shape (12, 16), uint16, with values far above 255 and low bits set."""
    return rng.integers(0, 65536, (12, 16), dtype=np.uint16)


@pytest.fixture
def rgb(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shape (12, 16, 3), uint8."""
    return rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)


MakeTree = Callable[..., Path]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """Write PNG scans of 8 x 8 pixels, each of another gray, at the given relative paths."""

    def make(*paths: str, root: str = "scans", side: int = 8) -> Path:
        top = tmp_path / root
        for number, path in enumerate(paths):
            file = top / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((side, side), (10 * number + 5) % 256, dtype=np.uint8)).save(file)
        return top

    return make
