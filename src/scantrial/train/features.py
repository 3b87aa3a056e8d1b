"""Features of a frozen backbone: computed once for each case, and kept in the user's cache.

With ``freeze: all`` only the last layer is trained, and in evaluation mode the backbone gives a case the same features
in every epoch. They are always computed in the batches of an evaluation, so that results do not depend on the cache.

    CACHE/features/KEY    an array in NumPy's format, then the SHA-256 of these bytes
"""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scantrial.core.errors import StoreError
from scantrial.core.files import write_atomic
from scantrial.data.folders import cache_folder
from scantrial.data.preprocess import Preprocessing, image_blocks
from scantrial.nets.timm_network import TimmNetwork
from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.train.precision import in_precision
from scantrial.train.scans import DeviceScans, put_on_device

_FORMAT = 1
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFeatures:
    """The features of one split, in the place of its scans.

    Parameters
    ----------
    values : shape (n, n_features), float32
    """

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    @property
    def device(self) -> str:
        """The kind of device that they are on, such as ``cpu``."""
        return self.values.device.type

    def batch(self, rows: Tensor | slice) -> Tensor:
        """Return the features of some rows, shape (len(rows), n_features)."""
        return self.values[rows]


Inputs = DeviceScans | DeviceFeatures
"""What a network is trained and evaluated on."""


def uses_features(recipe: Recipe) -> bool:
    """Return whether a run computes its backbone's features once: all is frozen, and scans are used as they are."""
    return recipe.model.freeze == "all" and recipe.augment is None


def inputs_of(
    task: RunTask, cases: NDArray[np.int64], preprocessing: Preprocessing, network: nn.Module, *, n_at_once: int
) -> Inputs:
    """Bring the inputs of some cases to the device: their scans, or the features of a frozen backbone.

    Parameters
    ----------
    n_at_once : cases that the backbone sees together
    """
    if not uses_features(task.recipe):
        return put_on_device(task.images, preprocessing, device=task.device, cases=cases)
    assert isinstance(network, TimmNetwork)  # nothing else is frozen
    backbone = network.backbone
    path = None
    if task.recipe.model.is_pretrained:
        # Weights that a seed drew are of no use to other seeds.
        path = cache_folder() / "features" / _key(task, cases, preprocessing, backbone, n_at_once)
        kept = _read(path, n=len(cases))
        if kept is not None:
            return DeviceFeatures(values=torch.from_numpy(kept).to(task.device))
    scans = put_on_device(task.images, preprocessing, device=task.device, cases=cases)
    with in_precision(task.recipe.precision, device=scans.device):
        values = _computed(backbone, scans, n_at_once)
    if path is not None and task.keep_features:
        _keep(path, values.cpu().numpy())
    return DeviceFeatures(values=values)


@torch.no_grad()
def _computed(backbone: nn.Module, scans: DeviceScans, n_at_once: int) -> Tensor:
    backbone.eval()
    parts = [backbone(scans.batch(slice(row, row + n_at_once))) for row in range(0, len(scans), n_at_once)]
    return torch.cat(parts).float()


def _key(
    task: RunTask, cases: NDArray[np.int64], preprocessing: Preprocessing, backbone: nn.Module, n_at_once: int
) -> str:
    """Return the hash of all that features depend on: pixels, preprocessing, weights, machine, versions and code."""
    pixels = hashlib.sha256()
    for block in image_blocks(task.images, cases):
        pixels.update(np.ascontiguousarray(block).data)
    weights = hashlib.sha256()
    for name, tensor in backbone.state_dict().items():
        weights.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        weights.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
    facts = {
        "format": _FORMAT,
        "network": task.recipe.model.name,
        "weights": weights.hexdigest(),
        "images": [[len(cases), *task.images.shape[1:]], task.images.dtype.name, pixels.hexdigest()],
        "preprocessing": preprocessing.to_dict(),
        "n_at_once": n_at_once,
        "precision": task.recipe.precision,
        "where": [task.device, task.threads, torch.__version__, task.where],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _read(path: Path, *, n: int) -> NDArray[np.float32] | None:
    """Return the features of a file, or None if it is not there or is not what was written."""
    try:
        content = path.read_bytes()
        body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            return None
        values: NDArray[np.float32] = np.load(io.BytesIO(body), allow_pickle=False)
    except (OSError, ValueError):
        return None
    return values if values.ndim == 2 and len(values) == n and values.dtype == np.float32 else None


def _keep(path: Path, values: NDArray[np.float32]) -> None:
    """Write features for other runs; where the cache cannot be written, each run computes them."""
    body = io.BytesIO()
    np.save(body, values)
    with suppress(StoreError):
        write_atomic(path, body.getvalue() + hashlib.sha256(body.getvalue()).digest(), parents=True)
