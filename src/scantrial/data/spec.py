"""What a study file says about its scans, typed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from scantrial.core.fold_table import MAX_FOLDS, MAX_REPEATS
from scantrial.data.ignore import pattern_faults
from scantrial.data.patients import FOLDER, MAX_PATTERN
from scantrial.data.places import name_without_folders
from scantrial.recipe.parts import Side


class DataModel(BaseModel):
    """Base of the data specs: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class SourceSpec(BaseModel):
    """Where the scans come from: a bare name, or a name with options.

    `name` is a catalogue name (``chest-xray``, ``pneumoniamnist``), ``phantom``, a folder, an
    ``.npz`` file or a ``.csv`` table. Further keys are options of that source and are checked by it
    (``scantrial.data.load.check_source``): the phantom's options, a table's column names.

    Parameters
    ----------
    name : a catalogue name, ``phantom``, a folder, or a file
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1)

    def without_folders(self) -> SourceSpec:
        """Return the source as a study folder names it, see `scantrial.data.places`."""
        return self.model_copy(update={"name": name_without_folders(self.name)})

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `name`."""
        return dict(self.model_extra or {})


MAX_CHANNELS, MAX_PAGES = 1024, 1000
"""Of one scan. Hyperspectral cameras have a few hundred channels."""

ChannelName = Annotated[int, Field(ge=0, lt=MAX_CHANNELS)] | Annotated[str, Field(min_length=1)]
WindowWidth = Annotated[FiniteFloat, Field(ge=1)]


class ImageSpec(DataModel):
    """One shape for all scans, so that a data set is one array.

    Parameters
    ----------
    size : side in pixels of the square result, or (height, width); None keeps the scans' own size,
        which must then be the same for all
    channels : 1 (gray), 3 (RGB), or how many the scans have; or a list of numbers (from 0) or names of those that are
        used, in this order. None keeps the scans' own, which must then be the same for all
    fit : ``stretch`` to the size, or ``pad`` with black to keep the proportions
    page : of a stack: the number of a page, from 0, or the ``max`` or ``mean`` over all pages; None takes files of one
        page only
    range : (low, high), the values that become 0 and 65535, in the units of the files; what lies beyond is clipped.
        Floating-point and signed scans need it
    window : of gray DICOM files: the number of a window of the file, from 0; ``full`` for the full range of stored
        values; or [centre, width] in measured units, such as Hounsfield units. None takes the file's own table of
        values of interest, else its first window, else the full range. Of NIfTI files: [centre, width]
    frame : of DICOM files with several frames and of NIfTI volumes: the number of a frame or slice, from 0; or ``all``,
        each a case of the same patient. None takes files of one frame only
    """

    size: Side | tuple[Side, Side] | None = None
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)] | tuple[ChannelName, ...] | None = None
    fit: Literal["stretch", "pad"] = "stretch"
    page: Annotated[int, Field(ge=0, le=MAX_PAGES)] | Literal["max", "mean"] | None = None
    range: tuple[FiniteFloat, FiniteFloat] | None = None
    window: Annotated[int, Field(ge=0)] | Literal["full"] | tuple[FiniteFloat, WindowWidth] | None = None
    frame: Annotated[int, Field(ge=0)] | Literal["all"] | None = None

    @field_validator("channels")
    @classmethod
    def _different(cls, channels: int | tuple[int | str, ...] | None) -> int | tuple[int | str, ...] | None:
        if isinstance(channels, tuple) and not 0 < len(set(channels)) == len(channels) <= MAX_CHANNELS:
            raise ValueError(f"got {list(channels)}; expected different numbers or names of channels")
        return channels

    @field_validator("range")
    @classmethod
    def _rising(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits is not None and not limits[0] < limits[1]:
            raise ValueError(f"got {list(limits)}; expected the lower value first, [low, high]")
        return limits

    @property
    def n_channels(self) -> int | None:
        """How many channels the scans have; None for their own."""
        return len(self.channels) if isinstance(self.channels, tuple) else self.channels

    @property
    def keeps_samples(self) -> bool:
        """Whether channels are used as they are stored: none of them is alpha, and no gray is made of colours."""
        return isinstance(self.channels, tuple) or self.channels not in (None, 1, 3)

    def stored(self) -> dict[str, Any]:
        """Return plain data for the study folder: size, channels, fit, and what differs from its default."""
        always = ("size", "channels", "fit")
        return {key: value for key, value in self.model_dump(mode="json").items() if key in always or value is not None}

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width), or None for the scans' own."""
        if self.size is None:
            return None
        return (self.size, self.size) if isinstance(self.size, int) else self.size


USUAL = ImageSpec()
"""The scans as they are."""


class ArmImageSpec(ImageSpec):
    """How the scans of one arm are decoded, where that differs from the study's.

    Parameters
    ----------
    crop_border : share of the height and of the width that is cut off at each border of the decoded scan, before it is
        resized
    """

    crop_border: Annotated[float, Field(ge=0, le=0.4)] = 0.0


INNER_SHARE = 0.2
"""Of the cases that a fold of a cross-validation does not test: how many choose the epoch."""

Share = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | Literal["given"]


class SplitSpec(DataModel):
    """Which scans are used for training, validation and test.

    One of five ways:

    * ``given``: the source's own splits.
    * ``{train: 800, val: 200, test: 200, per: class}``: the first n of each class, in the order of the
      source. Where the source has its own splits, ``test`` is taken from its test split, ``train`` and ``val``
      from its training split.
    * ``{train: 0.7, val: 0.15, test: 0.15}``: fractions, stratified by class, ordered by a hash of seed and case.
      A part that says ``given`` keeps the source's own split and the fractions divide the rest
      (``{test: given, val: 0.2}``; all other cases are used for training).
    * ``{folds: 5, fold: 0}``: fold `fold` is the test set, the next one the validation set, the others the
      training set.
    * ``{folds: 5, repeats: 4}``: cross-validation. Every arm is trained once for each fold of each repeat and tested
      on that fold; a share `val` of the other folds chooses the epoch.

    With ``by: patient`` no patient is in two parts.

    Parameters
    ----------
    train, val, test : whole numbers, fractions, or ``given``; of a cross-validation only `val`, a fraction of the cases
        that a fold does not test, 0.2 if it is not said
    per : ``class``, with whole numbers
    folds, fold : number of folds, and the test fold, counting from 0; without `fold` every one is tested in its turn
    repeats : how often the cases are divided into folds anew, 1 if it is not said
    by : what is divided: ``case`` (each case by itself) or ``patient`` (all cases of a patient together)
    seed : seed of the order in which fractions and folds take cases; not the seed of training
    """

    train: Share | None = None
    val: Share | None = None
    test: Share | None = None
    per: Literal["class"] | None = None
    folds: Annotated[int, Field(ge=3, le=100)] | None = None
    fold: Annotated[int, Field(ge=0)] | None = None
    repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] | None = None
    by: Literal["case", "patient"] = "case"
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("folds") is not None and value.get("fold") is None:
            return {"repeats": 1, "val": INNER_SHARE} | {key: one for key, one in value.items() if one is not None}
        return {"train": "given", "val": "given", "test": "given"} if value == "given" else value

    @property
    def kind(self) -> Literal["given", "first", "fractions", "folds", "cross-validation"]:
        """Which of the five ways this is."""
        if self.folds is not None:
            return "cross-validation" if self.fold is None else "folds"
        shares = [share for share in (self.train, self.val, self.test) if share is not None]
        if shares and all(share == "given" for share in shares):
            return "given"
        if any(isinstance(share, int) for share in shares):
            return "first"
        return "fractions"

    @model_validator(mode="after")
    def _consistent(self) -> SplitSpec:
        shares = [share for share in (self.train, self.val, self.test) if share is not None]
        if self.kind == "cross-validation":
            return self._as_cross_validation()
        if self.repeats is not None:
            raise ValueError("repeats are of a cross-validation: expected folds with it, and no fold")
        if self.folds is not None:
            if shares:
                raise ValueError("got both folds and shares (train, val, test); expected only one of them")
            if self.fold is not None and self.fold >= self.folds:
                raise ValueError(f"fold {self.fold} of {self.folds}: folds count from 0 to {self.folds - 1}")
            return self
        if self.fold is not None:
            raise ValueError("got fold without folds; expected both")
        if not shares:
            raise ValueError("expected 'given', shares (train, val, test), or folds")
        if self.kind == "first" and (any(isinstance(s, float) for s in shares) or self.per != "class"):
            raise ValueError("whole numbers are cases per class: write all shares as whole numbers, with per: class")
        if self.kind == "first" and self.by == "patient":
            raise ValueError("the first n per class cannot keep patients apart: use fractions with by: patient")
        fractions = [share for share in shares if isinstance(share, float)]
        if sum(fractions) > 1 + 1e-9:
            raise ValueError(f"the fractions add up to {sum(fractions):g}, more than 1")
        return self

    def _as_cross_validation(self) -> SplitSpec:
        if self.train is not None or self.test is not None or not isinstance(self.val, float):
            raise ValueError(
                "a cross-validation trains on all folds but one and tests that one; expected no train and no test, and "
                "of val a fraction of the cases that a fold does not test"
            )
        if (self.folds or 0) > MAX_FOLDS:
            raise ValueError(f"{self.folds} folds without fold; expected at most {MAX_FOLDS}")
        if self.per is not None:
            raise ValueError("per: class is for whole numbers of cases; folds are always divided by class")
        return self


ClassNames = tuple[str, ...] | dict[str, tuple[str, ...]]
"""Class names in their order; or, for each new name, the source's own names that it stands for."""


def _in_a_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _texts_for_numbers(value: Any) -> Any:
    """Return a mapping of classes with numbers as texts, and with lists for single names."""
    if not isinstance(value, Mapping):
        return value
    lists = {name: old if isinstance(old, list | tuple) else (old,) for name, old in value.items()}
    return {
        name: tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in old)
        for name, old in lists.items()
    }


def mapping_faults(classes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is wrong with a mapping of classes, without looking at any source."""
    faults = [f"{name!r} stands for no class; expected a list of names" for name, old in classes.items() if not old]
    counts = Counter(one for old in classes.values() for one in old)
    return faults + [f"{name!r} is listed {n} times; expected once" for name, n in counts.items() if n > 1]


class DataSpec(DataModel):
    """The ``data`` part of a study file.

    Parameters
    ----------
    source : where the scans come from
    image : one shape for all scans
    split : which scans are used for training, validation and test
    ignore : files that are no scans, such as masks: patterns for their names, or for their paths relative to the source
    classes : class names in the order of their indices; None uses the source's own order (sorted names).
        For two classes the last is the positive one. A mapping of new names to lists of the source's own names joins
        these; cases of other classes are left out.
    patient : a regular expression with one group, searched in each case's file name, that gives the patient; or
        ``folder``, where the folder below the class (or above it) is the patient; None uses the source's own patients,
        if it has any
    skip_unreadable : continue without scans that cannot be read, and without rows of a table that have no file or no
        label; the report counts them
    thumbnails : keep small pictures of the cases in the study folder, of 10,000 at most: test, then validation, then
        training; of DICOM files only if this says so, as names may be burned into their pixels
    """

    source: Annotated[SourceSpec, BeforeValidator(_named), Field(examples=["my-scans"])]
    image: ImageSpec = ImageSpec()
    split: Annotated[SplitSpec, Field(examples=["{train: 0.7, val: 0.15, test: 0.15}"])]
    ignore: Annotated[tuple[str, ...] | None, BeforeValidator(_in_a_list)] = None
    classes: Annotated[ClassNames | None, BeforeValidator(_texts_for_numbers)] = None
    patient: str | None = None
    skip_unreadable: bool = False
    thumbnails: bool = True

    def without_folders(self) -> DataSpec:
        """Return the same with the source as a study folder names it."""
        return self.model_copy(update={"source": self.source.without_folders()})

    @field_validator("ignore")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        faults = [] if patterns is None else pattern_faults(patterns)
        if faults:
            raise ValueError("; ".join(faults))
        return None if patterns is None else tuple(dict.fromkeys(patterns))

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: ClassNames | None) -> ClassNames | None:
        if classes is not None and (len(classes) < 2 or len(set(classes)) < len(classes)):
            raise ValueError(f"got {list(classes)}; expected two or more different names")
        if isinstance(classes, dict):
            faults = mapping_faults(classes)
            if faults:
                raise ValueError("; ".join(faults))
        return classes

    @field_validator("patient")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is None or pattern == FOLDER:
            return pattern
        if len(pattern) > MAX_PATTERN:
            raise ValueError(f"got a pattern of {len(pattern):,} characters; expected at most {MAX_PATTERN:,}")
        try:
            n_groups = re.compile(pattern).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        if n_groups != 1:
            raise ValueError(
                f"{pattern!r} has {n_groups} groups; expected one, (...), around the patient, or the word folder"
            )
        return pattern
