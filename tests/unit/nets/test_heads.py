"""Heads against PyTorch's own losses, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from scantrial.core.errors import InputError
from scantrial.nets.heads import make_head, resolve_class_weights
from scantrial.recipe.spec import LossSpec

WEIGHTS = (0.4, 1.7)


def draws(n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    return torch.randn(n, k, generator=rng, dtype=torch.float64) * 3, torch.randint(0, max(k, 2), (n,), generator=rng)


@pytest.mark.parametrize(("weights", "smoothing"), [(None, 0.0), (None, 0.3), ((0.2, 1.0, 3.0), 0.0)])
def test_ce_is_torch_cross_entropy(weights, smoothing):
    """CE equals `torch.nn.functional.cross_entropy`, weighted or smoothed (with both, torch weighs the parts apart)."""
    logits, y = draws(50, 3)
    head = make_head(LossSpec(name="ce", label_smoothing=smoothing), n_classes=3, class_weights=weights)
    tensor = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    expected = functional.cross_entropy(logits, y, weight=tensor, label_smoothing=smoothing)
    torch.testing.assert_close(head.loss(logits, y), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_bce_is_torch_bce_with_logits(smoothing):
    """BCE of two classes equals `binary_cross_entropy_with_logits` on y (1 - eps) + eps / 2."""
    logits, y = draws(50, 1)
    target = y[:, None].double() * (1 - smoothing) + smoothing / 2
    expected = functional.binary_cross_entropy_with_logits(logits, target)
    head = make_head(LossSpec(name="bce", label_smoothing=smoothing), n_classes=2)
    torch.testing.assert_close(head.loss(logits, y), expected, rtol=1e-14, atol=0)


def test_bce_beyond_two_classes_sums_one_against_the_rest():
    """The loss of a case is the sum of the classes' binary losses; its probabilities are the sigmoids' shares."""
    logits, y = draws(50, 4)
    head = make_head(LossSpec(name="bce"), n_classes=4)
    each = functional.binary_cross_entropy_with_logits(logits, functional.one_hot(y, 4).double(), reduction="none")
    torch.testing.assert_close(head.case_losses(logits, y), each.sum(dim=1))
    sigmoids = torch.sigmoid(logits)
    torch.testing.assert_close(head.probabilities(logits), sigmoids / sigmoids.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_ce_on_two_logits_is_bce_on_their_difference(weights, smoothing, gamma):
    """Loss, gradient and probabilities agree to 1e-12 in float64, with every option."""
    options = {"label_smoothing": smoothing, "focal_gamma": gamma}
    ce = make_head(LossSpec(name="ce", **options), n_classes=2, class_weights=weights)
    bce = make_head(LossSpec(name="bce", **options), n_classes=2, class_weights=weights)
    two, y = draws(200, 2)
    two.requires_grad_()
    one = (two[:, 1:] - two[:, :1]).detach().requires_grad_()
    torch.testing.assert_close(ce.loss(two, y), bce.loss(one, y), rtol=1e-12, atol=1e-12)
    (of_two,) = torch.autograd.grad(ce.loss(two, y), two)
    (of_one,) = torch.autograd.grad(bce.loss(one, y), one)
    torch.testing.assert_close(of_two[:, 1:], of_one, rtol=0, atol=1e-12)
    torch.testing.assert_close(ce.probabilities(two), bce.probabilities(one), rtol=0, atol=1e-12)


def test_focal_loss_is_its_formula():
    """Without smoothing the focal loss is -(1 - p_t)^gamma log p_t (Lin et al. 2017, eq. 4)."""
    logits, y = draws(60, 3)
    p = logits.softmax(dim=1)[torch.arange(60), y]
    head = make_head(LossSpec(name="ce", focal_gamma=1.5), n_classes=3)
    torch.testing.assert_close(head.case_losses(logits, y), -((1 - p) ** 1.5) * p.log(), rtol=1e-9, atol=1e-12)


def test_focal_loss_near_zero_gamma_is_the_plain_loss():
    """The two ways of computing it meet where gamma goes to 0."""
    for name, k in (("ce", 3), ("bce", 2), ("bce", 4)):
        plain = make_head(LossSpec(name=name, label_smoothing=0.1), n_classes=k)
        focal = make_head(LossSpec(name=name, label_smoothing=0.1, focal_gamma=1e-12), n_classes=k)
        logits, y = draws(30, plain.n_outputs)
        torch.testing.assert_close(plain.case_losses(logits, y), focal.case_losses(logits, y), rtol=1e-9, atol=1e-9)


def test_one_against_the_rest_stands_where_all_sigmoids_underflow():
    """Shares of sigmoids are formed from logarithms: no 0 / 0."""
    head = make_head(LossSpec(name="bce"), n_classes=3)
    prob = head.probabilities(torch.tensor([[-3000.0, -3001.0, -3010.0]]))
    assert prob.isfinite().all()
    assert head.decide(torch.tensor([[-3001.0, -3000.0, -3010.0]])).item() == 1


def test_probabilities_come_from_float32_logits_in_float64():
    """float32 logits are widened before the softmax, so rows are exact to float64."""
    logits = torch.tensor([[12.3456789, -4.2]], dtype=torch.float32)
    expected = np.exp(logits.double().numpy())
    expected /= expected.sum()
    got = make_head(LossSpec(name="ce"), n_classes=2).probabilities(logits).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_balanced_weights_are_sklearns():
    """`balanced` is n / (n_classes x n_c), as scikit-learn has it."""
    from sklearn.utils.class_weight import compute_class_weight

    y = np.array([0] * 5 + [1] * 3 + [2] * 12)
    spec = LossSpec(name="ce", class_weights="balanced")
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_allclose(resolve_class_weights(spec, y, n_classes=3), expected, rtol=1e-15)
    assert resolve_class_weights(LossSpec(name="ce"), y, n_classes=3) is None
    assert resolve_class_weights(LossSpec(name="ce", class_weights=(1.0, 2.0, 3.0)), y, n_classes=3) == (1, 2, 3)


def test_refuses_weights_that_cannot_be():
    """Balancing a class without training cases, and another number of weights than classes, are refused."""
    spec = LossSpec(name="ce", class_weights="balanced")
    with pytest.raises(InputError, match="no training case of class 1"):
        resolve_class_weights(spec, np.array([0, 0, 2]), n_classes=3)
    with pytest.raises(InputError, match="2 class weights for 3 classes"):
        make_head(LossSpec(name="ce"), n_classes=3, class_weights=(1.0, 2.0))
    with pytest.raises(InputError, match="at least 2 classes"):
        make_head(LossSpec(name="ce"), n_classes=1)
