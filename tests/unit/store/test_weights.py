"""Weights as safetensors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from scantrial.core.errors import StoreError
from scantrial.store.weights import read_weights, write_weights

WEIGHTS = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "a.turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "n": np.array(3, dtype=np.int64),
}


def test_come_back_as_they_were(tmp_path: Path):
    """Values, types and shapes, also of an array that does not lie in one piece."""
    write_weights(WEIGHTS, tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    assert read.keys() == WEIGHTS.keys()
    for name, expected in WEIGHTS.items():
        np.testing.assert_array_equal(read[name], expected, strict=True)


def test_equal_content_is_equal_bytes(tmp_path: Path):
    """In whatever order the parameters are given."""
    write_weights(WEIGHTS, tmp_path / "a")
    write_weights(dict(reversed(WEIGHTS.items())), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("n_bytes", [0, 5, 60, 200])
def test_a_file_cut_off_is_refused(tmp_path: Path, n_bytes: int):
    """The message says that it is damaged."""
    path = tmp_path / "w.safetensors"
    write_weights(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(StoreError, match="is damaged"):
        read_weights(path)


@pytest.mark.parametrize("metadata", [None, *({"schema_version": text} for text in ("2", "one", "\u00b2", "9" * 5000))])
def test_another_version_is_refused(tmp_path: Path, metadata: dict[str, str] | None):
    """Weights from elsewhere, or of another version, are not guessed at."""
    save_file({"n": WEIGHTS["n"]}, tmp_path / "w.safetensors", metadata=metadata)
    with pytest.raises(StoreError, match="has schema version"):
        read_weights(tmp_path / "w.safetensors")


def test_a_missing_file_is_named(tmp_path: Path):
    """The message holds the path."""
    with pytest.raises(StoreError, match=r"w\.safetensors: No such file"):
        read_weights(tmp_path / "w.safetensors")


def test_a_full_disk_is_an_error_of_the_store(tmp_path: Path, monkeypatch):
    """It comes with its way out, and leaves nothing."""

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="No space left") as caught:
        write_weights(WEIGHTS, tmp_path / "w.safetensors")
    assert "free some space" in str(caught.value.do)
    assert list(tmp_path.iterdir()) == []
