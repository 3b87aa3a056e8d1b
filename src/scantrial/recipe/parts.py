"""What the parts of a recipe share: numbers within bounds, bare names, the error for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from scantrial.core.names import listed, nearest
from scantrial.core.records import MAX_COUNT

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=4, le=4096)]
"""Height or width of an image in pixels."""
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


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


def none_word(value: Any) -> Any:
    """Return None for the word ``none``, and anything else as it is."""
    return None if value == "none" else value


class RecipePart(BaseModel):
    """Base of the recipe's parts: unknown keys are errors, values never change.

    A key of `later` came after the first version: at its default it is not written, so that plans stay as they were.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    later: ClassVar[tuple[str, ...]] = ()

    def spelt_out(self) -> dict[str, Any]:
        """Return plain data with every default, those of later keys too; keys that do not apply (None) are left out."""
        return self.model_dump(mode="json", exclude_none=True, context=_EVERY_KEY)

    @model_serializer(mode="wrap")
    def _written(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        plain: dict[str, Any] = dump(self)
        if info.context == _EVERY_KEY:
            return plain
        unset = {key for key in self.later if getattr(self, key) == type(self).model_fields[key].default}
        return {key: value for key, value in plain.items() if key not in unset}


_EVERY_KEY = {"keys": "every"}
