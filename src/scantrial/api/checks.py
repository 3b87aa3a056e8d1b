"""What the functions of the API refuse before they begin."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from typing import TYPE_CHECKING

from scantrial.core.errors import InputError, MissingExtraError
from scantrial.core.names import listed, nearest

if TYPE_CHECKING:
    pass


def one_of(what: str, name: str, known: Collection[str]) -> str:
    """Return the name if it is known; else raise an InputError with the nearest name that is."""
    if name not in known:
        guess = nearest(name, known)
        hint = f" (did you mean {guess!r}?)" if guess else ""
        raise InputError(f"no {what} is called {name!r}{hint}", expected=f"one of {listed(known)}")
    return name


def no_less_than_zero(name: str, value: float) -> float:
    """Return the value of an option if it is 0 or more; else raise an InputError."""
    # Written so that NaN is refused as well.
    if not value >= 0:
        raise InputError(f"--{name} {value}", expected="0 or more")
    return value


def at_least_one(name: str, value: int) -> int:
    """Return the value of an option if it is 1 or more; else raise an InputError."""
    if value < 1:
        raise InputError(f"--{name} {value}", expected="1 or more")
    return value


def require_torch(needed_for: str) -> None:
    """Refuse what needs PyTorch where it is not installed, naming the extra."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(extra="train", package="PyTorch", needed_for=needed_for)
