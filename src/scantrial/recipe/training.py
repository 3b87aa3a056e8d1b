"""How the cases of an epoch are drawn, when training stops and in which precision: settings, and what a report says.

`scantrial.train` does what they name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from scantrial.core.format import counted
from scantrial.core.records import RunFacts, is_count
from scantrial.core.registry import Registry
from scantrial.recipe.parts import Count, NotNegative, RecipePart

SAMPLINGS: Registry[str] = Registry(
    "sampling",
    {
        "shuffled": "reshuffled each epoch",
        "undersampled": "each epoch with all cases of the smallest class and as many of every other class, drawn anew "
        "[@class-imbalance]",
        "oversampled": "each epoch with as many cases of every class as the largest has, those that are repeated drawn "
        "anew [@class-imbalance]",
    },
)
"""The cases of an epoch in the methods of a report, after “batches of n cases”; sources as ``[@key]``."""

PRECISIONS: Registry[str] = Registry(
    "precision",
    {
        "float32": "single precision (float32)",
        "bf16": "mixed precision: layers that allow it compute in bfloat16 [@bf16], in training and in evaluation; "
        "weights, loss and optimiser are float32",
    },
)
"""What a report calls each; sources as ``[@key]``."""

if TYPE_CHECKING:
    Sampling = str
    Precision = str
else:
    Sampling = Literal[tuple(SAMPLINGS)]
    Precision = Literal[tuple(PRECISIONS)]


class EarlyStoppingSpec(RecipePart):
    """When a run ends before its last epoch; schedules keep the planned length.

    Parameters
    ----------
    patience : epochs in a row without a better score, by the rule of `select`, after which the run ends
    min_delta : a score is better if it exceeds the best before by more than this, in the score's own unit
    """

    patience: Count
    min_delta: NotNegative = 0.0


def drawn_of_classes(sampling: Sampling, counts: Sequence[int]) -> tuple[int, ...]:
    """Return how many cases of each class an epoch has; a class without training cases has none.

    Parameters
    ----------
    counts : training cases of each class

    >>> drawn_of_classes("undersampled", [100, 300, 0])
    (100, 100, 0)
    """
    if sampling == "shuffled":
        return tuple(counts)
    n = (min if sampling == "undersampled" else max)((n for n in counts if n), default=0)
    return tuple(n if of_class else 0 for of_class in counts)


def describe_accumulation(accumulate: int) -> str:
    """Return in words when the weights move, or nothing where they move after every batch."""
    return f", the weights moved once every {accumulate} batches by the mean gradient over their cases" * (
        accumulate > 1
    )


def describe_average(decay: float | None) -> str:
    """Return in words which weights of an epoch are evaluated."""
    if decay is None:
        return "the weights as trained"
    return (
        f"an exponential moving average of the weights (decay {decay:g} at each move) [@ema], which each epoch was "
        "evaluated with"
    )


def stopped_words(facts: RunFacts) -> str:
    """Return in words when and why early stopping ended a run."""
    stored = facts.recipe
    rule, score = stored.get("early_stopping"), facts.selection.removeprefix("best ")
    patience = rule.get("patience") if isinstance(rule, Mapping) else None
    since = f", since {counted(patience, 'epoch')} brought no better {score}" if is_count(patience) else ""
    return f"stopped after epoch {facts.n_epochs} of {facts.planned_epochs}{since}"


def describe_stopping(stopping: EarlyStoppingSpec | None, *, score: str) -> str:
    """Return in words when a run ends.

    Parameters
    ----------
    score : the quantity that `select` goes by, such as ``validation loss``
    """
    if stopping is None:
        return "to the last epoch"
    by_more = f" by more than {stopping.min_delta:g}" if stopping.min_delta else ""
    return f"until {counted(stopping.patience, 'epoch')} in a row did not improve the {score}{by_more} [@prechelt]"
