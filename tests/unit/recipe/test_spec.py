"""A recipe says everything that is needed to train one network, and nothing that cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from scantrial.recipe.networks import NETWORKS
from scantrial.recipe.schedules import ScheduleSpec
from scantrial.recipe.schedules import describe as describe_schedule
from scantrial.recipe.spec import ModelSpec, Recipe


def test_a_recipe_of_nothing_is_the_course_s() -> None:
    """The defaults are one hidden layer of 256, BCE, Adam at 1e-3, batches of 32, 30 epochs."""
    recipe = Recipe()
    assert (recipe.model.name, recipe.model.hidden, recipe.loss.name) == ("mlp-256", (256,), "bce")
    assert (recipe.optimizer.name, recipe.optimizer.lr) == ("adam", 1e-3)
    assert (recipe.batch_size, recipe.epochs, recipe.rounds) == (32, 30, 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_bare_name_means_the_network_with_its_preset(name: str) -> None:
    """``model: NAME`` spells out what the name stands for, and ReLU."""
    preset = {key: value for key, value in NETWORKS[name].defaults.items() if key != "activation"}
    model = Recipe(model=name).model
    assert model == Recipe(model={"name": name, **preset, "activation": {"name": "ReLU"}}).model
    assert {key: getattr(model, key) for key in preset} == preset


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"model": "mlp-64x3", "loss": "ce", "optimizer": "adamw", "schedule": "step", "select": "best-val-metric"},
        {"model": {"name": "my.nets:Net", "args": {"depth": 3, "widths": [1, 2]}}, "clip_grad_norm": 1},
        {"model": {"name": "mlp", "hidden": [8], "activation": {"name": "LeakyReLU", "negative_slope": 0.1}}},
        {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "loss": {"name": "ce", "class_weights": [1, 2]}},
    ],
)  # fmt: skip
def test_a_recipe_survives_json(given: dict[str, Any]) -> None:
    """`to_dict` is plain data with every default, from which the same recipe comes back."""
    recipe = Recipe.model_validate(given)
    plain = recipe.to_dict()
    assert Recipe.model_validate(json.loads(json.dumps(plain))).to_dict() == plain
    assert "epochs" in plain
    assert None not in plain.values()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "mlp-265"}, r"no network is called 'mlp-265' \(did you mean 'mlp-256'\?\)"),
        ({"model": "zzz"}, "there are mlp-256, mlp-64x3, mlp-32x3, mlp, cnn, cnn-gap, resnet-10, resnet-18, timm/NAME, package.module:Class"),
        ({"model": "net:"}, "'net:' is not the name of a class"),
        ({"model": {"name": "mlp", "args": {}}}, "args are only for a custom class"),
        ({"model": {"name": "a:B", "hidden": [1]}}, "hidden: a custom class takes its arguments under args"),
        ({"model": {"name": "cnn", "hidden": [1]}}, "cnn has no hidden sizes to set"),
        ({"model": {"name": "mlp", "hidden": [1] * 1001}}, "at most 1000 items"),
        ({"model": {"activation": "ReLu"}}, r"no element-wise activation 'ReLu' \(did you mean 'ReLU'\?\)"),
        ({"model": {"activation": {"name": "ReLU", "slope": 1}}}, "ReLU takes no argument 'slope'; it takes no arguments"),
        ({"model": {"activation": {"name": "ELU", "alpha": "x"}}}, "ELU: alpha must be a finite number, not 'x'"),
        ({"model": {"activation": {"name": "ELU", "alpha": True}}}, "ELU: alpha must be a finite number, not True"),
        ({"model": {"activation": {"name": "GELU", "approximate": 1}}}, "approximate must be 'none' or 'tanh', not 1"),
        ({"model": {"activation": {"name": "PReLU", "num_parameters": 0.5}}}, "must be a whole number, 1 or more"),
        ({"model": {"activation": {"name": "Hardtanh", "min_val": 2}}}, "the lower bound must be below the upper one"),
        ({"schedule": {"name": "cosine", "gamma": 0.1}}, "are only for the step schedule, not for cosine"),
        ({"schedule": {"warmup_epochs": 5}, "epochs": 4}, "warmup_epochs is 5, but a round has only 4 epochs"),
        ({"select": {"name": "last", "metric": "auroc"}}, "metric is only for best-val-metric"),
        ({"optimizer": {"name": "sgd", "nesterov": True}}, "nesterov needs momentum above 0"),
        ({"schedule": {"name": "cosine", "milestones": [5]}}, "milestones are only for the step schedule"),
        ({"schedule": {"name": "step", "milestones": [5, 5]}}, "expected rising numbers of epochs"),
        ({"schedule": {"name": "step", "milestones": []}}, "expected rising numbers of epochs"),
        ({"schedule": {"name": "step", "milestones": [5], "every": 2}}, "leave one of every, milestones out"),
        ({"schedule": {"name": "cosine", "pct_start": 0.1}}, "final_div_factor are only for the one-cycle schedule"),
        ({"schedule": {"name": "one-cycle", "warmup_epochs": 1}}, "one-cycle has a rise of its own"),
        ({"select": "last", "early_stopping": {"patience": 3}}, "select: last has no score to stop by"),
        ({"sampling": "oversampled", "loss": {"name": "ce", "class_weights": "balanced"}}, "both balance the classes"),
        ({"model": "a:B", "optimizer": {"name": "adam", "layer_decay": 0.5}}, "a custom class does not tell"),
        ({"ema": 1.0}, "less than 1"),
        ({"epochs": 10**12}, "less than or equal to 1000000000"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(given: dict[str, Any], message: str) -> None:
    """Each contradiction is refused in words that say what would be right."""
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(given)


def test_a_wrong_name_carries_the_right_one_apart() -> None:
    """Whoever shows the error can take the suggestion without reading the sentence."""
    with pytest.raises(ValidationError) as caught:
        ModelSpec(name="mlp-265")
    (error,) = caught.value.errors()
    assert (error["type"], error["ctx"]["suggestion"]) == ("unknown_name", "mlp-256")


def test_recipes_do_not_change() -> None:
    """A recipe is frozen."""
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "beyond"),
    [
        ({}, {}),
        ({"model": "mlp-256", "loss": "bce", "epochs": 30}, {}),
        ({"model": "cnn"}, {"model": {"name": "cnn"}}),
        ({"model": {"name": "cnn", "dropout": 0.2}}, {"model": {"name": "cnn", "dropout": 0.2}}),
        ({"optimizer": "adamw"}, {"optimizer": {"name": "adamw"}}),
        ({"optimizer": {"name": "adam", "lr": 0.01}}, {"optimizer": {"name": "adam", "lr": 0.01}}),
        (
            {"schedule": "step", "select": "best-val-metric"},
            {"schedule": {"name": "step"}, "select": {"name": "best-val-metric"}},
        ),
        ({"epochs": 2, "clip_grad_norm": 1.0}, {"epochs": 2, "clip_grad_norm": 1.0}),
        (
            {"sampling": "shuffled", "accumulate": 1, "ema": "none", "early_stopping": "none", "precision": "float32"},
            {},
        ),
        (
            {"optimizer": {"name": "adamw", "weight_decay_on": "weights", "layer_decay": 1.0}},
            {"optimizer": {"name": "adamw", "weight_decay_on": "weights"}},
        ),
        (
            {"early_stopping": {"patience": 3, "min_delta": 0.0}, "ema": 0.9},
            {"early_stopping": {"patience": 3}, "ema": 0.9},
        ),
    ],
)
def test_what_is_beyond_the_defaults_names_no_default(given, beyond):
    """Neither a recipe's default nor one of a network's, an optimiser's or a schedule's own is a part of an identity."""
    assert Recipe.model_validate(given).beyond_defaults() == beyond


def test_later_keys_are_written_where_they_are_set_and_spelt_out_where_values_are_compared() -> None:
    """A plan of defaults has no later key; a factor along one still finds the base's value."""
    assert not {"sampling", "accumulate", "precision", "ema"} & Recipe().to_dict().keys()
    assert "layer_decay" not in Recipe().to_dict()["optimizer"]
    assert Recipe.model_validate({"accumulate": 2}).to_dict()["accumulate"] == 2
    spelt = Recipe().spelt_out()
    assert (spelt["sampling"], spelt["accumulate"], spelt["optimizer"]["layer_decay"]) == ("shuffled", 1, 1.0)


def test_milestones_are_said() -> None:
    """A report names the epochs after which the rate falls; without them, how often it does."""
    at = ScheduleSpec.model_validate({"name": "step", "milestones": [50, 75]})
    assert describe_schedule(at) == "multiplied by 0.1 after epoch 50 and epoch 75"
    assert describe_schedule(ScheduleSpec(name="step")) == "multiplied by 0.1 every 10 epochs"
