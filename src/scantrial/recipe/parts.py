"""What the parts of a recipe share: numbers within bounds, bare names, the error for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from scantrial.core.names import listed, nearest

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=4, le=4096)]
"""Height or width of an image in pixels."""
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


def unknown_name(what: str, name: str, known: Iterable[str]) -> PydanticCustomError:
    """Return the error for a wrong name, with the nearest right one beside the message as its ``suggestion``."""
    known = tuple(known)
    guess = nearest(name, known)
    plain = f"{what} {name!r}" if guess else f"{what} {name!r}; there are {listed(known)}"
    hint = f" (did you mean {guess!r}?)" if guess else ""
    context = {"plain": plain, "suggestion": guess, "hint": hint}
    return PydanticCustomError("unknown_name", "{plain}{hint}", context)


def named(value: Any) -> Any:
    """A bare name means ``{name: ...}``."""
    return {"name": value} if isinstance(value, str) else value


class RecipePart(BaseModel):
    """Base of the recipe's parts: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
