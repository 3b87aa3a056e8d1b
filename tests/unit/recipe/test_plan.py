"""The typed plan: what it reads and writes, what it refuses, and what it completes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from scantrial.core.errors import StoreError
from scantrial.recipe.plan import Plan, Primary, read_typed
from scantrial.recipe.spec import Recipe, RecipePart
from scantrial.store.schema import dump_json

OF_0_1_0 = {
    "study": "Is CE better?",
    "data": {"source": {"name": "phantom"}, "split": {"train": "given"}},
    "design": "one-at-a-time",
    "factors": {"loss": ["bce", "ce"]},
    "arms": [
        {
            "name": "base",
            "label": "loss = bce (base)",
            "settings": {},
            "factor": None,
            "level": None,
            "recipe": {
                "model": {
                    "name": "mlp-256",
                    "hidden": [256],
                    "activation": {"name": "ReLU"},
                    "batch_norm": False,
                    "dropout": 0.0,
                },
                "loss": {"name": "bce", "label_smoothing": 0.0, "focal_gamma": 0.0},
                "optimizer": {
                    "name": "adam",
                    "lr": 0.001,
                    "betas": [0.9, 0.999],
                    "eps": 1e-08,
                    "weight_decay": 0.0,
                },
                "schedule": {"name": "constant", "warmup_epochs": 0},
                "normalize": "none",
                "batch_size": 32,
                "epochs": 30,
                "rounds": 1,
                "select": {"name": "best-val-loss"},
                "train_eval": False,
            },
        },
        {
            "source_sha256": None,
            "name": "own",
            "label": "own",
            "settings": {"model": {"name": "a.b:Net", "args": {"depth": 2}}},
            "factor": "model",
            "level": {"name": "a.b:Net", "args": {"depth": 2}},
            "recipe": {
                "model": {"name": "a.b:Net", "args": {"depth": 2}},
                "loss": {"name": "ce", "class_weights": [1.0, 2.0], "label_smoothing": 0.1, "focal_gamma": 0.0},
                "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
                "schedule": {"name": "step", "warmup_epochs": 1, "every": 10, "gamma": 0.1},
                "normalize": "dataset",
                "batch_size": 8,
                "epochs": 3,
                "rounds": 2,
                "clip_grad_norm": 1.0,
                "select": {"name": "best-val-metric", "metric": "auroc"},
                "train_eval": True,
            },
        },
    ],
    "seeds": [0, 7],
    "primary": {"metric": "auroc", "split": "test", "margin": 0.02},
    "hypotheses": [{"claim": "c", "kind": "better", "arms": ["own", "base"]}],
    "acknowledge": [{"finding": "AU001", "reason": "known"}],
    "keep_weights": "none",
    "about": {"title": "T", "authors": ["A", "B"]},
}
"""As 0.1.0 wrote it."""


def changed(change: Callable[[Any], object]) -> dict[str, Any]:
    content = json.loads(json.dumps(OF_0_1_0))
    change(content)
    return content


def test_a_plan_is_written_as_0_1_0_wrote_it():
    """Byte for byte: the same keys in the same order, unrounded."""
    assert dump_json(Plan.from_dict(OF_0_1_0).to_dict()) == dump_json(OF_0_1_0)


def test_the_defaults_of_0_1_0_still_hold():
    """A default that moves would change what a folder's missing keys mean, and the identity of its runs."""
    spelt = OF_0_1_0["arms"][0]["recipe"]
    assert {key: value for key, value in Recipe().to_dict().items() if key in spelt} == spelt
    assert Recipe().beyond_defaults() == {}
    without = {"model": ("args",), "loss": ("class_weights",), "schedule": ("every", "gamma"), "select": ("metric",)}
    assert all(getattr(getattr(Recipe(), part), key) is None for part, keys in without.items() for key in keys)
    assert Recipe().clip_grad_norm is None


def parts_of(part: type[BaseModel]) -> list[type[BaseModel]]:
    return [part, *(below for one in part.__subclasses__() for below in parts_of(one))]


@pytest.mark.parametrize("part", parts_of(RecipePart), ids=lambda part: part.__name__)
def test_what_may_be_none_is_none_by_default(part):
    """A plan leaves None out, so that it reads back as the default."""
    fields = part.model_fields.values()
    nones = [
        field for field in fields if not field.is_required() and type(None) in getattr(field.annotation, "__args__", ())
    ]
    assert all(field.default is None for field in nones)


def test_missing_keys_are_completed():
    """A key that came after the plan was written has its default, in every part of a recipe."""
    bare = changed(lambda plan: plan["arms"][0].update(recipe={}))
    assert Plan.from_dict(bare) == Plan.from_dict(OF_0_1_0)


def test_a_later_key_changes_no_identity_unless_it_is_set():
    """What differs from the defaults is the same before and after."""
    later = create_model("Later", __base__=Recipe, warp=(Literal["none", "flip"], "none"))
    stored = OF_0_1_0["arms"][1]["recipe"]
    assert read_typed(later, stored, where="x").beyond_defaults() == Recipe.model_validate(stored).beyond_defaults()
    assert later(warp="flip").beyond_defaults() == {"warp": "flip"}


RECIPES = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["mlp-256", "mlp", "cnn", "cnn-gap", {"name": "mlp-256", "dropout": 0.5}]),
        "loss": st.sampled_from(["bce", "ce", {"name": "ce", "class_weights": "balanced"}]),
        "optimizer": st.sampled_from(["adam", "adamw", "sgd", {"name": "adamw", "weight_decay": 0.0}]),
        "schedule": st.sampled_from(["constant", "step", {"name": "step", "every": 3}]),
        "epochs": st.integers(1, 40),
    },
)


@given(RECIPES, RECIPES)
def test_two_recipes_are_equal_if_they_differ_alike_from_the_defaults(first, second):
    """Nothing is lost by leaving the defaults out."""
    one, other = Recipe.model_validate(first), Recipe.model_validate(second)
    assert (one == other) == (one.beyond_defaults() == other.beyond_defaults())
    assert Recipe.model_validate(one.to_dict()) == one


UNKNOWN: dict[str, Callable[[Any], object]] = {
    "arms.0.recipe.augment = 'flip'": lambda plan: plan["arms"][0]["recipe"].update(augment="flip"),
    "arms.0.recipe.loss.name = 'dice'": lambda plan: plan["arms"][0]["recipe"]["loss"].update(name="dice"),
    "arms.0.recipe.model.name = 'vit'": lambda plan: plan["arms"][0]["recipe"]["model"].update(name="vit"),
    "arms.0.recipe.optimizer = {'name': 'lion'": lambda plan: plan["arms"][0]["recipe"]["optimizer"].update(
        name="lion"
    ),
    "arms.0.weight = 2": lambda plan: plan["arms"][0].update(weight=2),
    "primary.metric = 'dice'": lambda plan: plan["primary"].update(metric="dice"),
    "budget = 3": lambda plan: plan.update(budget=3),
}


@pytest.mark.parametrize("said", UNKNOWN)
def test_what_a_later_version_wrote_is_refused(said):
    """With the key or the name, and what can read it."""
    with pytest.raises(StoreError, match="has settings that this version of scantrial does not know") as caught:
        Plan.from_dict(changed(UNKNOWN[said]), where="a/plan.json")
    assert said in caught.value.got
    assert caught.value.got.startswith("a/plan.json ")
    assert "newer" in str(caught.value.do)


DAMAGED: dict[str, Callable[[Any], object]] = {
    "study: Field required": lambda plan: plan.pop("study"),
    "arms: Field required": lambda plan: plan.pop("arms"),
    "seeds: Field required": lambda plan: plan.pop("seeds"),
    "arms: ": lambda plan: plan.update(arms={"base": {}}),
    "arms: Tuple should have at least 1 item": lambda plan: plan.update(arms=[]),
    "arms.1: ": lambda plan: plan["arms"].__setitem__(1, "own"),
    "arms.0.name: Field required": lambda plan: plan["arms"][0].pop("name"),
    "arms.0.name: Value error, a name that would point outside": lambda plan: plan["arms"][0].update(name="../x"),
    "arms.0.name: Value error, a name with other characters": lambda plan: plan["arms"][0].update(name="$(x)"),
    "two arms are called own": lambda plan: plan["arms"][0].update(name="own"),
    "arms.0.recipe: Field required": lambda plan: plan["arms"][0].pop("recipe"),
    "arms.0.recipe: ": lambda plan: plan["arms"][0].update(recipe=[]),
    "arms.0.recipe.epochs: ": lambda plan: plan["arms"][0]["recipe"].update(epochs=None),
    "arms.0.recipe.loss.name: ": lambda plan: plan["arms"][0]["recipe"]["loss"].update(name=None),
    "seeds.0: ": lambda plan: plan.update(seeds=[True]),
    "seeds.1: ": lambda plan: plan.update(seeds=[1, "2"]),
    "hypotheses.0.arms": lambda plan: plan["hypotheses"][0].update(arms=["base"]),
    "primary: ": lambda plan: plan.update(primary="auroc"),
    "about: ": lambda plan: plan.update(about="a text"),
}


@pytest.mark.parametrize("said", DAMAGED)
def test_a_damaged_plan_is_refused(said):
    """What is missing or wrong is named, with the file and the way out."""
    with pytest.raises(StoreError, match=r"a/plan\.json is damaged") as caught:
        Plan.from_dict(changed(DAMAGED[said]), where="a/plan.json")
    assert said in caught.value.got
    # No second fault that only follows from the first.
    assert ("Tuple should have" in caught.value.got) == ("Tuple should have" in said)
    assert "restore it" in str(caught.value.do)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_whatever_stands_anywhere_is_read_or_refused(data):
    """Any value in the place of any other is no traceback."""
    content = changed(lambda plan: None)
    here: Any = content
    while True:
        key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.booleans()):
            break
        here = here[key]
    here[key] = data.draw(JSON)
    with suppress(StoreError):
        Plan.from_dict(content)


def test_arms_with_one_title_are_told_apart():
    """A label that two arms share has the name beside it; an arm without a label goes by its name."""
    arms = [{"name": name, "label": label, "recipe": {}} for name, label in (("a", "x"), ("b", "x"), ("c", ""))]
    plan = Plan.from_dict({"study": "?", "arms": arms, "seeds": []})
    assert plan.labels == {"a": "x (a)", "b": "x (b)", "c": "c"}
    assert [arm.title for arm in plan.arms] == ["x", "x", "c"]


def test_a_plan_has_no_more_arms_and_seeds_than_a_study_file():
    """Five hundred arms beside the base, a thousand seeds; more are refused before they are all read."""

    def plan(n_arms: int, n_seeds: int) -> Plan:
        arms = [{"name": f"a{number}", "recipe": {}} for number in range(n_arms)]
        return Plan.from_dict({"study": "?", "arms": arms, "seeds": list(range(n_seeds))})

    assert plan(501, 1000).n_runs == 501_000
    with pytest.raises(StoreError, match=r"arms: .*at most 501 items"):
        plan(9000, 1)
    with pytest.raises(StoreError, match=r"seeds: .*at most 1000 items"):
        plan(1, 1001)


def test_what_arms_differ_in():
    """Dotted keys whose values are not the same everywhere, and the value of a factor."""
    arms = [{"name": "a", "recipe": {}}, {"name": "b", "recipe": {"optimizer": {"name": "adam", "lr": 0.5}}}]
    plan = Plan.from_dict({"study": "?", "arms": arms, "seeds": [1]})
    assert plan.differing() == {"a": {"optimizer.lr": 0.001}, "b": {"optimizer.lr": 0.5}}
    assert [arm.value_at("optimizer.lr") for arm in plan.arms] == [0.001, 0.5]
    assert plan.arm("b").value_at("optimizer.momentum") is None
    assert plan.n_runs == 2


def test_a_margin_is_of_its_metric():
    """And of no other; its defaults are accuracy on test, without a margin."""
    assert (Primary().metric, Primary().split, Primary().margin) == ("accuracy", "test", None)
    assert Primary(metric="auroc", margin=0.02).margin_of("auroc") == 0.02
    assert Primary(metric="auroc", margin=0.02).margin_of("accuracy") is None
