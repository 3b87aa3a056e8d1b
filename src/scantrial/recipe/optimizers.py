"""The optimisers that a recipe may name: their settings, and what a report calls them.

`scantrial.train.optimizers` builds each; a test holds its table to this one.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from scantrial.core.format import plain
from scantrial.core.registry import Registry
from scantrial.recipe.parts import NotNegative, Positive, RecipePart

OPTIMIZERS: Registry[str] = Registry(
    "optimizer", {"adam": "Adam [@adam]", "adamw": "AdamW [@adamw]", "sgd": "stochastic gradient descent"}
)
"""The name of each in the methods of a report; sources as ``[@key]``."""


class _Grouped(RecipePart):
    """Settings that treat some weights unlike others; the defaults treat all alike."""

    later: ClassVar[tuple[str, ...]] = ("weight_decay_on", "head_lr_factor", "layer_decay")
    weight_decay_on: Literal["all", "weights"] = "all"
    head_lr_factor: Positive = 1.0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0


class AdamSpec(_Grouped):
    """Adam (Kingma and Ba 2015) with weight decay as L2 penalty, or AdamW (Loshchilov and Hutter 2019), decoupled.

    Parameters
    ----------
    name : ``adam`` or ``adamw``
    lr : learning rate
    betas : decay of the running means of the gradient and of its square
    eps : added to the denominator
    weight_decay : 0 turns it off; by default 0 for ``adam`` and 0.01 for ``adamw``, as in PyTorch
    weight_decay_on : ``all``, or ``weights``: none on biases and other parameters of one dimension, such as those of
        normalisation layers
    head_lr_factor : the learning rate of the last layer is this times that of the others
    layer_decay : the learning rate of a layer is multiplied by this once for each layer between it and the last
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


class SgdSpec(_Grouped):
    """Stochastic gradient descent, with momentum or Nesterov's momentum.

    Parameters
    ----------
    name : ``sgd``
    lr : learning rate
    momentum : 0 turns it off
    nesterov : Nesterov's momentum; needs a momentum above 0
    weight_decay : as L2 penalty; 0 turns it off
    weight_decay_on : ``all``, or ``weights``: none on biases and other parameters of one dimension, such as those of
        normalisation layers
    head_lr_factor : the learning rate of the last layer is this times that of the others
    layer_decay : the learning rate of a layer is multiplied by this once for each layer between it and the last
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


Optimizer = Annotated[AdamSpec | SgdSpec, Field(discriminator="name")]


def has_groups(optimizer: Optimizer) -> bool:
    """Whether weight decay or learning rate are not the same for all weights."""
    return optimizer.weight_decay_on != "all" or has_depths(optimizer)


def has_depths(optimizer: Optimizer) -> bool:
    """Whether the learning rate depends on the layer."""
    return optimizer.head_lr_factor != 1 or optimizer.layer_decay != 1


def describe(optimizer: Optimizer) -> str:
    """Return an optimiser and its settings in words for the methods of a report; sources as ``[@key]``."""
    parts = [f"learning rate {optimizer.lr:g}"]
    if isinstance(optimizer, AdamSpec):
        parts.append(f"β = {plain(optimizer.betas)}, ε = {optimizer.eps:g}")
    else:
        parts += [f"momentum {optimizer.momentum:g}"] if optimizer.momentum else []
        parts += ["Nesterov's"] if optimizer.nesterov else []
    parts += [f"weight decay {optimizer.weight_decay:g}{_on(optimizer)}"] if optimizer.weight_decay else []
    if optimizer.head_lr_factor != 1:
        parts.append(f"the rate of the last layer multiplied by {optimizer.head_lr_factor:g}")
    if optimizer.layer_decay != 1:
        parts.append(f"rates multiplied by {optimizer.layer_decay:g} for each layer before the last [@layer-rates]")
    return f"{OPTIMIZERS[optimizer.name]} with {', '.join(parts)}"


def _on(optimizer: Optimizer) -> str:
    return "" if optimizer.weight_decay_on == "all" else " (none on biases and normalisation layers) [@bag-of-tricks]"
