"""The networks that a recipe may name: one row each, and `ModelSpec`, the choice of one with its settings.

A row says what the rest of the program asks about a network: who builds it, which settings it has, what the engines may
do with it, and what a report calls it. A new network is a module in `scantrial.nets` and a row here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from scantrial.core.format import joined
from scantrial.core.names import listed
from scantrial.core.registry import Registry
from scantrial.core.text import printable
from scantrial.recipe.activations import Activation
from scantrial.recipe.activations import describe as describe_activation
from scantrial.recipe.parts import Count, RecipePart, unknown_name
from scantrial.recipe.pretrained import NO_WEIGHTS, PACKAGE, PACKAGES, Freeze, WeightsName, describe_weights

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
MAX_LAYERS = 1000
"""Hidden layers of a perceptron: each takes memory, however small it is."""

TIMM_PREFIX = "timm/"
_TIMM_NAME = re.compile(r"timm/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?")

_KEYS = ("hidden", "activation", "batch_norm", "dropout", "widths", "stem", "pretrained", "freeze")


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
    draws_own : whether it draws its own initial weights, all or nearly all
    """

    name: str
    builder: str
    describe: Callable[[ModelSpec], str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    has_fixed_sizes: bool = False
    is_linear_on_pixels: bool = False
    is_convolutional: bool = False
    norm_needs_two: bool = True
    draws_own: bool = False


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


Stem = Literal["3x3", "5x5", "7x7"]

BLOCKS = {"resnet-10": 1, "resnet-18": 2}
"""Basic blocks in each stage of a residual network."""


def smallest_side(model: ModelSpec) -> int:
    """Return the pixels that a network of strides needs on each side, its smallest input; 1 where that is not known.

    A residual network divides both sides by 8, and its stem by 4 more if it is not of 3x3.
    """
    return 1 if model.stem is None else 8 if model.stem == "3x3" else 32


def _residual(model: ModelSpec) -> str:
    n_blocks = "one basic block" if BLOCKS[model.name] == 1 else "two basic blocks"
    stem = f"a {(model.stem or '').replace('x', ' × ')} convolution"
    stem += "" if model.stem == "3x3" else " of stride 2 with max pooling"
    stages = f"four stages of {n_blocks} with {joined([str(n) for n in model.widths or ()])} channels"
    return with_layers(f"a residual network [@resnet] of {stem} and {stages}", model)


def _resnet(name: str, *, widths: tuple[int, ...]) -> Network:
    """Return the row of a residual network."""
    return Network(
        name=name,
        builder="scantrial.nets.resnet:build_resnet",
        describe=_residual,
        defaults={"widths": widths, "stem": "5x5", "batch_norm": True, "dropout": 0.0, "activation": "ReLU"},
        is_convolutional=True,
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
    _resnet("resnet-10", widths=(32, 64, 128, 256)),
    _resnet("resnet-18", widths=(64, 128, 256, 512)),
)

NETWORKS: Registry[Network] = Registry("network", {row.name: row for row in _ROWS})

_LONG = 500


def _arguments(model: ModelSpec) -> str:
    """Write the arguments of a custom class; completes its description. What looks like a citation is none."""
    if not model.args:
        return ""
    said = ", ".join(
        f"{key} = {json.dumps(value, ensure_ascii=False, default=repr)}" for key, value in model.args.items()
    )
    said = printable(said).replace("[@", "[ @")
    return f" with the arguments {said[:_LONG]}{'…' * (len(said) > _LONG)}"


CUSTOM = Network(
    name="package.module:Class",
    builder="scantrial.nets.custom:build_custom",
    describe=lambda model: f"{model.name}, a custom class{_arguments(model)}",
    draws_own=True,
)
"""Any custom class. Its inner working is unknown, so nothing is done or reported that depends on it."""

TIMM = Network(
    name=f"{TIMM_PREFIX}NAME",
    builder="scantrial.nets.timm_network:build_timm",
    describe=lambda model: (
        f"{model.name.removeprefix(TIMM_PREFIX)} as timm [@timm] builds it, with a new last layer, "
        + describe_weights(model.pretrained, model.weights_sha256, model.freeze, package=PACKAGES.get(model.name))
    ),
    defaults={"pretrained": NO_WEIGHTS, "freeze": 0},
    is_convolutional=True,
    draws_own=True,
)
"""Any network of timm. How its weights are drawn, and what its layers are, is timm's."""


def is_custom(name: str) -> bool:
    """Whether a name is that of a custom class, ``package.module:Class``."""
    return ":" in name


def is_timm(name: str) -> bool:
    """Whether a name is that of a network of timm, ``timm/NAME``."""
    return name.startswith(TIMM_PREFIX)


def library_versions(name: str) -> dict[str, str]:
    """Return the version of each library whose code a network of that name is, none for one of scantrial's own."""
    if not is_timm(name):
        return {}
    try:
        return {"timm": version("timm")}
    except PackageNotFoundError:
        return {}


def network_of(name: str) -> Network:
    """Return the row of a network by its name in a recipe.

    Raises
    ------
    InputError
        If there is no such network.
    """
    return CUSTOM if is_custom(name) else TIMM if is_timm(name) else NETWORKS[name]


class ModelSpec(RecipePart):
    """The network.

    Parameters
    ----------
    name : ``mlp`` (general), ``mlp-256``, ``mlp-64x3``, ``mlp-32x3`` (as in the course), ``cnn`` (three 3x3
        convolutions of 32 with max pooling, then 32 hidden units), ``cnn-gap`` (64, 128, 256 with batch norm, global
        average pooling, dropout 0.5), ``resnet-10`` and ``resnet-18`` (residual networks of one and of two basic
        blocks a stage), ``timm/NAME`` (a network of timm), or ``package.module:Class``, a custom `torch.nn.Module`
    hidden : units of each hidden layer (``mlp*`` only)
    activation : any element-wise `torch.nn` activation
    batch_norm : batch normalisation before each activation
    dropout : probability after each activation (``cnn-gap`` and ``resnet-*``: before the last layer)
    widths : channels of the four stages (``resnet-*`` only); default 32, 64, 128, 256 for ``resnet-10`` and twice as
        many for ``resnet-18``
    stem : the first convolution (``resnet-*`` only): ``3x3`` with stride 1, for images up to about 40 pixels, ``5x5``
        (the default) or ``7x7``, with stride 2 and max pooling
    pretrained : the initial weights (``timm/NAME`` only): ``none`` (the default), a ``.safetensors`` file, relative to
        the study file, or ``package``, an installed package that ships them
    freeze : what stays as it was (``timm/NAME`` only): 0 (the default), nothing; N, the stem and the first N - 1
        stages; ``all``, everything but the last layer. Frozen parts are always in evaluation mode
    weights_sha256 : of the file of pretrained weights; found when the study file is read
    args : keyword arguments of a custom class
    """

    name: str = "mlp-256"
    hidden: Annotated[tuple[Count, ...], Field(max_length=MAX_LAYERS)] | None = None
    activation: Activation | None = None
    batch_norm: bool | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    widths: Annotated[tuple[Count, ...], Field(min_length=4, max_length=4)] | None = None
    stem: Stem | None = None
    pretrained: WeightsName | None = None
    freeze: Freeze | None = None
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    args: dict[str, Any] | None = None

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom class."""
        return is_custom(self.name)

    @property
    def norm_needs_two(self) -> bool:
        """Whether it has batch normalisation that cannot train on a batch of one case."""
        if is_timm(self.name):
            return self.freeze != "all"  # most of them have it
        return bool(self.batch_norm) and network_of(self.name).norm_needs_two

    @property
    def is_pretrained(self) -> bool:
        """Whether it starts from weights that were trained before."""
        return self.pretrained not in (None, NO_WEIGHTS)

    @property
    def weights_file(self) -> str | None:
        """The file of its pretrained weights as the study file names it; None for a package and for no weights."""
        return self.pretrained if self.is_pretrained and self.pretrained != PACKAGE else None

    def without_weights(self) -> ModelSpec:
        """Return the same network untrained: weights that a run has stored are put into it."""
        left = {"pretrained": NO_WEIGHTS, "weights_sha256": None}
        return self.model_copy(update=left) if self.is_pretrained else self

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if is_custom(name) and not _CLASS_PATH.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a class; write package.module:Class")
        if is_timm(name) and not _TIMM_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a network of timm; write timm/NAME, such as timm/resnet18")
        if not (is_custom(name) or is_timm(name)) and name not in NETWORKS:
            raise unknown_name("no network is called", name, (*NETWORKS, TIMM.name, CUSTOM.name))
        return name

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("name", "mlp-256"), str):
            return value
        name = value.get("name", "mlp-256")
        if name not in NETWORKS and not is_timm(name):
            return value
        given = {key: item for key, item in value.items() if item is not None}
        return {**network_of(name).defaults, **given}

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
        if self.pretrained == PACKAGE and self.name not in PACKAGES:
            raise ValueError(
                f"no package is known that has weights of {self.name}; one has those of {listed(PACKAGES)}; "
                "otherwise give a .safetensors file"
            )
        if self.weights_sha256 and not self.is_pretrained:
            raise ValueError("weights_sha256 without pretrained weights")
        return self
