"""The records that cross from training to judging."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from scantrial.core.errors import ShapeError
from scantrial.core.records import HISTORY_COLUMNS, EpochRecord, RunFacts, SplitPredictions

FACTS = RunFacts(
    arm="loss-ce",
    seed=3,
    status="finished",
    n_epochs=2,
    chosen_epoch=1,
    selection="best val_loss",
    diverged_epoch=None,
    engine="reference",
    engine_reason="asked for",
    device="cpu",
    threads=1,
    n_parameters=17,
    recipe={"loss": "ce"},
    preprocessing={"mean": 0.5},
    class_names=("normal", "pneumonia"),
    image_shape=(1, 4, 4),
    pixel_type="uint8",
)


def predictions(**changes: object) -> SplitPredictions:
    """Return three cases under a network with two outputs, or a spoilt copy."""
    fields = {
        "split": "val",
        "cases": np.array([1, 4, 6]),
        "y_true": np.array([0, 1, 1]),
        "logits": np.zeros((3, 2), np.float32),
        "output_names": ("a", "b"),
        "y_prob": np.full((3, 2), 0.5),
    }
    return SplitPredictions(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"y_true": np.zeros(2, int)},
        {"y_true": np.zeros((3, 1), int)},
        {"logits": np.zeros((3, 1), np.float32)},
        {"logits": np.zeros(3, np.float32)},
        {"y_prob": np.zeros((2, 2))},
        {"y_prob": np.zeros(3)},
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(changes: dict[str, object]):
    """Nothing is broadcast: the message gives the shapes and says what fits."""
    with pytest.raises(ShapeError, match="predictions for 3 cases with shapes") as caught:
        predictions(**changes)
    assert caught.value.expected == "one row for each case"


def test_the_prediction_is_the_most_probable_class():
    """A tie goes to the lower index, so that two classes need more than one half."""
    scores = predictions(y_prob=np.array([[0.5, 0.5], [0.4, 0.6], [0.9, 0.1]]))
    assert scores.y_pred.tolist() == [0, 1, 0]
    assert scores.y_pred.dtype == np.int64


def test_no_cases_are_allowed():
    """An empty split has empty scores."""
    empty = predictions(
        cases=np.array([], int), y_true=np.array([], int), logits=np.zeros((0, 2)), y_prob=np.zeros((0, 2))
    )
    assert empty.y_pred.shape == (0,)


def test_facts_come_back_from_json_as_they_were():
    """Through JSON, lists become tuples again."""
    assert RunFacts.from_dict(json.loads(json.dumps(FACTS.to_dict()))) == FACTS


def test_facts_of_a_newer_version_are_read():
    """Keys that this version does not know are passed over."""
    assert RunFacts.from_dict({**FACTS.to_dict(), "new_in_2030": 1}) == FACTS


def test_history_columns_are_the_fields_of_an_epoch():
    """In the order of the record; what a table holds is what a record has."""
    assert tuple(field.name for field in dataclasses.fields(EpochRecord)) == HISTORY_COLUMNS
    assert HISTORY_COLUMNS[:3] == ("round", "epoch", "lr")


def test_records_do_not_change():
    """A result is frozen."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        FACTS.seed = 4  # type: ignore[misc]
