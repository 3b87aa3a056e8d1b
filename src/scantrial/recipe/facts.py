"""What of a recipe bears on how its results are told: what seeds draw, what is not known, how losses are measured.

Each question has one table: a key of a recipe that comes later adds a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypeVar

from scantrial.recipe.networks import is_timm
from scantrial.recipe.spec import Recipe

Name = TypeVar("Name", bound=str)

Step = Literal["preprocessing", "network", "selection"]
"""A paragraph of a report's methods."""

Start = Literal["drawn", "by itself", "by timm", "trained"]
"""How a network gets its first weights: from the named streams of random numbers, by a custom class, by timm, or from
weights that were trained before."""

DRAWN_BY_SEED: Mapping[str, Callable[[Recipe], bool]] = {
    "the initial weights": lambda recipe: not recipe.model.is_pretrained,
    "the initial weights of the last layer": lambda recipe: recipe.model.is_pretrained,
    "the order of the cases": lambda _: True,
    "the cases that are drawn of each class": lambda recipe: recipe.sampling != "shuffled",
    "the dropout masks": lambda recipe: bool(recipe.model.dropout),
    "the draws of augmentation": lambda recipe: recipe.augment is not None,
    "any other random numbers that custom classes draw": lambda recipe: recipe.model.is_custom,
}
"""What differs between two seeds of an arm, and where it does."""

NOT_KNOWN: Mapping[Step, Callable[[Recipe], bool]] = {
    "preprocessing": lambda recipe: recipe.model.is_custom,
    "network": lambda recipe: recipe.model.is_custom or recipe.model.weights_file is not None,
    "selection": lambda recipe: recipe.model.is_custom or recipe.model.weights_file is not None,
}
"""Of which recipes a step cannot be told in full; its paragraph says what is not known."""

ON_CURVES: Mapping[str, Callable[[Recipe], bool]] = {
    "Losses are measured against smoothed labels, on training and on validation cases alike: even a perfect network "
    "has a loss above 0.": lambda recipe: bool(recipe.loss.label_smoothing),
    "With mixup or CutMix, training numbers are of mixed cases.": lambda recipe: (
        recipe.augment is not None and recipe.augment.mixes and not recipe.train_eval
    ),
    "Training numbers are of classes in equal shares, validation numbers of the classes as they are.": lambda recipe: (
        recipe.sampling != "shuffled" and not recipe.train_eval
    ),
    "Validation numbers are of the weights' moving average, which lags behind early in training.": lambda recipe: (
        recipe.ema is not None
    ),
    "A run that stopped early ends a set number of epochs after its best score: a rise or a level end is what the rule "
    "waits for.": lambda recipe: recipe.early_stopping is not None,
    "Curves of an ensemble are means over its networks; together the networks may do better.": lambda recipe: (
        recipe.ensemble > 1
    ),
}
"""What limits the reading of a learning curve, and where it does."""


def drawn_by_seed(recipes: Iterable[Recipe]) -> list[str]:
    """Return what differs between two seeds of some recipe."""
    return _where(DRAWN_BY_SEED, recipes)


def not_known(recipes: Iterable[Recipe]) -> list[Step]:
    """Return the steps that cannot be told in full for some recipe."""
    return _where(NOT_KNOWN, recipes)


def on_curves(recipes: Iterable[Recipe]) -> list[str]:
    """Return, as sentences, what limits the reading of some recipe's learning curves."""
    return _where(ON_CURVES, recipes)


def start_of(recipe: Recipe) -> Start:
    """Return how a network gets its first weights."""
    if recipe.model.is_custom:
        return "by itself"
    if recipe.model.is_pretrained:
        return "trained"
    return "by timm" if is_timm(recipe.model.name) else "drawn"


def _where(table: Mapping[Name, Callable[[Recipe], bool]], recipes: Iterable[Recipe]) -> list[Name]:
    every = list(recipes)
    return [name for name, holds in table.items() if any(holds(recipe) for recipe in every)]
