"""Where a network looks, for networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scantrial.data.preprocess import Preprocessing
from scantrial.nets.heads import make_head
from scantrial.recipe.spec import LossSpec
from scantrial.train.predictor import Predictor
from scantrial.train.saliency import class_log_odds, explain

SIDE = 32


def predictor(weight: np.ndarray, *, loss: str = "bce", n_classes: int = 2) -> Predictor:
    """Return a linear network on pixels; `weight` has shape (n_outputs, height, width)."""
    n_outputs = len(weight)
    layer = nn.Linear(SIDE * SIDE, n_outputs)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.reshape(n_outputs, -1)).float())
        layer.bias.zero_()
    plain = Preprocessing(method="none", pixel_type="uint8", channels=1, centre=(0.0,), width=(255.0,))
    return Predictor(
        network=nn.Sequential(nn.Flatten(), layer).eval(),
        head=make_head(LossSpec(name=loss), n_classes=n_classes),
        preprocessing=plain,
        image_shape=(1, SIDE, SIDE),
        class_names=tuple("abc"[:n_classes]),
        device="cpu",
        n_at_once=7,
    )


def corner(value: float) -> np.ndarray:
    """Weights that see the upper left corner only."""
    weight = np.zeros((1, SIDE, SIDE))
    weight[0, :4, :4] = value
    return weight


def bright_corner() -> np.ndarray:
    image = np.zeros((SIDE, SIDE), dtype=np.uint8)
    image[:4, :4] = 255
    return image


def test_the_gradient_of_a_linear_network_is_its_weight():
    """Of the log odds, not of the probability, which would be flat where the network is sure."""
    found = explain(predictor(corner(0.25)), bright_corner())
    np.testing.assert_allclose(found.gradient, corner(0.25)[0], rtol=1e-5)
    assert found.target == 1
    assert found.p_target == pytest.approx(1 / (1 + np.exp(-4.0)))


def test_a_case_called_negative_is_explained_as_negative():
    """The class that was decided for is the one that is explained."""
    found = explain(predictor(corner(-0.25)), bright_corner())
    assert found.target == 0
    assert found.p_target == pytest.approx(1 / (1 + np.exp(-4.0)))
    np.testing.assert_allclose(found.gradient, corner(0.25)[0], rtol=1e-5)


def test_occlusion_is_what_covering_a_patch_costs():
    """By hand: 2 x 2 of 4 x 4 bright pixels become the scan's mean, 1/64; elsewhere covering changes nothing."""
    found = explain(predictor(corner(0.25)), bright_corner())
    covered = 1 / (1 + np.exp(-(4.0 - 4 * 0.25 * (1 - 1 / 64))))
    assert found.patch_px == 2
    assert found.occlusion[0, 0] == pytest.approx(found.p_target - covered, rel=1e-4)
    assert found.p_least == pytest.approx(covered, rel=1e-5)
    np.testing.assert_allclose(found.occlusion[6:, 6:], 0, atol=1e-6)


@pytest.mark.parametrize(("loss", "n_classes"), [("bce", 2), ("ce", 2), ("ce", 3), ("bce", 3)])
def test_log_odds_are_those_of_the_probabilities(loss, n_classes):
    """log p - log (1 - p), for each head and class; and a gradient goes through them."""
    head = make_head(LossSpec(name=loss), n_classes=n_classes)
    logits = torch.randn(5, head.n_outputs, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y_prob = head.probabilities(logits).numpy()
    for target in range(n_classes):
        found = class_log_odds(head, logits, target)
        np.testing.assert_allclose(found.detach(), np.log(y_prob[:, target] / (1 - y_prob[:, target])), rtol=1e-4)
        torch.autograd.backward(found.sum(), retain_graph=True)
    assert logits.grad is not None
