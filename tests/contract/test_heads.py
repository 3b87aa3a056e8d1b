"""What every head promises, whatever its loss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from scantrial.core.errors import ShapeError
from scantrial.nets.heads import Head, make_head
from scantrial.recipe.losses import LOSSES, LossSpec

NAME_OF = {row.head.partition(":")[2]: name for name, row in LOSSES.items()}
OPTIONS = [
    {},
    {"label_smoothing": 0.1},
    {"focal_gamma": 2.0},
    {"focal_gamma": 0.5, "label_smoothing": 0.2},
]
EVERY = [
    pytest.param((name, k, options, weighted), id=f"{name}-{k}-{i}-{'w' if weighted else 'u'}")
    for (name, k, (i, options), weighted) in itertools.product(LOSSES, (2, 4), enumerate(OPTIONS), (False, True))
]


@pytest.fixture(params=EVERY)
def head(request) -> Head:
    name, k, options, weighted = request.param
    weights = tuple(np.linspace(0.5, 2.0, k)) if weighted else None
    return make_head(LossSpec(name=name, **options), n_classes=k, class_weights=weights)


def batch(head: Head, n: int = 40, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(5)
    logits = torch.randn(n, head.n_outputs, generator=rng, dtype=torch.float64) * scale
    return logits, torch.randint(0, head.n_classes, (n,), generator=rng)


def test_loss_is_the_weighted_mean_of_the_cases(head):
    """`loss` = sum(w l) / sum(w), so that cases can be gathered over batches of any size."""
    logits, y = batch(head)
    losses = torch.cat([head.case_losses(logits[i : i + 7], y[i : i + 7]) for i in range(0, len(y), 7)])
    weights = head.case_weights(y).double()
    assert losses.shape == (len(y),)
    assert (losses >= 0).all()
    torch.testing.assert_close(head.loss(logits, y), (weights * losses).sum() / weights.sum())


def test_probabilities_are_probabilities(head):
    """Float64 rows that sum to 1 within 1e-12, for small and for huge float32 logits."""
    for scale in (1.0, 30.0, 1e4, 1e30):
        prob = head.probabilities(batch(head, scale=scale)[0].float())
        assert prob.dtype == torch.float64
        assert prob.shape == (40, head.n_classes)
        assert (prob >= 0).all()
        np.testing.assert_allclose(prob.sum(dim=1).numpy(), 1, atol=1e-12)


def test_probabilities_are_made_as_the_row_says(head):
    """A sigmoid of the one logit, sigmoids divided by their sum, or a softmax, by NumPy from the formulas."""
    logits = batch(head)[0].numpy()
    sigmoids = 1 / (1 + np.exp(-logits))
    if LOSSES[NAME_OF[type(head).__name__]].probabilities == "softmax":
        shares = np.exp(logits)
    else:
        shares = np.hstack([1 - sigmoids, sigmoids]) if head.n_classes == 2 else sigmoids
    expected = shares / shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.probabilities(batch(head)[0]).numpy(), expected, rtol=1e-12)
    assert head.n_outputs == logits.shape[1]


def test_decision_is_the_most_probable_class(head):
    """The decision is the argmax of the probabilities; ties go to the lower class."""
    logits, _ = batch(head)
    assert (head.decide(logits).numpy() == head.probabilities(logits).numpy().argmax(axis=1)).all()
    assert (head.decide(torch.zeros(3, head.n_outputs)) == 0).all()
    assert (head.decide(torch.full((3, head.n_outputs), 1e-30)) == 0).all()


def test_learning_the_target_lowers_the_loss(head):
    """Logits that follow the loss's gradient from zero come to predict every class rightly."""
    y = torch.arange(head.n_classes).repeat(4)
    logits = torch.zeros(len(y), head.n_outputs, dtype=torch.float64, requires_grad=True)
    before = head.loss(logits, y)
    for _ in range(20):
        (gradient,) = torch.autograd.grad(head.loss(logits, y), logits)
        logits = (logits - 15 * gradient).detach().requires_grad_()
    assert head.loss(logits, y) < before
    assert (head.decide(logits) == y).all()


def test_gradients_are_right_and_finite(head):
    """Autograd agrees with finite differences, and stays finite where a class is certain."""
    logits, y = batch(head, n=6, scale=1.0)
    assert torch.autograd.gradcheck(lambda z: head.loss(z, y), logits.requires_grad_())
    for certain in (-200.0, 200.0):
        extreme = torch.full((6, head.n_outputs), certain)
        extreme[:, 0] = -certain
        (gradient,) = torch.autograd.grad(head.loss(extreme.requires_grad_(), y), extreme)
        assert gradient.isfinite().all()


def test_a_permutation_of_the_cases_permutes_the_losses(head):
    """No case's loss depends on another case."""
    logits, y = batch(head)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(head.case_losses(logits[order], y[order]), head.case_losses(logits, y)[order])


def test_shapes_never_broadcast(head):
    """A column of labels, a flat vector of logits, other lengths or widths, and empty batches are refused."""
    logits, y = batch(head)
    wrong = [(logits, y[:, None]), (logits, y[:1]), (logits[:1], y), (logits[:, 0], y), (logits[:0], y[:0])]
    wrong.append((torch.cat([logits, logits], dim=1), y))
    for bad_logits, bad_y in wrong:
        with pytest.raises(ShapeError, match="expected"):
            head.loss(bad_logits, bad_y)
    for bad in (logits[:, 0], torch.cat([logits, logits], dim=1), logits[None]):
        with pytest.raises(ShapeError, match="expected"):
            head.probabilities(bad)


def test_each_output_has_a_name(head):
    """There are as many output names as outputs; a single one speaks for the last class."""
    names = tuple("abcdefgh"[: head.n_classes])
    got = head.output_names(names)
    assert len(got) == head.n_outputs
    assert got == (names if head.n_outputs > 1 else names[-1:])
