"""The rules by which an epoch's weights are kept: their settings, and what a report calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from scantrial.core.registry import Registry
from scantrial.recipe.parts import RecipePart

SELECTIONS: Registry[str] = Registry(
    "rule for the choice of an epoch",
    {
        "best-val-loss": "the epoch with the smallest validation loss",
        "best-val-metric": "the epoch with the highest validation {metric}",
        "last": "the last epoch",
    },
)
"""What a report calls the epoch that each keeps; ``{metric}`` is replaced by the name of the rule's metric."""

if TYPE_CHECKING:
    SelectName = str
else:
    SelectName = Literal[tuple(SELECTIONS)]


class SelectSpec(RecipePart):
    """Which epoch's weights are kept and evaluated; of equal epochs, the first.

    Parameters
    ----------
    name : ``best-val-loss``, ``best-val-metric`` or ``last``
    metric : for ``best-val-metric`` only: ``accuracy`` (its default), ``balanced_accuracy`` or ``auroc``
    """

    name: SelectName = "best-val-loss"
    metric: Literal["accuracy", "balanced_accuracy", "auroc"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("name") == "best-val-metric":
            return {"metric": "accuracy", **{key: item for key, item in value.items() if item is not None}}
        return value

    @model_validator(mode="after")
    def _metric_only(self) -> SelectSpec:
        if self.name != "best-val-metric" and self.metric is not None:
            raise ValueError("metric is only for best-val-metric")
        return self
