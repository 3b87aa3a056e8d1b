"""The schedules of the learning rate that a recipe may name: their settings, and what a report calls them.

`scantrial.train.schedules` computes each; a test holds its table to this one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from scantrial.core.format import counted, joined, percent
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
        "step": lambda schedule: f"multiplied by {schedule.gamma or 0:g} {_when(schedule)}",
        "one-cycle": lambda schedule: (
            f"one cycle over each round [@one-cycle]: rising along a cosine from 1/{schedule.div_factor or 0:g} of it "
            f"in the first {percent(schedule.pct_start or 0)} of the steps, then falling along a cosine to "
            f"1/{schedule.final_div_factor or 0:g} of where it began"
        ),
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
        ``step`` (times `gamma` every `every` epochs, or after each of `milestones`); ``one-cycle`` (as `OneCycleLR`,
        the optimiser's rate its largest)
    warmup_epochs : epochs over which the rate first rises from lr / steps to lr, step by step
    every, gamma : for ``step`` only; by default 10 and 0.1
    milestones : for ``step`` only, in place of `every`: the epochs of a round after which the rate falls, rising
    pct_start, div_factor, final_div_factor : for ``one-cycle`` only, by default 0.3, 25 and 1e4: the share of the steps
        in which the rate rises, from lr / `div_factor`; it ends at lr / `div_factor` / `final_div_factor`
    """

    name: ScheduleName = "constant"
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    every: Count | None = None
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None
    milestones: tuple[Count, ...] | None = None
    pct_start: Annotated[float, Field(gt=0, lt=1)] | None = None
    div_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    final_div_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        name = value.get("name") if isinstance(value, dict) else None
        if not isinstance(name, str) or name not in _OWN:
            return value
        given = {key: item for key, item in value.items() if item is not None}
        own = {**_OWN[name], "every": None} if "milestones" in given else _OWN[name]
        return {**own, **given}

    @model_validator(mode="after")
    def _own_only(self) -> ScheduleSpec:
        for name, own in _OWN.items():
            if self.name != name and any(getattr(self, key) is not None for key in own):
                raise ValueError(f"{joined(list(own))} are only for the {name} schedule, not for {self.name}")
        if self.name == "one-cycle" and self.warmup_epochs:
            raise ValueError("one-cycle has a rise of its own: leave warmup_epochs out and set pct_start")
        if self.milestones is not None:
            self._check_milestones(self.milestones)
        return self

    def _check_milestones(self, milestones: tuple[int, ...]) -> None:
        if self.every is not None:
            raise ValueError("the rate falls every so many epochs or at milestones: leave one of every, milestones out")
        if not milestones or any(later <= earlier for earlier, later in pairwise(milestones)):
            raise ValueError(f"got milestones {list(milestones)}; expected rising numbers of epochs, such as [50, 75]")


_OWN: dict[str, dict[str, float | None]] = {
    "step": {"every": 10, "gamma": 0.1, "milestones": None},
    "one-cycle": {"pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4},
}
"""The keys that only one schedule has, with their defaults."""


def _when(schedule: ScheduleSpec) -> str:
    if schedule.milestones is None:
        return f"every {schedule.every} epochs"
    return f"after {joined([f'epoch {epoch}' for epoch in schedule.milestones])}"


def describe(schedule: ScheduleSpec) -> str:
    """Return a schedule and its settings in words for the methods of a report; sources as ``[@key]``."""
    said = SCHEDULES[schedule.name](schedule)
    warm = schedule.warmup_epochs
    return f"{said}, after a linear rise over {counted(warm, 'epoch')}" if warm else said
