"""Sampling, groups of weights, one cycle, accumulated gradients, averaged weights, early stopping, bfloat16."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from scantrial.core.errors import InputError
from scantrial.nets.build import build_network
from scantrial.nets.heads import make_head
from scantrial.recipe.spec import AdamSpec, ModelSpec, ScheduleSpec
from scantrial.recipe.training import EarlyStoppingSpec, drawn_of_classes
from scantrial.train import fused, reference
from scantrial.train.kernel import kernel_state
from scantrial.train.optimizers import grouped
from scantrial.train.precision import why_not
from scantrial.train.predictor import load_predictor
from scantrial.train.run import set_up
from scantrial.train.schedules import learning_rate
from scantrial.train.steps import batch_bounds, earlier, epoch_rows, epoch_steps
from scantrial.train.stopping import is_patience_over

EVERY_KEY = {
    "model": {"name": "mlp", "hidden": [8, 4], "batch_norm": True},
    "optimizer": {
        "name": "adamw",
        "lr": 0.02,
        "weight_decay": 0.1,
        "weight_decay_on": "weights",
        "head_lr_factor": 5.0,
        "layer_decay": 0.5,
    },
    "schedule": "one-cycle",
    "sampling": "undersampled",
    "accumulate": 2,
    "ema": 0.9,
    "epochs": 3,
    "batch_size": 4,
}


def never(record, n_epochs):
    """Go on."""


def uneven(task):
    """The same task with fewer training cases of class 1: 21 and 8."""
    kept = np.array([case for case in task.cases["train"] if task.labels[case] == 0 or case < 16])
    return replace(task, cases={**task.cases, "train": kept})


# Sampling


LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array)


@given(labels=LABELS, sampling=st.sampled_from(["shuffled", "undersampled", "oversampled"]), epoch=st.integers(1, 9))
def test_an_epoch_holds_as_many_cases_of_every_class_as_its_sampling_says(labels, sampling, epoch):
    """Every class that is there as often as the smallest or the largest; no case once more often than another."""
    rows = epoch_rows(labels, sampling, seed=1, epoch=epoch)
    n_of_class = np.bincount(labels)
    np.testing.assert_array_equal(np.bincount(labels[rows]), drawn_of_classes(sampling, n_of_class.tolist()))
    times = np.bincount(rows, minlength=len(labels))
    for index in np.unique(labels):
        assert np.ptp(times[labels == index]) <= 1
    present = n_of_class[n_of_class > 0]
    wanted = {"shuffled": n_of_class, "undersampled": present.min(), "oversampled": present.max()}[sampling]
    np.testing.assert_array_equal(np.bincount(labels[rows]), np.where(n_of_class > 0, wanted, 0))
    seen = Counter()
    for row, count in zip(rows.tolist(), earlier(rows).tolist(), strict=True):
        assert count == seen[row]
        seen[row] += 1


@pytest.mark.parametrize("sampling", ["undersampled", "oversampled"])
def test_draws_are_new_each_epoch_and_the_same_in_every_arm(make_task, sampling):
    """They depend on seed and epoch; the batch size, the network and the rest of a recipe change nothing."""
    one = uneven(make_task(sampling=sampling, batch_size=4))
    other = uneven(make_task(sampling=sampling, batch_size=7, model="cnn", ema=0.9, accumulate=2))

    def drawn(task, epoch):
        steps = epoch_steps(task, epoch)
        np.testing.assert_array_equal(
            np.concatenate([task.cases["train"][step.rows] for step in steps]),
            np.concatenate([step.cases for step in steps]),
        )
        return [np.concatenate([getattr(step, name) for step in steps]) for name in ("cases", "repeats")]

    np.testing.assert_array_equal(drawn(one, 2), drawn(other, 2))
    assert not np.array_equal(np.sort(drawn(one, 2)[0]), np.sort(drawn(one, 3)[0]))
    assert not np.array_equal(drawn(one, 2)[0], drawn(replace(one, seed=4), 2)[0])
    assert (drawn(one, 2)[1].max() > 0) == (sampling == "oversampled")


# Schedules and moves


@pytest.mark.parametrize(
    "given", [{}, {"pct_start": 0.07}, {"pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 9.0}]
)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 30, 101])
def test_one_cycle_is_pytorchs_at_every_step(n, given):
    """OneCycleLR without its cycle of the momentum; where its first phase has no length it divides by 0, ours goes on."""
    spec = ScheduleSpec.model_validate({"name": "one-cycle", **given})
    ours = [learning_rate(spec, 0.3, step=step, n_batches=n, n_epochs=1) for step in range(n)]
    if spec.pct_start * n == 1:
        assert ours[0] == 0.3
        return
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=n, cycle_momentum=False, **given)
    theirs = []
    for _ in range(n):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_schedules_count_moves_of_the_weights(make_task):
    """Two epochs of 5 batches, moved every 2: three moves an epoch, one rate for the batches of a move."""
    task = make_task(accumulate=2, epochs=2, schedule="cosine")
    rates = [step.lr for epoch in (1, 2) for step in epoch_steps(task, epoch)]
    moves = [0, 0, 1, 1, 2, 3, 3, 4, 4, 5]
    expected = [learning_rate(ScheduleSpec(name="cosine"), 1e-3, step=n, n_batches=3, n_epochs=2) for n in moves]
    assert rates == expected


# Groups of weights


def test_groups_hold_the_documented_rates_and_decays():
    """Each layer's rate by its distance from the last; biases and normalisation without decay; every weight once."""
    model = ModelSpec.model_validate({"name": "cnn-gap"})
    network = build_network(model, image_shape=(1, 8, 8), n_outputs=1, seed=0)
    spec = AdamSpec(name="adamw", weight_decay=0.1, weight_decay_on="weights", head_lr_factor=4.0, layer_decay=0.5)
    found = {}
    for group in grouped(network, model, spec):
        for parameter in group["params"]:
            name = next(name for name, item in network.named_parameters() if item is parameter)
            found[name] = (group["lr_factor"], group["weight_decay"])
    rates = {"features.0": 0.125, "features.1": 0.25, "features.2": 0.5, "head": 4.0}
    layers = {f"features.{n}": ("conv.weight", "conv.bias", "norm.weight", "norm.bias") for n in range(3)}
    layers["head"] = ("weight", "bias")
    assert found == {
        f"{layer}.{name}": (rates[layer], 0.1 if name in ("conv.weight", "weight") else 0.0)
        for layer, names in layers.items()
        for name in names
    }


def test_all_keys_together_are_a_plain_loop_of_pytorch(make_task):
    """AdamW in groups, OneCycleLR, mean gradients of two batches, AveragedModel: the same weights to rounding."""
    task = uneven(make_task(**EVERY_KEY, select="last"))
    result = reference.train_run(task, never)
    model = task.recipe.model
    network = build_network(model, image_shape=(1, 12, 10), n_outputs=1, seed=task.seed)
    head = make_head(task.recipe.loss, n_classes=2)
    named = dict(network.named_parameters())
    layers = {"hidden.0": 0.25, "hidden.1": 0.5, "head": 5.0}
    groups = [
        {"params": [parameter], "weight_decay": 0.1 * (parameter.ndim > 1), "max_lr": 0.02 * layers[layer]}
        for layer in layers
        for name, parameter in named.items()
        if name.startswith(layer)
    ]
    optimizer = optim.AdamW(groups, lr=0.02)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=[group["max_lr"] for group in groups], total_steps=6, cycle_momentum=False
    )
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    labels = torch.from_numpy(task.labels[task.cases["train"]])
    images = torch.from_numpy(task.images[task.cases["train"]])[:, None].float() / 255
    for epoch in (1, 2, 3):
        rows = torch.from_numpy(epoch_rows(labels.numpy(), "undersampled", seed=task.seed, epoch=epoch))
        assert len(rows) == 16
        for joint in rows.split(8):
            optimizer.zero_grad()
            for part in joint.split(4):
                (head.loss(network(images[part]), labels[part]) / 2).backward()
            optimizer.step()
            scheduler.step()
            average.update_parameters(network)
    expected = average.module.state_dict()
    assert set(result.weights) == set(expected)
    for name, values in result.weights.items():
        # A bias in front of normalisation has only rounding for a gradient, and moves the running mean behind it.
        if not (name.startswith("hidden.") and name.endswith(("linear.bias", "running_mean"))):
            np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("class_weights", [None, "balanced"])
def test_accumulated_batches_are_one_step_on_the_joint_batch(make_task, class_weights):
    """Four batches of 8 as one of 32, the rest of the epoch as one more: the same course to rounding."""
    rest = {
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "schedule": "cosine",
        "clip_grad_norm": 0.5,
        "loss": {"name": "bce", "class_weights": class_weights},
    }
    joint = reference.train_run(uneven_by_three(make_task(batch_size=32, **rest)), never)
    parts = reference.train_run(uneven_by_three(make_task(batch_size=8, accumulate=4, **rest)), never)
    for one, other in zip(joint.history, parts.history, strict=True):
        assert one.lr == other.lr
        for name in ("train_loss", "val_loss", "grad_norm", "last_grad_norm", "weight_norm"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-5), name


@pytest.mark.parametrize("mix", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_accumulated_batches_of_mixed_cases_have_the_gradient_of_the_joint_batch(make_task, mix):
    """With class weights, a batch counts by the weights of both halves of its mixtures."""
    keys = {"augment": mix, "loss": {"name": "ce", "class_weights": [1, 9]}}
    gradients = []
    for sizes in ({"batch_size": 41}, {"batch_size": 7, "accumulate": 6}):
        setup, state = set_up(uneven_by_three(make_task(**keys, **sizes)))
        steps = epoch_steps(setup.task, 1)
        for step, share in zip(steps, reference.shares_of(setup, steps), strict=True):
            reference.add_gradient(setup, state, step, share=share)
        gradients.append([parameter.grad for parameter in state.network.parameters()])
    for joint, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, joint, atol=1e-6, rtol=1e-4)


def uneven_by_three(task):
    """The same task with three classes' worth of mixing: batches then differ in their classes."""
    return replace(task, labels=(np.arange(len(task.labels)) % 3 == 0).astype(np.int64))


# Averaged weights


def test_averaged_weights_are_evaluated_chosen_and_stored(make_task):
    """Stored weights give the recorded validation loss; the norm in the history is that of the weights themselves."""
    task = make_task(ema=0.8, epochs=4, train_eval=True)
    result = reference.train_run(task, never)
    plain = reference.train_run(make_task(epochs=4, train_eval=True), never)
    chosen = result.history[result.facts.chosen_epoch - 1]
    for part, loss in zip(result.predictions, (chosen.train_eval_loss, chosen.val_loss), strict=False):
        assert float(-np.log(part.y_prob[np.arange(len(part.y_true)), part.y_true]).mean()) == pytest.approx(
            loss, rel=1e-6
        )
    for one, other in zip(result.history, plain.history, strict=True):
        assert (one.train_loss, one.weight_norm) == (other.train_loss, other.weight_norm)
        assert one.val_loss != other.val_loss


# Early stopping


@pytest.mark.parametrize(
    ("scores", "min_delta", "is_over"),
    [
        ([], 0.0, False),
        ([1.0, 0.9], 0.0, False),
        ([1.0, 0.9, 1.0], 0.0, True),
        ([1.0, 0.9, 1.1], 0.0, False),
        ([1.0, 1.05, 1.1], 0.1, True),
        ([1.0, 1.05, 1.11], 0.1, False),
    ],
)
def test_patience_counts_epochs_since_the_last_better_score(scores, min_delta, is_over):
    """An equal score is not better; with a least gain, several small gains count once together they exceed it."""
    assert is_patience_over(scores, EarlyStoppingSpec(patience=2, min_delta=min_delta)) is is_over
    assert not is_patience_over(scores, None)


def test_a_run_that_stops_early_is_the_beginning_of_the_one_that_does_not(make_task):
    """The same epochs with the same rates up to the stop, and the same choice among them; also in a later round."""
    keys = {"optimizer": {"name": "adam", "lr": 0.3}, "epochs": 10, "rounds": 2, "schedule": "cosine"}
    whole = reference.train_run(make_task(**keys), never)
    told = []
    early = reference.train_run(
        make_task(**keys, early_stopping={"patience": 4}), lambda record, n_epochs: told.append(n_epochs)
    )
    n = early.facts.n_epochs
    losses = [record.val_loss for record in whole.history]
    assert 4 < n < 20
    assert n == 4 + early.facts.chosen_epoch
    assert early.facts.chosen_epoch == int(np.argmin(losses[:n])) + 1
    assert early.history == whole.history[:n]
    assert early.facts.status == "finished"
    assert told == [20] * n


# Precision


@pytest.mark.parametrize("model", ["cnn", "mlp-64x3"])
def test_bf16_computes_in_bfloat16_and_keeps_the_rest_in_float32(make_task, model):
    """Logits have 8 bits of precision, weights have more; `predict` gives the bits of the run."""
    task = make_task(model=model, precision="bf16", epochs=2)
    result = reference.train_run(task, never)
    exact = reference.train_run(make_task(model=model, epochs=2), never)
    predictor = load_predictor(result.facts, result.weights)
    for part, other in zip(result.predictions, exact.predictions, strict=True):
        assert part.logits.dtype == np.float32
        rounded = torch.from_numpy(part.logits).bfloat16().float().numpy()
        np.testing.assert_array_equal(part.logits, rounded)
        assert not np.array_equal(part.logits, other.logits)
        np.testing.assert_allclose(part.logits, other.logits, atol=0.1)
        np.testing.assert_array_equal(predictor(task.images[part.cases]).logits, part.logits)
    weight = torch.from_numpy(result.weights["head.weight"])
    assert weight.dtype == torch.float32
    assert not torch.equal(weight, weight.bfloat16().float())


def test_a_device_without_bfloat16_is_named(make_task):
    """Refused before anything is trained."""
    assert why_not("bf16", device="cpu") is None
    assert why_not("float32", device="mps") is None
    with pytest.raises(InputError, match="precision bf16 on mps; expected cpu, or cuda"):
        reference.train_run(make_task(precision="bf16", task={"device": "mps"}), never)


# The fused engine


@pytest.mark.skipif(not kernel_state().available, reason="no kernel here")
def test_the_fused_engine_agrees_where_it_takes_the_keys(make_task):
    """Oversampled cases, groups, one cycle and early stopping: the reference's course to rounding."""
    keys = {key: value for key, value in EVERY_KEY.items() if key not in ("accumulate", "ema")}
    keys |= {"sampling": "oversampled", "early_stopping": {"patience": 2}, "epochs": 8}
    keys["model"] = {"name": "mlp", "hidden": [8, 4]}
    one, other = (engine.train_run(uneven(make_task(**keys)), never) for engine in (reference, fused))
    assert one.facts.n_epochs == other.facts.n_epochs
    for left, right in zip(one.history, other.history, strict=True):
        assert left.lr == right.lr
        assert right.train_loss == pytest.approx(left.train_loss, rel=1e-3)
        assert right.val_loss == pytest.approx(left.val_loss, rel=1e-3)


def test_an_epoch_of_a_resampled_run_has_its_own_batches(make_task):
    """16 cases of 29 make 4 batches of 4; the steps hold the cases that were drawn and nothing else."""
    task = uneven(make_task(sampling="undersampled", batch_size=4))
    setup, state = set_up(task)
    steps = epoch_steps(task, 1)
    assert len(steps) == len(batch_bounds(task.cases_an_epoch, 4)) == 4
    assert len(reference.train_epoch(setup, state, steps).logits) == task.cases_an_epoch == 16
