"""Decoders that warn of what they repair, silenced."""

from __future__ import annotations

import threading
import warnings
from types import TracebackType

from PIL import Image


class _QuietDecoders:
    """Silence the decoders' warnings for all threads, from the first one that enters to the last one that leaves.

    `warnings.catch_warnings` alone is not safe when several threads enter and leave in turn.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._filters.__exit__(kind, error, trace)


quiet_decoders = _QuietDecoders()
"""Around any use of a decoder."""
