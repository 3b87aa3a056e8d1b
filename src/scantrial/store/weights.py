"""The weights of a study folder, as safetensors: arrays by name, nothing that could run as code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from scantrial.core.errors import DamagedError
from scantrial.core.files import write_atomic
from scantrial.store.hashed import read_hashed
from scantrial.store.schema import SCHEMA_VERSION, check_version, version_in


def write_weights(weights: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write arrays by name with their schema version, whole or not at all."""
    # safetensors copies the bytes and assumes C order.
    whole = {name: np.asarray(array, order="C") for name, array in weights.items()}
    write_atomic(path, save(whole, metadata={"schema_version": str(SCHEMA_VERSION)}))


def read_weights(path: Path, sha256: str | None = None) -> dict[str, NDArray[Any]]:
    """Read arrays by name.

    Parameters
    ----------
    sha256 : the hash that the file's bytes must have, if one was kept

    Raises
    ------
    StoreError
        If the file is missing, damaged, of another schema version, or has another hash.
    """
    content = read_hashed(path, sha256)
    try:
        # Copies, because `load` returns views of the bytes, which cannot be written to.
        weights = {name: array.copy() for name, array in load(content).items()}
        found = _metadata(content).get("schema_version", "none")
    except (SafetensorError, ValueError, KeyError) as error:
        raise DamagedError(
            f"{path} is damaged: {error}", do="delete the folder it is in, then run the study again"
        ) from error
    check_version(version_in(found), path)
    return weights


def _metadata(content: bytes) -> dict[str, str]:
    """Return the words in the header of a safetensors file that has been read as a whole."""
    n_bytes = int.from_bytes(content[:8], "little")
    found: dict[str, str] = json.loads(content[8 : 8 + n_bytes]).get("__metadata__") or {}
    return found
