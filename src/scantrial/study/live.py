"""The epochs of a running run, on disk for pages and commands that watch it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from scantrial.core.errors import StoreError
from scantrial.core.records import EpochRecord
from scantrial.store.folder import RunKey, StudyFolder

EVERY_S = 1.0


class LiveHistory:
    """Update a run's ``live.json`` about every second; it is removed with the partial folder when the run ends.

    If a run continues from its checkpoint, it has the epochs of that (`take_up`); a network of an ensemble keeps those
    that were written. Each checkpoint is followed by a write.

    Parameters
    ----------
    every_s : shortest time between two writes in seconds, without a new checkpoint
    """

    def __init__(self, folder: StudyFolder, key: RunKey, *, every_s: float = EVERY_S) -> None:
        self._folder = folder
        self._key = key
        self._every_s = every_s
        self._earlier = folder.live_history(key)
        self._records: list[EpochRecord] = []
        self._written = float("-inf")
        self._checkpoint = self._checkpointed()

    def take_up(self, records: Sequence[EpochRecord]) -> None:
        """Begin with the epochs of a checkpoint, of which the process that wrote it may not have told the last ones."""
        self._earlier = tuple(records)

    def note(self, record: EpochRecord) -> None:
        """Take in one epoch."""
        if not self._records:
            self._records = [earlier for earlier in self._earlier if earlier.epoch < record.epoch]
        self._records.append(record)
        checkpoint = self._checkpointed()
        if checkpoint != self._checkpoint or time.monotonic() - self._written >= self._every_s:
            # A run does not fail because it cannot be watched; a full disk stops it when results are written.
            with suppress(StoreError):
                self._folder.write_live(self._key, self._records)
            self._written, self._checkpoint = time.monotonic(), checkpoint

    def _checkpointed(self) -> int | None:
        """Return when a checkpoint of the run was last written; each network of an ensemble has its own."""
        try:
            found = [path.stat().st_mtime_ns for path in self._folder.partial_path(self._key).glob("checkpoint*.pt")]
        except OSError:
            return None
        return max(found, default=None)
