"""What a recipe may name is known by the same names wherever it is settled, built and described."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from scantrial.analysis.diagnosis.curve import guessing_of
from scantrial.core.names import resolve
from scantrial.data.preprocess import METHODS
from scantrial.nets.heads import Head
from scantrial.prose.references import REFERENCES
from scantrial.recipe import losses, optimizers, schedules
from scantrial.recipe.losses import LOSSES, LossSpec
from scantrial.recipe.networks import CUSTOM, NETWORKS, TIMM
from scantrial.recipe.optimizers import OPTIMIZERS, AdamSpec, SgdSpec
from scantrial.recipe.schedules import SCHEDULES, ScheduleSpec
from scantrial.recipe.selection import SELECTIONS, SelectSpec
from scantrial.recipe.spec import NORMALIZATIONS, NormalizeName, Recipe
from scantrial.study.faults import names_of
from scantrial.train.choice import FUSED_OPTIMIZERS
from scantrial.train.optimizers import BUILDERS
from scantrial.train.schedules import FACTORS


def test_optimizers_have_one_set_of_names():
    """The words, the specs and the builders; the fused engine knows some of them."""
    assert set(OPTIMIZERS) == {*names_of(AdamSpec), *names_of(SgdSpec)} == set(BUILDERS)
    assert set(FUSED_OPTIMIZERS) <= set(OPTIMIZERS)


def test_schedules_have_one_set_of_names():
    """The words, the spec and the factors."""
    assert set(SCHEDULES) == set(names_of(ScheduleSpec)) == set(FACTORS)


def test_losses_and_rules_of_choice_have_one_set_of_names():
    """The words and the specs."""
    assert tuple(LOSSES) == names_of(LossSpec)
    assert tuple(SELECTIONS) == names_of(SelectSpec)


def test_normalizations_have_one_set_of_names():
    """The words, the key of a recipe, and what does it."""
    assert tuple(NORMALIZATIONS) == METHODS == get_args(NormalizeName)


@pytest.mark.parametrize(
    "text", [*(row.builder for row in (*NETWORKS.values(), TIMM, CUSTOM)), *(r.head for r in LOSSES.values())]
)
def test_every_text_in_a_table_leads_somewhere(text):
    """Tables know builders and heads as texts; each can be imported."""
    assert callable(resolve(text))


@pytest.mark.parametrize("row", LOSSES.values(), ids=LOSSES)
def test_a_loss_has_a_head_and_a_key_of_its_own(row):
    """The row stands under its own name, and its head is a `Head`."""
    assert LOSSES[row.name] is row
    assert issubclass(resolve(row.head), Head)


def test_words_for_the_methods_cite_known_sources():
    """Whatever a recipe's words cite stands among the references."""
    said = [
        *(losses.describe(LossSpec(name=name, label_smoothing=0.1, focal_gamma=1), n_classes=2) for name in LOSSES),
        *(optimizers.describe(Recipe(optimizer=name).optimizer) for name in OPTIMIZERS),
        *(schedules.describe(ScheduleSpec(name=name)) for name in SCHEDULES),
        *(
            NETWORKS[name].describe(Recipe(model={"name": name, "batch_norm": True, "dropout": 0.1}).model)
            for name in NETWORKS
        ),
    ]
    keys = {key for text in said for key in re.findall(r"@([a-z0-9-]+)", text)}
    assert {"adam", "cosine", "batch-norm", "focal"} <= keys <= REFERENCES.keys()


def test_what_guessing_costs_under_another_loss_is_not_claimed():
    """A loss that the formulas were not made for gives no loss of guessing, and the reason."""
    found = guessing_of({"name": "hinge"}, [5, 5], [5, 5])
    assert found.loss is None
    assert found.reason == "the loss of guessing under hinge is not known"
