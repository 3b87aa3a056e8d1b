"""Checkpoints: an unfinished run as one file, from which it continues with bit-identical results."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
import torch

from scantrial.core.errors import StoreError
from scantrial.core.files import clear_os_errors, written_aside
from scantrial.core.records import EpochRecord
from scantrial.nets.generators import generator_states, restore_generators
from scantrial.recipe.networks import library_versions
from scantrial.recipe.task import RunTask
from scantrial.train.selection import copy_tensors
from scantrial.train.state import TrainState

_FORMAT = 3
_READ_BYTES = 1 << 20
_ZIP_END = struct.Struct("<4sQHHIIQQQQ 4sIQI 4sHHHHIIH")
"""End of an archive in the format Zip64 without a comment: size and start of its table, where that is said, and the end
itself."""


def save_checkpoint(state: TrainState, task: RunTask, *, engine: str, spent_s: float) -> None:
    """Write the state aside and rename it to `task.checkpoint_path`.

    Parameters
    ----------
    engine : the engine that trains it
    spent_s : seconds since this process started or resumed the run

    Raises
    ------
    StoreError
        If it cannot be written (a full disk, a read-only folder); an earlier file stays as it was.
    """
    content = {
        "run": run_identity(task, engine),
        "network": state.network.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "generators": generator_states(task.device),
        "history": [asdict(record) for record in state.history],
        "best": {"epoch": state.best.epoch, "score": float(state.best.score), "weights": state.best.weights},
        "scores": state.scores,
        "average": state.average,
        "epoch_s": state.epoch_s,
        "started": state.started,
        "spent_s": state.earlier_s + spent_s,
    }
    path = task.checkpoint_path
    with clear_os_errors(path):
        path.parent.mkdir(exist_ok=True)
        with written_aside(path) as temporary, temporary.open("wb") as handle:
            sealed = _SealedWriter(handle)
            try:
                torch.save(content, cast(IO[bytes], sealed))
            except RuntimeError as error:
                # PyTorch drops the system's reason, such as a full disk.
                if sealed.refused is not None:
                    raise sealed.refused from error
                raise StoreError(f"{path}: {error}", do="make sure that the folder can be written to") from error
            sealed.seal()


def load_checkpoint(task: RunTask, *, engine: str) -> dict[str, Any] | None:
    """Return the content of the run's checkpoint, or None if there is none.

    A file that is damaged, or that belongs to another run, recipe, engine, device, machine or version of the
    code, is deleted: the run then starts from the beginning, so that no run mixes two of them.
    """
    path = task.checkpoint_path
    if not path.exists():
        return None
    content = _read(path)
    if content is None or content.get("run") != run_identity(task, engine):
        path.unlink(missing_ok=True)
        return None
    return content


def take_up(content: dict[str, Any], state: TrainState, *, device: str) -> None:
    """Set a new state, and the generators, to those of the checkpoint."""
    state.network.load_state_dict(content["network"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.history.extend(EpochRecord(**record) for record in content["history"])
    state.best.epoch, state.best.score = content["best"]["epoch"], content["best"]["score"]
    copy_tensors(content["best"]["weights"], state.best.weights)
    state.scores.extend(content["scores"])
    state.average = {name: tensor.to(device) for name, tensor in content["average"].items()}
    state.epoch_s.extend(content["epoch_s"])
    state.started, state.earlier_s = content["started"], content["spent_s"]
    restore_generators(content["generators"], device)


def run_identity(task: RunTask, engine: str) -> str:
    """Return a fingerprint of all that a run's numbers depend on, except the pixels (the study checks those)."""
    arrays = hashlib.sha256(np.ascontiguousarray(task.labels).tobytes())
    for split in sorted(task.cases):
        arrays.update(f"{split}:{len(task.cases[split])}:".encode())
        arrays.update(np.ascontiguousarray(task.cases[split]).tobytes())
    facts = {
        "format": _FORMAT,
        "arm": task.arm,
        "seed": task.seed,
        "recipe": task.recipe.beyond_defaults(),
        "images": [list(task.images.shape), task.images.dtype.name],
        "classes": list(task.class_names),
        "arrays": arrays.hexdigest(),
        **library_versions(task.recipe.model.name),
        "where": [engine, task.device, task.threads, torch.__version__, task.where],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class _SealedWriter(io.RawIOBase):
    """Pass bytes on to a file, and at the end add their SHA-256: PyTorch does not detect a flipped bit."""

    def __init__(self, handle: BinaryIO) -> None:
        self.refused: OSError | None = None
        self._handle = handle
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._digest.update(data)
        try:
            return self._handle.write(data)
        except OSError as error:
            self.refused = error
            raise

    def seal(self) -> None:
        self._handle.write(self._digest.digest())


def _is_whole(handle: BinaryIO) -> bool:
    """Return whether the file ends with the SHA-256 of the bytes before, and rewind it."""
    left = handle.seek(0, io.SEEK_END) - hashlib.sha256().digest_size
    handle.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (part := handle.read(min(left, _READ_BYTES))):
        digest.update(part)
        left -= len(part)
    whole = handle.read() == digest.digest()
    handle.seek(0)
    return whole


def _is_as_large_as_it_says(handle: BinaryIO) -> bool:
    """Return whether the file is an archive as PyTorch writes it, nothing in it packed, and rewind it.

    PyTorch unpacks packed entries, and a few bytes of them may become any number. It reads the archive by a reader of
    its own, so the end of the file is compared with what PyTorch writes: both readers then find the same entries.
    """
    size = handle.seek(-hashlib.sha256().digest_size, io.SEEK_END)
    if size < _ZIP_END.size:
        return False
    handle.seek(size - _ZIP_END.size)
    end = _ZIP_END.unpack(handle.read(_ZIP_END.size))
    table_size, table_start, end_start = end[8], end[9], end[12]
    is_usual = end[:2] == (b"PK\x06\x06", 44) and end[10] == b"PK\x06\x07" and end[14:16] == (b"PK\x05\x06", 0)
    if not is_usual or not table_start + table_size == end_start == size - _ZIP_END.size:
        return False
    with zipfile.ZipFile(handle) as archive:
        entries = archive.infolist()
    handle.seek(0)
    is_packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    return not is_packed and sum(entry.file_size for entry in entries) <= size


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as handle:
            is_safe = _is_whole(handle) and _is_as_large_as_it_says(handle)
            content = torch.load(handle, map_location="cpu", weights_only=True) if is_safe else None
    except Exception:  # an incomplete file can raise many errors, none of which helps the user
        return None
    return content if isinstance(content, dict) else None
