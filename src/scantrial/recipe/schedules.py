"""The schedules of the learning rate that a recipe may name: their settings, and what a report calls them.

`scantrial.train.schedules` computes each; a test holds its table to this one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from scantrial.core.format import counted
from scantrial.core.registry import Registry
from scantrial.recipe.parts import Count, RecipePart

SCHEDULES: Registry[Callable[[ScheduleSpec], str]] = Registry(
    "schedule",
    {
        "constant": lambda _: "constant",
        "cosine": lambda _: "falling as a cosine to 0 over each round [@cosine]",
        "cosine-stepped-per-epoch": lambda _: (
            "a cosine over the batches of a round, stepped only once per epoch, so that it hardly falls [@cosine]"
        ),
        "step": lambda schedule: f"multiplied by {schedule.gamma or 0:g} every {schedule.every} epochs",
    },
)
"""The description of each in the methods of a report; sources as ``[@key]``."""

if TYPE_CHECKING:
    ScheduleName = str
else:
    ScheduleName = Literal[tuple(SCHEDULES)]


class ScheduleSpec(RecipePart):
    """How the learning rate changes within a round.

    Parameters
    ----------
    name : ``constant``; ``cosine`` (from lr to 0 over the round, stepped every batch); ``cosine-stepped-per-epoch``
        (as in the course: `T_max` = batches x epochs but stepped once per epoch, so that it hardly falls);
        ``step`` (times `gamma` every `every` epochs)
    warmup_epochs : epochs over which the rate first rises from lr / steps to lr, step by step
    every, gamma : for ``step`` only; by default 10 and 0.1
    """

    name: ScheduleName = "constant"
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    every: Count | None = None
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("name") == "step":
            return {"every": 10, "gamma": 0.1, **{key: item for key, item in value.items() if item is not None}}
        return value

    @model_validator(mode="after")
    def _step_only(self) -> ScheduleSpec:
        if self.name != "step" and (self.every is not None or self.gamma is not None):
            raise ValueError(f"every and gamma are only for the step schedule, not for {self.name}")
        return self


def describe(schedule: ScheduleSpec) -> str:
    """Return a schedule and its settings in words for the methods of a report; sources as ``[@key]``."""
    said = SCHEDULES[schedule.name](schedule)
    warm = schedule.warmup_epochs
    return f"{said}, after a linear rise over {counted(warm, 'epoch')}" if warm else said
