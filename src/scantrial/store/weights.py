"""The weights of a study folder, as safetensors: arrays by name, nothing that could run as code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from scantrial.core.errors import StoreError
from scantrial.core.files import clear_os_errors, write_atomic
from scantrial.store.schema import SCHEMA_VERSION, check_version


def write_weights(weights: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write arrays by name with their schema version, whole or not at all."""
    # safetensors copies the bytes and assumes C order.
    whole = {name: np.asarray(array, order="C") for name, array in weights.items()}
    write_atomic(path, save(whole, metadata={"schema_version": str(SCHEMA_VERSION)}))


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Read arrays by name.

    Raises
    ------
    StoreError
        If the file is missing, damaged, or of another schema version.
    """
    with clear_os_errors(path):
        try:
            with safe_open(path, framework="numpy") as file:
                found = (file.metadata() or {}).get("schema_version", "none")
                check_version(int(found) if found.isdigit() else found, path)
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        except SafetensorError as error:
            raise StoreError(
                f"{path} is damaged: {error}", do="delete the folder it is in, then run the study again"
            ) from error
