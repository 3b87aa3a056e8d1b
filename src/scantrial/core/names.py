"""Names: slugs for folders, the nearest right name for a wrong one, and the import of an object by name."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, Literal

LONG, MAX_COMPARED = 100, 500

N_NAMED = 5
"""How many rows, cases or other things of a kind a message names; it counts the rest."""

EngineName = Literal["auto", "reference", "fused"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def slug(text: str) -> str:
    """Turn a text into a name that every file system takes: lower-case letters, digits, ``-``, ``.``, ``+``.

    ``"optimizer.lr 1e-3"`` becomes ``"optimizer.lr-1e-3"``. Empty input gives ``"x"``.
    """
    cleaned = re.sub(r"[^a-z0-9.+]+", "-", text.lower()).strip("-.")
    return cleaned or "x"


def own_slug(text: str) -> str:
    """Turn a text into a name in its own script: as `slug`, but letters and digits of every script stay.

    ``"交叉熵 A"`` becomes ``"交叉熵-a"``. Letters are composed (NFC), so that no file system changes the name.
    """
    composed = unicodedata.normalize("NFC", text.lower())
    return re.sub(r"[^\w.+]+", "-", composed).strip("-.") or "x"


def is_arm_name(name: str) -> bool:
    """Return whether a name holds what names of arms are made of: letters, digits, ``_``, ``-``, ``+`` and ``.``.

    They stand in paths and logs. None of these characters has a meaning to a shell.
    """
    return re.fullmatch(r"[\w.+-]+", name) is not None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, ignoring case, or None if none is near.

    A name longer than any that a person means, and names beyond the first `MAX_COMPARED`, are not compared: that would
    take minutes for a file that was made to.
    """
    by_lower = {candidate.lower(): candidate for candidate in islice(known, MAX_COMPARED) if len(candidate) <= LONG}
    if len(str(name)) > LONG:
        return None
    found = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def listed(names: Iterable[str]) -> str:
    """Join names for a message: ``a, b, c``."""
    return ", ".join(names)


def some_of(names: Sequence[str]) -> str:
    """Join the first few names for a message, and count the others."""
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return listed(names[:N_NAMED]) + more


def resolve(name: str) -> Any:
    """Import ``module:attribute``, which a table gives as text where it must not import the module."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
