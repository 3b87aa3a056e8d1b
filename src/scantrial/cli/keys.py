"""Runs as plain data for ``--json``."""

from __future__ import annotations

from typing import Any

from scantrial.store.folder import RunKey


def pair_of(key: RunKey) -> list[Any]:
    """Return a run as a list of its arm and seed, and of its repeat and fold where there are some."""
    return list(key.to_dict().values())


def failure_of(key: RunKey, message: str) -> dict[str, Any]:
    """Return a failed run with its message."""
    return {**run_of(key), "message": message}


def run_of(key: RunKey) -> dict[str, Any]:
    """Return a run as the fields ``arm`` and ``seed``, and ``repeat`` and ``fold`` where there are some."""
    return key.to_dict()
