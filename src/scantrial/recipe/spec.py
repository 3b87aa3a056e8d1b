"""`Recipe`: everything needed to train one network, typed, with every default spelled out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from scantrial.core.names import listed, nearest
from scantrial.recipe.activations import ACTIVATIONS, REQUIRED_ARGUMENTS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


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
    """Base of the recipe's parts: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ActivationSpec(BaseModel):
    """A `torch.nn` activation by its name, with its own arguments: ``{name: LeakyReLU, negative_slope: 0.1}``.

    Parameters
    ----------
    name : its name in `torch.nn`, such as ``ReLU``
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for the module."""
        return dict(self.model_extra or {})

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ACTIVATIONS:
            raise unknown_name("torch.nn has no element-wise activation", name, ACTIVATIONS)
        return name

    @model_validator(mode="after")
    def _arguments_known(self) -> ActivationSpec:
        for argument, value in self.arguments.items():
            if argument not in ACTIVATIONS[self.name]:
                known = listed(ACTIVATIONS[self.name]) or "no arguments"
                raise ValueError(f"{self.name} takes no argument {argument!r}; it takes {known}")
            _check_argument(self.name, argument, value)
        missing = [name for name in REQUIRED_ARGUMENTS.get(self.name, ()) if name not in self.arguments]
        if missing:
            raise ValueError(f"{self.name} needs {listed(missing)}: torch.nn has no default for it")
        bounds = {"min_val": -1.0, "max_val": 1.0, "lower": 1 / 8, "upper": 1 / 3, **self.arguments}
        if bounds["min_val"] >= bounds["max_val"] or bounds["lower"] > bounds["upper"]:
            raise ValueError(f"{self.name}: the lower bound must be below the upper one, not {self.arguments}")
        return self


def _check_argument(activation: str, argument: str, value: Any) -> None:
    if argument == "approximate":
        good, kind = value in ("none", "tanh"), "'none' or 'tanh'"
    elif argument == "num_parameters":
        good, kind = type(value) is int and 1 <= value <= 1_000_000, "a whole number, 1 or more"
    else:
        good, kind = type(value) in (int, float) and abs(value) < math.inf, "a finite number"
    if not good:
        raise ValueError(f"{activation}: {argument} must be {kind}, not {value!r}")


Activation = Annotated[ActivationSpec, BeforeValidator(named)]

MLP_PRESETS: dict[str, dict[str, Any]] = {
    "mlp-256": {"hidden": (256,), "batch_norm": False, "dropout": 0.0},
    "mlp-64x3": {"hidden": (64, 64, 64), "batch_norm": True, "dropout": 0.5},
    "mlp-32x3": {"hidden": (32, 32, 32), "batch_norm": False, "dropout": 0.0},
    "mlp": {"hidden": (256,), "batch_norm": False, "dropout": 0.0},
}
CNN_PRESETS: dict[str, dict[str, Any]] = {
    "cnn": {"batch_norm": False, "dropout": 0.0},
    "cnn-gap": {"batch_norm": True, "dropout": 0.5},
}
MODEL_NAMES = (*MLP_PRESETS, *CNN_PRESETS)


class ModelSpec(RecipePart):
    """The network.

    Parameters
    ----------
    name : ``mlp`` (general), ``mlp-256``, ``mlp-64x3``, ``mlp-32x3`` (as the course has them), ``cnn`` (three 3x3
        convolutions of 32 with max pooling, then 32 hidden units), ``cnn-gap`` (64, 128, 256 with batch norm, global
        average pooling, dropout 0.5), or ``package.module:Class``, a user's own `torch.nn.Module`
    hidden : units of each hidden layer (``mlp*`` only)
    activation : any element-wise `torch.nn` activation
    batch_norm : batch normalisation before each activation
    dropout : probability after each activation (``cnn-gap``: before the last layer)
    args : keyword arguments of a user's own class
    """

    name: str = "mlp-256"
    hidden: tuple[Count, ...] | None = None
    activation: Activation | None = None
    batch_norm: bool | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    args: dict[str, Any] | None = None

    @property
    def is_custom(self) -> bool:
        """Whether this is a user's own class."""
        return ":" in self.name

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if ":" in name and not _CLASS_PATH.fullmatch(name):
            raise ValueError(f"{name!r} names no class; write package.module:Class")
        if ":" not in name and name not in MODEL_NAMES:
            raise unknown_name("no network is called", name, (*MODEL_NAMES, "package.module:Class"))
        return name

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("name", "mlp-256"), str):
            return value
        name = value.get("name", "mlp-256")
        preset = {**MLP_PRESETS, **CNN_PRESETS}.get(name)
        if preset is None:
            return value
        defaults = {**preset, "activation": "ReLU"}
        given = {key: item for key, item in value.items() if item is not None}
        return {**defaults, **given}

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        if self.is_custom:
            given = [key for key in ("hidden", "activation", "batch_norm", "dropout") if getattr(self, key) is not None]
            if given:
                raise ValueError(f"{listed(given)}: a class of your own takes its arguments under args")
            return self
        if self.args is not None:
            raise ValueError("args belong to a class of your own (package.module:Class)")
        if self.name != "mlp" and self.name in MLP_PRESETS and self.hidden != MLP_PRESETS[self.name]["hidden"]:
            raise ValueError(f"{self.name} has hidden sizes of its own; to choose them: {{name: mlp, hidden: [...]}}")
        if self.hidden is not None and self.name not in MLP_PRESETS:
            raise ValueError(f"{self.name} has no hidden sizes to set")
        return self


class LossSpec(RecipePart):
    """The loss, and with it the head: outputs, target, probability and decision.

    Parameters
    ----------
    name : ``bce`` (one logit for two classes, one-vs-rest beyond) or ``ce``
    class_weights : ``balanced`` (from the training split: n / (n_classes x n_class)), one weight for each class in the
        order of the classes, or None
    label_smoothing : epsilon; the target becomes (1 - epsilon) y + epsilon / n_classes (for ``bce`` beyond two classes,
        each class against the rest: + epsilon / 2)
    focal_gamma : focusing parameter of the focal loss (Lin et al. 2017, eq. 4), 0 for none
    """

    name: Literal["bce", "ce"]
    class_weights: Literal["balanced"] | tuple[Positive, ...] | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    focal_gamma: NotNegative = 0.0


class AdamSpec(RecipePart):
    """Adam (Kingma and Ba 2015) with weight decay as L2 penalty, or AdamW (Loshchilov and Hutter 2019), decoupled.

    Parameters
    ----------
    name : ``adam`` or ``adamw``
    lr : learning rate
    betas : decay of the running means of the gradient and of its square
    eps : added to the denominator
    weight_decay : 0 for none; by default 0 for ``adam`` and 0.01 for ``adamw``, as in PyTorch
    """

    name: Literal["adam", "adamw"]
    lr: Positive = 1e-3
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.0

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("name") == "adamw":
            return {"weight_decay": 0.01, **value}
        return value


class SgdSpec(RecipePart):
    """Stochastic gradient descent, with momentum or Nesterov's momentum.

    Parameters
    ----------
    name : ``sgd``
    lr : learning rate
    momentum : 0 for none
    nesterov : Nesterov's momentum; needs a momentum above 0
    weight_decay : as L2 penalty, 0 for none
    """

    name: Literal["sgd"]
    lr: Positive = 1e-2
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    weight_decay: NotNegative = 0.0

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SgdSpec:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0")
        return self


class ScheduleSpec(RecipePart):
    """How the learning rate moves within a round.

    Parameters
    ----------
    name : ``constant``; ``cosine`` (from lr to 0 over the round, stepped every batch); ``cosine-stepped-per-epoch``
        (what the course does: `T_max` = batches x epochs but stepped once an epoch, so that it hardly moves);
        ``step`` (times `gamma` every `every` epochs)
    warmup_epochs : epochs over which the rate first rises from lr / steps to lr, step by step
    every, gamma : of ``step``; by default 10 and 0.1
    """

    name: Literal["constant", "cosine", "cosine-stepped-per-epoch", "step"] = "constant"
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    every: Count | None = None
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("name") == "step":
            return {"every": 10, "gamma": 0.1, **{key: item for key, item in value.items() if item is not None}}
        return value

    @model_validator(mode="after")
    def _step_only(self) -> ScheduleSpec:
        if self.name != "step" and (self.every is not None or self.gamma is not None):
            raise ValueError(f"every and gamma belong to the step schedule, not to {self.name}")
        return self


class SelectSpec(RecipePart):
    """Which epoch's weights are kept and evaluated; the first of equal ones.

    Parameters
    ----------
    name : ``best-val-loss``, ``best-val-metric`` or ``last``
    metric : of ``best-val-metric``: ``accuracy`` (its default), ``balanced_accuracy`` or ``auroc``
    """

    name: Literal["best-val-loss", "best-val-metric", "last"] = "best-val-loss"
    metric: Literal["accuracy", "balanced_accuracy", "auroc"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("name") == "best-val-metric":
            return {"metric": "accuracy", **{key: item for key, item in value.items() if item is not None}}
        return value

    @model_validator(mode="after")
    def _metric_only(self) -> SelectSpec:
        if self.name != "best-val-metric" and self.metric is not None:
            raise ValueError("metric belongs to best-val-metric")
        return self


Optimizer = Annotated[AdamSpec | SgdSpec, Field(discriminator="name")]


class Recipe(RecipePart):
    """Everything needed to train one network.

    Parameters
    ----------
    model : the network
    loss : the loss, and with it the head
    optimizer : what turns gradients into steps
    schedule : how the learning rate moves within a round
    batch_size : cases in one step
    select : which epoch's weights are kept and evaluated
    normalize : after scaling to [0, 1]: ``none``, ``dataset`` (mean and deviation of the training split, each
        channel), ``image`` (each image's own mean and deviation), ``equalize`` (each image's histogram flattened)
    epochs : epochs in one round
    rounds : rounds that continue the weights with a fresh optimiser and schedule
    clip_grad_norm : largest Euclidean norm of the whole gradient, or None
    train_eval : also measure the training split under the weights at the end of each epoch (costs one more pass)
    """

    model: Annotated[ModelSpec, BeforeValidator(named)] = ModelSpec(name="mlp-256")
    loss: Annotated[LossSpec, BeforeValidator(named)] = LossSpec(name="bce")
    optimizer: Annotated[Optimizer, BeforeValidator(named)] = AdamSpec(name="adam")
    schedule: Annotated[ScheduleSpec, BeforeValidator(named)] = ScheduleSpec(name="constant")
    normalize: Literal["none", "dataset", "image", "equalize"] = "none"
    batch_size: Count = 32
    epochs: Count = 30
    rounds: Count = 1
    clip_grad_norm: Positive | None = None
    select: Annotated[SelectSpec, BeforeValidator(named)] = SelectSpec(name="best-val-loss")
    train_eval: bool = False

    @model_validator(mode="after")
    def _warmup_fits(self) -> Recipe:
        warmup = self.schedule.warmup_epochs
        if warmup > self.epochs:
            raise ValueError(f"schedule.warmup_epochs is {warmup}, but a round has only {self.epochs} epochs")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON and YAML; what does not apply (None) is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def beyond_defaults(self) -> dict[str, Any]:
        """Return what differs from the defaults, as plain data: a key that comes later changes nothing in it."""
        return self.model_dump(mode="json", exclude_defaults=True)
