"""The content of a study file, typed, with every default spelled out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from scantrial.audit.checks import CHECKS
from scantrial.core.names import listed, nearest
from scantrial.data.spec import DataSpec
from scantrial.recipe.plan import MAX_CLAIMS, MAX_SEEDS, Primary
from scantrial.recipe.spec import Recipe
from scantrial.study.about import AboutSpec

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Settings = Annotated[dict[str, Any], Field(min_length=1)]
SeedNumber = Annotated[int, Field(ge=0, le=2**63 - 1)]


class StudyPart(BaseModel):
    """Base of the study's own parts: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ArmSpec(StudyPart):
    """One arm of a list of arms.

    Parameters
    ----------
    arm : its name
    set : what differs from the base recipe, by dotted key
    """

    arm: Text
    set: Settings


class HypothesisSpec(StudyPart):
    """A claim made before the study, which the study decides.

    An arm is named by what it sets, ``{loss: ce}``, or by its name, ``{arm: base}``.

    Parameters
    ----------
    claim : the claim in words
    better : the arm said to be better on the primary measure
    than : the arm it is said to be better than
    equivalent : two arms said to differ by less than the margin
    """

    claim: Text
    better: Settings | None = None
    than: Settings | None = None
    equivalent: tuple[Settings, Settings] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> HypothesisSpec:
        pair = (self.better is not None, self.than is not None)
        if pair not in ((True, True), (False, False)):
            raise ValueError("better and than go together: better: {loss: ce}, than: {loss: bce}")
        if pair[0] == (self.equivalent is not None):
            raise ValueError("give either better and than, or equivalent: [{loss: ce}, {loss: bce}]")
        return self


class Acknowledgement(StudyPart):
    """An audit finding that is accepted.

    Parameters
    ----------
    finding : its code, as the audit prints it
    reason : why it does not harm the study
    """

    finding: Text
    reason: Text

    @field_validator("finding")
    @classmethod
    def _known(cls, finding: str) -> str:
        if finding not in CHECKS:
            guess = nearest(finding, CHECKS)
            hint = f" (did you mean {guess!r}?)" if guess else ""
            raise ValueError(f"the audit has no check {finding!r}{hint}; expected one of {listed(CHECKS)}")
        return finding


class StudySpec(StudyPart):
    """A study: a question, its scans, its arms, its seeds, its hypotheses.

    Parameters
    ----------
    study : the question, in words
    data : the scans, and which of them train, validate and test
    recipe : how the base arm is trained; the other arms differ from it in the factors
    factors : what is varied: a dotted key of the recipe, and the levels it takes
    design : ``one-at-a-time`` (the base, and each other level alone), ``factorial`` (all combinations), or a list of
        arms, each with its settings
    seeds : how many seeds, 0 to n - 1, or a list of them; every arm is trained once with each, in a cross-validation
        once in each fold, where one seed is the default
    primary : the measure that decides the study
    hypotheses : claims made before the study
    acknowledge : audit findings that are accepted, each with a reason
    keep_weights : ``best`` keeps the chosen epoch's weights of every run, ``none`` keeps none
    about : what only the author can know, for the report; may change at any time
    """

    study: Annotated[Text, Field(examples=["Is cross-entropy better than BCE on my scans?"])]
    data: Annotated[DataSpec, Field(examples=["{source: my-scans, split: {train: 0.7, val: 0.15, test: 0.15}}"])]
    recipe: Recipe = Recipe()
    factors: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    design: Literal["one-at-a-time", "factorial"] | Annotated[tuple[ArmSpec, ...], Field(min_length=1)] = (
        "one-at-a-time"
    )
    seeds: (
        Annotated[int, Field(ge=1, le=MAX_SEEDS)]
        | Annotated[tuple[SeedNumber, ...], Field(min_length=1, max_length=MAX_SEEDS)]
    ) = 5
    primary: Primary = Primary()
    hypotheses: Annotated[tuple[HypothesisSpec, ...], Field(max_length=MAX_CLAIMS)] = ()
    acknowledge: Annotated[tuple[Acknowledgement, ...], Field(max_length=MAX_CLAIMS)] = ()
    keep_weights: Literal["best", "none"] = "best"
    about: AboutSpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_seed_a_fold(cls, value: Any) -> Any:
        """Let a cross-validation have one seed where none is said: it is drawn anew in every fold."""
        data = value.get("data") if isinstance(value, Mapping) else None
        split = data.get("split") if isinstance(data, Mapping) else None
        has_folds = isinstance(split, Mapping) and split.get("folds") is not None and split.get("fold") is None
        return {"seeds": 1, **value} if has_folds else value

    @property
    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds themselves."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(seeds, tuple) and len(set(seeds)) < len(seeds):
            twice = sorted(seed for seed, n in Counter(seeds).items() if n > 1)
            raise ValueError(f"seed {twice[0]} is listed twice; a second run with it would add nothing")
        return seeds
