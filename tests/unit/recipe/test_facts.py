"""What of a recipe bears on how its results are told: each question over some recipes."""

from __future__ import annotations

import pytest

from scantrial.prose.study import alike_at_start, start_in_common
from scantrial.recipe.facts import drawn_by_seed, not_known, on_curves, start_of
from scantrial.recipe.spec import Recipe

PLAIN = Recipe()
DROPPED = Recipe(model={"name": "cnn-gap"})
OWN = Recipe(model="my.nets:Net")
SMOOTHED = Recipe(loss={"name": "ce", "label_smoothing": 0.1})


@pytest.mark.parametrize(
    ("ask", "recipes", "answer"),
    [
        (drawn_by_seed, [], []),
        (drawn_by_seed, [PLAIN], ["the initial weights", "the order of the cases"]),
        (drawn_by_seed, [PLAIN, DROPPED], ["the initial weights", "the order of the cases", "the dropout masks"]),
        (drawn_by_seed, [OWN], [
            "the initial weights", "the order of the cases", "any other random numbers that custom classes draw",
        ]),
        (not_known, [PLAIN, DROPPED, SMOOTHED], []),
        (not_known, [PLAIN, OWN], ["preprocessing", "network", "selection"]),
        (on_curves, [PLAIN, DROPPED], []),
        (on_curves, [PLAIN, SMOOTHED], [
            "Losses are measured against smoothed labels, on training and on validation cases alike: even a perfect "
            "network has a loss above 0.",
        ]),
    ],
)  # fmt: skip
def test_a_question_is_answered_where_some_recipe_gives_reason(ask, recipes, answer):
    """Once for all recipes, in the order of the table."""
    assert ask(iter(recipes)) == answer


def test_networks_of_the_same_names_start_alike_unless_one_is_trained_or_starts_itself():
    """Weights that were trained before differ from drawn ones, and are the same at every seed."""
    assert (start_of(PLAIN), start_of(OWN)) == ("drawn", "by itself")
    assert alike_at_start({"drawn"}) == "networks"
    assert alike_at_start({"drawn", "by itself"}) == "built-in networks"
    assert alike_at_start({"by itself", "trained"}) == "built-in untrained networks"
    assert start_in_common({"drawn"}).endswith("name and shape, the same seed gives both the same initial values.")
    assert start_in_common({"drawn", "trained"}) == (
        "Where two networks have a parameter of the same name and shape and both are drawn, the same seed gives both the "
        "same initial values. Pretrained weights are the same at every seed."
    )
    assert start_in_common({"by itself", "trained"}).startswith("Custom classes initialise themselves")


def test_networks_of_timm_start_by_themselves_or_from_what_was_trained():
    """timm draws what is untrained, in an order of its own, so that equal names do not mean equal numbers."""
    untrained = Recipe(model="timm/resnet18")
    trained = Recipe(model={"name": "timm/resnet18", "pretrained": "own.safetensors"})
    assert (start_of(untrained), start_of(trained)) == ("by timm", "trained")
    assert alike_at_start({"by timm", "by itself", "drawn"}) == "built-in networks"
    assert start_in_common({"by timm", "drawn"}).startswith("Networks of timm initialise themselves")
    assert start_in_common({"by timm", "by itself"}).startswith("Custom classes and networks of timm initialise")
