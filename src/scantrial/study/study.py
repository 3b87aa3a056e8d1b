"""A study that is ready to run: its arms, its hypotheses, its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scantrial.core.errors import Fault
from scantrial.core.notebook import notebook_html
from scantrial.data.scanset import ScanSet
from scantrial.recipe.plan import PlannedHypothesis
from scantrial.recipe.spec import Recipe
from scantrial.study.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to train, to be compared with the others.

    Parameters
    ----------
    name : a slug, the name of its folder; ``base`` for the unchanged recipe
    label : for people, such as ``lr = 0.0001``
    settings : what differs from the base, by dotted key of the recipe; empty for the base
    factor, level : the one setting, or None for the base and for arms with several
    recipe : everything needed to train it
    """

    name: str
    label: str
    settings: Mapping[str, Any]
    factor: str | None
    level: Any
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study that is ready to run.

    Two studies are equal if they do and decide the same; where they were read from does not count.

    Parameters
    ----------
    name : the built-in's name, or the file's without its ending
    spec : what the file says, every default spelled out
    arms : the base first
    hypotheses : with the names of their arms
    seeds : every arm is trained once with each, in a cross-validation once in each fold
    recipe_given : the file's own ``recipe``, before any default was spelled out
    source_path : the file, or None if the study did not come from one
    base : folder that relative paths in the file start from
    weights_files : files of pretrained weights, by their SHA-256
    source : the name of the file in messages
    model_places : by arm where its network is named, as a fault without a message
    """

    name: str = field(compare=False)
    spec: StudySpec
    arms: tuple[Arm, ...]
    hypotheses: tuple[PlannedHypothesis, ...]
    seeds: tuple[int, ...]
    recipe_given: Mapping[str, Any] = field(compare=False, repr=False)
    source_path: Path | None = field(compare=False)
    base: Path = field(compare=False)
    weights_files: Mapping[str, Path] = field(default_factory=dict, compare=False, repr=False)
    source: str = field(default="the study", compare=False, repr=False)
    model_places: Mapping[str, Fault] = field(default_factory=dict, compare=False, repr=False)

    def _repr_html_(self) -> str:
        """Show question and arms in a notebook."""
        return notebook_html(
            self.spec.study,
            columns=("arm", "label"),
            rows=[(arm.name, arm.label) for arm in self.arms],
            lines=[f"seeds: {', '.join(map(str, self.seeds))}", f"decided on: {self.spec.primary.metric}"],
        )

    def without_folders(self) -> Study:
        """Return the study as its folder names it: the source of the scans without folders of this machine."""
        return replace(self, spec=self.spec.model_copy(update={"data": self.spec.data.without_folders()}))

    def for_scans(self, scans: ScanSet) -> Study:
        """Return the study with what it leaves to its scans: DICOM files may have names in their pixels.

        So no pictures of them are kept, unless the study says so.
        """
        data = self.spec.data
        if "dicom" not in scans.origin or "thumbnails" in data.model_fields_set:
            return self
        plain = data.model_copy(update={"thumbnails": False})
        return replace(self, spec=self.spec.model_copy(update={"data": plain}))

    @property
    def folds(self) -> tuple[tuple[int, int], ...]:
        """Every (repeat, fold) of a cross-validation; empty for a study with one test set."""
        split = self.spec.data.split
        n_folds = (split.folds or 0) if split.kind == "cross-validation" else 0
        return tuple((repeat, fold) for repeat in range(split.repeats or 1) for fold in range(n_folds))

    @property
    def n_runs_an_arm(self) -> int:
        """How often every arm is trained."""
        return len(self.seeds) * max(1, len(self.folds))

    def arm(self, name: str) -> Arm:
        """Return the arm of that name; raises KeyError if there is none."""
        return {arm.name: arm for arm in self.arms}[name]
