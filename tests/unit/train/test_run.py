"""A run from task to result: what is recorded, chosen, refused and named."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import torch

from scantrial.core.custom_code import allowed, find_class
from scantrial.core.errors import InputError, ShapeError, StoreError, TrainingError
from scantrial.core.records import EpochRecord, RunFacts, RunResult
from scantrial.recipe.networks import NETWORKS
from scantrial.train import run as run_module
from scantrial.train.predictor import load_predictor
from scantrial.train.reference import train_run
from scantrial.train.scans import DeviceScans

SELECTIONS = [
    "best-val-loss",
    "last",
    *({"name": "best-val-metric", "metric": metric} for metric in ("accuracy", "balanced_accuracy", "auroc")),
]


def run(task, tell=lambda record, n_epochs: None) -> RunResult:
    return train_run(task, tell)


def split_of(result: RunResult, name: str):
    return next(part for part in result.predictions if part.split == name)


def log_loss(part) -> float:
    return float(-np.log(part.y_prob[np.arange(len(part.y_true)), part.y_true]).mean())


def test_history_and_telling_agree(make_task):
    """Each epoch is told once, in order, with the number of epochs in all; rounds and epochs count from 1."""
    told = []
    result = run(make_task(epochs=2, rounds=3), lambda record, n_epochs: told.append((record, n_epochs)))
    assert [record for record, _ in told] == list(result.history)
    assert {n_epochs for _, n_epochs in told} == {6}
    assert [(record.round, record.epoch) for record in result.history] == [
        (1, 1),
        (1, 2),
        (2, 3),
        (2, 4),
        (3, 5),
        (3, 6),
    ]


@pytest.mark.parametrize("loss", ["bce", "ce"])
def test_it_learns(make_task, loss):
    """On scans whose brightness tells the class, the loss falls and new scans are told apart."""
    result = run(make_task(loss=loss, epochs=30, optimizer={"name": "adam", "lr": 1e-2}))
    assert result.history[-1].train_loss < result.history[0].train_loss / 2
    test = split_of(result, "test")
    assert (test.y_pred == test.y_true).mean() > 0.9


def test_recorded_validation_is_what_the_predictions_give(make_task):
    """The chosen epoch's val_loss and val_accuracy follow from the stored probabilities."""
    result = run(make_task(epochs=4, train_eval=True))
    chosen = result.history[result.facts.chosen_epoch - 1]
    for part, loss, accuracy in (
        (split_of(result, "val"), chosen.val_loss, chosen.val_accuracy),
        (split_of(result, "train"), chosen.train_eval_loss, chosen.train_eval_accuracy),
    ):
        assert loss == pytest.approx(log_loss(part), rel=1e-6)
        assert accuracy == (part.y_pred == part.y_true).mean()


def test_predictions_cover_each_split_in_case_order(make_task):
    """Train, val, test; each case once; labels, outputs and probabilities in shape."""
    task = make_task(loss="bce")
    result = run(task)
    assert [part.split for part in result.predictions] == ["train", "val", "test"]
    for part in result.predictions:
        np.testing.assert_array_equal(part.cases, task.cases[part.split])
        np.testing.assert_array_equal(part.y_true, task.labels[part.cases])
        assert part.output_names == ("pneumonia",)
        assert part.logits.dtype == np.float32
        np.testing.assert_allclose(part.y_prob[:, 1], 1 / (1 + np.exp(-part.logits[:, 0].astype(float))), rtol=1e-12)


@pytest.mark.parametrize("rgb", [False, True])
def test_what_is_stored_gives_the_same_bits_whatever_the_layout_in_training(make_task, rgb):
    """Convolutions are trained channels-last; stored weights lie in the ordinary order and predict what the run did."""
    task = make_task(model="cnn", epochs=1, rgb=rgb)
    result = run(task)
    predictor = load_predictor(result.facts, result.weights)
    for part in result.predictions:
        np.testing.assert_array_equal(predictor(task.images[part.cases]).logits, part.logits)


def test_a_task_without_test_cases_is_trained(make_task):
    """Where there is no test split there are no test predictions."""
    task = make_task()
    cases = {split: task.cases[split] for split in ("train", "val")}
    assert [part.split for part in run(replace(task, cases=cases)).predictions] == ["train", "val"]


def test_facts_say_what_ran(make_task):
    """Engine, reason, device, threads, sizes, recipe and times."""
    facts = run(make_task(n_classes=3, rgb=True, pixel_type="uint16", loss="ce", epochs=2)).facts
    assert (facts.engine, facts.engine_reason, facts.device, facts.threads) == ("reference", "asked for", "cpu", 1)
    assert (facts.status, facts.n_epochs, facts.diverged_epoch, facts.selection) == (
        "finished",
        2,
        None,
        "best val_loss",
    )
    assert facts.image_shape == (3, 12, 10)
    assert facts.pixel_type == "uint16"
    assert facts.n_parameters == 360 * 8 + 8 + 8 * 3 + 3
    assert set(facts.times) == {"started", "train_s", "evaluate_s", "total_s", "per_epoch_s"}
    assert datetime.fromisoformat(facts.times["started"]).utcoffset().total_seconds() == 0
    assert 0 < facts.times["train_s"] <= facts.times["total_s"]


@pytest.mark.parametrize("select", SELECTIONS, ids=str)
def test_the_chosen_epoch_follows_its_rule_over_all_rounds(make_task, select):
    """Recomputed from the history; the weights are those of that epoch and no other."""
    task = make_task(epochs=3, rounds=2, select=select, optimizer={"name": "adam", "lr": 0.03})
    result = run(task)
    history, chosen = result.history, result.facts.chosen_epoch
    if select == "last":
        assert chosen == 6
    elif select == "best-val-loss":
        assert chosen == 1 + int(np.argmin([record.val_loss for record in history]))
    elif select["metric"] in ("accuracy", "balanced_accuracy"):
        # The validation split is balanced, so the two are one.
        assert chosen == 1 + int(np.argmax([record.val_accuracy for record in history]))
    assert history[chosen - 1].val_loss == pytest.approx(log_loss(split_of(result, "val")), rel=1e-6)


def test_running_training_numbers_are_means_over_the_cases(make_task):
    """With a rate so small that nothing moves, they equal those of the weights at the end; 41 cases, batches of 8."""
    record = run(make_task(epochs=1, train_eval=True, optimizer={"name": "sgd", "lr": 1e-12})).history[0]
    assert record.train_loss == pytest.approx(record.train_eval_loss, rel=1e-6)
    assert record.train_accuracy == record.train_eval_accuracy


def test_each_epoch_records_its_last_gradient_and_its_dead_units(make_task):
    """Without clipping the last gradient has a norm; with a network of units that are all dead, all are counted."""
    first, last = run(make_task(epochs=2)).history
    assert 0 < first.last_grad_norm < math.inf
    assert first.last_grad_norm != last.last_grad_norm
    assert 0 <= first.dead_units < 1
    threshold = {"name": "mlp", "hidden": [4], "activation": {"name": "Threshold", "threshold": 1e6, "value": 0.0}}
    assert run(make_task(epochs=1, model=threshold)).history[0].dead_units == 1.0


def test_weight_norm_is_that_of_the_weights(make_task):
    """The Euclidean norm of all parameters at the epoch's end."""
    result = run(make_task(select="last"))
    total = sum(float((array.astype(float) ** 2).sum()) for array in result.weights.values())
    assert result.history[-1].weight_norm == pytest.approx(math.sqrt(total), rel=1e-6)


def test_clipping_limits_the_step_and_records_the_norm(make_task):
    """Plain descent moves no farther than steps x lr x largest norm; without clipping no norm is taken."""
    still = make_task(epochs=1, select="last", optimizer={"name": "sgd", "lr": 1e-12})
    clipped = make_task(epochs=1, select="last", clip_grad_norm=0.01, optimizer={"name": "sgd", "lr": 1.0})
    start, end = run(still), run(clipped)
    moved = math.sqrt(sum(float(((end.weights[k] - start.weights[k]) ** 2).sum()) for k in start.weights))
    assert 0 < moved <= 5 * 0.01 * 1.0001
    assert end.history[0].grad_norm > 0.01
    assert start.history[0].grad_norm is None


def test_a_round_starts_with_a_fresh_optimizer_and_schedule(make_task):
    """Adam's first step of a round has its full size again; the cosine starts again; the weights go on."""
    task = make_task(epochs=2, rounds=2, schedule="cosine", select="last")
    rates = [record.lr for record in run(task).history]
    assert rates[0] == rates[2]
    assert rates[1] == rates[3]
    assert rates[1] < rates[0]
    longer = run(make_task(epochs=2, rounds=1, schedule="cosine", select="last"))
    assert [record.train_loss for record in run(task).history[:2]] == [record.train_loss for record in longer.history]


@pytest.mark.parametrize("normalize", ["none", "dataset", "image", "equalize"])
def test_every_normalisation_trains(make_task, normalize):
    """Each gives finite losses and records its numbers."""
    facts = run(make_task(normalize=normalize, epochs=1)).facts
    assert facts.preprocessing["method"] == normalize


@pytest.mark.parametrize("loss", ["bce", "ce"])
def test_every_option_of_the_loss_trains(make_task, loss):
    """Weights, smoothing and focus together, with three unequal classes."""
    spec = {"name": loss, "class_weights": "balanced", "label_smoothing": 0.1, "focal_gamma": 2.0}
    result = run(make_task(n_classes=3, loss=spec, epochs=2))
    assert all(math.isfinite(record.val_loss) for record in result.history)
    assert split_of(result, "test").y_prob.shape == (21, 3)


def test_pairing_of_arms(make_task):
    """At one seed, arms that differ in their loss see the same batches: equal first losses where the loss is one."""
    bce = run(make_task(loss="bce", epochs=1, optimizer={"name": "sgd", "lr": 1e-9})).weights
    ce = run(make_task(loss="ce", epochs=1, optimizer={"name": "sgd", "lr": 1e-9})).weights
    np.testing.assert_allclose(bce["hidden.0.linear.weight"], ce["hidden.0.linear.weight"], atol=1e-7)


def test_nothing_leaks(make_task):
    """PyTorch's generator is as it was, and what a run gives does not depend on it; nor on a run before."""
    task = make_task(model="mlp-64x3")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = run(task)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    run(make_task(model="mlp-32x3", epochs=1))
    assert run(task).history == first.history


def test_nothing_leaks_from_a_run_that_fails(make_task):
    """Also where `tell` raises, and its exception comes through as it is."""

    def stop(record: EpochRecord, n_epochs: int) -> None:
        raise LookupError("stopped from outside")

    torch.manual_seed(1)
    before = torch.get_rng_state()
    with pytest.raises(LookupError, match="stopped from outside"):
        run(make_task(), stop)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_are_read_once_and_never_written(make_task, monkeypatch):
    """A read-only map is enough; the test rows are read once, after the last epoch."""

    class Watched(np.ndarray):
        """Notes which rows are asked for."""

        def __getitem__(self, key):
            if isinstance(key, np.ndarray):
                reads.append((len(told), key.tolist()))
            return np.asarray(super().__getitem__(key))

    pick = DeviceScans._picked

    def picked(self, rows):
        reads.append((len(told), self.stored_rows[rows].tolist()))
        return pick(self, rows)

    monkeypatch.setattr(DeviceScans, "_picked", picked)
    reads: list = []
    told: list = []
    task = make_task()
    images = task.images.view(Watched)
    images.setflags(write=False)
    opened: list = []
    watched = replace(task, images=images, open_test=lambda epoch: opened.append((epoch, len(reads))))
    result = run(watched, lambda record, n_epochs: told.append(record))
    is_test = set(task.cases["test"].tolist())
    of_test = [(number, when, rows) for number, (when, rows) in enumerate(reads) if is_test & set(rows)]
    assert {when for _, when, _ in of_test} == {3}
    assert sorted(row for _, _, rows in of_test for row in rows if row in is_test) == sorted(is_test)
    # Announced once, with the chosen epoch, before these readings.
    assert opened == [(result.facts.chosen_epoch, of_test[0][0])]


def test_what_open_test_raises_ends_the_run(make_task):
    """Where the opening cannot be logged, no test row is read, and the error comes through."""

    def refuse(chosen_epoch: int) -> None:
        raise StoreError("the log cannot be written")

    with pytest.raises(StoreError, match="the log cannot be written"):
        run(make_task(task={"open_test": refuse}))


def test_a_run_without_predictions_opens_no_test_rows(make_task):
    """Where training diverged at once, or there is no test split, nothing is announced."""
    opened: list = []
    run(make_task(**diverging(), task={"open_test": opened.append}))
    cases = {"train": np.arange(41), "val": np.arange(41, 59)}
    run(make_task(task={"open_test": opened.append, "cases": cases}))
    assert opened == []


# Divergence


def diverging(**changes) -> dict:
    """A rate that overflows float32 after the first epoch or so."""
    return {"loss": "ce", "optimizer": {"name": "sgd", "lr": 1e30}, "epochs": 5, **changes}


def test_a_loss_that_is_not_finite_ends_the_run(make_task):
    """Status, epoch and history say so; without an epoch before there is nothing to predict with."""
    result = run(make_task(**diverging()))
    facts = result.facts
    assert (facts.status, facts.diverged_epoch, facts.n_epochs, facts.chosen_epoch) == ("diverged", 1, 1, None)
    assert not math.isfinite(result.history[0].train_loss)
    assert math.isnan(result.history[0].train_accuracy)
    assert result.predictions == ()
    assert result.weights == {}


@pytest.mark.parametrize("select", ["best-val-loss", "last"])
def test_the_best_epoch_before_the_divergence_is_kept(make_task, monkeypatch, select):
    """Weights that overflow after epoch 2 end the run in epoch 3; the epochs before still count."""
    states = []

    def set_up_watched(task):
        setup, state = original(task)
        states.append(state)
        return setup, state

    def overflow(record: EpochRecord, n_epochs: int) -> None:
        if record.epoch == 2:
            states[0].network.head.weight.data.fill_(torch.inf)

    original = run_module.set_up
    monkeypatch.setattr(run_module, "set_up", set_up_watched)
    result = train_run(make_task(epochs=5, select=select), overflow)
    assert (result.facts.status, result.facts.diverged_epoch, result.facts.n_epochs) == ("diverged", 3, 3)
    assert result.facts.chosen_epoch == (
        2 if select == "last" else 1 + int(np.argmin([r.val_loss for r in result.history[:2]]))
    )
    assert [part.split for part in result.predictions] == ["train", "val", "test"]
    assert all(np.isfinite(part.logits).all() for part in result.predictions)
    assert all(np.isfinite(array).all() for array in result.weights.values())


# Refusals and failures


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": np.zeros(3, dtype=np.int64)}, r"80 images with labels of shape \(3,\)"),
        ({"labels": np.full(80, 2)}, "a train label outside 0 to 1"),
        ({"cases": {"train": np.arange(5), "val": np.arange(0)}}, "no val case"),
        ({"cases": {"train": np.arange(5), "val": np.arange(70, 99)}}, "val cases from 70 to 98; expected 0 to 79"),
        ({"class_names": ("one",)}, r"1 class\(es\); expected at least 2"),
    ],
)
def test_impossible_data_are_refused(make_task, fields, message):
    """Before anything starts, with what was got and expected."""
    with pytest.raises(InputError, match=message):
        run(make_task(task=fields))


def test_all_faults_at_once(make_task):
    """Two faults, one message."""
    cases = {"train": np.arange(0), "val": np.arange(99, 101)}
    with pytest.raises(InputError, match=r"(?s)no train case.*val cases from 99 to 100"):
        run(make_task(task={"cases": cases}))


def test_impossible_recipes_are_refused(make_task):
    """AUROC without both classes; batches of one under batch normalisation."""
    auroc = {"name": "best-val-metric", "metric": "auroc"}
    one_class = {"cases": {"train": np.arange(41), "val": np.arange(42, 60, 2)}}
    with pytest.raises(InputError, match="no val case is of class pneumonia"):
        run(make_task(select=auroc, task=one_class))
    with pytest.raises(InputError, match="batches of one case with batch normalisation"):
        run(make_task(model="mlp-64x3", batch_size=1))


def test_a_single_case_left_over_does_not_break_batch_normalisation(make_task):
    """41 cases in batches of 8, 10, 20, 40: the one left over joins the batch before it."""
    for batch_size in (8, 10, 20, 40):
        run(make_task(model="mlp-64x3", batch_size=batch_size, epochs=1))


OWN = """
import torch
from torch import nn

class Tires(nn.Module):
    def __init__(self, n_outputs, error="RuntimeError: out of memory"):
        super().__init__()
        self.out, self.left = nn.Linear(120, n_outputs), 8
        self.kind, self.text = error.split(": ", 1)
    def forward(self, x):
        self.left -= self.training
        if self.left < 0:
            raise {"RuntimeError": RuntimeError, "KeyError": KeyError}[self.kind](self.text)
        return self.out(x.flatten(1))

class Still(nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.n_outputs = n_outputs
    def forward(self, x):
        return x.new_zeros(len(x), self.n_outputs)
"""


@pytest.fixture
def own(tmp_path):
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    with allowed([find_class(f"{name}:{own_class}", [str(tmp_path)]) for own_class in ("Tires", "Still")]):
        yield name
    sys.modules.pop(name, None)


def test_failures_surface_with_arm_seed_epoch_and_cause(make_task, own):
    """Whatever a network raises becomes a TrainingError that names it; short memory has its own advice."""
    with pytest.raises(
        TrainingError, match="arm base, seed 3 failed while it was in epoch 2: KeyError: 'lost'"
    ) as caught:
        run(make_task(model={"name": f"{own}:Tires", "args": {"error": "KeyError: lost"}}))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(TrainingError, match=r"memory ran out\ndo this: use smaller batches"):
        run(make_task(model=f"{own}:Tires"))


def test_a_network_with_nothing_to_train_is_refused(make_task, own):
    """A module without parameters ends in a clear error."""
    with pytest.raises(TrainingError, match="empty parameter list"):
        run(make_task(model=f"{own}:Still"))


# Inference


@pytest.mark.parametrize(
    "options",
    [
        {"model": "mlp-64x3", "loss": "ce", "normalize": "image"},
        {"model": {"name": "mlp", "hidden": [6]}, "loss": "bce", "normalize": "dataset", "rgb": True},
        {"model": "cnn", "loss": "bce", "n_classes": 3, "normalize": "equalize", "pixel_type": "uint16"},
        {
            "model": {"name": "mlp", "hidden": [6], "activation": "PReLU"},
            "loss": {"name": "ce", "class_weights": "balanced"},
        },
    ],
    ids=["gray", "rgb", "uint16", "prelu"],
)
def test_a_loaded_network_predicts_as_its_run_did(make_task, options):
    """From run facts (through JSON) and weights alone, the test predictions come again."""
    import json

    task = make_task(epochs=2, **options)
    result = run(task)
    facts = RunFacts.from_dict(json.loads(json.dumps(result.facts.to_dict())))
    predictor = load_predictor(facts, result.weights)
    test = split_of(result, "test")
    logits, y_prob = predictor(task.images[test.cases])
    np.testing.assert_allclose(logits, test.logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y_prob, test.y_prob, rtol=1e-5, atol=1e-6)
    assert predictor.class_names == task.class_names
    assert predictor(task.images[:0]).y_prob.shape == (0, len(task.class_names))


def test_a_loaded_network_refuses_other_scans(make_task):
    """Another pixel type, size or number of channels; weights of another network, or none."""
    task = make_task(epochs=1)
    result = run(task)
    predictor = load_predictor(result.facts, result.weights)
    with pytest.raises(InputError, match="uint8, as in training"):
        predictor(task.images.astype(np.uint16))
    with pytest.raises(ShapeError, match=r"images of 6x10 pixels\nexpected: 12x10"):
        predictor(task.images[:, ::2])
    with pytest.raises(ShapeError, match=r"expected: \(n, height, width\)"):
        predictor(np.stack([task.images] * 3, axis=-1))
    with pytest.raises(InputError, match="the weights do not fit"):
        load_predictor(result.facts, {})
    other = {**result.weights, "head.weight": np.zeros((1, 9), dtype=np.float32)}
    with pytest.raises(InputError, match=r"head\.weight"):
        load_predictor(result.facts, other)


def test_a_network_that_its_weights_do_not_fit_takes_no_memory(make_task):
    """Tiny weights beside a recipe of three hundred thousand units by as many: refused before any is allocated."""
    result = run(make_task(epochs=1))
    recipe = {**result.facts.recipe, "model": {"name": "mlp", "hidden": [300_000, 300_000, *[1] * 20]}}
    before = torch.get_rng_state()
    with pytest.raises(InputError, match="the weights do not fit") as caught:
        load_predictor(replace(result.facts, recipe=recipe), result.weights)
    assert len(caught.value.got.splitlines()) == 12
    assert "more" in caught.value.got.splitlines()[-1]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("model", NETWORKS)
def test_every_network_is_trained_and_repeats_itself(make_task, model):
    """The same task twice gives the same bytes."""
    small = {"widths": [4, 6, 8, 10], "stem": "3x3"} if model.startswith("resnet") else {}
    first, again = (run(make_task(model={"name": model, **small}, epochs=2)) for _ in range(2))
    assert first.history == again.history
    for one, other in zip(first.predictions, again.predictions, strict=True):
        np.testing.assert_array_equal(one.logits, other.logits)
        np.testing.assert_array_equal(one.y_prob, other.y_prob)
