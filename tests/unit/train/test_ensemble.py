"""A run that trains several networks and averages their logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from tests.unit.train.test_checkpoint import Stopped, assert_same, never, stop_at

from scantrial.recipe.spec import Recipe
from scantrial.train import ensemble, run
from scantrial.train.ensemble import member_seed
from scantrial.train.predictor import load_predictor
from scantrial.train.reference import train_run


def test_logits_are_the_mean_of_networks_trained_apart(make_task):
    """The first network is the one that this seed trains without an ensemble; logits, history and costs are joined."""
    task = make_task(ensemble=3, select="last", model="cnn", train_eval=True)
    result = train_run(task, never)
    alone = task.recipe.model_copy(update={"ensemble": 1})
    members = [train_run(replace(task, recipe=alone, seed=member_seed(3, k)), never) for k in range(3)]
    assert member_seed(3, 0) == 3
    for number, split in enumerate(result.predictions):
        logits = np.stack([member.predictions[number].logits for member in members])
        np.testing.assert_allclose(split.logits, logits.mean(axis=0), rtol=1e-5, atol=1e-6)
        assert logits.std(axis=0).min() > 0
    for epoch, record in enumerate(result.history):
        losses = [member.history[epoch].val_loss for member in members]
        assert record.val_loss == pytest.approx(np.mean(losses), rel=1e-12)
        assert record.train_eval_accuracy == pytest.approx(
            np.mean([member.history[epoch].train_eval_accuracy for member in members])
        )
    facts = result.facts
    assert (facts.seed, facts.n_epochs, facts.chosen_epoch, facts.status) == (3, 3, 3, "finished")
    assert facts.n_parameters == 3 * members[0].facts.n_parameters
    assert facts.recipe["ensemble"] == 3


def test_the_stored_networks_predict_the_stored_numbers(make_task):
    """All weights are kept, and give the same logits to the last bit."""
    task = make_task(ensemble=2, select="last", loss="ce", n_classes=3)
    result = train_run(task, never)
    predictor = load_predictor(result.facts, result.weights)
    test = result.predictions[-1]
    assert test.split == "test"
    np.testing.assert_array_equal(predictor(task.images[test.cases]).logits, test.logits)


@pytest.mark.parametrize("epoch", range(1, 7))
def test_an_ensemble_stopped_at_any_epoch_ends_as_if_it_had_not_been(make_task, tmp_path, epoch):
    """Every network has a checkpoint of its own, so that none is trained twice."""
    keys = {"ensemble": 2, "select": "last", "model": {"name": "mlp", "hidden": [8], "dropout": 0.5}}
    whole = train_run(make_task(**keys, task={"checkpoint_path": tmp_path / "whole" / "checkpoint.pt"}), never)
    task = make_task(**keys, task={"checkpoint_every_s": 0.0})
    with pytest.raises(Stopped):
        train_run(task, stop_at(epoch))
    told = []
    resumed = train_run(task, lambda record, n_epochs: told.append((record.epoch, n_epochs)))
    assert_same(whole, resumed)
    assert told == [(later, 6) for later in range(epoch + 1, 7)]


def test_a_network_that_is_trained_is_never_trained_again(make_task):
    """However seldom checkpoints are taken, each network leaves one when it ends."""
    task = make_task(ensemble=3, select="last", task={"checkpoint_every_s": float("inf")})
    with pytest.raises(Stopped):
        train_run(task, stop_at(7))
    told = []
    train_run(task, lambda record, n_epochs: told.append(record.epoch))
    assert told == [7, 8, 9]


def test_scans_are_predicted_once_by_all_networks_together(make_task, monkeypatch):
    """No network predicts alone what is thrown away, with all its views, nor draws a sheet that nobody sees."""
    told = []

    def counting(name, module):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, **more: told.append(name) or original(*given, **more))

    counting("split_predictions", run)
    counting("stored_sheet", run)
    counting("split_predictions", ensemble)
    task = make_task(ensemble=2, select="last", epochs=1, augment={"rotate": 5}, test_time_views=2)
    result = train_run(task, never)
    assert told == ["stored_sheet", *["split_predictions"] * 3]
    assert result.sheet is not None


def test_test_scans_are_opened_once_after_the_last_network(make_task):
    """Not once for each network."""
    events: list[str] = []
    task = make_task(ensemble=2, select="last", task={"open_test": lambda epoch: events.append(f"test {epoch}")})
    train_run(task, lambda record, n_epochs: events.append(f"epoch {record.epoch}"))
    assert events == [*(f"epoch {n}" for n in range(1, 7)), "test 3"]


def test_an_ensemble_with_a_diverged_network_has_diverged(make_task):
    """The history ends with the epoch whose loss was not finite."""
    result = train_run(
        make_task(ensemble=2, select="last", epochs=4, optimizer={"name": "sgd", "lr": 1e30}), lambda *_: None
    )
    assert result.facts.status == "diverged"
    assert result.facts.diverged_epoch == len(result.history) == result.facts.n_epochs
    assert result.predictions == ()


def test_networks_of_different_epochs_are_refused():
    """The best epoch of each network may be a different one, but a run has one chosen epoch."""
    with pytest.raises(ValidationError, match="an ensemble of 5 with select: best-val-loss; write `select: last`"):
        Recipe.model_validate({"ensemble": 5})
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Recipe.model_validate({"ensemble": 0, "select": "last"})
