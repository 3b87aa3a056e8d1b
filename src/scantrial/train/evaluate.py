"""A network's logits on many scans, and their loss and accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scantrial.nets.heads import Head, Mixed
from scantrial.train.features import Inputs
from scantrial.train.precision import in_precision
from scantrial.train.scans import DeviceScans
from scantrial.train.views import Views

_FLOATS_AT_ONCE = (128 << 20) // 4
_COPIES = 3  # a layer's input, its output, and its working memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Loss and accuracy over some cases; both are NaN or infinite where the loss is."""

    loss: float
    accuracy: float


@torch.inference_mode()
def logits_of(
    network: nn.Module, scans: Inputs, *, n_at_once: int, precision: str = "float32", views: Views | None = None
) -> Tensor:
    """Return the logits of all scans in evaluation mode, shape (n, n_outputs), float32 on the CPU.

    Parameters
    ----------
    precision : of the forward passes, as in the recipe
    views : the views of each scan whose logits are averaged; None for the scan as it is
    """
    network.eval()
    blocks = [slice(row, row + n_at_once) for row in range(0, len(scans), n_at_once)]

    def forward(inputs: Tensor) -> Tensor:
        with in_precision(precision, device=scans.device):
            logits: Tensor = network(inputs)
        return logits.float()

    def seen(rows: slice) -> Tensor:
        logits = forward(scans.batch(rows))
        if views is None:
            return logits
        assert isinstance(scans, DeviceScans)  # a recipe with views has no features
        return views.mean(logits, forward, scans, rows)

    first, *others = blocks
    part = seen(first)
    # Into one tensor: small ones that stay would lie between the large ones that go, whose place is then too small.
    found = part.new_empty(len(scans), *part.shape[1:])
    found[first] = part
    for rows in others:
        found[rows] = seen(rows)
    return found.cpu()


def loss_and_accuracy(head: Head, logits: Tensor, y_true: Tensor, mixed: Mixed | None = None) -> Measured:
    """Return the class-weighted mean loss and the plain accuracy, summed in float64.

    A mixed case is as right as the share of its mixture that is of the class decided for.

    Parameters
    ----------
    logits : shape (n, n_outputs), on the CPU
    y_true : shape (n,), on the CPU
    mixed : what the cases were mixed with, on the CPU; None where they were not
    """
    double = logits.double()
    loss = float(head.loss(double, y_true) if mixed is None else head.mixed_loss(double, y_true, mixed))
    if not math.isfinite(loss):
        return Measured(loss=loss, accuracy=math.nan)
    decided = head.decide(logits)
    right = (decided == y_true).double()
    if mixed is not None:
        right = mixed.share * right + (1 - mixed.share) * (decided == mixed.y_other).double()
    return Measured(loss=loss, accuracy=float(right.mean()))


@torch.inference_mode()
def cases_at_once(network: nn.Module, image_shape: tuple[int, int, int], *, device: str) -> int:
    """Return how many cases can be evaluated together within about 128 MB of floats, at least 1.

    The largest layer output is found by trying the network on one image of zeros.
    """
    largest = [math.prod(image_shape)]

    def note_size(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            largest.append(output.numel())

    hooks = [module.register_forward_hook(note_size) for module in network.modules()]
    try:
        network.eval()
        network(torch.zeros(1, *image_shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return max(1, _FLOATS_AT_ONCE // (_COPIES * max(largest)))
