"""The networks that a recipe may name: one row each, and `ModelSpec`, the choice of one with its settings.

A row says what the rest of the program asks about a network: who builds it, which settings it has, what the engines may
do with it, and what a report calls it. A new network is a module in `scantrial.nets` and a row here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from scantrial.core.format import joined
from scantrial.core.names import listed
from scantrial.core.registry import Registry
from scantrial.recipe.activations import Activation
from scantrial.recipe.activations import describe as describe_activation
from scantrial.recipe.parts import Count, RecipePart, unknown_name

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
MAX_LAYERS = 1000
"""Hidden layers of a perceptron: each takes memory, however small it is."""

_KEYS = ("hidden", "activation", "batch_norm", "dropout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that a recipe may name.

    Parameters
    ----------
    builder : ``"module:function"``, which builds it from a `ModelSpec`, (channels, height, width) and a number of
        outputs; text, because this module does not import PyTorch
    describe : its description in the methods of a report, from its settings; sources as ``[@key]``
    defaults : the settings that it has, with their defaults; others are errors
    has_fixed_sizes : whether its hidden sizes are part of its name
    is_linear_on_pixels : whether its first layer is linear on pixels, which the fused engine needs
    is_convolutional : whether the channels-last layout makes it faster on a CPU
    norm_needs_two : whether its batch normalisation cannot train on one case
    """

    name: str
    builder: str
    describe: Callable[[ModelSpec], str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    has_fixed_sizes: bool = False
    is_linear_on_pixels: bool = False
    is_convolutional: bool = False
    norm_needs_two: bool = True


def with_layers(body: str, model: ModelSpec) -> str:
    """Add to the description of a network what its layers have: activation, batch normalisation, dropout."""
    parts = [describe_activation(model.activation)] if model.activation else []
    parts += ["batch normalisation [@batch-norm]"] if model.batch_norm else []
    parts += [f"dropout of {model.dropout:g} [@dropout]"] if model.dropout else []
    return f"{body}, {joined(parts)}" if parts else body


def _perceptron(model: ModelSpec) -> str:
    hidden = model.hidden
    if not hidden:
        return "a single linear layer (logistic regression)"
    layers = "one hidden layer" if len(hidden) == 1 else f"{len(hidden)} hidden layers"
    units = hidden[:1] if len(set(hidden)) == 1 else hidden
    return with_layers(
        f"a multilayer perceptron with {layers} of {joined([str(n) for n in units])} units",
        model,
    )


def _mlp(name: str, *, has_fixed_sizes: bool = True, **defaults: Any) -> Network:
    """Return the row of a multilayer perceptron."""
    return Network(
        name=name,
        builder="scantrial.nets.mlp:build_mlp",
        describe=_perceptron,
        defaults={**defaults, "activation": "ReLU"},
        has_fixed_sizes=has_fixed_sizes,
        is_linear_on_pixels=True,
    )


_ROWS = (
    _mlp("mlp-256", hidden=(256,), batch_norm=False, dropout=0.0),
    _mlp("mlp-64x3", hidden=(64, 64, 64), batch_norm=True, dropout=0.5),
    _mlp("mlp-32x3", hidden=(32, 32, 32), batch_norm=False, dropout=0.0),
    _mlp("mlp", hidden=(256,), batch_norm=False, dropout=0.0, has_fixed_sizes=False),
    Network(
        name="cnn",
        builder="scantrial.nets.cnn:build_cnn",
        describe=lambda model: with_layers(
            "a convolutional network of three 3 × 3 convolutions of 32 channels with max pooling and 32 hidden units",
            model,
        ),
        defaults={"batch_norm": False, "dropout": 0.0, "activation": "ReLU"},
        is_convolutional=True,
    ),
    Network(
        name="cnn-gap",
        builder="scantrial.nets.cnn:build_cnn_gap",
        describe=lambda model: with_layers(
            "a convolutional network of 64, 128 and 256 channels with global average pooling", model
        ),
        defaults={"batch_norm": True, "dropout": 0.5, "activation": "ReLU"},
        is_convolutional=True,
        norm_needs_two=False,  # all its normalisation layers average over pixels too
    ),
)

NETWORKS: Registry[Network] = Registry("network", {row.name: row for row in _ROWS})

CUSTOM = Network(
    name="package.module:Class",
    builder="scantrial.nets.custom:build_custom",
    describe=lambda model: f"{model.name}, a custom class",
)
"""Any custom class. Its inner working is unknown, so nothing is done or reported that depends on it."""


def is_custom(name: str) -> bool:
    """Whether a name is that of a custom class, ``package.module:Class``."""
    return ":" in name


def is_timm(name: str) -> bool:
    """Whether a name is that of a network of timm, ``timm/NAME``."""
    return name.startswith("timm/")


def network_of(name: str) -> Network:
    """Return the row of a network by its name in a recipe.

    Raises
    ------
    InputError
        If there is no such network.
    """
    return CUSTOM if is_custom(name) else NETWORKS[name]


class ModelSpec(RecipePart):
    """The network.

    Parameters
    ----------
    name : ``mlp`` (general), ``mlp-256``, ``mlp-64x3``, ``mlp-32x3`` (as in the course), ``cnn`` (three 3x3
        convolutions of 32 with max pooling, then 32 hidden units), ``cnn-gap`` (64, 128, 256 with batch norm, global
        average pooling, dropout 0.5), or ``package.module:Class``, a custom `torch.nn.Module`
    hidden : units of each hidden layer (``mlp*`` only)
    activation : any element-wise `torch.nn` activation
    batch_norm : batch normalisation before each activation
    dropout : probability after each activation (``cnn-gap``: before the last layer)
    args : keyword arguments of a custom class
    """

    name: str = "mlp-256"
    hidden: Annotated[tuple[Count, ...], Field(max_length=MAX_LAYERS)] | None = None
    activation: Activation | None = None
    batch_norm: bool | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    args: dict[str, Any] | None = None

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom class."""
        return is_custom(self.name)

    @property
    def norm_needs_two(self) -> bool:
        """Whether it has batch normalisation that cannot train on a batch of one case."""
        return bool(self.batch_norm) and network_of(self.name).norm_needs_two

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if is_custom(name) and not _CLASS_PATH.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a class; write package.module:Class")
        if not is_custom(name) and name not in NETWORKS:
            raise unknown_name("no network is called", name, (*NETWORKS, CUSTOM.name))
        return name

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("name", "mlp-256"), str):
            return value
        name = value.get("name", "mlp-256")
        if name not in NETWORKS:
            return value
        given = {key: item for key, item in value.items() if item is not None}
        return {**NETWORKS[name].defaults, **given}

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        network = network_of(self.name)
        unfit = [key for key in _KEYS if key not in network.defaults and getattr(self, key) is not None]
        if self.is_custom:
            if unfit:
                raise ValueError(f"{listed(unfit)}: a custom class takes its arguments under args")
            return self
        if self.args is not None:
            raise ValueError("args are only for a custom class (package.module:Class)")
        if network.has_fixed_sizes and self.hidden != network.defaults["hidden"]:
            raise ValueError(f"{self.name} has fixed hidden sizes; to choose them: {{name: mlp, hidden: [...]}}")
        if unfit:
            what = listed("hidden sizes" if key == "hidden" else key for key in unfit)
            raise ValueError(f"{self.name} has no {what} to set")
        return self
