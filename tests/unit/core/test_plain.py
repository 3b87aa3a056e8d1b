"""Records as plain data."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scantrial.core.plain import LEFT_OUT, LEFT_OUT_IF_NONE, Plain, as_plain, fields_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    values: tuple[float, ...]
    hidden: bytes = field(default=b"", metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Plain):
    name: str
    parts: tuple[Bare, ...]

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "n_parts": len(self.parts)}


def test_everything_within_a_record_becomes_plain():
    """Records in records, mappings, arrays, scalars and paths; what is not finite is None, whatever holds it."""
    given = {
        1: Told(name="a", parts=(Bare(values=(1.0, math.nan)),)),
        "array": np.array([[1.5, np.inf]]),
        "scalars": [np.float32(0.5), np.int64(3), np.bool_(True), np.float64("nan")],
        "path": Path("a/b"),
        "none": None,
    }
    plain = as_plain(given)
    assert plain == {
        "1": {"name": "a", "parts": [{"values": [1.0, None]}], "n_parts": 1},
        "array": [[1.5, None]],
        "scalars": [0.5, 3, True, None],
        "path": "a/b",
        "none": None,
    }
    json.dumps(plain, allow_nan=False)


def test_keys_stay_in_the_order_of_the_fields():
    """A file that is written anew differs in nothing."""
    assert list(Told(name="a", parts=()).to_dict()) == ["name", "parts", "n_parts"]


def test_a_type_and_what_is_not_known_stay_as_they_are():
    """JSON then refuses them; nothing is made into text unasked."""
    thing = object()
    assert as_plain(Bare) is Bare
    assert as_plain([thing]) == [thing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown(Plain):
    old: int | None
    new: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)


def test_a_key_that_came_later_is_there_only_where_it_says_something():
    """What was written before stays as it was; the older key is there even if it is None."""
    assert Grown(old=None).to_dict() == {"old": None}
    assert Grown(old=None, new=0).to_dict() == {"old": None, "new": 0}
