"""Which parts of one scan a trained network responds to: the gradient at its input, and the effect of covering a patch.

Neither shows why a network decides. A gradient shows which pixels would change the output if they changed a little; a
covered patch shows how much the output depends on that place, on a scan that no longer looks real. Both belong to
one network; another seed of the same arm may look elsewhere (Adebayo et al. 2018; Zeiler and Fergus 2014).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scantrial.core.records import SaliencyMaps
from scantrial.data.scanset import Pixels
from scantrial.nets.heads import Head
from scantrial.train.precision import in_precision
from scantrial.train.predictor import Predictor
from scantrial.train.scans import put_on_device

PATCHES = 16
"""Patches along the longer side of a scan; neighbours overlap by half."""


def explain(predictor: Predictor, image: Pixels) -> SaliencyMaps:
    """Compute both maps of one scan; takes one backward and some thousand forward passes of a scan.

    The scan is taken as it is, without the views of test-time augmentation.

    Parameters
    ----------
    image : shape (height, width) or (height, width, 3), of the size and pixel type trained on
    """
    y_prob = replace(predictor, views=None)(image[None]).y_prob[0]
    target = int(y_prob.argmax())
    x = put_on_device(image[None], predictor.preprocessing, device=predictor.device).batch(slice(0, 1))
    with in_precision(predictor.precision, device=predictor.device):
        gradient = _gradient(predictor, x, target)
        occlusion, p_least, patch_px = _occlusion(predictor, x, target, p=float(y_prob[target]))
    return SaliencyMaps(
        target=target,
        p_target=float(y_prob[target]),
        gradient=gradient,
        occlusion=occlusion,
        p_least=p_least,
        patch_px=patch_px,
    )


def class_log_odds(head: Head, logits: Tensor, target: int) -> Tensor:
    """Return the log odds of a class's probability, shape (n,), so that a gradient can be taken through them."""
    if head.n_outputs == 1:
        return logits[:, 0] if target == 1 else -logits[:, 0]
    scores = head.scores(logits)
    others = [column for column in range(head.n_classes) if column != target]
    return scores[:, target] - scores[:, others].logsumexp(dim=1)


def _gradient(predictor: Predictor, x: Tensor, target: int) -> NDArray[np.float64]:
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        torch.autograd.backward(class_log_odds(predictor.head, predictor.network(x).float(), target)[0])
    assert x.grad is not None
    return x.grad[0].abs().amax(dim=0).double().cpu().numpy()


@torch.inference_mode()
def _occlusion(predictor: Predictor, x: Tensor, target: int, *, p: float) -> tuple[NDArray[np.float64], float, int]:
    height, width = x.shape[2:]
    side = max(1, round(max(height, width) / PATCHES))
    step = max(1, side // 2)
    corners = [(top, left) for top in _starts(height, side, step) for left in _starts(width, side, step)]
    loss, n, least = np.zeros((height, width)), np.zeros((height, width)), p
    fill = x.mean(dim=(2, 3), keepdim=True)
    at_once = max(1, min(predictor.n_at_once, 64))
    for first in range(0, len(corners), at_once):
        some = corners[first : first + at_once]
        covered = x.repeat(len(some), 1, 1, 1)
        for row, (top, left) in enumerate(some):
            covered[row, :, top : top + side, left : left + side] = fill[0]
        found = predictor.head.probabilities(predictor.network(covered).float())[:, target].double().cpu().numpy()
        least = min(least, float(found.min()))
        for (top, left), value in zip(some, found, strict=True):
            loss[top : top + side, left : left + side] += p - value
            n[top : top + side, left : left + side] += 1
    return loss / n, least, side


def _starts(length: int, side: int, step: int) -> list[int]:
    """Return where patches begin along one side, so that the last one ends with the scan."""
    last = max(0, length - side)
    return sorted({*range(0, last, step), last})
