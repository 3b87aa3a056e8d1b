"""Large arrays of one process in a file without a name, so that the system can write them out when memory is short."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

IN_MEMORY = 64 << 20
"""Arrays of fewer bytes are in memory."""


def scratch_array(shape: tuple[int, ...], dtype: DTypeLike, *, folder: Path) -> NDArray[Any]:
    """Return an array to be filled; a large one in a file in `folder`, which is gone with the array.

    Where the folder has no room for it, or the system cannot promise that it has, the array is in memory.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if n_bytes < IN_MEMORY:
        return np.empty(shape, dtype)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Without it a full disk would end the process by a signal, in the middle of writing to the array.
            os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.frombuffer(mmap.mmap(file.fileno(), n_bytes), dtype).reshape(shape)
    except (OSError, AttributeError):  # no posix_fallocate on macOS
        return np.empty(shape, dtype)
