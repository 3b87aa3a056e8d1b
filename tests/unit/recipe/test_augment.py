"""The spec of augmentation: presets, what counts as none, what is stored, and words."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from scantrial.prose.references import REFERENCES
from scantrial.recipe import augment
from scantrial.recipe.augment import PRESETS, SOURCES, AugmentSpec
from scantrial.recipe.plan import Plan
from scantrial.recipe.spec import Recipe
from scantrial.study.file import parse_study, study_to_yaml

STUDY = """
study: Does augmentation help?
data: {source: phantom, split: {train: 0.6, val: 0.2, test: 0.2}}
recipe: {model: mlp-256}
factors: {augment: [none, radiograph]}
seeds: 1
"""


def recipe(value) -> Recipe:
    return Recipe.model_validate({"augment": value})


@pytest.mark.parametrize("nothing", [None, "none", {}, {"preset": "none"}, {"rotate": 0}, {"fill": "edge"}])
def test_what_changes_nothing_is_no_augmentation(nothing):
    """It is stored, hashed and compared as a recipe without the key."""
    assert recipe(nothing) == Recipe()
    assert recipe(nothing).to_dict() == Recipe().to_dict()
    assert "augment" not in recipe(nothing).to_dict()
    assert recipe(nothing).beyond_defaults() == {}


@pytest.mark.parametrize(
    ("idle", "same"),
    [
        ({"rotate": 5, "elastic_grid": 8}, {"rotate": 5}),
        ({"noise": 0.1, "fill": "edge", "elastic_grid": 8}, {"noise": 0.1}),
    ],
)
def test_settings_of_what_is_off_make_no_other_recipe(idle, same):
    """The grid without a deformation, and borders where no pixel moves."""
    assert recipe(idle) == recipe(same)
    assert recipe(idle).beyond_defaults() == {"augment": same}
    assert recipe({"rotate": 5, "fill": "edge", "elastic": 0.1, "elastic_grid": 8}).augment.elastic_grid == 8


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_values(name):
    """By name, as a mapping, spelt out, and as it is stored: one recipe, which knows the preset's name."""
    same = recipe(name)
    for other in ({"preset": name}, dict(PRESETS[name]), same.to_dict()["augment"]):
        assert recipe(other) == same
    assert same.augment.preset == name
    assert same.beyond_defaults() == {"augment": dict(PRESETS[name])}
    assert "preset" not in same.to_dict()["augment"]


def test_a_preset_can_be_changed_in_parts():
    """The other values stay; it is no longer the preset."""
    changed = recipe({"preset": "radiograph", "rotate": 0, "gamma": 0.5}).augment
    assert (changed.rotate, changed.gamma, changed.shift) == (0, 0.5, 0.1)
    assert changed.preset is None


def test_radiographs_are_not_flipped():
    """The heart keeps its side, and the retina its order of layers."""
    assert PRESETS["radiograph"].get("flip", "none") == "none"
    assert AugmentSpec(**PRESETS["radiograph"]).symmetries is False
    assert PRESETS["oct"]["flip"] == "horizontal"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("radiografh", "no preset of augmentation is called 'radiografh'"),
        ({"preset": 3}, "no preset of augmentation is called '3'"),
        ({"rotat": 3}, "Extra inputs"),
        ({"rotate": 181}, "less than or equal to 180"),
        ({"crop": 0}, "greater than 0"),
        ({"symmetries": True, "flip": "both"}, "symmetries contain the flips"),
        ({"mixup": 1, "cutmix": 1}, "choose one"),
    ],
)
def test_what_cannot_be_is_refused(value, words):
    """With the reason."""
    with pytest.raises(ValidationError, match=re.escape(words)):
        recipe(value)


def test_views_need_something_that_changes_them():
    """Without augmentation, or with only what views leave out, all views would be equal."""
    for value in (None, {"noise": 0.1, "mixup": 1}):
        with pytest.raises(ValidationError, match="test_time_views is 2"):
            Recipe.model_validate({"augment": value, "test_time_views": 2})
    assert Recipe.model_validate({"augment": "oct", "test_time_views": 2}).to_dict()["test_time_views"] == 2
    assert "test_time_views" not in Recipe().to_dict()


@pytest.mark.parametrize(
    ("value", "most"), [({"flip": "horizontal", "noise": 0.1}, 2), ({"flip": "both"}, 4), ({"symmetries": True}, 8)]
)
def test_views_are_no_more_than_differ(value, most):
    """Flips and symmetries take turns, so that the next view would be the first again."""
    assert Recipe.model_validate({"augment": value, "test_time_views": most}).test_time_views == most
    with pytest.raises(ValidationError, match=f"test_time_views is {most + 1}, but augment makes only {most} diff"):
        Recipe.model_validate({"augment": value, "test_time_views": most + 1})
    more = {**value, "rotate": 5}
    assert Recipe.model_validate({"augment": more, "test_time_views": most + 1}).test_time_views == most + 1


def test_mixing_does_not_undo_balanced_draws():
    """The partner of a mixture comes from all training cases: refused at the line of the sampling."""
    for mixing in ("mixup", "cutmix"):
        for sampling in ("undersampled", "oversampled"):
            with pytest.raises(ValidationError, match=f"{sampling} cases and augment.{mixing}: the other") as raised:
                Recipe.model_validate({"augment": {mixing: 1}, "sampling": sampling})
            assert raised.value.errors()[0]["loc"] == ("sampling",)
        assert Recipe.model_validate({"augment": {mixing: 1}}).augment.mixes


def test_words_name_every_operation_and_cite_known_sources():
    """One operation, one phrase; sources are listed."""
    on = {
        **{key: 0.25 for key in AugmentSpec.model_fields if key not in ("symmetries", "elastic_grid", "fill", "flip")},
        "rotate": 10,
        "shear": 5,
        "cutmix": 0,
    }
    everything = augment.describe(recipe({**on, "flip": "vertical"}).augment)
    alone = [augment.describe(recipe({key: value}).augment).split(", borders")[0] for key, value in on.items() if value]
    assert all(words.removesuffix("[@u-net]").strip() in everything for words in alone)
    assert augment.describe(None) == "not augmented"
    said = [everything, *(augment.describe(recipe(name).augment) for name in PRESETS), "[@cutmix]"]
    assert {key for words in said for key in re.findall(r"@([a-z0-9-]+)", words)} <= REFERENCES.keys()
    assert set(SOURCES) == set(PRESETS)


def test_a_study_varies_augmentation():
    """Arms are named by preset and by changed values; `none` is the base; what is written reads back as equal."""
    study = parse_study(STUDY, sets=["factors.augment=[none, radiograph, {preset: radiograph, rotate: 20}]"])
    assert [(arm.name, arm.label) for arm in study.arms] == [
        ("base", "augment = none (base)"),
        ("augment-radiograph", "augment = radiograph"),
        ("augment-radiograph-rotate-20", "augment = radiograph (rotate 20)"),
    ]
    assert parse_study(study_to_yaml(study)).arms == study.arms


def test_one_value_of_a_preset_is_a_factor():
    """A bare preset is opened, and none is the start of a mapping."""
    study = parse_study(STUDY, sets=["recipe.augment=radiograph", "factors={augment.rotate: [0, 10, 20]}"])
    assert [arm.recipe.augment.rotate for arm in study.arms] == [10, 0, 20]
    assert all(arm.recipe.augment.shift == 0.1 for arm in study.arms)
    study = parse_study(STUDY, sets=["recipe.augment=none", "factors={augment.rotate: [0, 10]}"])
    assert [arm.recipe.augment for arm in study.arms] == [None, AugmentSpec(rotate=10)]
    study = parse_study(STUDY, sets=["recipe.augment=oct", "factors={test_time_views: [1, 4]}"])
    assert [arm.label for arm in study.arms] == ["test_time_views = 1 (base)", "test_time_views = 4"]


def test_a_plan_keeps_what_was_done():
    """Every value is stored, so that a later preset of the same name would change nothing."""
    arm = {"name": "base", "recipe": recipe("oct").to_dict()}
    plan = Plan.from_dict({"study": "q", "arms": [arm], "seeds": [0]})
    assert plan.arms[0].recipe == recipe("oct")
    stored = plan.to_dict()["arms"][0]["recipe"]["augment"]
    assert set(stored) == set(AugmentSpec.model_fields)
