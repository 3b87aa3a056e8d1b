"""`Plan`: a study with all defaults, typed. The content of ``plan.json`` is read and written only here.

A plan of an earlier version lacks the keys that came later: the reader adds their defaults, so that code that compares
or shows plans sees every key. A default must therefore mean what was done before its key existed. A plan with keys or
names that this version does not know is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, StrictInt, ValidationError, model_validator

import scantrial
from scantrial.core.errors import StoreError
from scantrial.core.fold_table import MAX_FOLDS, MAX_REPEATS
from scantrial.core.names import is_arm_name
from scantrial.core.numbering import MAX_TEXT
from scantrial.core.records import RunFacts
from scantrial.core.text import is_printable
from scantrial.core.trees import differing_keys, flattened, value_at
from scantrial.recipe.image import SIZE, own_size
from scantrial.recipe.spec import Recipe, RecipePart

PrimaryMetric = Literal[
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "auroc",
    "average_precision",
    "f1",
    "mcc",
    "macro_f1",
    "weighted_f1",
    "quadratic_weighted_kappa",
    "mean_absolute_error",
    "log_loss",
    "brier",
]

_WITHOUT_LIMIT = ("log_loss", "mean_absolute_error")
"""Metrics that may differ by 1 and more."""

Model = TypeVar("Model", bound=BaseModel)

_UNKNOWN = ("extra_forbidden", "literal_error", "union_tag_invalid", "unknown_name")
"""Kinds of faults that keys and names of a later version cause."""

_SHOWN, _LONG = 3, 80

MAX_ARMS, MAX_SEEDS = 500, 1000
"""Arms beside the base, and seeds, of a study file and of a plan; each run takes a look at the disk."""
MAX_CLAIMS = 1000
"""Hypotheses of a study, and findings that it acknowledges."""


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
        raise ValueError("a name that would point outside the study folder")
    if not is_printable(name):
        raise ValueError("a name with characters that cannot be seen")
    if not is_arm_name(name):
        raise ValueError("a name with other characters than letters, digits and _ - + .")
    return name


ArmName = Annotated[str, AfterValidator(_plain_name)]
"""It is used in paths."""


class Primary(RecipePart):
    """The one metric that decides the study, named before anything is trained.

    Parameters
    ----------
    metric : computed on every test case; `log_loss`, `brier` and `mean_absolute_error` are better when lower, the
        others when higher; `quadratic_weighted_kappa` and `mean_absolute_error` take the classes as grades, in the
        order of `data.classes`
    split : the cases it is computed on
    margin : the smallest difference that matters, in the metric's own unit (accuracy: 0.02 is two percentage points);
        without it no two arms can be called equivalent
    """

    metric: PrimaryMetric = "accuracy"
    split: Literal["test"] = "test"
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _margin_in_unit(self) -> Primary:
        if self.margin is not None and self.margin >= 1 and self.metric not in _WITHOUT_LIMIT:
            meant = f" (did you mean {self.margin / 100:g}?)" if self.margin < 100 else ""
            raise ValueError(
                f"margin {self.margin:g} of {self.metric}{meant}, expected less than 1: two percentage points are 0.02"
            )
        return self

    def margin_of(self, metric: str) -> float | None:
        """Return the margin of a metric, or None for any metric but the declared one."""
        return self.margin if metric == self.metric else None


class PlannedArm(RecipePart):
    """One arm of a plan.

    Parameters
    ----------
    source_sha256 : SHA-256 of a custom network's source file; None where it was not found or there is none
    helpers_sha256 : the same of the files beside it that it imports, by module; None where there are none, where Python
        finds them by itself, and in plans of earlier versions
    name : a slug, the name of its folder
    label : for people, such as ``lr = 0.0001``
    settings : what differs from the base, by dotted key of the recipe; empty for the base
    factor, level : the one setting, or None for the base and for arms with several
    recipe : everything needed to train it
    """

    source_sha256: str | None = None
    helpers_sha256: dict[str, str] | None = None
    name: ArmName
    label: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    factor: str | None = None
    level: Any = None
    recipe: Recipe

    @property
    def title(self) -> str:
        """Its label, or its name where it has no label."""
        return self.label or self.name

    @property
    def code(self) -> dict[str, str]:
        """The SHA-256 of each file of a custom network, by its module."""
        own = {} if self.source_sha256 is None else {self.recipe.model.name.partition(":")[0]: self.source_sha256}
        return {**own, **(self.helpers_sha256 or {})}

    @property
    def trained(self) -> dict[str, Any]:
        """Everything that its numbers depend on, as plain data."""
        source = {"source_sha256": self.source_sha256} if self.recipe.model.is_custom else {}
        helpers = {"helpers_sha256": self.helpers_sha256} if self.helpers_sha256 else {}
        return {**source, **helpers, "recipe": self.recipe.to_dict()}

    def value_at(self, key: str) -> Any:
        """Return the value of a factor, a dotted key of the recipe such as ``optimizer.lr``, as plain data."""
        return self.recipe.value_at(key)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        rest = {key: getattr(self, key) for key in ("name", "label", "settings", "factor", "level")}
        trained = self.trained
        recipe = trained.pop("recipe")
        return {**trained, **rest, "recipe": recipe}


class PlannedHypothesis(RecipePart):
    """A claim about two arms.

    Parameters
    ----------
    kind : ``better`` (the first arm than the second) or ``equivalent``
    arms : names of the two arms
    """

    claim: str
    kind: Literal["better", "equivalent"]
    arms: tuple[str, str]


class AcceptedFinding(RecipePart):
    """An audit finding that is accepted, by its code, and why the study is still valid."""

    finding: str
    reason: str


class Plan(RecipePart):
    """A study with every default spelled out.

    Parameters
    ----------
    study : the question, in words
    data : the scans and their split, as plain data of `scantrial.data.spec.DataSpec`
    design : ``one-at-a-time``, ``factorial`` or ``list of arms``
    factors : what is varied, with its levels, by dotted key of the recipe
    arms : the base first
    seeds : every arm is trained once with each
    primary : the metric that decides the study
    hypotheses : claims made beforehand, in the order of the study file
    acknowledge : audit findings that are accepted
    keep_weights : whether the chosen epoch's weights of every run are kept
    about : facts that only the author knows, as plain data
    """

    study: str
    data: dict[str, Any] = Field(default_factory=dict)
    design: str = "one-at-a-time"
    factors: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    arms: Annotated[tuple[PlannedArm, ...], Field(min_length=1, max_length=MAX_ARMS + 1)]
    seeds: Annotated[tuple[Annotated[StrictInt, Field(ge=0)], ...], Field(max_length=MAX_SEEDS)]
    primary: Primary = Primary()
    hypotheses: Annotated[tuple[PlannedHypothesis, ...], Field(max_length=MAX_CLAIMS)] = ()
    acknowledge: Annotated[tuple[AcceptedFinding, ...], Field(max_length=MAX_CLAIMS)] = ()
    keep_weights: Literal["best", "none"] = "best"
    about: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> Plan:
        names = Counter(self.arm_names)
        twice = sorted(name for name, n in names.items() if n > 1)
        if twice:
            raise ValueError(f"two arms are called {twice[0]}")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is listed twice")
        return self

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Names of the arms, in their order."""
        return tuple(arm.name for arm in self.arms)

    @property
    def labels(self) -> dict[str, str]:
        """The title of each arm, by its name; with the name added where two arms have the same title."""
        times = Counter(arm.title for arm in self.arms)
        return {arm.name: arm.title if times[arm.title] == 1 else f"{arm.title} ({arm.name})" for arm in self.arms}

    @property
    def n_runs(self) -> int:
        """Number of runs in all."""
        return len(self.arms) * len(self.seeds) * max(1, len(self.folds))

    @property
    def n_folds(self) -> int | None:
        """Folds of each repeat of a cross-validation; None for a study with one test set."""
        split = self.data.get("split")
        found = split.get("folds") if isinstance(split, Mapping) and split.get("fold") is None else None
        return found if isinstance(found, int) and 1 < found <= MAX_FOLDS else None

    @property
    def folds(self) -> tuple[tuple[int, int], ...]:
        """Every (repeat, fold) of a cross-validation; empty for a study with one test set."""
        n_repeats = 0 if self.n_folds is None else self.data["split"].get("repeats", 1)
        if not isinstance(n_repeats, int) or n_repeats > MAX_REPEATS:
            return ()
        return tuple((repeat, fold) for repeat in range(n_repeats) for fold in range(self.n_folds or 0))

    def arm(self, name: str) -> PlannedArm:
        """Return the arm of that name; raises KeyError if there is none."""
        return {arm.name: arm for arm in self.arms}[name]

    def differing(self) -> dict[str, dict[str, Any]]:
        """Return by arm's name the settings that are not the same in all arms, by dotted key of the recipe."""
        has_settings = any(not isinstance(arm.recipe.normalize, str) for arm in self.arms)
        plain = Recipe.with_settings_of_normalize if has_settings else Recipe.spelt_out
        flat = {arm.name: flattened(plain(arm.recipe)) for arm in self.arms}
        keys = differing_keys(list(flat.values()))
        usual = {SIZE: own_size(value_at(self.data, SIZE))}
        return {name: {key: settings.get(key, usual.get(key)) for key in keys} for name, settings in flat.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, every default spelled out."""
        return {
            "study": self.study,
            "data": self.data,
            "design": self.design,
            "factors": {key: list(levels) for key, levels in self.factors.items()},
            "arms": [arm.to_dict() for arm in self.arms],
            "seeds": list(self.seeds),
            "primary": self.primary.model_dump(mode="json", exclude_none=True),
            "hypotheses": [item.model_dump(mode="json") for item in self.hypotheses],
            "acknowledge": [item.model_dump(mode="json") for item in self.acknowledge],
            "keep_weights": self.keep_weights,
            **({"about": self.about} if self.about else {}),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, where: str = "plan.json") -> Plan:
        """Build from what `to_dict` gave, in this version or an earlier one.

        Parameters
        ----------
        where : the file that holds it, for messages

        Raises
        ------
        StoreError
            If something is missing or wrong, or was written by a later version.
        """
        return read_typed(cls, content, where=where)


def stored_recipe(facts: RunFacts, *, folder: Path | None = None) -> Recipe:
    """Return the recipe of a finished run, completed as a plan is; a StoreError if it is damaged or unknown here.

    Parameters
    ----------
    folder : the study folder, for messages where there are several
    """
    within = "" if folder is None else f" in {folder}"
    return read_typed(Recipe, facts.recipe, where=f"run.json of {facts.arm}/seed-{facts.seed}{within}")


def read_typed(model: type[Model], content: Mapping[str, Any], *, where: str) -> Model:
    """Read stored plain data as a typed record, completed with the defaults of keys that it does not have.

    Raises
    ------
    StoreError
        If something is missing or wrong, or was written by a later version.
    """
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        raise _refusal(error, where) from error


def _refusal(error: ValidationError, where: str) -> StoreError:
    every = error.errors(include_url=False)
    # A list whose items are wrong is also too short, for pydantic counts the sound ones alone.
    faults = [fault for fault in every if fault["type"] != "too_short" or not _is_above(fault, every)]
    unknown = [fault for fault in faults if _is_unknown(fault)]
    if unknown:
        words = _shown(f"{_key(fault)} = {repr(fault['input'])[:_LONG]}" for fault in unknown)
        return StoreError(
            f"{where} has settings that this version of scantrial does not know: {words}",
            expected=f"what scantrial {scantrial.__version__} or an earlier one writes",
            do="read it with the version of scantrial that wrote it (see environment.json), or a newer one",
        )
    words = _shown(f"{_key(fault)}: {fault['msg']}" if fault["loc"] else str(fault["msg"]) for fault in faults)
    return StoreError(
        f"{where} is damaged: {words}",
        expected="what scantrial writes there",
        do="restore it from a copy, or run the study into a new folder",
    )


def _is_unknown(fault: Mapping[str, Any]) -> bool:
    return fault["type"] in _UNKNOWN[:1] or (fault["type"] in _UNKNOWN and _names_something(fault["input"]))


def _names_something(found: Any) -> bool:
    return isinstance(found, str) or (isinstance(found, Mapping) and isinstance(found.get("name"), str))


def _is_above(fault: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> bool:
    return any(other is not fault and other["loc"][: len(fault["loc"])] == fault["loc"] for other in others)


def _key(fault: Mapping[str, Any]) -> str:
    return ".".join(map(str, fault["loc"]))


def _shown(words: Iterable[str]) -> str:
    listed = list(words)
    return "; ".join(listed[:_SHOWN]) + " ..." * (len(listed) > _SHOWN)
