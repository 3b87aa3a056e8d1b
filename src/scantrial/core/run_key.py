"""`RunKey`: which run of a study, and the name of its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scantrial.core.rng import derive_seed

MAX_NAME = 256
"""Characters; no file system takes a longer name."""

_NUMBER = "(0|[1-9][0-9]*)"
_FOLDER = re.compile(f"seed-{_NUMBER}(?:-repeat-{_NUMBER}-fold-{_NUMBER})?")


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """One run of a study: an arm at a seed, in a cross-validation also in one fold of one repeat."""

    arm: str
    seed: int
    repeat: int | None = None
    fold: int | None = None

    def __str__(self) -> str:
        return f"{self.arm}/{self.folder_name}"

    @property
    def folder_name(self) -> str:
        """The name of its folder in that of its arm."""
        return f"seed-{self.seed}" + ("" if self.fold is None else f"-repeat-{self.repeat}-fold-{self.fold}")

    @property
    def words(self) -> str:
        """The run of an arm, for sentences."""
        return f"seed {self.seed}" + ("" if self.fold is None else f", fold {self.fold} of repeat {self.repeat}")

    @property
    def place(self) -> tuple[int, int] | None:
        """(repeat, fold) of a cross-validation; None in a study with one test set."""
        return None if self.repeat is None or self.fold is None else (self.repeat, self.fold)

    @property
    def drawn_seed(self) -> int:
        """The seed of its draws: in each fold another one, so that no luck of training is the same in all folds."""
        return self.seed if self.place is None else derive_seed(self.seed, "fold", *self.place)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without repeat and fold where there are none."""
        place = {} if self.fold is None else {"repeat": self.repeat, "fold": self.fold}
        return {"arm": self.arm, "seed": self.seed, **place}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunKey:
        """Read what `to_dict` gave, among other keys."""
        return cls(content["arm"], content["seed"], content.get("repeat"), content.get("fold"))

    @classmethod
    def of_folder(cls, arm: str, name: str) -> RunKey | None:
        """Return the run whose folder has this name in that of its arm; None for other names, such as ``seed-01``."""
        found = _FOLDER.fullmatch(name) if len(name) < MAX_NAME else None
        return found and cls(arm, *(None if number is None else int(number) for number in found.groups()))  # type: ignore[arg-type] # the first number is never None
