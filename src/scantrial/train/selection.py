"""Which epoch's weights are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scantrial.analysis.metrics import measure
from scantrial.core.records import EpochRecord
from scantrial.recipe.spec import SelectSpec


@dataclass(slots=True, kw_only=True)
class Best:
    """The best epoch so far and a copy of its weights.

    Parameters
    ----------
    epoch : counting from 1, or None before the first
    score : the larger the better
    weights : parameters and buffers by name; one copy, written over by each better epoch
    """

    weights: dict[str, Tensor]
    epoch: int | None = None
    score: float = -np.inf

    def offer(self, network: nn.Module, epoch: int, score: float) -> None:
        """Keep this epoch's weights if its score is greater than the best so far; the first of equal ones stays."""
        if score > self.score:
            self.epoch, self.score = epoch, score
            copy_tensors(tensors_of(network), self.weights)


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the network's own parameters and buffers by name, not copies."""
    return {name: item.detach() for name, item in network.state_dict().items() if isinstance(item, Tensor)}


def copy_tensors(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    """Write the values of `source` into the tensors of `target`."""
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(source[name])


def selection_rule(spec: SelectSpec) -> str:
    """Return the rule in words, such as ``best val_loss``."""
    return {"best-val-loss": "best val_loss", "best-val-metric": f"best val_{spec.metric}", "last": "last"}[spec.name]


def selection_score(
    spec: SelectSpec, record: EpochRecord, y_true: NDArray[np.int64], probabilities: Callable[[], NDArray[np.float64]]
) -> float:
    """Return the score of one epoch, the larger the better.

    Parameters
    ----------
    record : of the epoch, with finite losses
    y_true : shape (n,), of the validation cases
    probabilities : gives shape (n, n_classes) of the validation cases; asked only where the rule needs them
    """
    if spec.name == "last":
        return float(record.epoch)
    if spec.name == "best-val-loss":
        return -record.val_loss
    if spec.metric == "accuracy":
        return record.val_accuracy
    return measure(spec.metric or "", y_true, probabilities()).value
