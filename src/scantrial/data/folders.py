"""Where scantrial keeps files that can be made or downloaded again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the cache folder: ``$SCANTRIAL_CACHE``, or the user's own cache; it need not exist yet."""
    chosen = os.environ.get("SCANTRIAL_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("scantrial"))
